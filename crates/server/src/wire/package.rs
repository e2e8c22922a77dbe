//! Packages, looked into.

use facts::{Digest, RunId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Verdict;

/// One package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Package {
    /// `package/1`.
    pub schema: String,
    /// Its digest.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// The component's name.
    pub component: String,
    /// The version claimed for it.
    pub version: Option<String>,
    /// What it was made from.
    pub commit: String,
    /// The run that made it.
    #[schema(value_type = Option<String>)]
    pub run: Option<RunId>,
    /// What its files run on, such as `linux/amd64`.
    pub platform: String,
    /// The digest of the definition by which it was made.
    #[schema(value_type = String)]
    pub definition: Digest,
    /// Its config's blob.
    pub config: Blob,
    /// Its layers, in order.
    pub layers: Vec<Blob>,
    /// Where it is and was, newest first.
    pub stays: Vec<Stay>,
    /// The verdicts on it, oldest first.
    pub verdicts: Vec<Verdict>,
    /// What is in it, by path.
    pub contents: Vec<Entry>,
    /// How it was made; nothing where no build here made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Made>,
}

/// How a package was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Made {
    /// The build.
    #[schema(value_type = String)]
    pub run: RunId,
    /// Who or what asked for it.
    pub actor: String,
    /// When.
    #[schema(value_type = String)]
    pub requested_at: Timestamp,
    /// What is known of it.
    pub parts: Vec<MadePart>,
}

/// One thing that is known of how a package was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MadePart {
    /// What it is about: `build`, `source`, `beside` or `step`.
    pub subject: String,
    /// The step, for a part about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What it is, such as `commands` or `image`.
    pub what: String,
    /// Its value.
    pub value: String,
}

/// A part of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Blob {
    /// Its digest.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
}

/// A time that a package was somewhere, or was tried there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stay {
    /// Where.
    pub environment: String,
    /// The deployment's run.
    #[schema(value_type = String)]
    pub run: RunId,
    /// `coming`, `here`, `gone` or `failed`.
    pub state: String,
    /// Why it was made: `advance`, `promotion`, `return` or `rollback`.
    pub purpose: String,
    /// Who or what started it.
    pub actor: String,
    /// Since when it was there, or when it was tried.
    #[schema(value_type = String)]
    pub since: Timestamp,
    /// Until when.
    #[schema(value_type = Option<String>)]
    pub until: Option<Timestamp>,
}

/// An entry of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// Its path.
    pub path: String,
    /// `folder`, `file` or `link`.
    pub kind: String,
    /// A file's bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The digest of a file's bytes.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Whether a file may be executed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
    /// Where a link points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// How two packages differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PackageDifference {
    /// `package-difference/1`.
    pub schema: String,
    /// The one.
    #[schema(value_type = String)]
    pub before: Digest,
    /// The other.
    #[schema(value_type = String)]
    pub after: Digest,
    /// The entries that differ, by path.
    pub files: Vec<DifferingEntry>,
    /// The parts of the config that differ, such as `commit` or `document.service`.
    pub config: Vec<String>,
    /// Whether only how the bytes are packed differs.
    pub encoding_only: bool,
    /// How they were made in another way; nothing where that is not known of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Vec<MadeDifferently>>,
}

/// A part in which the making of two packages differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MadeDifferently {
    /// What it is about: `build`, `source`, `beside` or `step`.
    pub subject: String,
    /// The step, for a part about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What it is.
    pub what: String,
    /// With the one; nothing where it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// With the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// An entry that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DifferingEntry {
    /// What it is in the one; nothing where it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Entry>,
    /// What it is in the other; nothing where it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Entry>,
}
