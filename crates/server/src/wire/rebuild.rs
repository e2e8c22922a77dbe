//! Rebuilds: whether the same package comes out again.

use artifact::package::{Change, Content, ContentKind};
use facts::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RunLine;

/// A commit that was built again, and how what came out compares with the package that stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rebuild {
    /// `rebuild/1`.
    pub schema: String,
    /// The run that builds again.
    pub run: RunLine,
    /// The package that stands.
    #[schema(value_type = String)]
    pub package: Digest,
    /// Its version.
    pub version: Option<String>,
    /// Once judged: `pass`, `fail` or `unknown`.
    pub result: Option<String>,
    /// Why.
    pub reasons: Vec<String>,
    /// The digest of what was put together again.
    #[schema(value_type = Option<String>)]
    pub rebuilt: Option<Digest>,
    /// How many entries the package that stands has.
    pub entries: Option<u64>,
    /// How many entries differ.
    pub differing: Option<u64>,
    /// The entries that differ, sorted by path; at most 20,000.
    pub files: Vec<DifferingFile>,
    /// The parts of the package's config that differ.
    pub config: Vec<String>,
    /// When it was judged.
    #[schema(value_type = Option<String>)]
    pub recorded_at: Option<Timestamp>,
}

/// An entry that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DifferingFile {
    /// Its path in the package.
    pub path: String,
    /// `added`, `removed` or `changed`.
    pub change: String,
    /// Of a changed one: `kind`, `mode`, `size`, `bytes`, `target`.
    pub how: Vec<String>,
    /// In the package that stands.
    pub before: Option<PackagedFile>,
    /// In what was put together again.
    pub after: Option<PackagedFile>,
}

/// An entry of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PackagedFile {
    /// `file`, `folder` or `link`.
    pub kind: String,
    /// Of a file: its length in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Of a file: the digest of its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub digest: Option<Digest>,
    /// Of a file: whether it may be executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<bool>,
    /// Of a link: where it points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

impl PackagedFile {
    /// An entry of a kind, of which nothing else is said.
    pub fn of(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            size: None,
            digest: None,
            executable: None,
            target: None,
        }
    }
}

impl From<&Change> for DifferingFile {
    fn from(change: &Change) -> Self {
        let side = |content: &Content| match &content.kind {
            ContentKind::Folder => PackagedFile::of("folder"),
            ContentKind::Link { target } => PackagedFile {
                target: Some(target.clone()),
                ..PackagedFile::of("link")
            },
            ContentKind::File {
                size,
                digest,
                executable,
            } => PackagedFile {
                size: Some(*size),
                digest: Some(*digest),
                executable: Some(*executable),
                ..PackagedFile::of("file")
            },
        };
        let (word, before, after) = match change {
            Change::Added { content } => ("added", None, Some(side(content))),
            Change::Removed { content } => ("removed", Some(side(content)), None),
            Change::Changed { before, after } => ("changed", Some(side(before)), Some(side(after))),
        };
        Self {
            path: change.path().to_owned(),
            change: word.to_owned(),
            how: change.how().into_iter().map(str::to_owned).collect(),
            before,
            after,
        }
    }
}
