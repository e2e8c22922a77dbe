//! The ledger in memory as one server sees it: every operation can be the last one before or after
//! which the server dies, and an append can lose its acknowledgement.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use async_trait::async_trait;
use facts::{Fact, Position, Stream};
use ledger::{
    Append, AppendError, Appended, Checkpoint, Exported, Ledger, LedgerError, MemoryLedger, Rebuilt, Select, Selected,
    Verification,
};

use super::random::Random;

/// What befalls the operations of all servers.
pub(crate) struct Weather {
    pub(crate) random: Random,
    /// In how many of a hundred appends the store fails.
    pub(crate) failing: u64,
    pub(crate) lost: usize,
}

#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) inner: Arc<MemoryLedger>,
    pub(crate) weather: Arc<Mutex<Weather>>,
}

/// Lets the world do something else first: crash this server, or let another one go on.
async fn pause() {
    let mut paused = false;
    poll_fn(move |_| {
        if std::mem::replace(&mut paused, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

#[async_trait]
impl Ledger for Seen {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        pause().await;
        let (fails, recorded) = {
            let mut weather = self.weather.lock().unwrap();
            let chance = weather.failing;
            let fails = weather.random.percent(chance);
            weather.lost += usize::from(fails);
            (fails, weather.random.percent(50))
        };
        let result = if fails && !recorded {
            Err(AppendError::Store("the disk is away".into()))
        } else {
            self.inner.append(append).await
        };
        pause().await;
        match result {
            Ok(_) if fails => Err(AppendError::Store("the answer is lost".into())),
            other => other,
        }
    }

    async fn head(&self) -> Result<Position, LedgerError> {
        pause().await;
        self.inner.head().await
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Arc<Fact>>, LedgerError> {
        pause().await;
        self.inner.read(after, limit).await
    }

    async fn read_stream(
        &self,
        stream: &Stream,
        after_version: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Fact>>, LedgerError> {
        pause().await;
        self.inner.read_stream(stream, after_version, limit).await
    }

    async fn find_claim(&self, key: &str) -> Result<Option<Arc<Fact>>, LedgerError> {
        pause().await;
        self.inner.find_claim(key).await
    }

    fn follow(&self) -> tokio::sync::watch::Receiver<Position> {
        self.inner.follow()
    }

    async fn select(&self, query: Select) -> Result<Selected, LedgerError> {
        pause().await;
        self.inner.select(query).await
    }

    async fn verify(
        &self,
        from: Option<Checkpoint>,
        progress: &(dyn Fn(Position) + Sync),
    ) -> Result<Verification, LedgerError> {
        self.inner.verify(from, progress).await
    }

    async fn rebuild(&self, progress: &(dyn Fn(Position) + Sync)) -> Result<Rebuilt, LedgerError> {
        self.inner.rebuild(progress).await
    }

    async fn export(&self, after: Position, limit: usize) -> Result<Vec<Exported>, LedgerError> {
        self.inner.export(after, limit).await
    }
}
