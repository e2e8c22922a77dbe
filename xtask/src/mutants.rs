//! `cargo xtask mutants`: the decisions with one thing wrong at a time, and whether the tests notice.
//!
//! `cargo mutants` makes the changes and runs the tests; `.cargo/mutants.toml` says which files decide, and what is left
//! out and why. `--shard K/N` takes every Nth mutant, so that a part of all says something about the whole.
//!
//! The first look is short: unit tests, with few histories of the simulation. What slips through it stays in a list in
//! the build folder, and is looked at again with all tests of its package, and the deliberate faults of the simulation;
//! where the list is there, only that.

use std::path::Path;

use crate::command::{self, Program};
use crate::workspace;

/// The program, and the version whose results stand in docs/reliability.md.
const PROGRAM: &str = "cargo-mutants";
const VERSION: &str = "27.1.0";

/// The packages whose decisions are changed.
const PACKAGES: [&str; 2] = ["engine", "delivery"];
/// How many histories the simulation plays for each mutant.
const SEEDS: &str = "60";
/// After how many seconds a mutant that does not come to an end is given up. It counts as noticed.
const PATIENCE: &str = "60";
/// What the first look leaves to the second: it plays each fault until it is noticed.
const LONG: &str = "every_deliberate_fault_is_noticed";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wish<'a> {
    packages: Vec<&'a str>,
    shard: &'a str,
}

/// Reads `[--package NAME] [--shard K/N]`.
fn read(arguments: &[String]) -> Result<Wish<'_>, String> {
    let mut wish = Wish {
        packages: PACKAGES.to_vec(),
        shard: "0/1",
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = rest.next().ok_or_else(|| format!("`{argument}` needs a value"))?;
        match argument.as_str() {
            "--package" if PACKAGES.contains(&value.as_str()) => wish.packages = vec![value],
            "--package" => return Err(format!("`{value}` is none of {}", PACKAGES.join(", "))),
            "--shard" => {
                let numbers = value.split_once('/').map(|(k, n)| (k.parse::<u32>(), n.parse::<u32>()));
                match numbers {
                    Some((Ok(k), Ok(n))) if k < n => wish.shard = value,
                    _ => return Err(format!("`{value}` is no shard: 0/8 to 7/8 are the eighths")),
                }
            }
            _ => {
                return Err(format!(
                    "`{argument}` is not known: `--package NAME` and `--shard K/N` are"
                ));
            }
        }
    }
    Ok(wish)
}

/// Changes the decisions one at a time. Fails when a mutant is noticed by nothing.
pub fn perform(arguments: &[String]) -> Result<(), String> {
    let wish = read(arguments)?;
    let root = workspace::root();
    let build = workspace::build_folder(&root);
    let program = program(&root, &build)?;
    let mut left = Vec::new();
    for package in &wish.packages {
        let folder = build
            .join("mutants")
            .join(format!("{package}-{}", wish.shard.replace('/', "-of-")));
        std::fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        let of = Mutants {
            program: &program,
            root: &root,
            build: &build,
            package,
            folder: &folder,
        };
        left.extend(of.noticed_by_nothing(wish.shard)?);
    }
    match left.is_empty() {
        true => Ok(()),
        false => Err(format!("not all mutants were noticed:\n{}", left.join("\n"))),
    }
}

/// The mutants of a package.
struct Mutants<'a> {
    program: &'a str,
    root: &'a Path,
    build: &'a Path,
    package: &'a str,
    /// Where the results stay.
    folder: &'a Path,
}

impl Mutants<'_> {
    /// Looks at a shard of them, and again at what was not noticed; what is left, a line each.
    fn noticed_by_nothing(&self, shard: &str) -> Result<Vec<String>, String> {
        let kept = self.folder.join("first.txt");
        let slipped = match std::fs::read_to_string(&kept) {
            Ok(text) => text,
            // What was looked at is not remembered across changes of the code: a shard is looked at as a whole.
            Err(_) => {
                self.look(
                    &["--sharding", "round-robin", "--shard", shard],
                    &["--lib", "--", "--skip", LONG],
                );
                let text = self.missed()?;
                std::fs::write(&kept, &text).map_err(|error| format!("cannot write {}: {error}", kept.display()))?;
                text
            }
        };
        if slipped.trim().is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = slipped.lines().map(escaped).collect();
        self.look(&["--re", &format!("^({})$", names.join("|"))], &["--tests"]);
        Ok(self.missed()?.lines().map(|line| format!("  {line}")).collect())
    }

    /// Runs the tests that are named for these mutants. It fails for what was not noticed and for what took too long;
    /// its lists say which.
    fn look(&self, which: &[&str], tests: &[&str]) {
        let folder = self.folder.to_string_lossy();
        let mut arguments = vec![
            "mutants",
            "--package",
            self.package,
            "--output",
            &folder,
            "--baseline",
            "skip",
        ];
        arguments.extend(["--timeout", PATIENCE]);
        arguments.extend(which);
        arguments.push("--");
        arguments.extend(tests);
        let ended = Program::new(self.program, &arguments, self.root)
            .variable("THROUGHLINE_SEEDS", SEEDS)
            // Its copies of the workspace come and go; what they depend on is compiled once.
            .variable("CARGO_TARGET_DIR", self.build.join("mutants/target"))
            .variable("CARGO_INCREMENTAL", "1")
            .run();
        if let Err(told) = ended {
            println!("{told}");
        }
    }

    /// What the last look did not notice, a line each.
    fn missed(&self) -> Result<String, String> {
        let list = self.folder.join("mutants.out/missed.txt");
        std::fs::read_to_string(&list)
            .map_err(|error| format!("{} was not looked at: {}: {error}", self.package, list.display()))
    }
}

/// A text as a pattern that it alone matches.
fn escaped(text: &str) -> String {
    let special = |letter: char| r"\.+*?()|[]{}^$".contains(letter);
    let sign = |letter: char| {
        if special(letter) {
            vec!['\\', letter]
        } else {
            vec![letter]
        }
    };
    text.chars().flat_map(sign).collect()
}

/// Where the program is: on the search path, or compiled once into the build folder.
fn program(root: &Path, build: &Path) -> Result<String, String> {
    let tools = build.join("tools");
    let compiled = tools.join("bin").join(PROGRAM);
    if let Some(path) = command::find(PROGRAM).or_else(|| compiled.is_file().then(|| compiled.clone())) {
        return Ok(path.to_string_lossy().into_owned());
    }
    println!(
        "{PROGRAM} is not there, so it is compiled once into {}",
        tools.display()
    );
    let into = tools.to_string_lossy().into_owned();
    let arguments = [
        "install",
        "--locked",
        "--debug",
        "--root",
        &into,
        "--version",
        VERSION,
        PROGRAM,
    ];
    Program::new("cargo", &arguments, root).run()?;
    Ok(compiled.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_package_and_a_shard_may_be_named() {
        let all = read(&[]).map(|wish| (wish.packages.len(), wish.shard.to_owned()));
        assert_eq!(all, Ok((PACKAGES.len(), "0/1".to_owned())));
        let arguments = words("--package engine --shard 3/8");
        let some = read(&arguments).map(|wish| (wish.packages, wish.shard));
        assert_eq!(some, Ok((vec!["engine"], "3/8")));
        assert_eq!(
            escaped("a.rs:1:2: replace < with * in T<'a>::f"),
            r"a\.rs:1:2: replace < with \* in T<'a>::f"
        );
        for wrong in ["--package pages", "--shard 8/8", "--shard x", "--shard", "--all 1"] {
            assert!(read(&words(wrong)).is_err(), "{wrong}");
        }
    }
}
