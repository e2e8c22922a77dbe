//! The command `assess`.

use std::path::PathBuf;

use clap::Args;
use jiff::civil::Date;
use maturity::Level;

/// Say how mature the delivery of a repository is, from its history and files, and the next step.
///
/// Needs no server, no network and no settings, and runs nothing of the repository. It reads the commits, branches and
/// tags, the definitions of pipelines, and the files of the newest commit, and judges each practice of the maturity model
/// by that evidence: met, not met, or not known. Statements of people stand in `.throughline/maturity.yaml`. It ends with
/// 1 where a category is below what `--fail-under` asks for, else with 0.
#[derive(Debug, Args)]
pub struct AssessArgs {
    /// The repository, or a folder in it.
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Write a report that can be opened, sent and printed as it is.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Print the assessment as a document.
    #[arg(long)]
    pub json: bool,
    /// Write practices that are not met as SARIF, for code review tools.
    #[arg(long, value_name = "FILE")]
    pub sarif: Option<PathBuf>,
    /// Judge by this model instead of the one that ships with the program.
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Look at the repository as it was when this day ended (UTC).
    #[arg(long, value_name = "DATE")]
    pub at: Option<Date>,
    /// Show how the profile grew, month by month.
    #[arg(long, value_name = "MONTHS", num_args = 0..=1, default_missing_value = "12", value_parser = clap::value_parser!(u8).range(1..=60))]
    pub history: Option<u8>,
    /// Look at one component of the repository.
    #[arg(long, short, value_name = "NAME")]
    pub component: Option<String>,
    /// The branch that is delivered; the default branch where nothing is said.
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,
    /// Show practices with their evidence: a practice's id, a category, a verdict such as `not-met`, or `all`.
    #[arg(long, value_name = "WHAT", num_args = 0..=1, default_missing_value = "all")]
    pub explain: Vec<String>,
    /// End with 1 where a category does not surely reach a level, such as `build=beginner`.
    #[arg(long, value_name = "CATEGORY=LEVEL", value_parser = floor)]
    pub fail_under: Vec<(String, Level)>,
    /// How many next steps to show.
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    pub steps: usize,
    /// Print the model that ships with the program, to be copied and changed.
    #[arg(long, exclusive = true)]
    pub print_model: bool,
}

/// `CATEGORY=LEVEL`.
fn floor(text: &str) -> Result<(String, Level), String> {
    let (category, level) = text
        .split_once('=')
        .ok_or_else(|| "it is written CATEGORY=LEVEL, such as `build=beginner`".to_owned())?;
    let level: Level = level
        .trim()
        .parse()
        .map_err(|error: maturity::level::NoLevel| error.to_string())?;
    Ok((category.trim().to_owned(), level))
}
