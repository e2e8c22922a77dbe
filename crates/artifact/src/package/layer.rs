//! Reading a package's layers with suspicion: every entry is checked before anybody sees it.
//!
//! Allowed are files, folders, and symlinks that stay in the package, each path once, none below a
//! file or a link. Refused is all else: absolute paths, `..`, hard links, devices, pipes, sparse
//! files, whiteouts, bombs.

use std::collections::HashMap;
use std::io::{self, Read};

use facts::{Digest, Hasher};
use flate2::bufread::GzDecoder;
use tar::{Archive, EntryType};

use super::{ENTRY_LIMIT, Package, PackageError, UNPACKED_LIMIT};
use crate::beneath::{self, RelativePath};
use crate::blob::{BlobError, BlobStore};

/// A checked entry of a layer.
pub(super) struct Checked<'a> {
    pub(super) path: RelativePath,
    pub(super) kind: CheckedKind<'a>,
}

pub(super) enum CheckedKind<'a> {
    Folder,
    File {
        size: u64,
        executable: bool,
        bytes: &'a mut dyn Read,
    },
    Link {
        target: String,
    },
}

/// Gives every entry of every layer, in order, to `each`, and verifies the layers' digests.
pub(super) fn walk(
    store: &BlobStore,
    package: &Package,
    mut each: impl FnMut(Checked<'_>) -> Result<(), PackageError>,
) -> Result<(), PackageError> {
    let mut seen = Seen::default();
    for (descriptor, diff_id) in package.manifest.layers.iter().zip(&package.diff_ids) {
        let layer = descriptor.digest;
        let blob = store.open_verified(&layer)?;
        let unpacked = Unpacked {
            inner: GzDecoder::new(io::BufReader::with_capacity(128 * 1024, blob)),
            hasher: Hasher::new(),
            left: UNPACKED_LIMIT.saturating_sub(seen.bytes),
        };
        let mut archive = Archive::new(unpacked);
        read_entries(&mut archive, layer, &mut seen, &mut each)?;
        let mut rest = archive.into_inner();
        io::copy(&mut rest, &mut io::sink()).map_err(|e| broken(layer, e))?;
        // What follows the compressed stream must be hashed too, so that the whole blob is verified.
        let mut blob = rest.inner.into_inner();
        let trailing = io::copy(&mut blob, &mut io::sink()).map_err(|e| broken(layer, e))?;
        if trailing > 0 {
            return Err(broken(layer, io::Error::other("bytes follow the compressed archive")));
        }
        let found = rest.hasher.finish();
        if found != *diff_id {
            return Err(PackageError::Blob(BlobError::Unexpected {
                expected: *diff_id,
                found,
            }));
        }
    }
    Ok(())
}

fn read_entries(
    archive: &mut Archive<Unpacked<impl Read>>,
    layer: Digest,
    seen: &mut Seen,
    each: &mut impl FnMut(Checked<'_>) -> Result<(), PackageError>,
) -> Result<(), PackageError> {
    for entry in archive.entries().map_err(|e| broken(layer, e))? {
        let mut entry = entry.map_err(|e| broken(layer, e))?;
        let shown = String::from_utf8_lossy(&entry.path_bytes())
            .chars()
            .take(200)
            .collect::<String>();
        let refuse = |reason: String| PackageError::Malicious {
            layer,
            entry: shown.clone(),
            reason,
        };

        let text = String::from_utf8(entry.path_bytes().into_owned()).map_err(|_| refuse("is not UTF-8".into()))?;
        let path = RelativePath::new(&text).map_err(|e| refuse(format!("is no path below a folder: {}", e.rule)))?;
        if path.is_root() {
            // Many tools begin an archive with `./`; there is nothing to do for it.
            if entry.header().entry_type() == EntryType::Directory {
                continue;
            }
            return Err(refuse("would replace the folder itself".into()));
        }
        if path.parts().any(|part| part.starts_with(".wh.")) {
            return Err(refuse("marks a deleted file".into()));
        }
        let size = entry.size();
        let is_folder = match entry.header().entry_type() {
            EntryType::Directory => true,
            EntryType::Regular | EntryType::Continuous | EntryType::Symlink => false,
            EntryType::Link => return Err(refuse("is a hard link".into())),
            EntryType::Char | EntryType::Block => return Err(refuse("is a device".into())),
            EntryType::Fifo => return Err(refuse("is a pipe".into())),
            other => return Err(refuse(format!("is of the kind {:?}, which is not supported", other))),
        };
        seen.add(&path, is_folder, size).map_err(refuse)?;

        if is_folder {
            each(Checked {
                path,
                kind: CheckedKind::Folder,
            })?;
        } else if entry.header().entry_type() == EntryType::Symlink {
            let target = entry
                .link_name_bytes()
                .and_then(|bytes| String::from_utf8(bytes.into_owned()).ok())
                .ok_or_else(|| refuse("is a symlink without a readable target".into()))?;
            if !beneath::link_stays_beneath(path.depth() - 1, &target) {
                return Err(refuse(format!(
                    "is a symlink that may leave the folder: `{}`",
                    target.escape_debug()
                )));
            }
            each(Checked {
                path,
                kind: CheckedKind::Link { target },
            })?;
        } else {
            let executable = entry.header().mode().map_err(|e| broken(layer, e))? & 0o100 != 0;
            each(Checked {
                path,
                kind: CheckedKind::File {
                    size,
                    executable,
                    bytes: &mut entry,
                },
            })?;
        }
    }
    Ok(())
}

pub(super) fn broken(layer: Digest, source: io::Error) -> PackageError {
    PackageError::Layer { layer, source }
}

/// Which paths came so far.
#[derive(Default)]
struct Seen {
    /// Whether the path is a folder, and whether an entry named it (or only something below it).
    paths: HashMap<String, (bool, bool)>,
    bytes: u64,
}

impl Seen {
    fn add(&mut self, path: &RelativePath, is_folder: bool, size: u64) -> Result<(), String> {
        for above in path.ancestors() {
            let (is_folder, _) = self.paths.entry(above.to_owned()).or_insert((true, false));
            if !*is_folder {
                return Err(format!("is below `{}`, which is not a folder", above.escape_debug()));
            }
        }
        match self.paths.get(path.as_str()) {
            Some((true, false)) if is_folder => {}
            Some(_) => return Err("is there twice".to_owned()),
            None => {}
        }
        self.paths.insert(path.as_str().to_owned(), (is_folder, true));
        self.bytes = self.bytes.saturating_add(size);
        if self.paths.len() > ENTRY_LIMIT {
            return Err(format!("is one more than the {ENTRY_LIMIT} entries allowed"));
        }
        if self.bytes > UNPACKED_LIMIT {
            return Err(format!("brings the package over {UNPACKED_LIMIT} bytes"));
        }
        Ok(())
    }
}

/// The bytes of a layer after decompression: hashed and limited.
struct Unpacked<R> {
    inner: R,
    hasher: Hasher,
    left: u64,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        // Headers and padding count too, at most as much again.
        self.left = self
            .left
            .checked_sub(count as u64 / 2)
            .ok_or_else(|| io::Error::other("the layer unpacks to more bytes than allowed"))?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
