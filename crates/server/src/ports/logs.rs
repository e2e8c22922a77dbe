//! Finished logs, kept compressed in the blob store.

use std::path::Path;
use std::sync::Arc;

use artifact::BlobStore;
use async_trait::async_trait;
use engine::LogStore;
use facts::Digest;

/// The largest log that is read back, in bytes.
const LARGEST: u64 = 256 * 1024 * 1024;

/// The kept logs.
pub struct KeptLogs(Arc<BlobStore>);

impl KeptLogs {
    /// Logs in `store`.
    pub fn new(store: Arc<BlobStore>) -> Self {
        Self(store)
    }

    /// Reads a kept log back.
    ///
    /// # Errors
    /// When it is not there or damaged.
    pub async fn read(&self, digest: Digest) -> std::io::Result<Vec<u8>> {
        let store = self.0.clone();
        let read = move || {
            let bytes = store.read(&digest, LARGEST).map_err(std::io::Error::other)?;
            executor::logs::decompress(&bytes, LARGEST)
        };
        tokio::task::spawn_blocking(read).await.map_err(std::io::Error::other)?
    }
}

#[async_trait]
impl LogStore for KeptLogs {
    async fn keep(&self, path: &Path) -> std::io::Result<Digest> {
        let (store, path) = (self.0.clone(), path.to_owned());
        let keep = move || {
            let bytes = executor::logs::compress(&path)?;
            store
                .put_bytes(&bytes)
                .map(|stored| stored.digest)
                .map_err(std::io::Error::other)
        };
        tokio::task::spawn_blocking(keep).await.map_err(std::io::Error::other)?
    }
}
