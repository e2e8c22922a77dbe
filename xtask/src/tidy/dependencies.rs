//! Every crate from outside has its reason, and SQLite is in the program once.

use std::collections::BTreeSet;

use super::{Finding, Project};
use crate::{document, lock};

const PAGE: &str = "docs/dependencies.md";

/// Each dependency has a row in the page, each row a dependency, and nothing else links an SQLite.
pub fn reasons(project: &Project) -> Vec<Finding> {
    let mut findings = linked_once(project);
    let Some(page) = project.tree.file(PAGE) else {
        findings.push(Finding::new(
            PAGE,
            1,
            "the page with the reasons for dependencies is missing",
        ));
        return findings;
    };
    let rows: Vec<(usize, String)> = document::read(&page.text)
        .rows
        .iter()
        .flat_map(|(line, cells)| document::names_in(&cells[0]).into_iter().map(|name| (*line, name)))
        .collect();
    let used: BTreeSet<&str> = project
        .members
        .iter()
        .flat_map(|member| &member.dependencies)
        .filter(|dependency| !dependency.ours)
        .map(|dependency| dependency.name.as_str())
        .collect();
    for name in &used {
        if !rows.iter().any(|(_, row)| row == name) {
            findings.push(Finding::new(
                PAGE,
                1,
                format!("`{name}` has no row: say why this one, and what else was looked at"),
            ));
        }
    }
    for (line, name) in &rows {
        if !used.contains(name.as_str()) {
            findings.push(Finding::new(
                PAGE,
                *line,
                format!("`{name}` is not a dependency of any crate here: take the row out"),
            ));
        }
    }
    findings
}

/// Two SQLites in one program would be two sets of locks on one file.
fn linked_once(project: &Project) -> Vec<Finding> {
    let Some(file) = project.tree.file("Cargo.lock") else {
        return Vec::new();
    };
    let packages = lock::read(&file.text);
    let copies: Vec<&lock::Locked> = packages
        .iter()
        .filter(|package| package.name == "libsqlite3-sys")
        .collect();
    let others = packages
        .iter()
        .filter(|package| ["sqlx-sqlite", "sqlite3-src", "libsql-ffi"].contains(&package.name.as_str()));
    copies
        .iter()
        .skip(1)
        .copied()
        .chain(others)
        .map(|package| {
            let message = format!(
                "`{} {}` is a second SQLite: all of it goes through one `libsqlite3-sys`",
                package.name, package.version
            );
            Finding::new("Cargo.lock", package.line, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, project};
    use super::*;
    use crate::workspace::Kind;

    #[test]
    fn a_dependency_without_a_reason_and_a_reason_without_a_dependency_are_found() {
        let page = "| crate | why |\n|---|---|\n| `serde`, `serde_json` | data |\n| `gone` | was here |\n";
        let project = project(
            &[("docs/dependencies.md", page)],
            &[(
                "a",
                "crates/a",
                &[
                    ("serde", Kind::Normal, false),
                    ("serde_json", Kind::Normal, false),
                    ("new", Kind::Development, false),
                    ("b", Kind::Normal, true),
                ],
            )],
        );
        expect(
            &reasons(&project),
            &[
                ("docs/dependencies.md", 1, "`new` has no row"),
                ("docs/dependencies.md", 4, "`gone`"),
            ],
        );
    }

    #[test]
    fn a_second_sqlite_is_found() {
        let lock = "[[package]]\nname = \"libsqlite3-sys\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"libsqlite3-sys\"\nversion = \"0.2.0\"\n";
        let project = project(&[("docs/dependencies.md", ""), ("Cargo.lock", lock)], &[]);
        expect(&reasons(&project), &[("Cargo.lock", 5, "second SQLite")]);
    }
}
