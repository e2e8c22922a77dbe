//! What no compiler checks.
//!
//! A check looks at the [`Project`] and says what it found, each with its place and its reason. Each has
//! tests with bad input, since a check that finds nothing looks the same as one that works.

mod crates;
mod decisions;
mod dependencies;
mod facts;
mod files;
mod marks;
mod references;
mod sample;
mod words;

use std::fmt;
use std::time::Instant;

use crate::tree::Tree;
use crate::workspace::{self, Member};

/// All that a check may look at.
pub struct Project {
    /// The files.
    pub tree: Tree,
    /// The crates.
    pub members: Vec<Member>,
}

impl Project {
    /// The crate that a file belongs to.
    pub fn crate_of(&self, path: &str) -> Option<&Member> {
        self.members
            .iter()
            .find(|member| path.starts_with(&format!("{}/", member.folder)))
    }
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, from the root.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, why it matters, and what to do.
    pub message: String,
}

impl Finding {
    /// A finding in a line of a file.
    pub fn new(path: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// A check: what it holds, as a sentence, and how.
pub struct Check {
    /// By this name ARCHITECTURE.md refers to it.
    pub name: &'static str,
    /// What holds when it finds nothing.
    pub holds: &'static str,
    run: fn(&Project) -> Vec<Finding>,
}

/// Every check.
pub const CHECKS: &[Check] = &[
    Check {
        name: "length",
        holds: "no source file is longer than 600 lines",
        run: files::length,
    },
    Check {
        name: "module-docs",
        holds: "every module begins with what lives in it",
        run: files::module_docs,
    },
    Check {
        name: "forgotten",
        holds: "every Rust file is part of a crate",
        run: files::forgotten,
    },
    Check {
        name: "finished",
        holds: "nothing says that it is not finished yet",
        run: marks::finished,
    },
    Check {
        name: "unsafe",
        holds: "unsafe code is only in `process`",
        run: marks::unsafe_code,
    },
    Check {
        name: "processes",
        holds: "only `process` starts processes, only `facts` reads the clock",
        run: marks::disallowed,
    },
    Check {
        name: "crates",
        holds: "crates depend on one another as ARCHITECTURE.md says, and all are in it",
        run: crates::rooms,
    },
    Check {
        name: "outside",
        holds: "what reaches the world is used only where it belongs",
        run: crates::outside,
    },
    Check {
        name: "facts",
        holds: "only the ledger's store holds SQL for facts",
        run: facts::sql,
    },
    Check {
        name: "decisions",
        holds: "decisions read no clock and do no input or output",
        run: decisions::pure,
    },
    Check {
        name: "wire",
        holds: "only the server's wire types are described to clients",
        run: marks::wire,
    },
    Check {
        name: "dependencies",
        holds: "every dependency has its reason, and SQLite is linked once",
        run: dependencies::reasons,
    },
    Check {
        name: "sample",
        holds: "the sample needs no crate that is not already here",
        run: sample::locked,
    },
    Check {
        name: "words",
        holds: "no text speaks of how or where it was written",
        run: words::kept_out,
    },
    Check {
        name: "references",
        holds: "paths, commands and settings that documents name exist",
        run: references::exist,
    },
];

/// Runs every check and prints what they found.
pub fn perform(arguments: &[String]) -> Result<(), String> {
    if arguments == ["--list"] {
        for check in CHECKS {
            println!("{:<14} {}", check.name, check.holds);
        }
        return Ok(());
    }
    if let Some(unknown) = arguments
        .iter()
        .find(|argument| !CHECKS.iter().any(|check| check.name == **argument))
    {
        let names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
        return Err(format!(
            "there is no check `{unknown}`\nhint: the checks are {}",
            names.join(", ")
        ));
    }
    let root = workspace::root();
    let started = Instant::now();
    let project = Project {
        tree: Tree::read(&root)?,
        members: workspace::members(&root)?,
    };
    let wanted = |check: &&Check| arguments.is_empty() || arguments.iter().any(|name| name == check.name);
    let mut count = 0;
    for check in CHECKS.iter().filter(wanted) {
        let mut findings = (check.run)(&project);
        findings.sort();
        count += findings.len();
        for finding in findings {
            println!("{finding} [{}]", check.name);
        }
    }
    let checks = CHECKS.iter().filter(wanted).count();
    if count > 0 {
        return Err(format!("{count} things are not tidy"));
    }
    println!(
        "tidy: {checks} checks over {} files, {} ms",
        project.tree.files().len(),
        started.elapsed().as_millis()
    );
    Ok(())
}

/// Numbered lines of a text.
pub fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Dependency, Kind};

    /// A crate for a test: its name, its folder, and what it depends on: name, kind, and whether it is ours.
    type Sketch<'a> = (&'a str, &'a str, &'a [(&'a str, Kind, bool)]);

    /// A project for a test of a check.
    pub fn project(files: &[(&str, &str)], members: &[Sketch<'_>]) -> Project {
        let members = members
            .iter()
            .map(|(name, folder, dependencies)| Member {
                name: (*name).to_owned(),
                folder: (*folder).to_owned(),
                dependencies: dependencies
                    .iter()
                    .map(|(name, kind, ours)| Dependency {
                        name: (*name).to_owned(),
                        kind: *kind,
                        ours: *ours,
                    })
                    .collect(),
            })
            .collect();
        Project {
            tree: Tree::of(files),
            members,
        }
    }

    /// Places and messages, for comparing: each message must hold the words given.
    #[track_caller]
    pub fn expect(found: &[Finding], expected: &[(&str, usize, &str)]) {
        let mut found = found.to_vec();
        found.sort();
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{shown:#?}");
        for (finding, (path, line, words)) in found.iter().zip(expected) {
            assert_eq!((finding.path.as_str(), finding.line), (*path, *line), "{shown:#?}");
            assert!(
                finding.message.contains(words),
                "`{}` does not say `{words}`",
                finding.message
            );
        }
    }

    #[test]
    fn checks_have_names_of_their_own() {
        let mut names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CHECKS.len());
    }
}
