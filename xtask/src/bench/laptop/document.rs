//! The document of the bench: how it is measured stands there, and below that the figures of the last time.

use std::time::Duration;

use super::Asked;
use crate::command::Program;
use crate::workspace;

const DOCUMENT: &str = "bench/laptop/README.md";
/// What stands above the figures.
const FIGURES: &str = "\n## Figures\n";

/// Puts the figures into the document in place of those of the last time. `loads` are those before and after.
pub(super) fn write(asked: &Asked, tables: &[String], loads: [&str; 2], took: Duration) -> Result<(), String> {
    let root = workspace::root();
    let path = root.join(DOCUMENT);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {DOCUMENT}: {error}"))?;
    let said = |program: &str, arguments: &[&str]| {
        let said = Program::new(program, arguments, &root).output();
        said.map(|said| said.trim().to_owned())
    };
    let date = said("date", &["-u", "+%F"])?;
    let commit = match &asked.program {
        None => format!("of commit {}", said("git", &["rev-parse", "--short=12", "HEAD"])?),
        Some(_) => "that was built before".to_owned(),
    };
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let about = format!(
        "{date}, the release build {commit}, {processors} processors, load {} before and {} after, {} s in all. Each figure is the median of \
         the rounds that are named, those above the table of tools of {}.\n",
        loads[0],
        loads[1],
        took.as_secs(),
        asked.rounds * 4
    );
    let text = filled(&text, &about, tables).ok_or_else(|| format!("{DOCUMENT} has no `{}`", FIGURES.trim()))?;
    std::fs::write(&path, text).map_err(|error| super::super::figures::cannot(&path, &error))?;
    println!("\nwritten to {DOCUMENT}");
    Ok(())
}

/// The document with these figures; `None` where it has no place for them.
fn filled(text: &str, about: &str, tables: &[String]) -> Option<String> {
    let (above, _) = text.split_once(FIGURES)?;
    let figures = [&[about.to_owned()], tables].concat().join("\n");
    Some(format!("{above}{FIGURES}\n{figures}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_take_the_place_of_those_before_and_what_is_above_stays() {
        let tables = ["| a |\n".to_owned(), "| b |\n".to_owned()];
        let text = filled("# Bench\n\nHow.\n\n## Figures\n\nold\n", "new.\n", &tables).unwrap();
        assert_eq!(text, "# Bench\n\nHow.\n\n## Figures\n\nnew.\n\n| a |\n\n| b |\n");
        assert_eq!(filled("# Bench\n", "", &tables), None);
    }
}
