//! Marks in the code that stand for something: unfinished work, unsafe code, what clippy was told to
//! let pass, and the derive that describes a type to clients.

use super::{Finding, Project, lines};
use crate::rust;

/// Nothing says that it is not finished.
pub fn finished(project: &Project) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in project.tree.rust() {
        let layers = file.layers();
        for (line, code) in lines(&layers.code) {
            for word in ["todo!", "unimplemented!", "dbg!"] {
                if rust::has_word(code, word) {
                    findings.push(Finding::new(
                        &file.path,
                        line,
                        format!("`{word}` is for the way there: finish it or take it out"),
                    ));
                }
            }
        }
        for (line, comment) in lines(&layers.comments) {
            for word in ["TODO", "FIXME", "XXX", "HACK"] {
                if rust::has_word(comment, word) {
                    let message =
                        format!("`{word}` in a comment: do it, or write down in the documents what is not built");
                    findings.push(Finding::new(&file.path, line, message));
                }
            }
        }
    }
    findings
}

/// Only one crate may contain unsafe code, and every crate obeys the workspace's lints.
pub fn unsafe_code(project: &Project) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in project
        .tree
        .rust()
        .filter(|file| !file.path.starts_with("crates/process/"))
    {
        for (line, code) in lines(&file.layers().code) {
            if rust::has_word(code, "unsafe")
                || ["allow(", "expect("]
                    .iter()
                    .any(|lint| code.contains(&format!("{lint}unsafe_code")))
            {
                let message =
                    "unsafe code is only in `process`, where it can be read in one sitting: add a safe function there";
                findings.push(Finding::new(&file.path, line, message));
            }
        }
    }
    for member in &project.members {
        let Some(manifest) = project.tree.file(&member.manifest()) else {
            continue;
        };
        if !manifest.text.contains("[lints]\nworkspace = true") {
            findings.push(Finding::new(
                &manifest.path,
                1,
                "without `[lints] workspace = true` nothing holds the lints here",
            ));
        }
    }
    findings
}

/// Where what clippy disallows is allowed: the one crate or file for each.
const ALLOWED: &[(&str, &str)] = &[
    ("crates/process/", "starts processes"),
    ("crates/facts/src/clock.rs", "reads the clock"),
    (
        "crates/testkit/src/lib.rs",
        "plays the machine on which a database runs",
    ),
    ("xtask/src/command.rs", "runs cargo and git for chores"),
];

/// The methods that `clippy.toml` disallows are let pass only where they belong; a test that plays the
/// machine may too, when it says why on the same line.
pub fn disallowed(project: &Project) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in project.tree.rust() {
        if project.crate_of(&file.path).is_none() || ALLOWED.iter().any(|(path, _)| file.path.starts_with(path)) {
            continue;
        }
        let layers = file.layers();
        let before_tests = rust::without_tests(&layers.code).lines().count();
        for ((line, code), comment) in lines(&layers.code).zip(layers.comments.lines()) {
            if !code.contains("disallowed_methods") {
                continue;
            }
            let tests = file.is_test() || line > before_tests;
            if !tests {
                let message = "only `process` starts processes and only `facts` reads the clock: call them, or take a facts::Clock";
                findings.push(Finding::new(&file.path, line, message));
            } else if comment.trim().is_empty() && !code.contains("reason") {
                findings.push(Finding::new(
                    &file.path,
                    line,
                    "say on this line why the test must go around the rule",
                ));
            }
        }
    }
    findings
}

/// What is described to clients is defined in one folder.
pub fn wire(project: &Project) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in project
        .tree
        .rust()
        .filter(|file| file.path.starts_with("crates/") && !file.path.starts_with("crates/server/src/wire"))
    {
        for (line, code) in lines(&file.layers().code) {
            if rust::has_word(code, "ToSchema") {
                let message = "types that cross the wire live in crates/server/src/wire: a type of a room can then change without breaking a client";
                findings.push(Finding::new(&file.path, line, message));
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
    fn unfinished_work_is_found_in_code_and_comments_but_not_in_strings() {
        let text = "fn a() { todo!() }\n// TODO later\nlet b = \"todo!() TODO\";\nfn c() { dbg!(1); }\n";
        expect(
            &finished(&project(&[("a.rs", text)], &[])),
            &[("a.rs", 1, "`todo!`"), ("a.rs", 2, "`TODO`"), ("a.rs", 4, "`dbg!`")],
        );
    }

    #[test]
    fn unsafe_code_is_found_anywhere_but_in_process_and_a_crate_without_lints_is_found() {
        let text =
            "// unsafe is a word here\nfn f() { unsafe { x() } }\n#![allow(unsafe_code)]\n#![forbid(unsafe_code)]\n";
        let project = project(
            &[
                ("crates/a/Cargo.toml", "[package]\n"),
                ("crates/a/src/lib.rs", text),
                ("crates/process/Cargo.toml", "[lints]\nworkspace = true\n"),
                ("crates/process/src/lib.rs", text),
            ],
            &[("a", "crates/a", &[]), ("process", "crates/process", &[])],
        );
        expect(
            &unsafe_code(&project),
            &[
                ("crates/a/Cargo.toml", 1, "[lints]"),
                ("crates/a/src/lib.rs", 2, "only in `process`"),
                ("crates/a/src/lib.rs", 3, "only in `process`"),
            ],
        );
    }

    #[test]
    fn a_rule_of_clippy_is_let_pass_only_at_its_place_or_in_a_test_with_a_reason() {
        let bare = "#[allow(clippy::disallowed_methods)]\nfn f() {}\n";
        let reason = "#[allow(clippy::disallowed_methods)] // plays the machine\nfn f() {}\n";
        let inside = "#[cfg(test)]\nmod tests {\n    #[allow(clippy::disallowed_methods)] // plays the machine\n    fn f() {}\n}\n";
        let project = project(
            &[
                ("crates/a/src/lib.rs", reason),
                ("crates/a/src/inside.rs", inside),
                ("crates/a/tests/it/bare.rs", bare),
                ("crates/a/tests/it/good.rs", reason),
                ("crates/process/src/spawn.rs", bare),
            ],
            &[("a", "crates/a", &[]), ("process", "crates/process", &[])],
        );
        expect(
            &disallowed(&project),
            &[
                ("crates/a/src/lib.rs", 1, "only `process`"),
                ("crates/a/tests/it/bare.rs", 1, "say on this line"),
            ],
        );
    }

    #[test]
    fn a_type_described_to_clients_outside_of_wire_is_found() {
        let text = "#[derive(ToSchema)]\nstruct A;\n";
        let project = project(
            &[("crates/server/src/wire/a.rs", text), ("crates/engine/src/a.rs", text)],
            &[],
        );
        expect(&wire(&project), &[("crates/engine/src/a.rs", 1, "cross the wire")]);
    }
}
