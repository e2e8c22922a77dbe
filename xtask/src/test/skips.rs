//! Tests that leave themselves out: told what the machine has, and counted as skipped when they do.
//!
//! The other side is `crates/testkit/src/needs.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::command::Program;

const HAS: &str = "THROUGHLINE_TEST_HAS";
const SKIPS: &str = "THROUGHLINE_TEST_SKIPS";

/// Where tests write down that they leave themselves out, and what they may not miss.
pub struct Skips {
    file: PathBuf,
    has: Vec<&'static str>,
}

impl Skips {
    /// An empty file in the build folder. What this machine `has` is no reason to be left out.
    pub fn new(build: &Path, has: Vec<&'static str>) -> Result<Self, String> {
        let file = build.join("tests-left-out.txt");
        let made = std::fs::create_dir_all(build).and_then(|()| std::fs::write(&file, ""));
        made.map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
        Ok(Self { file, has })
    }

    /// A program that runs tests, told all this.
    pub fn tell(&self, program: Program) -> Program {
        program.variable(HAS, self.has.join(",")).variable(SKIPS, &self.file)
    }

    /// The same, where one thing more is there.
    pub fn tell_more(&self, program: Program, more: &str) -> Program {
        self.tell(program)
            .variable(HAS, [&self.has[..], &[more]].concat().join(","))
    }

    /// What tests wrote down so far.
    pub fn read(&self) -> Result<LeftOut, String> {
        let text = std::fs::read_to_string(&self.file)
            .map_err(|error| format!("{} cannot be read: {error}", self.file.display()))?;
        Ok(LeftOut::of(&text))
    }
}

/// The tests that left themselves out, by what they miss and why.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LeftOut(BTreeMap<(String, String), BTreeSet<String>>);

impl LeftOut {
    fn of(text: &str) -> Self {
        let mut all = Self::default();
        for line in text.lines() {
            let mut parts = line.splitn(3, '\t');
            if let (Some(need), Some(test), Some(why)) = (parts.next(), parts.next(), parts.next()) {
                let tests = all.0.entry((need.to_owned(), why.to_owned())).or_default();
                tests.insert(test.to_owned());
            }
        }
        all
    }

    /// How many tests these are, each counted once.
    pub fn count(&self) -> u32 {
        let tests: BTreeSet<&String> = self.0.values().flatten().collect();
        u32::try_from(tests.len()).unwrap_or(u32::MAX)
    }

    /// A line for each reason.
    pub fn told(&self) -> Vec<String> {
        let line = |((need, why), tests): (&(String, String), &BTreeSet<String>)| match tests.len() {
            1 => format!("1 test ({}), for want of {need}: {why}", tests.iter().next()?.trim()).into(),
            many => Some(format!("{many} tests, for want of {need}: {why}")),
        };
        self.0.iter().filter_map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "containers\texecutor::it a\tno podman\ncontainers\texecutor::it b\tno podman\n\
         containers\texecutor::it a\tno podman\nskopeo\tserver::it c\tskopeo is not installed\nnonsense\n";

    #[test]
    fn tests_that_leave_themselves_out_are_counted_once_and_told_by_reason() {
        let left_out = LeftOut::of(TEXT);
        assert_eq!(left_out.count(), 3);
        assert_eq!(
            left_out.told(),
            [
                "2 tests, for want of containers: no podman",
                "1 test (server::it c), for want of skopeo: skopeo is not installed"
            ]
        );
        assert_eq!((LeftOut::of("").count(), LeftOut::of("").told().len()), (0, 0));
    }

    #[test]
    fn both_sides_use_the_same_variables_and_names() {
        let theirs = include_str!("../../../crates/testkit/src/needs.rs");
        for name in [HAS, SKIPS].iter().copied().chain(super::super::install::names()) {
            assert!(theirs.contains(&format!("\"{name}\"")), "{name}");
        }
    }
}
