//! Packages, from the blob store.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use artifact::{BlobStore, Package, UnpackCache};
use async_trait::async_trait;
use delivery::ports::{Packages, PortError};
use facts::Digest;
use pipeline::document::PackageDocument;

/// How many documents are kept in memory.
const KEPT: usize = 256;

/// The stored packages.
pub struct StoredPackages {
    store: Arc<BlobStore>,
    unpacked: Arc<UnpackCache>,
    /// A document never changes, so it is read once.
    documents: Mutex<HashMap<Digest, Arc<PackageDocument>>>,
}

impl StoredPackages {
    /// The packages in `store`, unpacked on demand.
    pub fn new(store: Arc<BlobStore>, unpacked: UnpackCache) -> Self {
        Self {
            store,
            unpacked: Arc::new(unpacked),
            documents: Mutex::default(),
        }
    }

    /// Reads a package's manifest and configuration.
    ///
    /// # Errors
    /// When it is not there or damaged.
    pub async fn read(&self, package: Digest) -> Result<Package, PortError> {
        self.blocking(move |store, _| Package::read(store, &package)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&BlobStore, &UnpackCache) -> Result<T, artifact::PackageError> + Send + 'static,
    ) -> Result<T, PortError> {
        let (store, unpacked) = (self.store.clone(), self.unpacked.clone());
        let done = tokio::task::spawn_blocking(move || work(&store, &unpacked)).await;
        done.map_err(|panic| PortError(panic.to_string()))?
            .map_err(|error| PortError(error.to_string()))
    }
}

#[async_trait]
impl Packages for StoredPackages {
    async fn document(&self, package: Digest) -> Result<Arc<PackageDocument>, PortError> {
        let known = self
            .documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&package)
            .cloned();
        if let Some(document) = known {
            return Ok(document);
        }
        let read = self.read(package).await?;
        let document: PackageDocument = serde_json::from_value(read.config.document)
            .map_err(|error| PortError(format!("the package's document does not fit: {error}")))?;
        let document = Arc::new(document);
        let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        if documents.len() >= KEPT {
            documents.clear();
        }
        documents.insert(package, document.clone());
        Ok(document)
    }

    async fn verify(&self, package: Digest) -> Result<(), PortError> {
        self.blocking(move |store, _| Package::read(store, &package)?.verify(store))
            .await
    }

    async fn folder(&self, package: Digest) -> Result<PathBuf, PortError> {
        self.blocking(move |store, unpacked| unpacked.get(store, &Package::read(store, &package)?))
            .await
    }
}
