//! What the tests of a step say in the files that it leaves: counts, and the cases that failed.
//!
//! Files of steps are anybody's: each is read up to a limit, and one that is not what it should be becomes
//! a note, never a failure of the step.

mod collect;
mod junit;
mod tap;
#[cfg(test)]
mod tests;
mod told;

use serde::{Deserialize, Serialize};

pub(crate) use collect::{Before, collect, there};
pub(crate) use told::Tests;

/// How many cases that failed are named; of more only the number is told.
const NAMED: usize = 50;
/// How many characters of a name are kept.
const LONGEST_NAME: usize = 300;
/// How many characters of what a case says are kept.
const LONGEST_MESSAGE: usize = 600;
/// How many notes are kept.
const MOST_NOTES: usize = 10;

/// What the tests of a step came to, as its outcome records it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TestReport {
    /// How many cases there were.
    pub tests: u64,
    /// How many of them passed.
    pub passed: u64,
    /// How many failed.
    pub failed: u64,
    /// How many were not run.
    pub skipped: u64,
    /// How many of those that passed failed before in the same run.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub flaky: u64,
    /// How long they say they took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// How many files were read.
    pub files: u64,
    /// The first cases that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailedCase>,
    /// What could not be read, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A case that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedCase {
    /// Its name.
    pub name: String,
    /// What it belongs to, such as a class or a file of tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    /// What it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where it stands, with the line where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // reason: serde asks so
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What became of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passed,
    Flaky,
    Failed,
    Skipped,
}

impl TestReport {
    /// The report in an outcome's outputs.
    pub fn of_outputs(outputs: &serde_json::Value) -> Option<Self> {
        serde_json::from_value(outputs.get("reports")?.clone()).ok()
    }

    fn count(&mut self, fate: Fate, case: impl FnOnce() -> FailedCase) {
        self.tests += 1;
        match fate {
            Fate::Passed => self.passed += 1,
            Fate::Flaky => {
                self.passed += 1;
                self.flaky += 1;
            }
            Fate::Skipped => self.skipped += 1,
            Fate::Failed => {
                self.failed += 1;
                if self.failures.len() < NAMED {
                    let case = case();
                    self.failures.push(FailedCase {
                        name: short(&case.name, LONGEST_NAME),
                        suite: case
                            .suite
                            .filter(|suite| !suite.is_empty())
                            .map(|suite| short(&suite, LONGEST_NAME)),
                        message: case
                            .message
                            .map(|said| short(said.trim(), LONGEST_MESSAGE))
                            .filter(|said| !said.is_empty()),
                        file: case
                            .file
                            .filter(|file| !file.is_empty())
                            .map(|file| short(&file, LONGEST_NAME)),
                    });
                }
            }
        }
    }

    fn took(&mut self, seconds: f64) {
        // Some tools write what is no time.
        if seconds.is_finite() && (0.0..1e9).contains(&seconds) {
            self.seconds = Some(self.seconds.unwrap_or(0.0) + seconds);
        }
    }

    fn note(&mut self, note: String) {
        if self.notes.len() < MOST_NOTES {
            self.notes.push(short(&note, LONGEST_MESSAGE));
        }
    }

    /// Takes the values of secrets out of what cases say.
    pub(crate) fn mask<'a>(&mut self, secrets: impl Iterator<Item = &'a str> + Clone) {
        let hide = |text: &mut String| {
            for secret in secrets.clone() {
                // A multi-line secret may come in parts.
                for part in secret.lines().map(str::trim).filter(|part| part.len() >= 4) {
                    if text.contains(part) {
                        *text = text.replace(part, "***");
                    }
                }
            }
        };
        for case in &mut self.failures {
            hide(&mut case.name);
            [&mut case.suite, &mut case.message, &mut case.file]
                .into_iter()
                .flatten()
                .for_each(hide);
        }
        self.notes.iter_mut().for_each(hide);
    }

    /// The counts in words.
    pub fn in_words(&self) -> String {
        let tests = if self.tests == 1 { "test" } else { "tests" };
        let mut parts = Vec::new();
        if self.failed > 0 {
            parts.push(format!("{} of {} {tests} failed", self.failed, self.tests));
        } else {
            parts.push(format!("{} {tests}", self.tests));
        }
        if self.skipped > 0 {
            parts.push(format!("{} skipped", self.skipped));
        }
        if self.flaky > 0 {
            parts.push(format!("{} flaky", self.flaky));
        }
        parts.join(", ")
    }
}

/// The beginning of a text.
fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// For a search that is guided by what code was reached.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing {
    use super::{TestReport, junit, tap};

    /// What each reader makes of a text; where it refuses, of what stands before.
    pub fn every_reading(text: &str) -> [TestReport; 2] {
        let mut reports = [TestReport::default(), TestReport::default()];
        let _ = junit::read(text, &mut reports[0]);
        let _ = tap::read(text, &mut reports[1]);
        reports
    }
}
