//! The definition as a text: YAML with comments.

use std::fmt::Write as _;

use crate::arrange::{Arranged, Definition};
use crate::beside::{Beside, Way};
use crate::{DraftComponent, Found, Untaken};

/// The most parts of other definitions that are listed in the file.
const MOST_UNTAKEN: usize = 60;

/// All that stands in the file at the top.
pub(crate) struct Sheet<'a> {
    pub definition: &'a Definition,
    pub components: &'a [DraftComponent],
    pub found: &'a [Found],
    pub notes: &'a [String],
    pub definitions: &'a [String],
    pub untaken: &'a [Untaken],
}

/// Writes a definition.
pub(crate) fn write(sheet: &Sheet<'_>) -> String {
    let mut out = String::new();
    out.push_str("# How this repository is built, tested and packaged. `throughline init` drafted it from what lies here; it is\n");
    out.push_str("# yours to change. `throughline check` says whether it is right, `throughline run` runs it.\n#\n");
    found(&mut out, sheet.found);
    for note in sheet.notes {
        comment(&mut out, "", &format!("note: {note}"));
    }
    out.push_str("throughline: 1\n");
    components(&mut out, sheet.components, !sheet.definition.steps.is_empty());
    body(&mut out, sheet.definition);
    untaken(&mut out, sheet.definitions, sheet.untaken);
    out
}

/// Writes the definition of one of several components.
pub(crate) fn component(name: &str, definition: &Definition, all: &[Found]) -> String {
    let mut out = String::new();
    let first = format!(
        "How the component {name} is built, tested and packaged; the throughline.yaml at the top of the repository lists it."
    );
    comment(&mut out, "", &first);
    out.push_str("# `throughline run` in this folder runs it.\n#\n");
    found(&mut out, all);
    out.push_str("throughline: 1\n");
    body(&mut out, definition);
    out
}

fn found(out: &mut String, all: &[Found]) {
    for part in all {
        let place = if part.folder.is_empty() {
            String::new()
        } else {
            format!(" in {}/", part.folder)
        };
        comment(out, "", &format!("{}{place}: {}", part.kind, part.because.join(", ")));
    }
}

fn components(out: &mut String, all: &[DraftComponent], has_steps: bool) {
    if all.is_empty() {
        return;
    }
    out.push('\n');
    comment(
        out,
        "",
        "What lies in these folders is built and deployed each on its own, by the throughline.yaml in its folder: only what a",
    );
    comment(
        out,
        "",
        "change touches is built for it. `also: [PATTERN]` names files outside of its folder that concern a component,",
    );
    comment(
        out,
        "",
        "`needs: [NAME]` others whose packages it is built with. `throughline init --one` makes one package of all instead.",
    );
    out.push_str("components:\n");
    for component in all {
        let also = match component.also.as_slice() {
            [] => String::new(),
            also => format!(", also: {}", list(also)),
        };
        let _ = writeln!(
            out,
            "  {}: {{ path: {}{also} }}",
            scalar(&component.name, false),
            scalar(&component.folder, true)
        );
    }
    if has_steps {
        out.push('\n');
        comment(out, "", "What lies in none of them.");
    }
}

fn body(out: &mut String, definition: &Definition) {
    if definition.steps.is_empty() {
        return;
    }
    if !out.ends_with("none of them.\n") {
        out.push('\n');
    }
    out.push_str("steps:\n");
    for (at, step) in definition.steps.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        let is_first_kept =
            step.step.kept.is_some() && definition.steps[..at].iter().all(|step| step.step.kept.is_none());
        one(out, step, is_first_kept);
    }
    package(out, definition);
    service(out, definition);
}

fn untaken(out: &mut String, definitions: &[String], untaken: &[Untaken]) {
    if definitions.is_empty() {
        return;
    }
    out.push('\n');
    let all = definitions.join(", ");
    comment(out, "", &format!("The commands of {all} were looked at."));
    if untaken.is_empty() {
        comment(out, "", "All that builds, tests and checks is taken over.");
    } else {
        comment(out, "", "Not taken over:");
    }
    let lines = crate::in_lines(untaken);
    for (place, what) in lines.iter().take(MOST_UNTAKEN) {
        comment(out, "  ", &format!("{place}  {what}"));
    }
    if let Some(more) = lines.len().checked_sub(MOST_UNTAKEN).filter(|more| *more > 0) {
        comment(
            out,
            "  ",
            &format!("and {more} more, which `throughline init --print --json` lists"),
        );
    }
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
    matrix(out, step);
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
    services(out, &step.step.services);
    if !step.cache.is_empty() {
        let all: Vec<String> = step
            .cache
            .iter()
            .map(|(path, key)| format!("{{ path: {}, key: {} }}", scalar(path, true), scalar(key, true)))
            .collect();
        let _ = writeln!(out, "    cache: [{}]", all.join(", "));
    }
    if let Some(minutes) = step.step.timeout {
        let _ = writeln!(out, "    timeout: {minutes}m");
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

fn matrix(out: &mut String, step: &Arranged) {
    let Some(matrix) = &step.step.matrix else {
        return;
    };
    let all = |values: &[&str]| -> String {
        let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        values.join(", ")
    };
    match matrix.axes().as_deref() {
        Some([(axis, values)]) => {
            let _ = writeln!(out, "    matrix: {{ {axis}: [{}] }}", all(values));
        }
        Some(axes) => {
            out.push_str("    matrix:\n");
            for (axis, values) in axes {
                let _ = writeln!(out, "      {axis}: [{}]", all(values));
            }
        }
        None => {
            out.push_str("    matrix:\n      include:\n");
            for row in &matrix.rows {
                let pairs = matrix.names.iter().zip(row);
                let pairs: Vec<String> = pairs
                    .map(|(name, value)| format!("{name}: {}", quoted(value)))
                    .collect();
                let _ = writeln!(out, "        - {{ {} }}", pairs.join(", "));
            }
        }
    }
    comment_at(out, 4, "one after another: they work in the same folder");
    let _ = writeln!(out, "    concurrency: {}", scalar(&step.name, false));
}

fn services(out: &mut String, all: &[Beside]) {
    if all.is_empty() {
        return;
    }
    out.push_str("    services:\n");
    for service in all {
        for line in &service.about {
            comment_at(out, 6, line);
        }
        let _ = writeln!(out, "      {}:", service.name);
        match &service.way {
            Way::Process { run } => run_at(out, 8, run),
            Way::Container { image, port } => {
                let _ = writeln!(out, "        image: {}", scalar(image, false));
                let _ = writeln!(out, "        port: {port}");
            }
        }
        if !service.variables.is_empty() {
            let all: Vec<String> = service
                .variables
                .iter()
                .map(|(name, value)| format!("{}: {}", scalar(name, true), quoted(value)))
                .collect();
            let _ = writeln!(out, "        variables: {{ {} }}", all.join(", "));
        }
        if let Some(ready) = &service.ready {
            let _ = writeln!(
                out,
                "        ready: {{ run: {}, within: {} }}",
                scalar(ready, true),
                service.within
            );
        }
    }
}

fn run(out: &mut String, lines: &[String]) {
    run_at(out, 4, lines);
}

fn run_at(out: &mut String, column: usize, lines: &[String]) {
    if let [line] = lines
        && !line.contains('\n')
    {
        let _ = writeln!(out, "{:column$}run: {}", "", scalar(line, false));
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
        let _ = writeln!(out, "{:column$}run: {}", "", quoted(&text));
        return;
    }
    let _ = writeln!(out, "{:column$}run: |", "");
    for line in text.lines() {
        if line.is_empty() {
            out.push('\n');
        } else {
            let _ = writeln!(out, "{:column$}  {line}", "");
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
