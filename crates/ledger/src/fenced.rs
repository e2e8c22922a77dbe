//! A ledger as the holder of a duty uses it.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use facts::{Fact, Position, Stream};
use tokio::sync::watch;

use crate::append::{Append, AppendError, Appended};
use crate::contract::{Exported, Ledger, LedgerError, Rebuilt};
use crate::lease::Fence;
use crate::select::{Select, Selected};
use crate::verify::{Checkpoint, Verification};

/// A ledger whose appends carry the fence of a duty from the moment the duty is taken. Everything else is
/// the ledger's.
pub struct Fenced {
    ledger: Arc<dyn Ledger>,
    fence: RwLock<Option<Fence>>,
}

impl Fenced {
    /// The ledger, with no duty yet: what is appended until it is taken carries no fence.
    pub fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self {
            ledger,
            fence: RwLock::default(),
        }
    }

    /// The duty was taken: each append from now on carries this.
    pub fn carry(&self, fence: Fence) {
        *self.fence.write().unwrap_or_else(PoisonError::into_inner) = Some(fence);
    }

    fn fence(&self) -> Option<Fence> {
        self.fence.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Ledger for Fenced {
    async fn append(&self, mut append: Append) -> Result<Appended, AppendError> {
        append.fence = self.fence().or(append.fence);
        self.ledger.append(append).await
    }

    async fn head(&self) -> Result<Position, LedgerError> {
        self.ledger.head().await
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Arc<Fact>>, LedgerError> {
        self.ledger.read(after, limit).await
    }

    async fn read_stream(
        &self,
        stream: &Stream,
        after_version: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Fact>>, LedgerError> {
        self.ledger.read_stream(stream, after_version, limit).await
    }

    async fn find_claim(&self, key: &str) -> Result<Option<Arc<Fact>>, LedgerError> {
        self.ledger.find_claim(key).await
    }

    fn follow(&self) -> watch::Receiver<Position> {
        self.ledger.follow()
    }

    fn follow_views(&self) -> watch::Receiver<Position> {
        self.ledger.follow_views()
    }

    async fn select(&self, query: Select) -> Result<Selected, LedgerError> {
        self.ledger.select(query).await
    }

    async fn verify(
        &self,
        from: Option<Checkpoint>,
        progress: &(dyn Fn(Position) + Sync),
    ) -> Result<Verification, LedgerError> {
        self.ledger.verify(from, progress).await
    }

    async fn rebuild(&self, progress: &(dyn Fn(Position) + Sync)) -> Result<Rebuilt, LedgerError> {
        self.ledger.rebuild(progress).await
    }

    async fn export(&self, after: Position, limit: usize) -> Result<Vec<Exported>, LedgerError> {
        self.ledger.export(after, limit).await
    }
}
