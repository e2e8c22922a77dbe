//! What there is on this machine, as far as a draft depends on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use draft::Machine;

use crate::tools;

/// Where Debian puts the programs of a PostgreSQL server, a folder for each version.
const POSTGRESQL: &str = "/usr/lib/postgresql";

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks at what there is, for the repository in `root`.
pub(super) fn look(root: &Path, variables: &BTreeMap<String, String>) -> Machine {
    let path = variables.get("PATH").map_or("", String::as_str);
    // A shim is there for every version that some project wants, whether it can be started here or not.
    let real = std::env::split_paths(path).filter(|folder| !folder.ends_with("shims"));
    let real = std::env::join_paths(real).unwrap_or_default();
    let real = real.to_string_lossy();
    let is_there = |program: &str| tools::is_there(program, &real) || is_postgres(program, path);
    let programs: BTreeSet<String> = Machine::PROGRAMS
        .iter()
        .filter(|program| is_there(program))
        .map(|program| (*program).to_owned())
        .collect();
    Machine {
        containers: ["podman", "docker"].iter().any(|engine| tools::is_there(engine, path)),
        programs,
        toolchains: toolchains(variables),
        versions: versions(root, variables),
    }
}

/// Whether PostgreSQL's server is meant and there, though on no path.
pub(super) fn is_postgres(program: &str, path: &str) -> bool {
    let versions = || std::fs::read_dir(POSTGRESQL).into_iter().flatten().flatten();
    program == "postgres" && !path.is_empty() && versions().any(|version| version.path().join("bin/postgres").is_file())
}

/// The versions that programs say of themselves; of those that say none, nothing.
fn versions(root: &Path, variables: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let path = variables.get("PATH").map_or("", String::as_str);
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return BTreeMap::new();
    };
    let there = Machine::VERSIONED
        .iter()
        .filter(|(program, _)| tools::is_there(program, path));
    let asked = there.map(|(program, question)| async move {
        // In the repository rustup and Go would fetch what it wants.
        let folder = if matches!(*program, "rustc" | "go") {
            Path::new("/")
        } else {
            root
        };
        let spec = process::Spec::new(*program)
            .arg(question)
            .folder(folder)
            .variables(variables);
        let said = process::run(spec, b"", PATIENCE, 4096)
            .await
            .ok()
            .filter(process::Output::is_success)?;
        Some(((*program).to_owned(), number(&said.text())?))
    });
    let asked: Vec<_> = asked.collect();
    runtime.block_on(async {
        let mut all = BTreeMap::new();
        for one in asked {
            all.extend(one.await);
        }
        all
    })
}

/// The number in what a program says about its version: `go version go1.19.8 linux/amd64` is `1.19.8`.
fn number(said: &str) -> Option<String> {
    let words = said.split_whitespace();
    let mut numbers = words.map(|word| word.trim_start_matches("go").trim_start_matches('v'));
    let number = numbers.find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'))?;
    Some(number.to_owned())
}

/// The toolchains that rustup has, by what comes before the platform in their names.
fn toolchains(variables: &BTreeMap<String, String>) -> Vec<String> {
    let home = match (variables.get("RUSTUP_HOME"), variables.get("HOME")) {
        (Some(home), _) => PathBuf::from(home),
        (None, Some(home)) => Path::new(home).join(".rustup"),
        (None, None) => return Vec::new(),
    };
    let entries = std::fs::read_dir(home.join("toolchains"))
        .into_iter()
        .flatten()
        .flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| short(entry.file_name().to_str()?).map(str::to_owned))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The name of a toolchain without its platform: `stable-x86_64-unknown-linux-gnu` is `stable`.
fn short(name: &str) -> Option<&str> {
    const MACHINES: &[&str] = &[
        "-x86_64-",
        "-aarch64-",
        "-i686-",
        "-armv7-",
        "-riscv64gc-",
        "-powerpc64le-",
        "-s390x-",
    ];
    let at = MACHINES.iter().find_map(|machine| name.find(machine))?;
    Some(&name[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_found_in_what_programs_say() {
        for (said, expected) in [
            ("v20.20.2\n", Some("20.20.2")),
            ("Python 3.11.7", Some("3.11.7")),
            ("rustc 1.95.0 (59807616e 2026-04-14)", Some("1.95.0")),
            ("go version go1.19.8 linux/amd64", Some("1.19.8")),
            ("no version", None),
        ] {
            assert_eq!(number(said).as_deref(), expected);
        }
    }

    #[test]
    fn toolchains_are_called_as_cargo_takes_them() {
        let home = tempfile::tempdir().unwrap();
        for name in [
            "stable-x86_64-unknown-linux-gnu",
            "1.80.0-aarch64-unknown-linux-gnu",
            "own",
        ] {
            std::fs::create_dir_all(home.path().join("toolchains").join(name)).unwrap();
        }
        let variables = BTreeMap::from([("RUSTUP_HOME".to_owned(), home.path().display().to_string())]);
        assert_eq!(toolchains(&variables), ["1.80.0", "stable"]);
        assert!(toolchains(&BTreeMap::new()).is_empty());
    }
}
