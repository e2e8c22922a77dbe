//! The two fact kinds in which domains meet.
//!
//! A domain that judges publishes [`VerdictRecorded`]; whoever changes an environment publishes
//! [`StateObserved`]. Gates and measures read these and nothing private to another domain.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::digest::Digest;
use crate::id::ComponentId;
use crate::name::EnvironmentName;

/// The kind of [`VerdictRecorded`].
pub const VERDICT_RECORDED: &str = "verdict.recorded";
/// The kind of [`StateObserved`].
pub const STATE_OBSERVED: &str = "state.observed";

/// What a judgement came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// It holds.
    Pass,
    /// It does not hold.
    Fail,
    /// It cannot be said yet; more evidence may come by itself.
    Wait,
    /// It cannot be said, and no evidence will come by itself.
    Unknown,
}

impl std::fmt::Display for Judgement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Wait => "wait",
            Self::Unknown => "unknown",
        })
    }
}

/// A verdict on a subject, with what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerdictRecorded {
    /// The digest of what was judged, such as a package.
    pub subject: Digest,
    /// What was judged about it, such as `tests`, `canary`, `smoke`.
    pub about: String,
    /// In which environment, where that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// What it came to.
    pub result: Judgement,
    /// Sentences a person understands.
    pub reasons: Vec<String>,
    /// The numbers behind the reasons, as the judge defines them.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub numbers: serde_json::Value,
    /// Digests of the evidence used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Digest>,
    /// The digest of the policy it was judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Digest>,
    /// Until when it may be relied on; `None` is for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
}

/// What an environment holds of one component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateVector {
    /// The package that runs; `None` where nothing runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Digest>,
    /// The digest of the rendered configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Digest>,
    /// The digest of the rules of the flags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<Digest>,
    /// The last migration applied, by database name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub schema: BTreeMap<String, String>,
    /// The digest of the model that serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Digest>,
}

/// What was seen in an environment after somebody acted on it, or when somebody looked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateObserved {
    /// Whose state.
    pub component: ComponentId,
    /// Where.
    pub environment: EnvironmentName,
    /// What was there.
    pub state: StateVector,
    /// The generation the target reported.
    pub generation: u64,
}
