//! Words that do not belong into the project: it speaks of what it is, not of where a line of it was
//! written.

use super::{Finding, Project, lines};
use crate::tree::File;

/// Paths that only one machine has, and why they are kept out.
const WORDS: &[(&str, &str)] = &[
    ("/root/", "a path of one machine: name it from the user's home"),
    ("/users/", "a path of one machine: name it from the user's home"),
];

/// Here the words themselves stand, or what cargo writes.
const EXEMPT: &[&str] = &[
    "xtask/src/tidy/words.rs",
    "Cargo.lock",
    "examples/guestbook/service/Cargo.lock",
    "fuzz/Cargo.lock",
];

/// No text holds them, and no prose refers to a number in somebody's list of things to do.
pub fn kept_out(project: &Project) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in project
        .tree
        .files()
        .iter()
        .filter(|file| !EXEMPT.contains(&file.path.as_str()))
    {
        for (line, text) in lines(&file.text) {
            let small = text.to_lowercase();
            for (word, why) in WORDS {
                if small.match_indices(word).any(|(at, _)| stands_alone(&small, at, word)) {
                    findings.push(Finding::new(&file.path, line, format!("`{word}`: {why}")));
                }
            }
        }
        for (line, number) in numbers(file) {
            let message = format!("`{number}` refers to a list that is not in the project: say what it is about");
            findings.push(Finding::new(&file.path, line, message));
        }
    }
    findings
}

/// Whether what was found is not a part of a longer word or path.
fn stands_alone(line: &str, at: usize, word: &str) -> bool {
    let before = line[..at].chars().next_back();
    let after = line[at + word.len()..].chars().next();
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let starts_path = word.starts_with('/');
    let joined_before = before.is_some_and(|c| part(c) || (starts_path && matches!(c, '.' | '}' | '/')));
    let joined_after = !word.ends_with('/') && after.is_some_and(part);
    !joined_before && !joined_after
}

/// References such as `#12` in prose: in documents, and in comments of code.
fn numbers(file: &File) -> Vec<(usize, String)> {
    let prose = if file.path.ends_with(".md") {
        file.text.clone()
    } else if file.is_rust() {
        file.layers().comments.clone()
    } else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (line, text) in lines(&prose) {
        for (at, _) in text.match_indices('#') {
            let digits: String = text[at + 1..].chars().take_while(char::is_ascii_digit).collect();
            let after = text[at + 1 + digits.len()..].chars().next();
            let alone = text[..at]
                .chars()
                .next_back()
                .is_none_or(|c| c.is_whitespace() || "([".contains(c));
            if alone && (1..=5).contains(&digits.len()) && !after.is_some_and(char::is_alphanumeric) {
                found.push((line, format!("#{digits}")));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, project};
    use super::*;

    #[test]
    fn paths_of_one_machine_are_found_in_any_file() {
        let project = project(
            &[
                ("a.md", "See /Users/ada/notes.\nIn the framework/users/main folder.\n"),
                ("b.rs", "// copied to /root/x\nlet a = \"{}/users/main\";\n"),
            ],
            &[],
        );
        expect(&kept_out(&project), &[("a.md", 1, "/users/"), ("b.rs", 1, "/root/")]);
    }

    #[test]
    fn numbers_of_issues_are_found_in_prose_and_colours_and_code_are_not() {
        let project = project(
            &[
                ("a.md", "Closes #12, and (#3).\n# 1 Heading\ncolour #112233\na&#39;b\n"),
                ("b.rs", "// see #7\nlet a = \"#8\";\n"),
                ("c.css", "a { color: #123 }\n"),
            ],
            &[],
        );
        expect(
            &kept_out(&project),
            &[("a.md", 1, "`#12`"), ("a.md", 1, "`#3`"), ("b.rs", 1, "`#7`")],
        );
    }
}
