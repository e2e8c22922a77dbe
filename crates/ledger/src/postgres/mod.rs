//! The ledger in a PostgreSQL database, version 15 or later.
//!
//! As in SQLite, one thread writes: it takes all appends that wait, decides each on its own, folds the
//! views, and commits them together. Other processes may do the same with the same ledger: whoever
//! appends holds one row, so that positions are in the order of commit. What others append is heard of by
//! notifications. Leases are rows, looked at in the transaction of each append that counts on one.
//!
//! A connection that is lost is made again; an append that was being committed is looked for before it is
//! sent again.

mod address;
mod aside;
mod batch;
mod failure;
mod followed;
mod follower;
mod lease;
mod listener;
mod read;
mod rebuild;
mod restore;
mod rows;
mod schema;
mod select;
mod session;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use async_trait::async_trait;
use facts::{Clock, Fact, Position, Stream, envelope::GENESIS};
use tokio::sync::{mpsc, oneshot, watch};

use crate::append::{Append, AppendError, Appended};
use crate::contract::{Exported, Ledger, LedgerError, Rebuilt};
use crate::lease::Leases;
use crate::select::{Select, Selected};
use crate::upcast::Upcasters;
use crate::verify::{Checkpoint, Verification, Verifier};
use crate::view::{Folding, View, Views};

pub use address::{Address, AddressError};
pub(crate) use restore::Restore;

use follower::Follower;
use lease::DatabaseLeases;
use listener::Listener;
use rebuild::{Rebuild, Step};
use session::{Readers, Session};
use writer::{Queued, Writer};

/// A [`Ledger`] in a PostgreSQL database. Dropping it waits until what is queued is committed.
pub struct PostgresLedger {
    address: Address,
    views: Views,
    upcasters: Upcasters,
    readers: Readers,
    leases: Arc<DatabaseLeases>,
    head: watch::Receiver<Position>,
    /// Held so that the value that others follow stays.
    _heard: Arc<watch::Sender<Position>>,
    jobs: Option<mpsc::Sender<Queued>>,
    thread: Option<JoinHandle<()>>,
    ending: Arc<AtomicBool>,
    /// Where there are followed views.
    follower: Option<Follower>,
    listener: Option<Listener>,
    rebuilding: tokio::sync::Mutex<()>,
}

impl PostgresLedger {
    /// Opens the ledger at `address`, and makes its tables when there are none. Views that are new, have
    /// changed or have gone are brought in order first, which goes through all facts.
    ///
    /// # Errors
    /// When the database cannot be reached, is older than PostgreSQL 15, holds something else or a newer
    /// version's ledger, or has lost its end; when the views are declared wrongly or cannot take in a
    /// recorded fact.
    pub async fn open(
        address: &Address,
        views: Vec<Arc<dyn View>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LedgerError> {
        Self::open_with_upcasters(address, views, Upcasters::new(), clock).await
    }

    /// Opens the ledger as [`PostgresLedger::open`] does; its readers and views see bodies in the newest
    /// shape.
    ///
    /// # Errors
    /// As for [`PostgresLedger::open`].
    pub async fn open_with_upcasters(
        address: &Address,
        views: Vec<Arc<dyn View>>,
        upcasters: Upcasters,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LedgerError> {
        let views = Views::new(views)?;
        let address = address.clone();
        let opening = tokio::task::spawn_blocking(move || Self::open_blocking(address, views, upcasters, clock));
        opening
            .await
            .map_err(|error| LedgerError::Store(format!("the ledger could not be opened: {error}")))?
    }

    fn open_blocking(
        address: Address,
        views: Views,
        upcasters: Upcasters,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LedgerError> {
        let (inline, followed) = (views.of(Folding::Inline), views.of(Folding::Followed));
        let session = Session::open(&address)?;
        schema::open(&session, &address)?;
        schema::open_views(&session, &inline, &upcasters)?;
        let recorded = read::recorded_head(&session)?;
        drop(session);
        let head = Arc::new(watch::Sender::new(recorded.position));
        let ending = Arc::new(AtomicBool::new(false));
        let mut writer = Writer {
            address: address.clone(),
            views: inline,
            upcasters: upcasters.clone(),
            clock,
            head: head.clone(),
            ending: ending.clone(),
            session: None,
            rows: rows::Overlay::default(),
            last: None,
            generation: None,
        };
        writer.look()?;
        let no_thread = |error: std::io::Error| LedgerError::Store(format!("no thread for the ledger: {error}"));
        let (jobs, thread) = writer.start().map_err(no_thread)?;
        let mut ledger = Self {
            readers: Readers::new(&address),
            leases: Arc::new(DatabaseLeases::new(&address)),
            head: head.subscribe(),
            _heard: head.clone(),
            jobs: Some(jobs),
            thread: Some(thread),
            ending,
            follower: None,
            listener: Some(Listener::start(address.clone(), head.clone()).map_err(no_thread)?),
            rebuilding: tokio::sync::Mutex::default(),
            address,
            views,
            upcasters,
        };
        if !followed.is_empty() {
            let follower = Follower::start(&ledger.address, followed, ledger.upcasters.clone(), head.subscribe());
            ledger.follower = Some(follower?);
        }
        Ok(ledger)
    }
}

impl PostgresLedger {
    /// How the store would answer a question of tables of any size, in its own words: a line for each part, with `Seq Scan`
    /// or `Sort` in it where no index fits. For whoever wants to know why something is slow.
    ///
    /// # Errors
    /// As for [`Ledger::select`].
    pub async fn plan(&self, query: Select) -> Result<Vec<String>, LedgerError> {
        let query = query.check(&self.views)?;
        self.readers.run(move |session| select::plan(session, &query)).await
    }

    /// The leases of this ledger.
    pub fn leases(&self) -> Arc<dyn Leases> {
        self.leases.clone()
    }
}

const STOPPED: &str = "the writer has stopped";

impl Drop for PostgresLedger {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        self.follower = None;
        self.listener = None;
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the ledger has panicked");
        }
    }
}

#[async_trait]
impl Ledger for PostgresLedger {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let (reply, result) = oneshot::channel();
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send((append, reply)).await;
        }
        result.await.unwrap_or_else(|_| Err(AppendError::Store(STOPPED.into())))
    }

    async fn head(&self) -> Result<Position, LedgerError> {
        // Others may have appended what has not been heard of yet.
        let head = self.readers.run(read::recorded_head).await?;
        writer::advance(&self._heard, head.position);
        Ok(head.position)
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Arc<Fact>>, LedgerError> {
        let upcasters = self.upcasters.clone();
        self.readers
            .run(move |session| read::facts(session, &upcasters, after, limit))
            .await
    }

    async fn read_stream(
        &self,
        stream: &Stream,
        after_version: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Fact>>, LedgerError> {
        let (upcasters, stream) = (self.upcasters.clone(), stream.clone());
        self.readers
            .run(move |session| read::stream(session, &upcasters, &stream, after_version, limit))
            .await
    }

    async fn find_claim(&self, key: &str) -> Result<Option<Arc<Fact>>, LedgerError> {
        let (upcasters, key) = (self.upcasters.clone(), key.to_owned());
        self.readers
            .run(move |session| read::claim(session, &upcasters, &key))
            .await
    }

    fn follow(&self) -> watch::Receiver<Position> {
        self.head.clone()
    }

    fn follow_views(&self) -> watch::Receiver<Position> {
        match &self.follower {
            Some(follower) => follower.position(),
            None => self.head.clone(),
        }
    }

    async fn select(&self, query: Select) -> Result<Selected, LedgerError> {
        let query = query.check(&self.views)?;
        let view = self.views.with_table(query.table.name);
        let followed = view.filter(|view| view.folding() == Folding::Followed);
        let name = followed.map(|view| view.name());
        self.readers
            .run(move |session| select::select(session, &query, name))
            .await
    }

    async fn verify(
        &self,
        from: Option<Checkpoint>,
        progress: &(dyn Fn(Position) + Sync),
    ) -> Result<Verification, LedgerError> {
        let start = from.unwrap_or(Checkpoint {
            position: 0,
            hash: GENESIS,
        });
        let mut verifier = Verifier::after(start);
        let fault = self
            .readers
            .run(move |session| read::checkpoint_fault(session, &start))
            .await?;
        if fault.is_some() {
            return Ok(verifier.finish(fault));
        }
        loop {
            // What was committed before this look must be there.
            let committed = *self.head.borrow();
            let after = verifier.last().position;
            let (chunk, recorded) = self.readers.run(move |session| read::to_check(session, after)).await?;
            let whole = chunk.len() < read::CHUNK;
            let checked = tokio::task::spawn_blocking(move || {
                let fault = chunk.iter().find_map(|held| verifier.check(held).err());
                (verifier, fault)
            });
            let fault;
            (verifier, fault) = checked
                .await
                .map_err(|error| LedgerError::Store(format!("the verification stopped: {error}")))?;
            progress(verifier.last().position);
            if fault.is_some() {
                return Ok(verifier.finish(fault));
            }
            if whole {
                let fault = verifier.end(&recorded, committed);
                return Ok(verifier.finish(fault));
            }
        }
    }

    async fn rebuild(&self, progress: &(dyn Fn(Position) + Sync)) -> Result<Rebuilt, LedgerError> {
        let _one_at_a_time = self.rebuilding.lock().await;
        let stopped = |error: tokio::task::JoinError| LedgerError::Store(format!("the rebuild stopped: {error}"));
        let (address, views) = (self.address.clone(), self.views.of(Folding::Inline));
        let upcasters = self.upcasters.clone();
        let begun = tokio::task::spawn_blocking(move || Rebuild::begin(&address, views, upcasters));
        let mut rebuild = begun.await.map_err(stopped)??;
        let mut rebuilt = loop {
            let stepped = tokio::task::spawn_blocking(move || {
                let step = rebuild.step();
                (rebuild, step)
            });
            let step;
            (rebuild, step) = stepped.await.map_err(stopped)?;
            match step? {
                Step::At(position) => progress(position),
                Step::Done(rebuilt) => break rebuilt,
            }
        };
        if let Some(follower) = &self.follower {
            rebuilt.views.extend(follower.rebuild().await?);
        }
        progress(rebuilt.position);
        Ok(rebuilt)
    }

    async fn export(&self, after: Position, limit: usize) -> Result<Vec<Exported>, LedgerError> {
        self.readers
            .run(move |session| read::export(session, after, limit))
            .await
    }
}
