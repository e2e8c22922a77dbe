//! One package: what is in it, where it came from, where it is and was, and how it differs from another.

use facts::{ComponentName, Digest, EnvironmentName, RunId, Timestamp, Version};
use serde::Serialize;

use super::{ChangeName, DeploymentKind, VerdictMark};

/// The page of a package.
#[derive(Debug, Clone, Serialize)]
pub struct PackagePage {
    /// Its digest.
    pub digest: Digest,
    /// Of which component.
    pub component: ComponentName,
    /// Its version, once claimed.
    pub version: Option<Version>,
    /// What it was made from.
    pub change: ChangeName,
    /// The run that made it.
    pub run: Option<RunId>,
    /// What its files run on.
    pub platform: String,
    /// The digest of the definition by which it was made.
    pub definition: Digest,
    /// How it was made; `None` where no build here made it.
    pub making: Option<Making>,
    /// Why it must never be deployed again, where that is so.
    pub never_again: Vec<String>,
    /// Where it is and was, newest first.
    pub stays: Vec<Stay>,
    /// What was judged of it, newest first.
    pub verdicts: Vec<PackageVerdict>,
    /// The digest and size of its config.
    pub config: (Digest, u64),
    /// The digests and sizes of its layers, in order.
    pub layers: Vec<(Digest, u64)>,
    /// What is in it, by path; `None` where its bytes cannot be read.
    pub contents: Option<Vec<PackageEntry>>,
    /// Entries that are not in `contents` because there are too many.
    pub more_contents: usize,
    /// The file that is open.
    pub file: Option<OpenFile>,
    /// Other packages of the component to compare with, newest first.
    pub others: Vec<OtherPackage>,
    /// How it differs from the one that was chosen.
    pub difference: Option<PackageDifference>,
}

/// A time that a package was somewhere, or was tried there.
#[derive(Debug, Clone, Serialize)]
pub struct Stay {
    /// Where.
    pub environment: EnvironmentName,
    /// The deployment that brought it.
    pub run: RunId,
    /// What it was.
    pub kind: DeploymentKind,
    /// Who or what started it, by the name to show.
    pub by: String,
    /// Since when it was there, or when it was tried.
    pub since: Timestamp,
    /// How it went on.
    pub state: StayState,
}

/// How it went on with a package somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum StayState {
    /// It is coming.
    Coming,
    /// It is there.
    Here,
    /// It was there until then.
    Gone(Timestamp),
    /// It did not get there.
    Failed,
}

/// What was judged of a package.
#[derive(Debug, Clone, Serialize)]
pub struct PackageVerdict {
    /// What was judged and what it came to.
    pub mark: VerdictMark,
    /// Where.
    pub environment: Option<EnvironmentName>,
    /// Why, each a sentence.
    pub reasons: Vec<String>,
    /// When.
    pub at: Timestamp,
}

/// An entry of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageEntry {
    /// Its path.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry of a package is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// A file.
    File {
        /// Its bytes.
        size: u64,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A link within the package.
    Link {
        /// Where it points.
        target: String,
    },
}

/// A file of a package that is looked at.
#[derive(Debug, Clone, Serialize)]
pub struct OpenFile {
    /// Its path.
    pub path: String,
    /// Its bytes.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
    /// Its text; `None` for what is no text, or too large to show.
    pub text: Option<String>,
}

/// Another package of the component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OtherPackage {
    /// Its digest.
    pub digest: Digest,
    /// Its version, or how else to call it.
    pub name: String,
}

/// How a package differs from an earlier or later one.
#[derive(Debug, Clone, Serialize)]
pub struct PackageDifference {
    /// The other one.
    pub other: OtherPackage,
    /// Entries that differ, by path.
    pub files: Vec<DifferingFile>,
    /// Entries that are not in `files` because there are too many.
    pub more_files: usize,
    /// Parts of the config that differ.
    pub config: Vec<String>,
    /// Whether only how the bytes are packed differs.
    pub encoding_only: bool,
    /// How it was made in another way; `None` where that is not known of both.
    pub making: Option<Vec<MadeDifferently>>,
}

/// How a package was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Making {
    /// The build.
    pub run: RunId,
    /// Who or what asked for it, by the name to show.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What is known of it, in order.
    pub parts: Vec<MadePart>,
}

/// One thing that is known of how a package was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MadePart {
    /// What it is about.
    pub about: MadeAbout,
    /// What it is, such as `commands` or `image`.
    pub what: String,
    /// Its value, and where it leads.
    pub value: MadeValue,
}

/// What a part of a package's making is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MadeAbout {
    /// The build as a whole.
    Build,
    /// What it was made from.
    Source,
    /// What it had beside its own files.
    Beside,
    /// A step of the build.
    Step(String),
}

/// The value of such a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MadeValue {
    /// The text.
    pub text: String,
    /// A page of this server that it leads to.
    pub path: Option<String>,
}

/// A part of its making in which a package differs from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MadeDifferently {
    /// What it is about.
    pub about: MadeAbout,
    /// What it is.
    pub what: String,
    /// With the other package; `None` where it was not there.
    pub before: Option<MadeValue>,
    /// With this package.
    pub after: Option<MadeValue>,
}

/// An entry that differs between two packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DifferingFile {
    /// Its path.
    pub path: String,
    /// Its bytes in the other package; `None` where it is not there.
    pub before: Option<u64>,
    /// Its bytes in this package; `None` where it is not there.
    pub after: Option<u64>,
}
