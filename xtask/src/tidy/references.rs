//! Documents cannot lie: the paths, commands, settings and tests that they name exist.
//!
//! Looked at are spans and blocks of code, and links. A path is one when it begins with a folder of the
//! project. What commands and settings there are is read from the generated reference, from the chores
//! here, and from the code.

use std::collections::BTreeSet;

use super::{CHECKS, Finding, Project};
use crate::document::{self, Document};
use crate::tree::File;

/// The generated reference of the command line.
const REFERENCE: &str = "docs/cli.md";

/// Variables that begin so belong to Throughline.
const PREFIX: &str = "THROUGHLINE_";

/// Commands that the program calls itself by and that people do not; the reference leaves them out.
const HIDDEN: [&str; 2] = ["shim", "proxy"];

/// What documents name exists.
pub fn exist(project: &Project) -> Vec<Finding> {
    let commands = commands(project);
    let variables = variables(project);
    let tests = tests(project);
    let mut findings = Vec::new();
    for file in project.tree.documents() {
        let document = document::read(&file.text);
        findings.extend(links(project, file, &document));
        let spans = document.spans.iter();
        let shell = document
            .blocks
            .iter()
            .filter(|(language, _)| matches!(language.as_str(), "sh" | "console" | "bash" | "text"));
        for (part, in_block) in spans
            .map(|part| (part, false))
            .chain(shell.map(|(_, part)| (part, true)))
        {
            let mut say = |message: String| findings.push(Finding::new(&file.path, part.line, message));
            for path in paths(project, &part.text) {
                if !project.tree.has(path) {
                    say(format!("there is no `{path}`"));
                }
            }
            if looks_like_test(&part.text) && !tests.contains(part.text.as_str()) {
                say(format!("there is no test `{}`", part.text));
            }
            for name in names_with(PREFIX, &part.text) {
                if !variables.contains(&name) {
                    say(format!("nothing reads or sets `{name}`"));
                }
            }
            if let Some(message) = unknown_command(&part.text, in_block, &commands, file.path == REFERENCE) {
                say(message);
            }
        }
    }
    findings
}

fn links(project: &Project, file: &File, document: &Document) -> Vec<Finding> {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut findings = Vec::new();
    for link in document
        .links
        .iter()
        .filter(|link| !link.text.contains("://") && !link.text.starts_with("mailto:"))
    {
        let (path, anchor) = link.text.split_once('#').unwrap_or((&link.text, ""));
        let target = if path.is_empty() {
            file.path.clone()
        } else {
            join(folder, path)
        };
        if !project.tree.has(&target) {
            findings.push(Finding::new(
                &file.path,
                link.line,
                format!("the link leads to `{target}`, which is not there"),
            ));
        } else if !anchor.is_empty() && target.ends_with(".md") {
            let has = project
                .tree
                .file(&target)
                .is_some_and(|other| document::read(&other.text).anchors.iter().any(|a| a == anchor));
            if !has {
                findings.push(Finding::new(
                    &file.path,
                    link.line,
                    format!("`{target}` has no heading `#{anchor}`"),
                ));
            }
        }
    }
    findings
}

/// A path from a folder, with `..` taken.
fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The words of a text that are paths of the project.
fn paths<'a>(project: &Project, text: &'a str) -> Vec<&'a str> {
    let folders: BTreeSet<&str> = project
        .tree
        .files()
        .iter()
        .filter_map(|file| Some(file.path.split_once('/')?.0))
        .collect();
    text.split([' ', ',', '"', '\'', '(', ')', '='])
        .map(|word| word.trim_start_matches("./").trim_end_matches(['.', ':', '/']))
        .filter(|word| !word.contains(['*', '<', '>', '{', '}', '$', '…']) && !word.contains("..."))
        .map(|word| word.split_once(':').map_or(word, |(path, _)| path))
        .filter(|word| {
            let first = word.split('/').next().unwrap_or_default();
            let at_root = [".md", ".toml", ".lock"].iter().any(|ending| word.ends_with(ending))
                && word.chars().next().is_some_and(char::is_uppercase);
            (word.contains('/') && folders.contains(first)) || (!word.contains('/') && at_root)
        })
        .collect()
}

/// Names in a text that begin with a prefix.
fn names_with(prefix: &str, text: &str) -> BTreeSet<String> {
    text.match_indices(prefix)
        .map(|(at, _)| {
            let name: String = text[at..]
                .chars()
                .take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_')
                .collect();
            name
        })
        .filter(|name| name.len() > prefix.len())
        .collect()
}

/// Whether a span can only be the name of a test: a sentence in small letters.
fn looks_like_test(span: &str) -> bool {
    span.matches('_').count() >= 4
        && span
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The names of functions that are sentences, as those of tests are.
fn tests(project: &Project) -> BTreeSet<&str> {
    let lines = project.tree.rust().flat_map(|file| file.text.lines());
    lines
        .filter_map(|line| {
            line.trim_start()
                .trim_start_matches("pub ")
                .trim_start_matches("async ")
                .strip_prefix("fn ")
        })
        .filter_map(|rest| rest.split(['(', '<']).next())
        .filter(|name| looks_like_test(name))
        .collect()
}

/// The variables that code names, outside of its tests.
fn variables(project: &Project) -> BTreeSet<String> {
    let product = project
        .tree
        .rust()
        .filter(|file| !file.is_test() && !file.path.starts_with("xtask/src/tidy/"));
    product
        .flat_map(|file| names_with(PREFIX, &file.layers().strings))
        .collect()
}

/// The commands of the program, `runs`, `token create`, as the reference spells them, and its flags.
fn commands(project: &Project) -> Option<BTreeSet<String>> {
    let reference = project.tree.file(REFERENCE)?;
    let mut known = BTreeSet::new();
    for line in reference.text.lines() {
        for (at, _) in line.match_indices("throughline ") {
            let words = words(&line[at + "throughline ".len()..]);
            for count in 1..=words.len() {
                known.insert(words[..count].join(" "));
            }
        }
        for word in line.split(|c: char| !(c.is_alphanumeric() || c == '-')) {
            if word.starts_with("--") && word.len() > 2 {
                known.insert(word.to_owned());
            }
        }
    }
    Some(known)
}

/// The words of a command: small letters, before the first argument or flag.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace()
        .map(|word| word.trim_end_matches(['`', ',', '.', ';', ':', ')']))
        .take_while(|word| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-')
        })
        .take(2)
        .collect()
}

/// Says so when a text calls a command, or gives it a flag, that does not exist.
fn unknown_command(
    text: &str,
    in_block: bool,
    commands: &Option<BTreeSet<String>>,
    is_reference: bool,
) -> Option<String> {
    let text = text.trim().trim_start_matches("$ ");
    if let Some(rest) = text.strip_prefix("cargo xtask ") {
        let name = rest.split_whitespace().next()?;
        let known = name == "help"
            || name.chars().all(char::is_uppercase)
            || crate::COMMANDS.iter().any(|command| command.name == name);
        if name == "tidy" {
            let checks = rest.split_whitespace().skip(1).filter(|word| !word.starts_with('-'));
            let unknown = checks
                .map(|word| word.trim_end_matches([',', '.']))
                .find(|name| !CHECKS.iter().any(|check| check.name == *name));
            return unknown.map(|name| format!("there is no check `{name}`: `cargo xtask tidy --list`"));
        }
        return (!known).then(|| format!("there is no `cargo xtask {name}`"));
    }
    if is_reference {
        return None;
    }
    let starts = [
        "throughline ",
        "cargo run -- ",
        "cargo run --release -- ",
        "target/release/throughline ",
        "./throughline ",
    ];
    let rest = starts.iter().find_map(|start| text.strip_prefix(start))?;
    // In a block of plain text, a line may be a sentence that begins with the name.
    if in_block && rest.split_whitespace().count() > 12 {
        return None;
    }
    let Some(commands) = commands else {
        return Some(format!(
            "`{REFERENCE}` is not there to check this command against: `cargo xtask generate` makes it"
        ));
    };
    let words = words(rest);
    if let Some(first) = words
        .first()
        .filter(|first| !HIDDEN.contains(first) && !commands.contains(**first))
    {
        return Some(format!("there is no command `throughline {first}`"));
    }
    let flags = rest
        .split_whitespace()
        .take_while(|word| *word != "--" && !word.starts_with('#'));
    let flags = flags
        .filter(|word| word.starts_with("--"))
        .map(|word| word.split('=').next().unwrap_or(word));
    let unknown = flags
        .map(|flag| flag.trim_end_matches(['`', ',', '.', ']']))
        .find(|flag| !commands.contains(*flag));
    unknown.map(|flag| format!("no command has the flag `{flag}`"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, project};
    use super::*;

    #[test]
    fn a_path_that_is_not_there_is_found_in_spans_links_and_blocks_of_commands() {
        let readme = "See `crates/a/src/lib.rs:12`, `crates/gone/`, `blobs/x` and `NOTES.md`.\n[good](docs/a.md#one) [bad](docs/b.md) [worse](docs/a.md#two) [far](https://x.example/y)\n```sh\ncat docs/none.md\n```\n";
        let project = project(
            &[
                ("README.md", readme),
                ("docs/a.md", "# One\n[back](../README.md)\n"),
                ("crates/a/src/lib.rs", ""),
            ],
            &[],
        );
        expect(
            &exist(&project),
            &[
                ("README.md", 1, "`NOTES.md`"),
                ("README.md", 1, "`crates/gone`"),
                ("README.md", 2, "`docs/a.md` has no heading `#two`"),
                ("README.md", 2, "`docs/b.md`"),
                ("README.md", 4, "`docs/none.md`"),
            ],
        );
    }

    #[test]
    fn a_command_or_flag_that_does_not_exist_is_found() {
        let readme = "`throughline runs --json`, `throughline fly`, `throughline runs --wings`.\n`cargo xtask tidy`, `cargo xtask dance`.\n```sh\nthroughline token create ci # --not-a-flag\nthroughline tokens list\n```\n";
        let reference = "## `throughline runs`\n--json\n## `throughline token create NAME`\n";
        let project = project(&[("README.md", readme), ("docs/cli.md", reference)], &[]);
        expect(
            &exist(&project),
            &[
                ("README.md", 1, "`--wings`"),
                ("README.md", 1, "`throughline fly`"),
                ("README.md", 2, "`cargo xtask dance`"),
                ("README.md", 5, "`throughline tokens`"),
            ],
        );
    }

    #[test]
    fn a_variable_that_nothing_reads_is_found() {
        let project = project(
            &[
                ("README.md", "Set `THROUGHLINE_DATA` or `THROUGHLINE_DADA`.\n"),
                (
                    "crates/a/src/lib.rs",
                    "// THROUGHLINE_DADA\nlet a = \"THROUGHLINE_DATA\";\n",
                ),
            ],
            &[],
        );
        expect(&exist(&project), &[("README.md", 1, "`THROUGHLINE_DADA`")]);
    }

    #[test]
    fn a_test_that_does_not_exist_is_found() {
        let readme = "Held by `a_thing_is_as_it_is` and `a_thing_was_as_it_was`; `views_of_runs` is no test.\n";
        let code = "#[tokio::test]\nasync fn a_thing_is_as_it_is() {}\n";
        let project = project(&[("README.md", readme), ("crates/a/tests/it/a.rs", code)], &[]);
        expect(&exist(&project), &[("README.md", 1, "`a_thing_was_as_it_was`")]);
    }

    #[test]
    fn without_the_reference_commands_cannot_be_checked_and_that_is_said() {
        let project = project(&[("README.md", "`throughline runs`\n")], &[]);
        expect(&exist(&project), &[("README.md", 1, "`cargo xtask generate`")]);
    }
}
