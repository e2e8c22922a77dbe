//! Programs that definitions start: whether they are on this machine, and how they come there.

use std::path::Path;

/// How a program that people know is installed; nothing for others.
pub fn remedy(program: &str) -> Option<&'static str> {
    Some(match program {
        "cargo" | "rustc" => "https://rustup.rs installs Rust",
        "node" | "npm" | "npx" => "https://nodejs.org, or the packages `nodejs` and `npm` of the system",
        "pnpm" => "`npm install --global pnpm`, or `corepack enable`",
        "yarn" => "`npm install --global yarn`, or `corepack enable`",
        "bun" => "`npm install --global bun`",
        "python3" | "python" | "pip" => "the packages `python3` and `python3-venv` of the system",
        "uv" => "`pipx install uv`, or `pip install uv`",
        "poetry" => "`pipx install poetry`, or `pip install poetry`",
        "go" => "https://go.dev/dl, or the package `golang` of the system",
        "java" | "javac" => "a JDK, such as the package `default-jdk` of the system",
        "mvn" => "the package `maven` of the system",
        "gradle" => "https://gradle.org/install, or a wrapper (`gradlew`) in the repository",
        "cmake" | "ctest" => "the package `cmake` of the system",
        "cc" | "c++" | "g++" | "gcc" => "a C++ compiler, such as the package `g++` of the system",
        "postgres" => "the package `postgresql` of the system",
        "redis-server" => "the package `redis-server` of the system",
        "memcached" => "the package `memcached` of the system",
        "make" => "the package `make` of the system",
        "autoreconf" => "the packages `autoconf`, `automake` and `libtool` of the system",
        "docker" => "Docker, or Podman with the package `podman-docker`",
        _ => return None,
    })
}

/// Whether one of the folders of `path` holds a program.
pub fn is_there(program: &str, path: &str) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::env::split_paths(path).any(|folder| {
        let file = Path::new(&folder).join(program);
        std::fs::metadata(file).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}

/// The program that a shell did not find, as it says it in the last lines of a log.
pub fn not_found<'l>(lines: impl DoubleEndedIterator<Item = &'l str>) -> Option<&'l str> {
    lines.rev().find_map(|line| {
        let line = line.trim_end();
        let before = line
            .strip_suffix(": command not found")
            .or_else(|| line.strip_suffix(": not found"))?;
        let program = before.rsplit(": ").next()?.trim();
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '/');
        (!program.is_empty() && program.len() < 60 && program.chars().all(fits)).then_some(program)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nowhere_on_the_path_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("zzz"), "no program").unwrap();
        let path = format!("{}:/bin:/usr/bin", folder.path().display());
        assert!(is_there("sh", &path));
        assert!(!is_there("zzz", &path));
    }

    #[test]
    fn each_shell_has_its_words_for_a_program_that_is_missing() {
        for (log, program) in [
            ("sh: 1: pnpm: not found", Some("pnpm")),
            ("/bin/sh: 3: cargo-nextest: not found", Some("cargo-nextest")),
            ("bash: line 2: go: command not found\n", Some("go")),
            ("error: the file x was not found", None),
            ("404: page not found", None),
            ("all is well", None),
        ] {
            assert_eq!(not_found(log.lines()), program, "{log}");
        }
    }
}
