//! Blobs: bytes named by their SHA-256, in a local folder.
//!
//! A store's folder holds `sha256/HEX` (the blobs, never changed) and `incoming/` (blobs being
//! written). A blob is written to `incoming/`, its bytes are made durable, it is renamed to its
//! digest, and the name is made durable. So whatever is visible under a digest is whole, even after a
//! power cut, and whoever holds a [`Stored`] may write a fact that names it.

mod error;
#[cfg(test)]
mod power_cut;
mod reader;
mod writer;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use disk::{Disk, LocalDisk};
use facts::Digest;

pub use error::BlobError;
pub(crate) use error::is_full;
pub use reader::VerifyingReader;
pub use writer::BlobWriter;

/// A blob that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// A content-addressed store on a local folder. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct BlobStore {
    inner: Arc<Inner>,
}

struct Inner {
    blobs: PathBuf,
    incoming: PathBuf,
    disk: Box<dyn Disk>,
    next: AtomicU64,
}

impl std::fmt::Debug for BlobStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("BlobStore").field(&self.inner.blobs).finish()
    }
}

impl BlobStore {
    /// Opens the store in `folder`, which is made when absent. What a dead writer left in `incoming/`
    /// is removed; a living writer's file is locked and stays.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(folder: &Path) -> Result<Self, BlobError> {
        let blobs = folder.join("sha256");
        let incoming = folder.join("incoming");
        for path in [folder, &blobs, &incoming] {
            std::fs::create_dir_all(path).map_err(|e| BlobError::io("make the folder", path, e))?;
        }
        for path in folder.parent().into_iter().chain([folder]) {
            LocalDisk
                .sync_folder(path)
                .map_err(|e| BlobError::io("make durable", path, e))?;
        }
        sweep(&incoming)?;
        Ok(Self::on(blobs, incoming, Box::new(LocalDisk)))
    }

    fn on(blobs: PathBuf, incoming: PathBuf, disk: Box<dyn Disk>) -> Self {
        Self {
            inner: Arc::new(Inner {
                blobs,
                incoming,
                disk,
                next: AtomicU64::new(0),
            }),
        }
    }

    /// Begins a blob of unknown digest. Nothing is visible until [`BlobWriter::finish`].
    ///
    /// # Errors
    /// When no file can be made, such as on a full disk.
    pub fn writer(&self) -> Result<BlobWriter, BlobError> {
        BlobWriter::begin(self.clone())
    }

    /// Stores all that `reader` gives.
    ///
    /// # Errors
    /// When reading or writing fails; then nothing is left behind.
    pub fn put(&self, reader: &mut dyn Read) -> Result<Stored, BlobError> {
        let mut writer = self.writer()?;
        let mut buffer = vec![0; 128 * 1024];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return writer.finish(),
                Ok(count) => writer.add(&buffer[..count])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(BlobError::Input(error)),
            }
        }
    }

    /// Stores `bytes`.
    ///
    /// # Errors
    /// When writing fails; then nothing is left behind.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Stored, BlobError> {
        let mut writer = self.writer()?;
        writer.add(bytes)?;
        writer.finish()
    }

    /// The size of a blob, or nothing when it is not here.
    ///
    /// # Errors
    /// When the disk cannot be asked.
    pub fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        let path = self.path(digest);
        match std::fs::symlink_metadata(&path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BlobError::io("look at", &path, error)),
        }
    }

    /// Opens a blob for reading, seekable, its bytes taken on trust.
    ///
    /// # Errors
    /// [`BlobError::Missing`] when it is not here.
    pub fn open_blob(&self, digest: &Digest) -> Result<File, BlobError> {
        let path = self.path(digest);
        File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BlobError::Missing { digest: *digest },
            _ => BlobError::io("open", &path, error),
        })
    }

    /// Opens a blob for reading; the reader fails at the end when the bytes are not what the digest
    /// says.
    ///
    /// # Errors
    /// [`BlobError::Missing`] when it is not here.
    pub fn open_verified(&self, digest: &Digest) -> Result<VerifyingReader, BlobError> {
        Ok(VerifyingReader::new(self.open_blob(digest)?, *digest))
    }

    /// A whole blob of at most `limit` bytes, verified.
    ///
    /// # Errors
    /// [`BlobError::Missing`], [`BlobError::TooLarge`], [`BlobError::Corrupt`].
    pub fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, BlobError> {
        let file = self.open_blob(digest)?;
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|e| BlobError::io("read", &self.path(digest), e))?;
        if bytes.len() as u64 > limit {
            return Err(BlobError::TooLarge { digest: *digest, limit });
        }
        let found = Digest::of(&bytes);
        if found != *digest {
            return Err(BlobError::Corrupt { digest: *digest, found });
        }
        Ok(bytes)
    }

    /// Reads a blob to its end and compares it with its digest.
    ///
    /// # Errors
    /// [`BlobError::Missing`] or [`BlobError::Corrupt`].
    pub fn verify(&self, digest: &Digest) -> Result<Stored, BlobError> {
        let mut file = self.open_blob(digest)?;
        let mut hasher = facts::Hasher::new();
        let mut buffer = vec![0; 128 * 1024];
        let mut size = 0;
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    hasher.update(&buffer[..count]);
                    size += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(BlobError::io("read", &self.path(digest), error)),
            }
        }
        let found = hasher.finish();
        if found == *digest {
            Ok(Stored { digest: found, size })
        } else {
            Err(BlobError::Corrupt { digest: *digest, found })
        }
    }

    /// All blobs that are here, in no order.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Digest>, BlobError> {
        let folder = &self.inner.blobs;
        let wrong = |e| BlobError::io("list", folder, e);
        let mut digests = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(wrong)? {
            let name = entry.map_err(wrong)?.file_name();
            if let Some(digest) = name.to_str().and_then(|hex| format!("sha256:{hex}").parse().ok()) {
                digests.push(digest);
            }
        }
        Ok(digests)
    }

    /// Removes a blob: its size, or nothing when it was not here. Whoever reads it at that moment reads on.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        let Some(size) = self.size(digest)? else {
            return Ok(None);
        };
        let path = self.path(digest);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(Some(size)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BlobError::io("remove", &path, error)),
        }
    }

    /// Where a blob's bytes are, whether or not they are here.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.inner.blobs.join(digest.hex())
    }

    fn incoming_path(&self) -> PathBuf {
        let number = self.inner.next.fetch_add(1, Ordering::Relaxed);
        self.inner.incoming.join(format!("{}-{number}", std::process::id()))
    }
}

/// Removes what dead writers left: files that nobody holds a lock on.
fn sweep(incoming: &Path) -> Result<(), BlobError> {
    let wrong = |e| BlobError::io("clear", incoming, e);
    for entry in std::fs::read_dir(incoming).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let Ok(file) = File::open(&path) else { continue };
        let lock = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
        if lock.is_ok() {
            std::fs::remove_file(&path).map_err(wrong)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, BlobStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).unwrap();
        (folder, store)
    }

    fn incoming(folder: &Path) -> usize {
        std::fs::read_dir(folder.join("incoming")).unwrap().count()
    }

    #[test]
    fn a_blob_reads_back_under_its_digest() {
        let (folder, store) = store();
        let stored = store.put_bytes(b"abc").unwrap();
        assert_eq!(
            stored,
            Stored {
                digest: Digest::of(b"abc"),
                size: 3
            }
        );
        assert_eq!(store.read(&stored.digest, 3).unwrap(), b"abc");
        assert_eq!(store.size(&stored.digest).unwrap(), Some(3));
        assert_eq!(store.size(&Digest::of(b"x")).unwrap(), None);
        assert_eq!(store.list().unwrap(), [stored.digest]);
        assert_eq!(incoming(folder.path()), 0);
    }

    #[test]
    fn an_abandoned_writer_leaves_nothing() {
        let (folder, store) = store();
        let mut writer = store.writer().unwrap();
        writer.add(b"half").unwrap();
        assert_eq!(incoming(folder.path()), 1);
        drop(writer);
        assert_eq!(incoming(folder.path()), 0);
        assert_eq!(store.list().unwrap(), []);
    }

    #[test]
    fn opening_removes_what_dead_writers_left_and_keeps_what_living_ones_hold() {
        let (folder, store) = store();
        std::fs::write(folder.path().join("incoming/1-0"), "left by a crash").unwrap();
        let mut living = store.writer().unwrap();
        living.add(b"still").unwrap();
        let second = BlobStore::open(folder.path()).unwrap();
        assert_eq!(incoming(folder.path()), 1);
        let stored = living.finish().unwrap();
        assert_eq!(second.read(&stored.digest, 10).unwrap(), b"still");
    }

    #[test]
    fn a_flipped_byte_is_found_on_reading_and_healed_by_storing_again() {
        let (_folder, store) = store();
        let digest = store.put_bytes(b"abc").unwrap().digest;
        std::fs::remove_file(store.path(&digest)).unwrap();
        std::fs::write(store.path(&digest), "abd").unwrap();
        assert!(matches!(store.read(&digest, 10), Err(BlobError::Corrupt { .. })));
        assert!(matches!(store.verify(&digest), Err(BlobError::Corrupt { .. })));
        let mut text = Vec::new();
        let error = store
            .open_verified(&digest)
            .unwrap()
            .read_to_end(&mut text)
            .unwrap_err();
        assert!(error.to_string().contains("not what their digest says"), "{error}");
        store.put_bytes(b"abc").unwrap();
        assert_eq!(store.verify(&digest).unwrap().size, 3);
    }

    #[test]
    fn a_blob_larger_than_the_caller_takes_is_refused() {
        let (_folder, store) = store();
        let digest = store.put_bytes(b"abcd").unwrap().digest;
        assert!(matches!(
            store.read(&digest, 3),
            Err(BlobError::TooLarge { limit: 3, .. })
        ));
    }

    #[test]
    fn a_writer_that_expects_another_digest_stores_nothing() {
        let (folder, store) = store();
        let mut writer = store.writer().unwrap();
        writer.add(b"abc").unwrap();
        let error = writer.finish_as(&Digest::of(b"abd")).unwrap_err();
        assert!(matches!(error, BlobError::Unexpected { .. }));
        assert_eq!(store.list().unwrap(), []);
        assert_eq!(incoming(folder.path()), 0);
    }

    #[test]
    fn many_threads_may_store_the_same_and_other_bytes_at_once() {
        let (folder, store) = store();
        std::thread::scope(|scope| {
            for thread in 0..4_u8 {
                let store = store.clone();
                scope.spawn(move || {
                    for round in 0..10_u8 {
                        store.put_bytes(&[round; 5_000]).unwrap();
                        store.put_bytes(&[thread, round]).unwrap();
                    }
                });
            }
        });
        let digests = store.list().unwrap();
        assert_eq!(digests.len(), 50);
        for digest in digests {
            store.verify(&digest).unwrap();
        }
        assert_eq!(incoming(folder.path()), 0);
    }
}
