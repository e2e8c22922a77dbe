//! A package: one immutable OCI image, built once, named by the digest of its manifest.
//!
//! Inside are files, and a config that says which component and commit they are of, by which
//! definition they were made, for which platform, and a document frozen at build time that later
//! deployments read. Never inside: version, times other than the commit's, host, signatures. So the
//! same inputs give the same digest on every machine.

mod build;
mod cache;
mod collect;
mod contents;
mod error;
mod layer;
mod layout;
mod oci;
mod unpack;

use std::fmt;

use facts::{Commit, ComponentId, ComponentName, Digest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use build::build;
pub use cache::UnpackCache;
pub use contents::{
    Change, Content, ContentKind, Difference, contents, count_files_with, difference, difference_between,
};
pub use error::PackageError;
pub use layout::{export_layout, takes_layout};
pub use oci::{Descriptor, Manifest, media};
pub use unpack::unpack;

use crate::blob::BlobStore;

/// The most bytes of a manifest or a config.
const JSON_LIMIT: u64 = 4 * 1024 * 1024;
/// The most entries of a package.
const ENTRY_LIMIT: usize = 500_000;
/// The most bytes of a package when unpacked.
const UNPACKED_LIMIT: u64 = 32 * 1024 * 1024 * 1024;

/// One line of a package's recipe: a file or folder of the workspace, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipeFile {
    /// A file or folder, relative to the workspace; `.` is the whole of it, without its `.git`.
    pub from: String,
    /// Its path in the package. A file goes into a folder when this ends with `/`; `.` is the root.
    pub to: String,
}

/// All that a package is made of, beside the bytes in the workspace.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// The component.
    pub component: ComponentId,
    /// The component's name at the time of the build.
    pub component_name: ComponentName,
    /// The commit.
    pub commit: Commit,
    /// When the commit was made; all files carry this time.
    pub commit_time: Timestamp,
    /// The digest of the definition by which the package is made.
    pub definition: Digest,
    /// What the files run on.
    pub platform: Platform,
    /// What a deployment needs to know later.
    pub document: Value,
    /// Which files go where.
    pub files: Vec<RecipeFile>,
}

/// What a package's files run on, written `os/architecture` in the words of OCI.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// Such as `linux`.
    pub os: String,
    /// Such as `amd64` or `arm64`.
    pub architecture: String,
}

impl Platform {
    /// The platform that this program was compiled for.
    pub fn here() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            "loongarch64" => "loong64",
            other => other,
        };
        Self {
            os: std::env::consts::OS.to_owned(),
            architecture: architecture.to_owned(),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)
    }
}

/// What the config of a package says about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackageConfig {
    /// The component.
    pub component: ComponentId,
    /// The component's name when the package was built.
    pub name: ComponentName,
    /// The commit.
    pub commit: Commit,
    /// The digest of the definition by which the package was made.
    pub definition: Digest,
    /// What the files run on.
    pub platform: Platform,
    /// What a deployment needs to know.
    pub document: Value,
}

/// A package that was read back from a store. Its files are looked at by [`contents`] and [`unpack`].
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// The digest of its manifest: its name.
    pub digest: Digest,
    /// Its manifest.
    pub manifest: Manifest,
    /// What its config says.
    pub config: PackageConfig,
    /// The digests of its layers before compression, in order.
    pub diff_ids: Vec<Digest>,
}

impl Package {
    /// Reads a package's manifest and config, verified against their digests.
    ///
    /// # Errors
    /// When a blob is missing or damaged, or is not a package's.
    pub fn read(store: &BlobStore, digest: &Digest) -> Result<Self, PackageError> {
        let manifest =
            Manifest::parse(&store.read(digest, JSON_LIMIT)?).map_err(|reason| PackageError::NotAPackage {
                digest: *digest,
                reason,
            })?;
        let config = oci::ImageConfig::parse(&store.read(&manifest.config.digest, JSON_LIMIT)?).map_err(|reason| {
            PackageError::NotAPackage {
                digest: *digest,
                reason,
            }
        })?;
        if config.rootfs.diff_ids.len() != manifest.layers.len() {
            let reason = "its manifest and its config disagree about the number of layers".to_owned();
            return Err(PackageError::NotAPackage {
                digest: *digest,
                reason,
            });
        }
        Ok(Self {
            digest: *digest,
            manifest,
            diff_ids: config.rootfs.diff_ids,
            config: config.throughline,
        })
    }

    /// All blobs that the package is made of: manifest, config, layers.
    pub fn blobs(&self) -> impl Iterator<Item = Digest> {
        [self.digest, self.manifest.config.digest]
            .into_iter()
            .chain(self.manifest.layers.iter().map(|l| l.digest))
    }

    /// Reads all blobs of the package to their ends and compares them with their digests.
    ///
    /// # Errors
    /// Names the first blob that is missing or damaged.
    pub fn verify(&self, store: &BlobStore) -> Result<(), PackageError> {
        for digest in self.blobs() {
            store.verify(&digest)?;
        }
        Ok(())
    }
}
