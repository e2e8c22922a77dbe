//! The programs that a draft starts: which are not on this machine, and how they come there.

use std::path::Path;

/// How a program is installed.
fn remedy(program: &str) -> &'static str {
    match program {
        "cargo" => "https://rustup.rs installs Rust",
        "node" | "npm" => "https://nodejs.org, or the package `nodejs npm` of the system",
        "pnpm" => "`npm install --global pnpm`, or `corepack enable`",
        "yarn" => "`npm install --global yarn`, or `corepack enable`",
        "bun" => "`npm install --global bun`",
        "python3" => "the package `python3 python3-venv` of the system",
        "uv" => "`pipx install uv`, or `pip install uv`",
        "poetry" => "`pipx install poetry`, or `pip install poetry`",
        "go" => "https://go.dev/dl, or the package `golang` of the system",
        "java" => "a JDK, such as the package `default-jdk` of the system",
        "mvn" => "the package `maven` of the system",
        "gradle" => "https://gradle.org/install, or a wrapper (`gradlew`) in the repository",
        "cmake" => "the package `cmake` of the system",
        "cc" => "a C++ compiler, such as the package `g++` of the system",
        "make" => "the package `make` of the system",
        "autoreconf" => "the package `autoconf automake libtool` of the system",
        "docker" => "Docker, or Podman with the package `podman-docker`",
        _ => "the way that its project names",
    }
}

/// Those of `programs` that no folder of `path` holds, with how they are installed.
pub(super) fn missing<'a>(programs: &'a [String], path: &str) -> Vec<(&'a str, &'static str)> {
    programs
        .iter()
        .filter(|program| !is_there(program, path))
        .map(|program| (program.as_str(), remedy(program)))
        .collect()
}

fn is_there(program: &str, path: &str) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::env::split_paths(path).any(|folder| {
        let file = Path::new(&folder).join(program);
        std::fs::metadata(file).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nowhere_on_the_path_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("zzz"), "no program").unwrap();
        let programs = ["sh".to_owned(), "zzz".to_owned()];
        let path = format!("{}:/bin:/usr/bin", folder.path().display());
        let missing: Vec<&str> = missing(&programs, &path).into_iter().map(|(name, _)| name).collect();
        assert_eq!(missing, ["zzz"]);
    }
}
