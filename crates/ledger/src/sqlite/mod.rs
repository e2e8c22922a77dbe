//! The ledger in one SQLite file.
//!
//! One thread writes: it takes all appends that wait, decides each on its own, folds the views, and
//! commits them together, so the cost of making a commit durable is shared. Readers have connections
//! of their own that cannot write, and see one state at a time.
//!
//! Followed views have a file of their own beside it, and a thread that follows the log and folds them
//! there. What they do takes nothing from those who append, and the file can be removed: it is folded
//! again.
//!
//! Only one process may have the file open for writing; the server holds a lock on its data folder. So
//! leases live in memory here, and end with the process.

mod failure;
mod followed;
mod follower;
#[cfg(test)]
mod full_disk;
mod read;
mod rebuild;
mod restore;
mod rows;
mod schema;
mod select;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use facts::{Clock, Fact, Position, Stream, envelope::GENESIS};
use tokio::sync::{mpsc, oneshot, watch};

use crate::append::{Append, AppendError, Appended};
use crate::contract::{Exported, Ledger, LedgerError, Rebuilt};
use crate::lease::{self, Leases};
use crate::select::{Select, Selected};
use crate::upcast::Upcasters;
use crate::verify::{Checkpoint, Fault, Verification, Verifier};
use crate::view::{Folding, View, Views};

pub(crate) use restore::Restore;

use follower::Follower;
use read::Readers;
use rebuild::Step;
use writer::{Job, Writer};

/// A [`Ledger`] in a SQLite file. Dropping it waits until what is queued is committed.
pub struct SqliteLedger {
    views: Views,
    upcasters: Upcasters,
    readers: Readers,
    head: watch::Receiver<Position>,
    leases: Arc<lease::Table>,
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// Where there are followed views.
    follower: Option<Follower>,
    rebuilding: tokio::sync::Mutex<()>,
}

impl SqliteLedger {
    /// Opens the ledger in the file at `path`, and makes it when there is none. Views that are new,
    /// have changed or have gone are brought in order first, which goes through all facts.
    ///
    /// # Errors
    /// When the file is not a ledger, is from a newer version, has lost its end, or cannot be written;
    /// when the views are declared wrongly or cannot take in a recorded fact.
    pub fn open(path: &Path, views: Vec<Arc<dyn View>>, clock: Arc<dyn Clock>) -> Result<Self, LedgerError> {
        Self::open_with_upcasters(path, views, Upcasters::new(), clock)
    }

    /// Opens the ledger as [`SqliteLedger::open`] does; its readers and views see bodies in the newest
    /// shape.
    ///
    /// # Errors
    /// As for [`SqliteLedger::open`].
    pub fn open_with_upcasters(
        path: &Path,
        views: Vec<Arc<dyn View>>,
        upcasters: Upcasters,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LedgerError> {
        let views = Views::new(views)?;
        let (inline, followed) = (views.of(Folding::Inline), views.of(Folding::Followed));
        let mut connection = schema::open(path)?;
        schema::open_views(&mut connection, &inline, &upcasters)?;
        let leases = lease::Table::new(clock.clone());
        let writer = Writer::new(connection, inline, upcasters.clone(), clock, leases.clone())?;
        let head = writer.follow();
        let (jobs, thread) = writer
            .start()
            .map_err(|error| LedgerError::Store(format!("no thread for the writer: {error}")))?;
        let follower = (!followed.is_empty())
            .then(|| Follower::start(path, followed, upcasters.clone(), head.clone()))
            .transpose()?;
        Ok(Self {
            views,
            upcasters,
            readers: Readers::new(path),
            head,
            leases,
            jobs: Some(jobs),
            thread: Some(thread),
            follower,
            rebuilding: tokio::sync::Mutex::default(),
        })
    }

    /// The leases of this ledger.
    pub fn leases(&self) -> Arc<dyn Leases> {
        self.leases.clone()
    }

    /// How the store would answer a question, in its own words: a line for each table or index that it goes through,
    /// beginning with `SCAN` where that is all of it. For whoever wants to know why something is slow.
    ///
    /// # Errors
    /// As for [`Ledger::select`].
    pub async fn plan(&self, query: Select) -> Result<Vec<String>, LedgerError> {
        let query = query.check(&self.views)?;
        let (readers, _) = self.readers_of(query.table.name);
        readers.run(move |connection| select::plan(connection, &query)).await
    }

    /// Who reads a table, and the followed view that it is of.
    fn readers_of(&self, table: &str) -> (&Readers, Option<&'static str>) {
        let view = self.views.with_table(table);
        let followed = view.filter(|view| view.folding() == Folding::Followed);
        match (&self.follower, followed) {
            (Some(follower), Some(view)) => (follower.readers(), Some(view.name())),
            _ => (&self.readers, None),
        }
    }

    /// Queues a job; `false` when the writer is gone.
    async fn queue(&self, job: Job) -> bool {
        match &self.jobs {
            Some(jobs) => jobs.send(job).await.is_ok(),
            None => false,
        }
    }

    /// Has the writer do `work` between two commits.
    async fn between_commits<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (reply, result) = oneshot::channel();
        self.queue(Job::Run(Box::new(move |writer| {
            let _ = reply.send(work(writer));
        })))
        .await;
        result.await.unwrap_or_else(|_| Err(LedgerError::Store(STOPPED.into())))
    }
}

const STOPPED: &str = "the writer has stopped";

impl Drop for SqliteLedger {
    fn drop(&mut self) {
        self.follower = None;
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the ledger has panicked");
        }
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let (reply, result) = oneshot::channel();
        self.queue(Job::Append(append, reply)).await;
        result.await.unwrap_or_else(|_| Err(AppendError::Store(STOPPED.into())))
    }

    async fn head(&self) -> Result<Position, LedgerError> {
        Ok(*self.head.borrow())
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Arc<Fact>>, LedgerError> {
        let upcasters = self.upcasters.clone();
        self.readers
            .run(move |connection| read::facts(connection, &upcasters, after, limit))
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
            .run(move |connection| read::stream(connection, &upcasters, &stream, after_version, limit))
            .await
    }

    async fn find_claim(&self, key: &str) -> Result<Option<Arc<Fact>>, LedgerError> {
        let (upcasters, key) = (self.upcasters.clone(), key.to_owned());
        self.readers
            .run(move |connection| read::claim(connection, &upcasters, &key))
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
        let (readers, name) = self.readers_of(query.table.name);
        readers
            .run(move |connection| select::select(connection, &query, name))
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
            .run(move |connection| read::checkpoint_fault(connection, &start))
            .await?;
        if fault.is_some() {
            return Ok(verifier.finish(fault));
        }
        loop {
            // What was committed before this look must be there.
            let committed = *self.head.borrow();
            let (fault, done);
            (verifier, fault, done) = self
                .readers
                .run(move |connection| check_chunk(connection, verifier, committed))
                .await?;
            progress(verifier.last().position);
            if done {
                return Ok(verifier.finish(fault));
            }
        }
    }

    async fn rebuild(&self, progress: &(dyn Fn(Position) + Sync)) -> Result<Rebuilt, LedgerError> {
        let _one_at_a_time = self.rebuilding.lock().await;
        self.between_commits(rebuild::begin).await?;
        let mut position = 0;
        let mut compared = None;
        let mut rebuilt = loop {
            let known = compared.clone();
            let step = self.between_commits(move |writer| {
                let step = rebuild::step(writer, position, known);
                if step.is_err() {
                    rebuild::abandon(writer);
                }
                step
            });
            match step.await? {
                Step::At(at) => position = at,
                Step::Whole(at, comparing) => {
                    position = at;
                    let found = tokio::task::spawn_blocking(move || comparing.compare()).await;
                    let stopped = |error| LedgerError::Store(format!("the comparison stopped: {error}"));
                    match found.map_err(stopped).and_then(|found| found) {
                        Ok(found) => compared = Some(found),
                        Err(error) => {
                            let abandon = |writer: &mut Writer| {
                                rebuild::abandon(writer);
                                Ok(())
                            };
                            self.between_commits(abandon).await?;
                            return Err(error);
                        }
                    }
                }
                Step::Done(rebuilt) => break rebuilt,
            }
            progress(position);
        };
        if let Some(follower) = &self.follower {
            rebuilt.views.extend(follower.rebuild().await?);
        }
        progress(rebuilt.position);
        Ok(rebuilt)
    }

    async fn export(&self, after: Position, limit: usize) -> Result<Vec<Exported>, LedgerError> {
        self.readers
            .run(move |connection| read::export(connection, after, limit))
            .await
    }
}

/// Checks the next facts; at the end also that the log ends where it should.
fn check_chunk(
    connection: &rusqlite::Connection,
    mut verifier: Verifier,
    committed: Position,
) -> Result<(Verifier, Option<Fault>, bool), LedgerError> {
    let state = connection.unchecked_transaction()?;
    let chunk = read::held(&state, verifier.last().position, read::CHUNK)?;
    let recorded = schema::recorded_head(&state)?;
    drop(state);
    for held in &chunk {
        if let Err(fault) = verifier.check(held) {
            return Ok((verifier, Some(fault), true));
        }
    }
    if chunk.len() == read::CHUNK {
        return Ok((verifier, None, false));
    }
    let fault = verifier.end(&recorded, committed);
    Ok((verifier, fault, true))
}
