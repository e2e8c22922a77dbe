//! The one thread that writes: it takes what is queued, decides each append on its own, and commits
//! them together with their folds.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::thread::JoinHandle;

use facts::{Clock, Digest, NewFact, Position, Stream, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{mpsc, oneshot, watch};

use super::failure::Failure;
use super::read::integer;
use super::rows::Place;
use super::schema;
use crate::append::{self, Append, AppendError, Appended, MAX_APPEND_BYTES};
use crate::lease::{self, Table};
use crate::upcast::Upcasters;
use crate::verify::Checkpoint;
use crate::view::{FoldError, Views};

/// Inserts a fact: its columns in the order of the table's.
pub(super) const INSERT: &str = "INSERT INTO facts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

/// How many appends wait in the queue before those who append wait themselves.
const QUEUE: usize = 1_024;

/// How many appends one commit takes at most.
const BATCH: usize = 512;

/// After how many bytes of facts a commit takes no further append.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// What the writer is asked to do.
pub(super) enum Job {
    /// Record facts.
    Append(Append, oneshot::Sender<Result<Appended, AppendError>>),
    /// Anything else that must not run beside an append.
    Run(Box<dyn FnOnce(&mut Writer) + Send>),
}

/// What the writer has in hand.
pub(super) struct Writer {
    pub connection: Connection,
    pub views: Views,
    pub upcasters: Upcasters,
    clock: Arc<dyn Clock>,
    leases: Arc<Table>,
    head: watch::Sender<Position>,
    /// The last fact that this writer has committed or found.
    last: Checkpoint,
    /// The disk failed in the middle of a commit. What it holds is not known until it is opened again,
    /// and a second attempt may seem to succeed, so nothing is written any more.
    broken: Option<String>,
}

/// Whether an append is refused for what it is, or the whole transaction cannot go on.
enum Stop {
    Refused(AppendError),
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// An append as it was asked for, and who waits for it.
type Queued = (Append, oneshot::Sender<Result<Appended, AppendError>>);

impl Writer {
    pub(super) fn new(
        connection: Connection,
        views: Views,
        upcasters: Upcasters,
        clock: Arc<dyn Clock>,
        leases: Arc<Table>,
    ) -> Result<Self, Failure> {
        let last = schema::head(&connection)?;
        let head = watch::Sender::new(last.position);
        Ok(Self {
            connection,
            views,
            upcasters,
            clock,
            leases,
            head,
            last,
            broken: None,
        })
    }

    /// The head, as it changes.
    pub(super) fn follow(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    /// Starts the thread. It ends when all senders are gone and the queue is done.
    pub(super) fn start(mut self) -> std::io::Result<(mpsc::Sender<Job>, JoinHandle<()>)> {
        let (sender, mut queue) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("ledger".into())
            .spawn(move || self.work(&mut queue))?;
        Ok((sender, thread))
    }

    fn work(&mut self, queue: &mut mpsc::Receiver<Job>) {
        let mut next = queue.blocking_recv();
        while let Some(job) = next.take() {
            match job {
                Job::Run(work) => work(self),
                Job::Append(append, reply) => {
                    let mut batch = VecDeque::from([(append, reply)]);
                    while batch.len() < BATCH {
                        match queue.try_recv() {
                            Ok(Job::Append(append, reply)) => batch.push_back((append, reply)),
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    while !batch.is_empty() {
                        self.commit(&mut batch);
                    }
                }
            }
            if next.is_none() {
                next = queue.blocking_recv();
            }
        }
    }

    /// Whether the disk can still be trusted.
    pub(super) fn usable(&self) -> Result<(), Failure> {
        match &self.broken {
            None => Ok(()),
            Some(text) => Err(Failure::Disk(format!(
                "the disk failed earlier: {text}\nhint: see to the disk, then start the server again"
            ))),
        }
    }

    /// Commits as many appends from the front of the batch as fit into one commit, and answers them.
    fn commit(&mut self, batch: &mut VecDeque<Queued>) {
        crashpoint::reach("ledger.append");
        if let Err(failure) = self.usable() {
            let error = AppendError::from(failure);
            for (_, reply) in batch.drain(..) {
                let _ = reply.send(Err(error.clone()));
            }
            return;
        }
        match self.transact(batch.iter().map(|(append, _)| append)) {
            Ok(results) => {
                for result in results {
                    if let Some((_, reply)) = batch.pop_front() {
                        // Whoever waited may be gone; the facts are recorded all the same.
                        let _ = reply.send(result);
                    }
                }
            }
            Err(failure) if batch.len() == 1 || self.broken.is_some() => {
                let error = AppendError::from(failure);
                for (_, reply) in batch.drain(..) {
                    let _ = reply.send(Err(error.clone()));
                }
            }
            // Each by itself: what fails for one may not fail for another.
            Err(_) => {
                for queued in std::mem::take(batch) {
                    self.commit(&mut VecDeque::from([queued]));
                }
            }
        }
    }

    /// One transaction. The results are those of the first appends, as many as it took.
    fn transact<'a>(
        &mut self,
        appends: impl Iterator<Item = &'a Append>,
    ) -> Result<Vec<Result<Appended, AppendError>>, Failure> {
        // Nobody takes a lease in the middle of an append.
        let leases = self.leases.clone();
        let leases = leases.rows();
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let decided = self.decide_all(appends, &leases);
        let (results, last) = match decided {
            Ok(decided) => decided,
            Err(failure) => {
                self.roll_back();
                return Err(failure);
            }
        };
        if last == self.last {
            self.roll_back();
            return Ok(results);
        }
        crashpoint::reach("ledger.before-commit");
        let committed = self
            .connection
            .prepare_cached("COMMIT")
            .and_then(|mut commit| commit.execute([]));
        if let Err(error) = committed {
            self.roll_back();
            let failure = Failure::from(error);
            if let Failure::Disk(text) = &failure {
                tracing::error!(
                    error = text,
                    "the disk failed while facts were committed; nothing more is written"
                );
                self.broken = Some(text.clone());
            }
            return Err(failure);
        }
        crashpoint::reach("ledger.after-commit");
        self.last = last;
        self.head.send_replace(last.position);
        Ok(results)
    }

    #[cfg(test)]
    pub(super) fn break_for_test(&mut self, text: &str) {
        self.broken = Some(text.to_owned());
    }

    fn roll_back(&self) {
        // Some failures have already ended the transaction.
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }

    fn decide_all<'a>(
        &self,
        appends: impl Iterator<Item = &'a Append>,
        leases: &lease::Rows,
    ) -> Result<(Vec<Result<Appended, AppendError>>, Checkpoint), Failure> {
        let mut last = schema::head(&self.connection)?;
        if last.position < self.last.position {
            return Err(Failure::Other(format!(
                "the log ends at fact {}, but fact {} was recorded: somebody has changed the file\n\
                 hint: restore a backup; `throughline ledger verify` names the first bad fact",
                last.position, self.last.position
            )));
        }
        let start = last;
        let recorded_at = append::recording_time(self.clock.as_ref());
        let mut size = 0;
        let mut results = Vec::new();
        for append in appends {
            if let Err(fenced) = lease::check(leases, append.fence.as_ref()) {
                results.push(Err(fenced));
                continue;
            }
            self.run("SAVEPOINT one")?;
            let result = match self.decide(append, recorded_at, last, &mut size) {
                Ok((appended, now_last)) => {
                    last = now_last;
                    Ok(appended)
                }
                Err(Stop::Refused(error)) => {
                    self.run("ROLLBACK TO one")?;
                    Err(error)
                }
                Err(Stop::Failed(failure)) => return Err(failure),
            };
            self.run("RELEASE one")?;
            results.push(result);
            if size > BATCH_BYTES {
                break;
            }
        }
        if last != start {
            self.connection
                .prepare_cached("UPDATE ledger_head SET position = ?1, hash = ?2")?
                .execute(params![integer(last.position), last.hash.as_bytes()])?;
        }
        Ok((results, last))
    }

    fn run(&self, sql: &str) -> Result<(), Failure> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    fn decide(
        &self,
        append: &Append,
        recorded_at: Timestamp,
        last: Checkpoint,
        size: &mut usize,
    ) -> Result<(Appended, Checkpoint), Stop> {
        if let Some(repeated) = self.repetition(append)? {
            return Ok((repeated, last));
        }
        self.check_condition(append)?;
        self.check_claims(append)?;
        let mut now_last = last;
        let mut append_size = 0;
        let mut versions = HashMap::new();
        for new in &append.facts {
            let version = self.next_version(&mut versions, &new.stream)?;
            let (hash, length) = self.record(new.clone(), now_last, version, recorded_at)?;
            now_last = Checkpoint {
                position: now_last.position + 1,
                hash,
            };
            append_size += length;
            if append_size > MAX_APPEND_BYTES {
                let error = AppendError::TooLarge {
                    bytes: append_size,
                    limit: MAX_APPEND_BYTES,
                };
                return Err(Stop::Refused(error));
            }
        }
        *size += append_size;
        let first = if append.facts.is_empty() {
            last.position
        } else {
            last.position + 1
        };
        Ok((
            Appended {
                first,
                last: now_last.position,
                repeated: false,
                recorded_at,
            },
            now_last,
        ))
    }

    fn repetition(&self, append: &Append) -> Result<Option<Appended>, Stop> {
        let mut statement = self.connection.prepare_cached("SELECT seq FROM facts WHERE id = ?1")?;
        let mut places = Vec::with_capacity(append.facts.len());
        for fact in &append.facts {
            let place = statement
                .query_row([fact.id.to_string()], |row| row.get::<_, i64>(0))
                .optional()?;
            places.push((fact.id, place.map(|place| place as Position)));
        }
        let Some((first, last)) = append::repetition(places.into_iter()).map_err(Stop::Refused)? else {
            return Ok(None);
        };
        let micros: i64 = self
            .connection
            .prepare_cached("SELECT recorded_at FROM facts WHERE seq = ?1")?
            .query_row([integer(first)], |row| row.get(0))?;
        let recorded_at = Timestamp::from_microsecond(micros).unwrap_or_default();
        Ok(Some(Appended {
            first,
            last,
            repeated: true,
            recorded_at,
        }))
    }

    fn check_condition(&self, append: &Append) -> Result<(), Stop> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT seq FROM facts WHERE stream = ?1 ORDER BY version DESC LIMIT 1")?;
        for stream in &append.subjects {
            let at = statement
                .query_row([stream.as_str()], |row| row.get::<_, i64>(0))
                .optional()?;
            if let Some(at) = at.map(|at| at as Position).filter(|at| *at > append.read_at) {
                return Err(Stop::Refused(AppendError::Conflict {
                    stream: stream.clone(),
                    at,
                }));
            }
        }
        Ok(())
    }

    fn check_claims(&self, append: &Append) -> Result<(), Stop> {
        append::claimed_twice(append).map_err(Stop::Refused)?;
        let mut statement = self
            .connection
            .prepare_cached("SELECT seq FROM facts WHERE external_key = ?1")?;
        for key in append.facts.iter().filter_map(|fact| fact.external_key.as_ref()) {
            if let Some(by) = statement.query_row([key], |row| row.get::<_, i64>(0)).optional()? {
                return Err(Stop::Refused(AppendError::Claimed {
                    key: key.clone(),
                    by: by as Position,
                }));
            }
        }
        Ok(())
    }

    fn next_version(&self, versions: &mut HashMap<Stream, u64>, stream: &Stream) -> Result<u64, Stop> {
        if let Some(version) = versions.get_mut(stream) {
            *version += 1;
            return Ok(*version);
        }
        let last: Option<i64> = self
            .connection
            .prepare_cached("SELECT max(version) FROM facts WHERE stream = ?1")?
            .query_row([stream.as_str()], |row| row.get(0))?;
        let version = last.unwrap_or(0) as u64 + 1;
        versions.insert(stream.clone(), version);
        Ok(version)
    }

    /// Inserts one fact after `last` and folds it; returns its hash and the length of its bytes.
    fn record(
        &self,
        new: NewFact,
        last: Checkpoint,
        version: u64,
        recorded_at: Timestamp,
    ) -> Result<(Digest, usize), Stop> {
        let (fact, bytes) = new.seal(last.position + 1, version, recorded_at, last.hash);
        self.connection.prepare_cached(INSERT)?.execute(params![
            integer(fact.seq),
            fact.stream().as_str(),
            integer(version),
            fact.new.id.to_string(),
            fact.kind(),
            recorded_at.as_microsecond(),
            fact.new.external_key,
            bytes,
            fact.hash.as_bytes(),
        ])?;
        // The views take in what a reader of the stored bytes sees, so that folding again gives the
        // same rows.
        let (hash, kind) = (fact.hash, fact.new.kind.clone());
        let fact = match self.upcasters.sealed(fact, &bytes) {
            Ok(fact) => fact,
            Err(error) => {
                return Err(Stop::Refused(AppendError::Unstorable {
                    kind,
                    reason: error.to_string(),
                }));
            }
        };
        for view in self.views.iter() {
            schema::fold_into(&self.connection, view.as_ref(), &fact, Place::InUse).map_err(|error| match error {
                FoldError::Full => Stop::Failed(Failure::Full),
                FoldError::Store(text) => Stop::Failed(Failure::Other(text)),
                error => Stop::Refused(AppendError::Fold {
                    view: view.name(),
                    kind: kind.clone(),
                    error,
                }),
            })?;
        }
        Ok((hash, bytes.len()))
    }
}
