//! The place of the figures in the document that speaks of them.

use std::path::Path;
use std::time::Duration;

use crate::command::Program;

const DOCUMENT: &str = "docs/reliability.md";
/// Between these the figures stand.
const MARKS: [&str; 2] = ["<!-- figures of the last soak -->\n", "<!-- end of the figures -->\n"];

/// Puts the figures into the document in place of those of the last time.
pub fn write(root: &Path, tables: &[String], took: Duration, failed: &[String]) -> Result<(), String> {
    let path = root.join(DOCUMENT);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {DOCUMENT}: {error}"))?;
    let said = |program: &str, arguments: &[&str]| {
        let said = Program::new(program, arguments, root).output();
        said.map(|said| said.trim().to_owned())
    };
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let result = match failed {
        [] => "nothing failed".to_owned(),
        failed => format!("failed: {}", failed.join("; ")),
    };
    let about = format!(
        "Last soaked on {} at commit `{}`, for {} minutes on {processors} processors; {result}.\n",
        said("date", &["-u", "+%F"])?,
        said("git", &["rev-parse", "--short=12", "HEAD"])?,
        took.as_secs() / 60,
    );
    let text = filled(&text, &about, tables).ok_or_else(|| format!("{DOCUMENT} has no `{}`", MARKS[0].trim()))?;
    std::fs::write(&path, text).map_err(|error| format!("cannot write {DOCUMENT}: {error}"))?;
    println!("\nwritten to {DOCUMENT}");
    Ok(())
}

/// The document with these figures; `None` where it has no place for them.
fn filled(text: &str, about: &str, tables: &[String]) -> Option<String> {
    let (above, rest) = text.split_once(MARKS[0])?;
    let (_, below) = rest.split_once(MARKS[1])?;
    let figures = [&[about.to_owned()], tables].concat().join("\n");
    Some(format!("{above}{}\n{figures}\n{}{below}", MARKS[0], MARKS[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_take_the_place_of_those_before_and_what_is_around_stays() {
        let document = |inside: &str| format!("# Title\n\n{}{inside}{}\n## More\n", MARKS[0], MARKS[1]);
        let tables = ["| a |\n".to_owned(), "| b |\n".to_owned()];
        let text = filled(&document("\nold\n\n"), "new.\n", &tables).unwrap();
        assert_eq!(text, document("\nnew.\n\n| a |\n\n| b |\n\n"));
        assert_eq!(filled(&text, "new.\n", &tables), Some(text));
        assert_eq!(filled("# Title\n", "", &tables), None);
    }
}
