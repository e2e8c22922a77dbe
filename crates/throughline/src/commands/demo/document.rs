//! The document of `throughline demo --json`.

use std::collections::BTreeMap;

use facts::Digest;
use serde::Serialize;

use super::load::record::Totals;
use super::story::{Chapter, Outcome};

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Document {
    /// `demo/1`.
    pub schema: &'static str,
    /// The changes, in the order in which they were pushed.
    pub changes: Vec<Change>,
    /// The requests that production got.
    pub requests: Requests,
    /// The record of facts.
    pub ledger: Ledger,
    /// How long all of it took.
    pub seconds: f64,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its commit.
    pub commit: Option<String>,
    /// The version claimed for its package.
    pub version: Option<String>,
    /// Its package.
    pub package: Option<Digest>,
    /// By environment, the package that was seen there because of this change.
    pub environments: BTreeMap<String, Option<Digest>>,
    /// `in-production` or `rolled-back`; else where the change stands.
    pub outcome: String,
}

/// The requests, by the load's own record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// How many were sent.
    pub sent: u64,
    /// How many got a whole answer.
    pub answered: u64,
    /// How many got none, or one that is no success.
    pub failed: u64,
    /// By the package whose instance was chosen.
    pub by_package: Vec<ByPackage>,
    /// How many failed without an answer that names a package.
    pub unattributed_failed: u64,
}

/// The requests of one package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ByPackage {
    /// The package.
    pub package: String,
    /// How many it was chosen for.
    pub sent: u64,
    /// How many of them failed.
    pub failed: u64,
}

/// The ledger, checked fact by fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// How many facts there are.
    pub facts: u64,
    /// Whether each is as it was recorded.
    pub verified: bool,
}

impl Document {
    /// The document of a story that took `seconds`.
    pub fn of(chapters: &[Chapter], totals: &Totals, ledger: Ledger, seconds: f64) -> Self {
        Self {
            schema: "demo/1",
            changes: chapters.iter().map(Change::of).collect(),
            requests: Requests::of(chapters, totals),
            ledger,
            seconds: (seconds * 10.0).round() / 10.0,
        }
    }
}

impl Change {
    fn of(chapter: &Chapter) -> Self {
        let line = chapter.change.as_ref().map(|change| &change.change);
        let brought = |name: &str| (name.to_owned(), chapter.brought.get(name).copied());
        Self {
            commit: chapter.commit.clone(),
            version: line.and_then(|line| line.version.clone()),
            package: line.and_then(|line| line.package),
            environments: ["staging", "production"].map(brought).into(),
            outcome: match chapter.outcome() {
                Some(Outcome::InProduction) => "in-production".to_owned(),
                Some(Outcome::RolledBack) => "rolled-back".to_owned(),
                Some(Outcome::Other(state)) => state,
                None => line.map_or_else(|| "not-pushed".to_owned(), |line| line.state.clone()),
            },
        }
    }
}

impl Requests {
    /// The packages come in the order of their changes.
    fn of(chapters: &[Chapter], totals: &Totals) -> Self {
        let order = |package: &str| {
            chapters
                .iter()
                .position(|chapter| chapter.package().is_some_and(|digest| digest.to_string() == package))
                .unwrap_or(chapters.len())
        };
        let mut by_package: Vec<ByPackage> = totals
            .by_package
            .iter()
            .map(|(package, count)| ByPackage {
                package: package.clone(),
                sent: count.sent,
                failed: count.failed,
            })
            .collect();
        by_package.sort_by_key(|one| order(&one.package));
        Self {
            sent: totals.sent,
            answered: totals.answered,
            failed: totals.failed,
            by_package,
            unattributed_failed: totals.unattributed_failed,
        }
    }

    /// Nothing failed but on packages that were rolled back.
    fn spared(&self, chapters: &[Chapter]) -> bool {
        let gone = |package: &str| {
            let mut all = chapters.iter();
            all.any(|chapter| {
                chapter.outcome() == Some(Outcome::RolledBack)
                    && chapter.package().is_some_and(|digest| digest.to_string() == package)
            })
        };
        self.unattributed_failed == 0 && self.by_package.iter().all(|one| one.failed == 0 || gone(&one.package))
    }
}

impl Document {
    /// What did not come out as it should; nothing when the story came out right.
    pub fn amiss(&self, chapters: &[Chapter]) -> Vec<String> {
        let mut amiss = Vec::new();
        let expected = ["in-production", "in-production", "rolled-back"];
        for (number, (change, expected)) in self.changes.iter().zip(expected).enumerate() {
            let number = number + 1;
            if change.outcome != expected {
                amiss.push(format!(
                    "change {number} is {} and should be {expected}",
                    change.outcome
                ));
            }
            for (environment, brought) in &change.environments {
                if brought.is_none() || *brought != change.package {
                    amiss.push(format!("the package of change {number} was not seen in {environment}"));
                }
            }
        }
        if self.changes.len() != expected.len() {
            amiss.push(format!(
                "{} changes were pushed, and not {}",
                self.changes.len(),
                expected.len()
            ));
        }
        if self.requests.sent == 0 {
            amiss.push("no request was sent to production".to_owned());
        }
        if !self.requests.spared(chapters) {
            amiss.push("requests failed on a package that was not rolled back, or without an answer".to_owned());
        }
        if !self.ledger.verified {
            amiss.push("the ledger is not as it was recorded".to_owned());
        }
        amiss
    }
}
