//! Decisions are pure: the same facts and the same `now` give the same answer, by hand, automatically,
//! and on a laptop.

use super::{Finding, Project, lines};
use crate::rust;

/// What a decision must not name, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    ("tokio", "a decision does not wait"),
    ("async", "a decision does not wait"),
    ("std::fs", "a decision reads no file"),
    ("std::env", "a decision reads no environment"),
    ("std::net", "a decision talks to nobody"),
    ("std::process", "a decision starts nothing"),
    ("Timestamp::now", "a decision is given `now`"),
    ("SystemTime", "a decision is given `now`"),
    ("SystemClock", "a decision is given `now`"),
    ("Instant", "a decision is given `now`"),
    ("dyn Clock", "a decision is given `now`"),
    ("Entropy", "ids come in with the input"),
    ("getrandom", "ids come in with the input"),
    ("process", "a decision starts nothing"),
    ("rusqlite", "a decision reads no store"),
    ("tokio_postgres", "a decision reads no store"),
];

/// Whether a file belongs to the decisions of its crate.
fn decides(path: &str) -> bool {
    path.contains("/src/") && (path.contains("/decide/") || path.ends_with("/decide.rs"))
}

/// Decisions read no clock, do no input or output, and draw nothing by chance.
pub fn pure(project: &Project) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in project
        .tree
        .rust()
        .filter(|file| decides(&file.path) && !file.is_test())
    {
        let code = &file.layers().code;
        for (line, code) in lines(rust::without_tests(code)) {
            for (word, why) in FORBIDDEN {
                let used = match *word {
                    // The crate by its path; the word itself is also a noun of the field.
                    "process" => code.contains("process::") && rust::has_word(code, "process"),
                    word => rust::has_word(code, word),
                };
                if used {
                    findings.push(Finding::new(&file.path, line, format!("`{word}` in a decision: {why}")));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, project};
    use super::*;

    #[test]
    fn a_decision_that_looks_at_the_clock_or_the_disk_is_found_and_its_tests_are_left_alone() {
        let text = "//! tokio is only a word here.\nuse std::fs;\nfn f() { let now = Timestamp::now(); }\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
        let project = project(
            &[
                ("crates/a/src/decide/mod.rs", text),
                ("crates/a/src/driver.rs", text),
                ("crates/a/src/decide/tests.rs", text),
            ],
            &[],
        );
        expect(
            &pure(&project),
            &[
                ("crates/a/src/decide/mod.rs", 2, "reads no file"),
                ("crates/a/src/decide/mod.rs", 3, "given `now`"),
            ],
        );
    }
}
