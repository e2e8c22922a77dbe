//! What can go wrong with a package.

use std::io;
use std::path::PathBuf;

use facts::Digest;

use crate::beneath::PathError;
use crate::blob::BlobError;

/// Why a package could not be built, read or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A blob could not be stored or read.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// A path of the recipe leaves its folder by its text.
    #[error("the package's `{field}` is wrong: {source}")]
    Path {
        /// `from` or `to`.
        field: &'static str,
        /// What is wrong.
        source: PathError,
    },
    /// A file that the recipe names is not in the workspace.
    #[error("`{from}` is not in the workspace")]
    MissingFile {
        /// The path as the recipe has it.
        from: String,
    },
    /// A path leads out of the workspace through a symlink.
    #[error("`{path}` leads out of the workspace{}", target.as_ref().map(|t| format!(": it points to `{t}`")).unwrap_or_default())]
    Escapes {
        /// The path in the workspace.
        path: String,
        /// Where the link points, when it is one.
        target: Option<String>,
    },
    /// A symlink whose target does not exist, or a folder that a link cannot bring along.
    #[error("the symlink `{path}` -> `{target}` cannot be packaged: {reason}")]
    Link {
        /// The link in the workspace.
        path: String,
        /// Where it points.
        target: String,
        /// Why it cannot be packaged.
        reason: &'static str,
    },
    /// A device, a pipe or a socket.
    #[error("`{path}` is {kind}: only files, folders and symlinks can be packaged")]
    Special {
        /// The path in the workspace.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// Two lines of the recipe put something at the same path.
    #[error("`{to}` would be in the package twice, from `{first}` and from `{second}`")]
    Twice {
        /// The path in the package.
        to: String,
        /// What was there first.
        first: String,
        /// What came second.
        second: String,
    },
    /// A name that means something else in image layers.
    #[error("`{path}` cannot be packaged: names that begin with `.wh.` mark deleted files in image layers")]
    Whiteout {
        /// The path in the package.
        path: String,
    },
    /// A file changed while it was being read.
    #[error("`{path}` changed while it was being packaged")]
    Changed {
        /// The path in the workspace.
        path: String,
    },
    /// The package would be empty.
    #[error("the package would hold no file")]
    Empty,
    /// The package has too many files or bytes.
    #[error("the package has more than {limit}")]
    TooLarge {
        /// The limit, in words.
        limit: String,
    },
    /// A file of the workspace could not be read.
    #[error("could not read `{path}`: {source}")]
    Read {
        /// The path in the workspace.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The blob is no manifest of a package.
    #[error("{digest} is not a package: {reason}")]
    NotAPackage {
        /// The digest.
        digest: Digest,
        /// Why not.
        reason: String,
    },
    /// A layer holds something that must not be unpacked.
    #[error("layer {layer} is refused: entry `{}` {reason}", entry.escape_debug())]
    Malicious {
        /// The layer's digest.
        layer: Digest,
        /// The entry's name in the layer, cut after 200 characters.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A layer is not a compressed tar archive.
    #[error("layer {layer} could not be read: {source}")]
    Layer {
        /// The layer's digest.
        layer: Digest,
        /// What was wrong.
        source: io::Error,
    },
    /// The target folder could not be written.
    #[error("could not unpack to {}: {source}", path.display())]
    Write {
        /// The path outside.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl PackageError {
    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Blob(error) => error.is_full(),
            Self::Write { source, .. } => crate::blob::is_full(source),
            _ => false,
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Blob(error) => error.hint(),
            Self::Path { .. } => Some("write the path relative to the component's folder, without `..`"),
            Self::MissingFile { .. } => {
                Some("does a step before `package` make it? paths are relative to the component's folder")
            }
            Self::Escapes { .. } | Self::Link { .. } => {
                Some("copy the file into the workspace in a step, and name the copy under `package`")
            }
            Self::Special { .. } | Self::Whiteout { .. } => {
                Some("name the files and folders that the service needs one by one under `package`")
            }
            Self::Twice { .. } => Some("give one of the two another `to`"),
            Self::Changed { .. } => Some("a process of an earlier step still writes to it; let the step wait for it"),
            Self::Empty => Some("name at least one file under `package`"),
            Self::Write { .. } if self.is_full() => Some("free some space or move the data folder; then retry"),
            Self::Malicious { .. } => {
                Some("the package was not made by throughline, or was tampered with; build again")
            }
            _ => None,
        }
    }
}
