//! What is in a package, and how two packages differ.

use std::collections::BTreeMap;
use std::io;

use facts::{Digest, Hasher};
use serde::{Deserialize, Serialize};

use super::layer::{self, CheckedKind};
use super::{Package, PackageError};
use crate::blob::BlobStore;

/// One entry of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Its path in the package.
    pub path: String,
    /// What it is.
    #[serde(flatten)]
    pub kind: ContentKind,
}

/// What an entry of a package is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ContentKind {
    /// A folder.
    Folder,
    /// A file.
    File {
        /// Its length in bytes.
        size: u64,
        /// The digest of its bytes.
        digest: Digest,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A symlink.
    Link {
        /// Where it points, relative to its folder.
        target: String,
    },
}

/// All entries of a package, sorted by path. Reads and verifies every layer.
///
/// # Errors
/// When a layer is missing, damaged or holds something that must not be unpacked.
pub fn contents(store: &BlobStore, package: &Package) -> Result<Vec<Content>, PackageError> {
    let mut all = Vec::new();
    let layer = package
        .manifest
        .layers
        .first()
        .map_or(package.digest, |layer| layer.digest);
    layer::walk(store, package, |entry| {
        let kind = match entry.kind {
            CheckedKind::Folder => ContentKind::Folder,
            CheckedKind::Link { target } => ContentKind::Link { target },
            CheckedKind::File {
                size,
                executable,
                bytes,
            } => {
                let mut hasher = Hasher::new();
                let mut buffer = vec![0; 64 * 1024];
                let mut read = 0;
                loop {
                    match bytes.read(&mut buffer) {
                        Ok(0) => break,
                        Ok(count) => {
                            hasher.update(&buffer[..count]);
                            read += count as u64;
                        }
                        Err(error) => return Err(layer::broken(layer, error)),
                    }
                }
                if read != size {
                    return Err(layer::broken(layer, io::ErrorKind::UnexpectedEof.into()));
                }
                ContentKind::File {
                    size,
                    digest: hasher.finish(),
                    executable,
                }
            }
        };
        all.push(Content {
            path: entry.path.as_str().to_owned(),
            kind,
        });
        Ok(())
    })?;
    all.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(all)
}

/// How many of the chosen files hold `needle` somewhere. Files of more than `limit` bytes are not looked into.
///
/// # Errors
/// When a layer is missing, damaged or holds something that must not be unpacked.
pub fn count_files_with(
    store: &BlobStore,
    package: &Package,
    limit: u64,
    needle: &[u8],
    chosen: impl Fn(&str) -> bool,
) -> Result<u64, PackageError> {
    let layer = package
        .manifest
        .layers
        .first()
        .map_or(package.digest, |layer| layer.digest);
    let mut count = 0;
    layer::walk(store, package, |entry| {
        let CheckedKind::File { size, bytes, .. } = entry.kind else {
            return Ok(());
        };
        if size <= limit && !needle.is_empty() && chosen(entry.path.as_str()) {
            let mut content = Vec::new();
            bytes
                .read_to_end(&mut content)
                .map_err(|error| layer::broken(layer, error))?;
            count += u64::from(content.windows(needle.len()).any(|window| window == needle));
        }
        Ok(())
    })?;
    Ok(count)
}

/// How one entry differs between two packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// Only the second package has it.
    Added {
        /// The entry.
        content: Content,
    },
    /// Only the first package has it.
    Removed {
        /// The entry.
        content: Content,
    },
    /// Both have it, and it differs.
    Changed {
        /// The entry in the first package.
        before: Content,
        /// The entry in the second package.
        after: Content,
    },
}

/// How two packages differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Difference {
    /// The entries that differ, sorted by path.
    pub files: Vec<Change>,
    /// The parts of the config that differ, such as `commit` or `document.service`.
    pub config: Vec<String>,
    /// Whether the packages are the same although a blob is not: other compression or times.
    pub encoding_only: bool,
}

impl Difference {
    /// Whether both packages hold the same.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.config.is_empty() && !self.encoding_only
    }
}

/// Compares two packages of one store entry by entry.
///
/// # Errors
/// When a layer of one of them cannot be read.
pub fn difference(store: &BlobStore, a: &Package, b: &Package) -> Result<Difference, PackageError> {
    difference_between((store, a), (store, b))
}

/// Compares two packages entry by entry, each in the store that holds it.
///
/// # Errors
/// When a layer of one of them cannot be read.
pub fn difference_between(
    (store_of_a, a): (&BlobStore, &Package),
    (store_of_b, b): (&BlobStore, &Package),
) -> Result<Difference, PackageError> {
    if a.digest == b.digest {
        return Ok(Difference::default());
    }
    let by_path = |store, package| -> Result<BTreeMap<String, Content>, PackageError> {
        Ok(contents(store, package)?
            .into_iter()
            .map(|c| (c.path.clone(), c))
            .collect())
    };
    let mut files = Vec::new();
    if a.manifest.layers != b.manifest.layers {
        let mut before = by_path(store_of_a, a)?;
        for (path, after) in by_path(store_of_b, b)? {
            match before.remove(&path) {
                None => files.push(Change::Added { content: after }),
                Some(before) if before != after => files.push(Change::Changed { before, after }),
                Some(_) => {}
            }
        }
        files.extend(before.into_values().map(|content| Change::Removed { content }));
        files.sort_by(|a, b| a.path().cmp(b.path()));
    }
    let config = config_difference(a, b);
    let encoding_only = files.is_empty() && config.is_empty();
    Ok(Difference {
        files,
        config,
        encoding_only,
    })
}

impl Change {
    /// In what the entry differs: `kind`, `mode`, `size`, `bytes`, `target`; of an entry that only one
    /// package has, nothing.
    pub fn how(&self) -> Vec<&'static str> {
        let Self::Changed { before, after } = self else {
            return Vec::new();
        };
        let mut how = Vec::new();
        match (&before.kind, &after.kind) {
            (
                ContentKind::File {
                    size: size_before,
                    digest: digest_before,
                    executable: executable_before,
                },
                ContentKind::File {
                    size,
                    digest,
                    executable,
                },
            ) => {
                let parts = [
                    (executable_before != executable, "mode"),
                    (size_before != size, "size"),
                    (digest_before != digest, "bytes"),
                ];
                how.extend(parts.into_iter().filter_map(|(differs, part)| differs.then_some(part)));
            }
            (ContentKind::Link { .. }, ContentKind::Link { .. }) => how.push("target"),
            _ => how.push("kind"),
        }
        how
    }

    /// The path of the entry that differs.
    pub fn path(&self) -> &str {
        match self {
            Self::Added { content } | Self::Removed { content } => &content.path,
            Self::Changed { after, .. } => &after.path,
        }
    }
}

fn config_difference(a: &Package, b: &Package) -> Vec<String> {
    let (a, b) = (&a.config, &b.config);
    let mut parts = Vec::new();
    for (part, same) in [
        ("component", a.component == b.component),
        ("name", a.name == b.name),
        ("commit", a.commit == b.commit),
        ("definition", a.definition == b.definition),
        ("platform", a.platform == b.platform),
    ] {
        if !same {
            parts.push(part.to_owned());
        }
    }
    match (a.document.as_object(), b.document.as_object()) {
        (Some(a), Some(b)) => {
            let mut keys: Vec<_> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            parts.extend(
                keys.into_iter()
                    .filter(|k| a.get(*k) != b.get(*k))
                    .map(|k| format!("document.{k}")),
            );
        }
        _ if a.document != b.document => parts.push("document".to_owned()),
        _ => {}
    }
    parts
}
