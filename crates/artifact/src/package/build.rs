//! Building a package: a normalised layer, a config, a manifest.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use facts::{Digest, Hasher, Timestamp};
use flate2::{Compression, GzBuilder};
use tar::{EntryType, Header};

use super::collect::{self, Entries, Entry};
use super::oci::{self, ContainerConfig, Descriptor, ImageConfig, Manifest, RootFileSystem, media};
use super::{Package, PackageConfig, PackageError, Recipe, UNPACKED_LIMIT};
use crate::beneath::{self, Folder, Links};
use crate::blob::{BlobError, BlobStore, Stored};

/// Fixed for good: another level gives another digest for the same files.
const COMPRESSION: u32 = 6;

/// Builds the package of `recipe` from the files in `workspace`. The same inputs give the same digest.
/// When this returns, all blobs of the package are durable.
///
/// # Errors
/// When a file is missing, cannot be packaged, or leads out of the workspace, and when the store
/// fails. Blobs stored before the error stay; nothing refers to them.
pub fn build(store: &BlobStore, workspace: &Path, recipe: &Recipe) -> Result<Package, PackageError> {
    let wrong = |source| PackageError::Read {
        path: workspace.display().to_string(),
        source,
    };
    let workspace = Folder::open(workspace).map_err(wrong)?;
    let entries = collect::collect(&workspace, &recipe.files)?;
    let (layer, diff_id) = write_layer(store, &workspace, &entries, recipe.commit_time)?;

    let config = PackageConfig {
        component: recipe.component,
        name: recipe.component_name.clone(),
        commit: recipe.commit.clone(),
        definition: recipe.definition,
        platform: recipe.platform.clone(),
        document: oci::canonical(&recipe.document),
    };
    let image = ImageConfig {
        architecture: recipe.platform.architecture.clone(),
        os: recipe.platform.os.clone(),
        config: ContainerConfig::default(),
        rootfs: RootFileSystem {
            kind: "layers".to_owned(),
            diff_ids: vec![diff_id],
        },
        throughline: config,
    };
    let stored_config = store.put_bytes(&json(&image)?)?;
    let manifest = Manifest {
        schema_version: 2,
        media_type: media::MANIFEST.to_owned(),
        config: describe(media::CONFIG, stored_config),
        layers: vec![describe(media::LAYER, layer)],
    };
    crashpoint::reach("artifact.package.manifest");
    let digest = store.put_bytes(&json(&manifest)?)?.digest;
    Ok(Package {
        digest,
        manifest,
        config: image.throughline,
        diff_ids: image.rootfs.diff_ids,
    })
}

fn describe(media_type: &str, stored: Stored) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: stored.digest,
        size: stored.size,
    }
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, PackageError> {
    let bytes = serde_json::to_vec(value).map_err(|e| BlobError::Input(e.into()))?;
    if bytes.len() as u64 > super::JSON_LIMIT {
        return Err(PackageError::TooLarge {
            limit: format!("{} bytes of config", super::JSON_LIMIT),
        });
    }
    Ok(bytes)
}

/// Writes the layer and gives its blob and the digest of its bytes before compression.
fn write_layer(
    store: &BlobStore,
    workspace: &Folder,
    entries: &Entries,
    time: Timestamp,
) -> Result<(Stored, Digest), PackageError> {
    let blob = store.writer()?;
    // No name, no time, no operating system in the header: only the bytes count.
    let gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(blob, Compression::new(COMPRESSION));
    let mut archive = tar::Builder::new(Hashing {
        inner: gzip,
        hasher: Hasher::new(),
    });
    let mut total: u64 = 0;
    for (path, (entry, _)) in entries {
        match entry {
            Entry::Folder => {
                let mut header = header(EntryType::Directory, 0o755, 0, time);
                archive.append_data(&mut header, path, io::empty()).map_err(writing)?;
            }
            Entry::Link(target) => {
                let mut header = header(EntryType::Symlink, 0o777, 0, time);
                archive.append_link(&mut header, path, target).map_err(writing)?;
            }
            Entry::File(source) => {
                let (handle, stat) = workspace.read(source, Links::FollowBeneath).map_err(|error| {
                    if beneath::is_escape(&error) {
                        PackageError::Escapes {
                            path: source.to_string(),
                            target: None,
                        }
                    } else {
                        PackageError::Read {
                            path: source.to_string(),
                            source: error,
                        }
                    }
                })?;
                let size = stat.st_size as u64;
                total = total.saturating_add(size);
                if total > UNPACKED_LIMIT {
                    return Err(PackageError::TooLarge {
                        limit: format!("{UNPACKED_LIMIT} bytes"),
                    });
                }
                let mode = if stat.st_mode & 0o100 == 0 { 0o644 } else { 0o755 };
                let mut header = header(EntryType::Regular, mode, size, time);
                let mut reader = Exactly {
                    file: handle.into(),
                    left: size,
                    failed: None,
                };
                let result = archive.append_data(&mut header, path, &mut reader);
                match reader.failed {
                    Some(Failure::Changed) => {
                        return Err(PackageError::Changed {
                            path: source.to_string(),
                        });
                    }
                    Some(Failure::Read(error)) => {
                        return Err(PackageError::Read {
                            path: source.to_string(),
                            source: error,
                        });
                    }
                    None => result.map_err(writing)?,
                }
            }
        }
    }
    let hashing = archive.into_inner().map_err(writing)?;
    let diff_id = hashing.hasher.finish();
    let stored = hashing.inner.finish().map_err(writing)?.finish()?;
    Ok((stored, diff_id))
}

/// A header that says nothing of the machine it was made on.
fn header(kind: EntryType, mode: u32, size: u64, time: Timestamp) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    // What does not fit into the field's eleven octal digits is no time of a commit.
    header.set_mtime(u64::try_from(time.as_second()).unwrap_or(0).min(0o77_777_777_777));
    header.set_size(size);
    header
}

/// What the archive's writer failed of: nearly always the blob store below it.
fn writing(error: io::Error) -> PackageError {
    match error.downcast::<BlobError>() {
        Ok(error) => PackageError::Blob(error),
        Err(error) => PackageError::Blob(BlobError::Input(error)),
    }
}

/// Hashes what is written on its way.
struct Hashing<W> {
    inner: W,
    hasher: Hasher,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

enum Failure {
    Changed,
    Read(io::Error),
}

/// Reads a file that must have exactly the bytes its header announced.
struct Exactly {
    file: File,
    left: u64,
    failed: Option<Failure>,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        match self.file.read(buffer) {
            Ok(0) if self.left == 0 => Ok(0),
            Ok(count) if count > 0 && count as u64 <= self.left => {
                self.left -= count as u64;
                Ok(count)
            }
            Ok(_) => {
                self.failed = Some(Failure::Changed);
                Err(io::Error::other("the file changed"))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.failed = Some(Failure::Read(error));
                Err(io::Error::other("the file could not be read"))
            }
        }
    }
}
