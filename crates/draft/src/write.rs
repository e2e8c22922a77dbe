//! The definition as a text: YAML with comments.

use std::fmt::Write as _;

use crate::arrange::{Arranged, Definition};
use crate::{Found, Untaken};

/// The most parts of other definitions that are listed in the file.
const MOST_UNTAKEN: usize = 60;

/// Writes a definition.
pub(crate) fn write(
    definition: &Definition,
    found: &[Found],
    notes: &[String],
    definitions: &[String],
    untaken: &[Untaken],
) -> String {
    let mut out = String::new();
    out.push_str("# How this repository is built, tested and packaged. `throughline init` drafted it from what lies here; it is\n");
    out.push_str("# yours to change. `throughline check` says whether it is right, `throughline run` runs it.\n#\n");
    for part in found {
        let place = if part.folder.is_empty() {
            String::new()
        } else {
            format!(" in {}/", part.folder)
        };
        comment(
            &mut out,
            "",
            &format!("{}{place}: {}", part.kind, part.because.join(", ")),
        );
    }
    for note in notes {
        comment(&mut out, "", &format!("note: {note}"));
    }
    out.push_str("throughline: 1\n\nsteps:\n");
    for (at, step) in definition.steps.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        let is_first_kept =
            step.step.kept.is_some() && definition.steps[..at].iter().all(|step| step.step.kept.is_none());
        one(&mut out, step, is_first_kept);
    }
    package(&mut out, definition);
    service(&mut out, definition);
    if !definitions.is_empty() {
        out.push('\n');
        let all = definitions.join(", ");
        comment(&mut out, "", &format!("The commands of {all} were looked at."));
        if untaken.is_empty() {
            comment(&mut out, "", "All that builds, tests and checks is taken over.");
        } else {
            comment(&mut out, "", "Not taken over:");
        }
        let lines = crate::in_lines(untaken);
        for (place, what) in lines.iter().take(MOST_UNTAKEN) {
            comment(&mut out, "  ", &format!("{place}  {what}"));
        }
        if let Some(more) = lines.len().checked_sub(MOST_UNTAKEN).filter(|more| *more > 0) {
            comment(
                &mut out,
                "  ",
                &format!("and {more} more, which `throughline init --print --json` lists"),
            );
        }
    }
    out
}

fn one(out: &mut String, step: &Arranged, is_first_kept: bool) {
    for line in &step.step.about {
        comment_at(out, 2, line);
    }
    if let Some(from) = &step.from {
        comment_at(out, 2, &format!("from {from}"));
    }
    let _ = writeln!(out, "  {}:", scalar(&step.name, false));
    if !step.needs.is_empty() {
        let _ = writeln!(out, "    needs: {}", list(&step.needs));
    }
    run(out, &step.run);
    if !step.folder.is_empty() {
        let _ = writeln!(out, "    folder: {}", scalar(&step.folder, false));
    }
    if !step.step.variables.is_empty() {
        let all: Vec<String> = step
            .step
            .variables
            .iter()
            .map(|(name, value)| format!("{}: {}", scalar(name, true), quoted(value)))
            .collect();
        let _ = writeln!(out, "    variables: {{ {} }}", all.join(", "));
    }
    if !step.cache.is_empty() {
        let all: Vec<String> = step
            .cache
            .iter()
            .map(|(path, key)| format!("{{ path: {}, key: {} }}", scalar(path, true), scalar(key, true)))
            .collect();
        let _ = writeln!(out, "    cache: [{}]", all.join(", "));
    }
    if let Some(kept) = &step.step.kept {
        if is_first_kept {
            comment_at(
                out,
                4,
                "kept: as long as all of these are as they were, the result is put back instead of made",
            );
        }
        let _ = writeln!(out, "    inputs: [\"**\", \"!throughline.yaml\"]");
        if !kept.outputs.is_empty() {
            let _ = writeln!(out, "    outputs: {}", list(&kept.outputs));
        }
        if !kept.tools.is_empty() {
            let _ = writeln!(out, "    tools: {}", list(&kept.tools));
        }
    }
}

fn run(out: &mut String, lines: &[String]) {
    if let [line] = lines
        && !line.contains('\n')
    {
        let _ = writeln!(out, "    run: {}", scalar(line, false));
        return;
    }
    let text = lines.join("\n");
    let is_block = text
        .lines()
        .next()
        .is_some_and(|line| !line.starts_with([' ', '\t']) && !line.is_empty())
        && text.chars().all(|c| c == '\n' || c == '\t' || is_printable(c))
        && !text.ends_with('\n');
    if !is_block {
        let _ = writeln!(out, "    run: {}", quoted(&text));
        return;
    }
    out.push_str("    run: |\n");
    for line in text.lines() {
        if line.is_empty() {
            out.push('\n');
        } else {
            let _ = writeln!(out, "      {line}");
        }
    }
}

fn package(out: &mut String, definition: &Definition) {
    out.push('\n');
    for line in &definition.about_files {
        comment(out, "", line);
    }
    if definition.files.is_empty() {
        return;
    }
    out.push_str("package:\n");
    let _ = writeln!(out, "  needs: {}", list(&definition.needs));
    out.push_str("  files:\n");
    for file in &definition.files {
        let from = scalar(&file.from, true);
        let _ = match &file.to {
            Some(to) => writeln!(out, "    - {{ from: {from}, to: {} }}", scalar(to, true)),
            None => writeln!(out, "    - {{ from: {from} }}"),
        };
    }
}

fn service(out: &mut String, definition: &Definition) {
    let Some(service) = &definition.service else { return };
    out.push('\n');
    for line in &service.about {
        comment(out, "", line);
    }
    out.push_str("service:\n");
    let _ = writeln!(out, "  command: {}", list(&service.command));
    if let Some(health) = &service.health {
        let _ = writeln!(out, "  health: {{ path: {} }}", scalar(health, true));
    }
    if let Some(port) = &service.port {
        let _ = writeln!(out, "  port_variable: {}", scalar(port, false));
    }
}

fn list(all: &[String]) -> String {
    let all: Vec<String> = all.iter().map(|each| scalar(each, true)).collect();
    format!("[{}]", all.join(", "))
}

fn comment_at(out: &mut String, column: usize, text: &str) {
    let _ = writeln!(out, "{:column$}# {}", "", clean(text));
}

fn comment(out: &mut String, indent: &str, text: &str) {
    let _ = writeln!(out, "# {indent}{}", clean(text));
}

/// A text on one line, with nothing that ends a line or steers a terminal.
pub(crate) fn clean(text: &str) -> String {
    let line: String = text.chars().map(|c| if is_printable(c) { c } else { ' ' }).collect();
    line.trim().to_owned()
}

/// Whether a character may stand in YAML as it is.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// A text as YAML: plain where that is read as the same text, else in quotes.
fn scalar(text: &str, in_flow: bool) -> String {
    let first_fits = text
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '_' | '$' | '('));
    let fits = text.chars().all(|c| {
        c.is_ascii_graphic() && !(in_flow && matches!(c, ',' | '[' | ']' | '{' | '}' | '"' | '\'')) || c == ' '
    });
    let breaks = text.contains(": ") || text.contains(" #") || text.ends_with([':', ' ']);
    if first_fits && fits && !breaks && !is_other_than_text(text) && !(in_flow && text.contains(':')) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// Whether a plain scalar would be read as a number, a truth or nothing.
fn is_other_than_text(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    matches!(
        lower.as_str(),
        "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n" | "~"
    ) || text.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && text.chars().all(|c| {
            c.is_ascii_hexdigit()
                || matches!(
                    c,
                    '.' | '_' | '+' | '-' | ':' | 'x' | 'X' | 'o' | 'O' | 'n' | 'N' | 'i' | 'I'
                )
        })
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) <= 0xffff => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_would_be_read_as_something_else_are_quoted() {
        for (text, expected) in [
            ("cargo test --locked", "cargo test --locked"),
            ("1.10", "\"1.10\""),
            ("true", "\"true\""),
            ("a: b", "\"a: b\""),
            ("a #b", "\"a #b\""),
            ("*.whl", "\"*.whl\""),
            ("@scope/x", "\"@scope/x\""),
            ("", "\"\""),
            ("a\u{1b}[0m", "\"a\\u001b[0m\""),
            ("./gradlew build", "./gradlew build"),
        ] {
            assert_eq!(scalar(text, false), expected);
        }
        assert_eq!(scalar("a, b", true), "\"a, b\"");
    }
}
