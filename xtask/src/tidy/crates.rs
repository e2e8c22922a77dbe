//! Borders between crates: the table in ARCHITECTURE.md is the law, and this reads it.

use std::collections::BTreeMap;

use super::{Finding, Project};
use crate::document;
use crate::workspace::{Kind, Member};

const MAP: &str = "ARCHITECTURE.md";

/// The head of the table that says which crate may use which.
const HEAD: [&str; 3] = ["crate", "what lives there", "may use"];

/// The rooms whose decisions must not know of one another: they publish facts instead.
const DOMAINS: [&str; 5] = ["delivery", "release", "quality", "learning", "insight"];

/// Only for tests, so that nothing of it is in the product.
const ONLY_FOR_TESTS: &str = "testkit";

/// A row of the table.
struct Room {
    line: usize,
    may_use: Vec<String>,
}

fn map(project: &Project) -> Option<BTreeMap<String, Room>> {
    let document = document::read(&project.tree.file(MAP)?.text);
    let head = document
        .rows
        .iter()
        .position(|(_, cells)| cells.iter().map(String::as_str).eq(HEAD))?;
    let mut rooms = BTreeMap::new();
    let mut previous = document.rows[head].0 + 1;
    for (line, cells) in &document.rows[head + 1..] {
        if *line != previous + 1 || cells.len() != HEAD.len() {
            break;
        }
        previous = *line;
        for name in document::names_in(&cells[0]) {
            rooms.insert(
                name,
                Room {
                    line: *line,
                    may_use: document::names_in(&cells[2]),
                },
            );
        }
    }
    Some(rooms)
}

/// Crates use one another as the table says; every crate is in it, and nothing else is.
pub fn rooms(project: &Project) -> Vec<Finding> {
    let Some(rooms) = map(project) else {
        return vec![Finding::new(
            MAP,
            1,
            format!("there is no table headed `{}`", HEAD.join(" | ")),
        )];
    };
    let mut findings = Vec::new();
    for member in &project.members {
        let Some(room) = rooms.get(&member.name) else {
            let message = format!(
                "`{}` is not in the map: add a row that says what lives there and what it may use",
                member.name
            );
            findings.push(Finding::new(MAP, 1, message));
            continue;
        };
        findings.extend(uses(project, member, room));
    }
    for (name, room) in &rooms {
        if !project.members.iter().any(|member| member.name == *name) {
            findings.push(Finding::new(MAP, room.line, format!("there is no crate `{name}`")));
        }
        for used in &room.may_use {
            match rooms.get(used) {
                None => findings.push(Finding::new(
                    MAP,
                    room.line,
                    format!("`{name}` may use `{used}`, which is not in the map"),
                )),
                Some(below) if below.line <= room.line => {
                    let message = format!("`{name}` may use `{used}`, which stands above it: arrows point down");
                    findings.push(Finding::new(MAP, room.line, message));
                }
                Some(_) => {}
            }
        }
    }
    findings
}

fn uses(project: &Project, member: &Member, room: &Room) -> Vec<Finding> {
    let mut findings = Vec::new();
    for dependency in member
        .dependencies
        .iter()
        .filter(|dependency| dependency.ours && dependency.kind != Kind::Development)
    {
        let name = dependency.name.as_str();
        let message = if name == ONLY_FOR_TESTS {
            format!("`{name}` is for tests only: make it a dev-dependency")
        } else if DOMAINS.contains(&member.name.as_str()) && DOMAINS.contains(&name) {
            format!(
                "`{}` and `{name}` are domains, which publish facts and never call one another",
                member.name
            )
        } else if !room.may_use.iter().any(|allowed| allowed == name) {
            format!(
                "{MAP} does not let `{}` use `{name}`: change the code, or the map and say why",
                member.name
            )
        } else {
            continue;
        };
        findings.push(Finding::new(member.manifest(), line_of(project, member, name), message));
    }
    findings
}

/// What reaches the world, and the crates it belongs to.
const OUTSIDE: &[(&str, &[&str], &str)] = &[
    (
        "rusqlite",
        &["ledger", "access", "database"],
        "each store is one file with one owner",
    ),
    (
        "tokio-postgres",
        &["postgresql", "ledger", "database"],
        "connections are made in one place; facts are the ledger's, and schemas of packages `database`'s",
    ),
    (
        "mysql_async",
        &["database"],
        "what stands in such a database is a package's",
    ),
    (
        "gix",
        &["source", "survey"],
        "the repositories that are hosted are read in `source`, those of others in `survey`",
    ),
    ("axum", &["server"], "HTTP routes are the server's"),
    (
        "utoipa",
        &["server", "throughline"],
        "the description of the API is the server's, and the command line checks itself against it",
    ),
    (
        "maud",
        &["pages", "server"],
        "pages are made in `pages`, and the server passes them on",
    ),
    ("cel", &["policy"], "conditions are known in `policy` alone"),
    ("clap", &["throughline"], "only the command line reads arguments"),
    (
        "ureq",
        &["throughline", "server", "bucket", "notification"],
        "rooms do not call out over HTTP, but for those that share results and tell people",
    ),
    ("rusty-s3", &["bucket"], "requests to buckets are signed in one place"),
    ("lettre", &["notification"], "mail is written and sent in one place"),
    ("libc", &["process"], "raw system calls are where unsafe code is"),
    ("chacha20poly1305", &["access"], "secrets are encrypted in one place"),
    (
        "tar",
        &["artifact"],
        "archives are read and written in one place, which knows the traps",
    ),
];

/// Crates that reach the world are used only where they belong.
pub fn outside(project: &Project) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in &project.members {
        for dependency in member
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind != Kind::Development)
        {
            let Some((name, owners, why)) = OUTSIDE.iter().find(|(name, ..)| *name == dependency.name) else {
                continue;
            };
            if !owners.contains(&member.name.as_str()) {
                let message = format!("`{name}` is for {} only: {why}", owners.join(", "));
                findings.push(Finding::new(member.manifest(), line_of(project, member, name), message));
            }
        }
    }
    findings
}

/// The line of a manifest that names a dependency.
fn line_of(project: &Project, member: &Member, name: &str) -> usize {
    let Some(manifest) = project.tree.file(&member.manifest()) else {
        return 1;
    };
    let named = |line: &str| line.split(['=', '.', ' ']).next() == Some(name);
    manifest.text.lines().position(named).map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, project};
    use super::*;

    const NORMAL: Kind = Kind::Normal;

    fn with_map(rows: &str) -> String {
        format!(
            "# Map\n\n| crate | what lives there | may use |\n|---|---|---|\n{rows}\n\n| other | table | here |\n|---|---|---|\n| `x` | y | `z` |\n"
        )
    }

    #[test]
    fn a_crate_that_uses_what_the_map_does_not_allow_is_found_at_its_line() {
        let map = with_map("| `engine` | runs | `ledger` |\n| `ledger` | facts | |");
        let project = project(
            &[
                ("ARCHITECTURE.md", &map),
                (
                    "crates/ledger/Cargo.toml",
                    "[dependencies]\nserde = \"1\"\nengine = { workspace = true }\n",
                ),
            ],
            &[
                ("engine", "crates/engine", &[("ledger", NORMAL, true)]),
                (
                    "ledger",
                    "crates/ledger",
                    &[("engine", NORMAL, true), ("serde", NORMAL, false)],
                ),
            ],
        );
        expect(
            &rooms(&project),
            &[("crates/ledger/Cargo.toml", 3, "does not let `ledger` use `engine`")],
        );
    }

    #[test]
    fn the_map_names_every_crate_no_other_and_only_arrows_that_point_down() {
        let map = with_map("| `ledger` | facts | `engine` `gone` |\n| `engine` | runs | |\n| `ghost` | none | |");
        let project = project(
            &[("ARCHITECTURE.md", &map)],
            &[
                ("engine", "crates/engine", &[]),
                ("ledger", "crates/ledger", &[]),
                ("new", "crates/new", &[]),
            ],
        );
        expect(
            &rooms(&project),
            &[
                ("ARCHITECTURE.md", 1, "`new` is not in the map"),
                ("ARCHITECTURE.md", 5, "`gone`"),
                ("ARCHITECTURE.md", 7, "no crate `ghost`"),
            ],
        );
        let upward = with_map("| `ledger` | facts | |\n| `engine` | runs | `ledger` |");
        let project = super::super::tests::project(
            &[("ARCHITECTURE.md", &upward)],
            &[("engine", "e", &[]), ("ledger", "l", &[])],
        );
        expect(&rooms(&project), &[("ARCHITECTURE.md", 6, "arrows point down")]);
    }

    #[test]
    fn domains_do_not_import_one_another_whatever_the_map_says_and_testkit_is_for_tests() {
        let map = with_map("| `delivery` | a | `quality` `testkit` |\n| `quality` | b | |\n| `testkit` | c | |");
        let project = project(
            &[("ARCHITECTURE.md", &map)],
            &[
                (
                    "delivery",
                    "crates/delivery",
                    &[("quality", NORMAL, true), ("testkit", NORMAL, true)],
                ),
                ("quality", "crates/quality", &[("testkit", Kind::Development, true)]),
                ("testkit", "crates/testkit", &[]),
            ],
        );
        expect(
            &rooms(&project),
            &[
                ("crates/delivery/Cargo.toml", 1, "publish facts"),
                ("crates/delivery/Cargo.toml", 1, "dev-dependency"),
            ],
        );
    }

    #[test]
    fn a_database_driver_in_the_engine_is_found_and_in_its_tests_is_not() {
        let project = project(
            &[],
            &[
                ("engine", "crates/engine", &[("rusqlite", NORMAL, false)]),
                ("ledger", "crates/ledger", &[("rusqlite", NORMAL, false)]),
                ("server", "crates/server", &[("rusqlite", Kind::Development, false)]),
            ],
        );
        expect(&outside(&project), &[("crates/engine/Cargo.toml", 1, "one owner")]);
    }
}
