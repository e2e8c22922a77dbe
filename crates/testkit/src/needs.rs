//! What a test needs of the machine, and how it says that it leaves itself out where that is not there.
//!
//! A test that returns early counts as passed. So it says that it is left out, and `cargo xtask test`
//! counts it as skipped, with the reason. Where that command has seen that the machine has what is
//! needed, leaving a test out is a failure.

use std::io::Write as _;

/// The variable with what the machine is known to have, parted by commas.
const HAS: &str = "THROUGHLINE_TEST_HAS";
/// The variable with the file that takes a line for each test that is left out: what it needs, its
/// name, and why, parted by tabs.
const SKIPS: &str = "THROUGHLINE_TEST_SKIPS";

/// What tests need that not every machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// An engine that runs containers.
    Containers,
    /// A control group of version 2 in which further ones can be made, with controllers.
    ControlGroups,
    /// Chromium.
    Chromium,
    /// skopeo.
    Skopeo,
    /// The server of OpenSSH.
    Sshd,
    /// The server of PostgreSQL.
    Postgres,
    /// The server of MariaDB.
    Mariadb,
    /// s3rver, which speaks the API of S3.
    S3rver,
    /// The right to mount file systems.
    Mounts,
    /// Namespaces that keep steps apart.
    Isolation,
    /// Compilers and tools of other languages.
    Toolchains,
}

impl Need {
    /// How it is called in variables and summaries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Containers => "containers",
            Self::ControlGroups => "control-groups",
            Self::Chromium => "chromium",
            Self::Skopeo => "skopeo",
            Self::Sshd => "sshd",
            Self::Postgres => "postgresql",
            Self::Mariadb => "mariadb",
            Self::S3rver => "s3rver",
            Self::Mounts => "mounts",
            Self::Isolation => "isolation",
            Self::Toolchains => "toolchains",
        }
    }
}

/// Says that the calling test is left out, as a whole or in part, since something is not there. The test
/// returns after this.
///
/// # Panics
/// Where the machine is known to have what is needed, and where the skip cannot be told to whoever counts.
#[allow(clippy::expect_used, clippy::panic)] // a test that may not be left out has failed
pub fn skip(need: Need, why: &str) {
    let name = need.name();
    let has = std::env::var(HAS).unwrap_or_default();
    if is_among(name, &has) {
        panic!("this machine has what `{name}` stands for, and the test would be left out all the same: {why}");
    }
    eprintln!("SKIPPED: {why}");
    let Some(file) = std::env::var_os(SKIPS) else { return };
    let thread = std::thread::current();
    let test = std::env::var("NEXTEST_TEST_NAME").ok();
    let test = test.as_deref().or(thread.name()).unwrap_or("a test");
    let binary = std::env::var("NEXTEST_BINARY_ID").unwrap_or_default();
    let opened = std::fs::OpenOptions::new().append(true).create(true).open(file);
    let mut file = opened.expect("the file that takes skips opens");
    // In one piece, since many tests write at once.
    file.write_all(line(name, &format!("{binary} {test}"), why).as_bytes())
        .expect("a skip is written down");
}

fn is_among(name: &str, has: &str) -> bool {
    has.split(',').any(|one| one == name)
}

fn line(need: &str, test: &str, why: &str) -> String {
    let why: Vec<&str> = why.split_whitespace().collect();
    format!("{need}\t{}\t{}\n", test.trim(), why.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_need_is_found_among_others_by_its_whole_name() {
        assert!(is_among("skopeo", "containers,skopeo") && is_among("containers", "containers"));
        assert!(!is_among("skopeo", "skopeo-old") && !is_among("skopeo", ""));
    }

    #[test]
    fn a_skip_is_one_line_whatever_the_reason_says() {
        let told = line("containers", "executor::it a::b", "cannot run\n\ta container");
        assert_eq!(told, "containers\texecutor::it a::b\tcannot run a container\n");
    }
}
