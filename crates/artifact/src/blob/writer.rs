//! Writing a blob: durable first, visible then.

use std::io;
use std::path::PathBuf;

use disk::DiskFile;
use facts::{Digest, Hasher};

use super::{BlobError, BlobStore, Stored};

/// Never writable by name: the open handle alone can write.
const READ_ONLY: u32 = 0o444;

/// A blob that is being written. Dropped unfinished, it leaves nothing.
pub struct BlobWriter {
    store: BlobStore,
    path: PathBuf,
    file: Option<Box<dyn DiskFile>>,
    hasher: Hasher,
    size: u64,
}

impl std::fmt::Debug for BlobWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlobWriter")
            .field("path", &self.path)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl BlobWriter {
    pub(super) fn begin(store: BlobStore) -> Result<Self, BlobError> {
        loop {
            let path = store.incoming_path();
            match store.inner.disk.create(&path, READ_ONLY) {
                Ok(file) => {
                    return Ok(Self {
                        store,
                        path,
                        file: Some(file),
                        hasher: Hasher::new(),
                        size: 0,
                    });
                }
                // Left by a process that had this process's number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(BlobError::io("make", &path, error)),
            }
        }
    }

    /// Adds `bytes`.
    ///
    /// # Errors
    /// [`BlobError::Full`] or [`BlobError::Io`]; the blob cannot be finished any more then.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        let Some(file) = &mut self.file else {
            return Err(BlobError::io(
                "write",
                &self.path,
                io::Error::other("an earlier write failed"),
            ));
        };
        if let Err(error) = file.write_all(bytes) {
            self.file = None;
            return Err(BlobError::io("write", &self.path, error));
        }
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// How many bytes were added.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Makes the blob durable, then visible, and the name durable.
    ///
    /// # Errors
    /// When the disk fails; then nothing is visible, unless the same bytes were here before.
    pub fn finish(self) -> Result<Stored, BlobError> {
        self.seal(None)
    }

    /// As [`finish`](Self::finish), when the bytes are those of `expected`.
    ///
    /// # Errors
    /// [`BlobError::Unexpected`] when they are others; then nothing is stored.
    pub fn finish_as(self, expected: &Digest) -> Result<Stored, BlobError> {
        self.seal(Some(expected))
    }

    fn seal(mut self, expected: Option<&Digest>) -> Result<Stored, BlobError> {
        let Some(mut file) = self.file.take() else {
            return Err(BlobError::io(
                "write",
                &self.path,
                io::Error::other("an earlier write failed"),
            ));
        };
        let digest = std::mem::take(&mut self.hasher).finish();
        if let Some(expected) = expected
            && *expected != digest
        {
            return Err(BlobError::Unexpected {
                expected: *expected,
                found: digest,
            });
        }
        let inner = &self.store.inner;
        crashpoint::reach("artifact.blob.written");
        file.sync().map_err(|e| BlobError::io("make durable", &self.path, e))?;
        crashpoint::reach("artifact.blob.durable");
        // Over whatever is there: the same bytes, or the same bytes damaged.
        let target = self.store.path(&digest);
        inner
            .disk
            .rename(&self.path, &target)
            .map_err(|e| BlobError::io("name", &target, e))?;
        self.path = PathBuf::new();
        crashpoint::reach("artifact.blob.renamed");
        inner
            .disk
            .sync_folder(&inner.blobs)
            .map_err(|e| BlobError::io("make durable", &target, e))?;
        crashpoint::reach("artifact.blob.visible");
        Ok(Stored {
            digest,
            size: self.size,
        })
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        self.file = None;
        if !self.path.as_os_str().is_empty() {
            // A file that cannot be removed now is swept at the next start.
            let _ = self.store.inner.disk.remove(&self.path);
        }
    }
}

impl io::Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.add(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(BlobError::Full { folder }) => {
                Err(io::Error::new(io::ErrorKind::StorageFull, BlobError::Full { folder }))
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
