//! The one thread that writes: it takes what is queued, decides each append on its own, and commits
//! them together with their folds.
//!
//! Other handles and other servers may write to the same ledger. Whoever appends holds the one row that
//! says how far the log has come, so one transaction comes after the other and positions are in the order
//! of commit.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use facts::{Clock, Position};
use tokio::sync::{mpsc, oneshot, watch};

use super::address::Address;
use super::batch::{Batch, Means};
use super::failure::Failure;
use super::read;
use super::rows::{Overlay, Place};
use super::schema::{self, get};
use super::session::{Ask, BEGIN, Parameter, Session};
use crate::append::{Append, AppendError, Appended};
use crate::upcast::Upcasters;
use crate::verify::Checkpoint;
use crate::view::Views;

/// How many appends wait in the queue before those who append wait themselves.
const QUEUE: usize = 1_024;

/// How many appends one commit takes at most.
const BATCH: usize = 512;

/// How long an append waits for a database that has gone away, as it does when it is started again.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long to wait between two attempts to reach it.
const PAUSE: Duration = Duration::from_millis(200);

/// How many rows of views are kept in memory between commits.
const KNOWN: usize = 20_000;

/// An append as it was asked for, and who waits for it.
pub(super) type Queued = (Append, oneshot::Sender<Result<Appended, AppendError>>);

/// Says that the log has come to `position`. It never goes back.
pub(super) fn advance(head: &watch::Sender<Position>, position: Position) {
    head.send_if_modified(|head| {
        let further = position > *head;
        *head = position.max(*head);
        further
    });
}

/// What the writer has in hand.
pub(super) struct Writer {
    pub address: Address,
    pub views: Views,
    pub upcasters: Upcasters,
    pub clock: Arc<dyn Clock>,
    pub head: Arc<watch::Sender<Position>>,
    /// Set when nobody should wait for the database any longer.
    pub ending: Arc<AtomicBool>,
    pub session: Option<Session>,
    /// Rows of views, as they are at `last`.
    pub rows: Overlay,
    /// The last fact that this writer has committed or found.
    pub last: Option<Checkpoint>,
    /// When the views were exchanged last, as far as this writer knows.
    pub generation: Option<i64>,
}

/// How an attempt to commit failed.
enum Stopped {
    /// Nothing was recorded.
    Before(Failure),
    /// Whether it was recorded is not known: the connection was lost while it was committed.
    Within {
        /// The last fact, if it was.
        last: Checkpoint,
        /// The answers, if it was.
        results: Vec<Result<Appended, AppendError>>,
        /// What was lost.
        text: String,
    },
}

impl<E: Into<Failure>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Before(error.into())
    }
}

impl Writer {
    /// Starts the thread. It ends when all senders are gone and the queue is done.
    pub(super) fn start(mut self) -> std::io::Result<(mpsc::Sender<Queued>, JoinHandle<()>)> {
        let (sender, mut queue) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("ledger".into())
            .spawn(move || self.work(&mut queue))?;
        Ok((sender, thread))
    }

    /// Looks that the log ends where it should, before anybody waits for it.
    pub(super) fn look(&mut self) -> Result<(), Failure> {
        match self.attempt(Vec::new()) {
            Ok(_) => Ok(()),
            Err(Stopped::Before(failure)) => Err(failure),
            Err(Stopped::Within { text, .. }) => Err(Failure::Other(text)),
        }
    }

    fn work(&mut self, queue: &mut mpsc::Receiver<Queued>) {
        while let Some(first) = queue.blocking_recv() {
            let mut batch = VecDeque::from([first]);
            while batch.len() < BATCH
                && let Ok(next) = queue.try_recv()
            {
                batch.push_back(next);
            }
            while !batch.is_empty() {
                self.commit(&mut batch);
            }
        }
    }

    /// Commits the first appends of the batch, as many as go together.
    fn commit(&mut self, batch: &mut VecDeque<Queued>) {
        crashpoint::reach("ledger.append");
        let until = Instant::now() + PATIENCE;
        let failure = loop {
            let attempt = self.attempt(batch.iter().map(|(append, _)| append).collect());
            match attempt {
                Ok(results) => return answer(batch, results),
                Err(Stopped::Before(Failure::Lost(text))) => {
                    if !self.wait(until) {
                        break AppendError::Store(text);
                    }
                }
                // What is prepared was forgotten.
                Err(Stopped::Before(Failure::Outdated(_))) if Instant::now() < until => {}
                Err(Stopped::Before(failure)) if batch.len() == 1 => break failure.into(),
                // Each by itself: what fails for one may not fail for another.
                Err(Stopped::Before(_)) => {
                    for queued in std::mem::take(batch) {
                        self.commit(&mut VecDeque::from([queued]));
                    }
                    return;
                }
                Err(Stopped::Within { last, results, text }) => match self.find_out(last, until) {
                    Some(true) => return answer(batch, results),
                    Some(false) if Instant::now() < until => {}
                    _ => break AppendError::Store(text),
                },
            }
        };
        for (_, reply) in batch.drain(..) {
            let _ = reply.send(Err(failure.clone()));
        }
    }

    /// Waits a moment before the next attempt; `false` when it has been long enough.
    fn wait(&self, until: Instant) -> bool {
        if Instant::now() >= until || self.ending.load(Ordering::Relaxed) {
            return false;
        }
        std::thread::sleep(PAUSE);
        true
    }

    /// Whether the commit that was under way when the connection was lost was made; nothing where the
    /// database cannot be asked.
    fn find_out(&mut self, last: Checkpoint, until: Instant) -> Option<bool> {
        loop {
            let asked = self.connected().and_then(|session| {
                let found = session.transaction(BEGIN, || {
                    // The lost session may still be at it: it holds this row until it is done.
                    schema::hold(&session)?;
                    let place = [Parameter::natural(last.position)];
                    let row = session.first("SELECT hash FROM facts WHERE seq = $1", &place)?;
                    let hash: Option<Vec<u8>> = row.map(|row| get(&row, 0)).transpose()?;
                    session.batch("ROLLBACK")?;
                    Ok::<_, Failure>(hash.is_some_and(|hash| hash == last.hash.as_bytes()))
                });
                self.session = Some(session);
                found
            });
            match asked {
                Ok(true) => {
                    tracing::info!(
                        position = last.position,
                        "the connection was lost in a commit, which was made"
                    );
                    self.last = Some(last);
                    advance(&self.head, last.position);
                    return Some(true);
                }
                Ok(false) => return Some(false),
                Err(Failure::Lost(_)) => self.session = None,
                Err(failure) => {
                    tracing::warn!(
                        ?failure,
                        "whether a commit was made cannot be seen in the database for now"
                    );
                    self.session = None;
                }
            }
            if !self.wait(until) {
                return None;
            }
        }
    }

    /// The connection, taken out of the writer; a new one where there is none.
    fn connected(&mut self) -> Result<Session, Failure> {
        match self.session.take() {
            Some(session) => Ok(session),
            None => {
                let session = Session::open(&self.address)?;
                session.batch(KEPT_WAITING)?;
                Ok(session)
            }
        }
    }

    /// One transaction. The results are those of the first appends, as many as it took.
    fn attempt(&mut self, appends: Vec<&Append>) -> Result<Vec<Result<Appended, AppendError>>, Stopped> {
        let session = self.connected()?;
        let mut batch = Batch::new(appends);
        let attempt = self.transact(&session, &mut batch);
        match &attempt {
            Ok(_) => {}
            Err(stopped) => {
                // What was read and changed is of no state.
                self.rows.forget();
                if let Stopped::Within { .. } | Stopped::Before(Failure::Lost(_)) = stopped {
                    return attempt;
                }
                if let Stopped::Before(Failure::Outdated(_)) = stopped {
                    session.forget_statements();
                }
                session.roll_back();
            }
        }
        if self.rows.size() > KNOWN {
            self.rows.forget();
        }
        self.session = Some(session);
        attempt
    }

    fn transact(
        &mut self,
        session: &Session,
        batch: &mut Batch<'_>,
    ) -> Result<Vec<Result<Appended, AppendError>>, Stopped> {
        let mut asks = vec![
            Ask::new(BEGIN, []),
            Ask::new("SELECT position, hash, generation FROM ledger_head FOR UPDATE", []),
            Ask::new("SELECT seq, hash FROM facts ORDER BY seq DESC LIMIT 1", []),
        ];
        asks.extend(batch.questions());
        let answers = session.all(&asks)?;
        let last = self.learn(session, &answers[1], &answers[2])?;
        batch.learn(&answers[3..], last, crate::append::recording_time(self.clock.as_ref()))?;
        let mut means = Means {
            session,
            views: &self.views,
            upcasters: &self.upcasters,
            rows: &mut self.rows,
        };
        let results = batch.decide(&mut means)?;
        if batch.is_empty() {
            session.batch("ROLLBACK")?;
            return Ok(results);
        }
        let last = batch.last();
        let mut writes = vec![batch.insert()];
        writes.extend(self.rows.writes(Place::InUse));
        writes.push(Ask::new(
            "UPDATE ledger_head SET position = $1, hash = $2",
            [
                Parameter::natural(last.position),
                Parameter::bytes(last.hash.as_bytes()),
            ],
        ));
        writes.push(Ask::new(
            "SELECT pg_notify($1, $2)",
            [
                Parameter::name(self.address.channel()),
                Parameter::name(last.position.to_string()),
            ],
        ));
        session.all(&writes)?;
        crashpoint::reach("ledger.before-commit");
        match session.batch("COMMIT") {
            Ok(()) => {}
            Err(Failure::Lost(text)) => return Err(Stopped::Within { last, results, text }),
            Err(failure) => return Err(failure.into()),
        }
        crashpoint::reach("ledger.after-commit");
        self.rows.written();
        self.last = Some(last);
        advance(&self.head, last.position);
        Ok(results)
    }

    /// Takes in how far the log has come, after a check that it ends where it should; forgets what others
    /// have changed since.
    fn learn(
        &mut self,
        session: &Session,
        head: &[tokio_postgres::Row],
        end: &[tokio_postgres::Row],
    ) -> Result<Checkpoint, Stopped> {
        let changed = |what: String| {
            Stopped::Before(Failure::Other(format!(
                "{what}: somebody has changed the database\n\
                 hint: restore a backup; `throughline ledger verify` names the first bad fact"
            )))
        };
        let head = head
            .first()
            .ok_or_else(|| changed("the note of the last fact is gone".into()))?;
        let recorded = read::place(head).map_err(Failure::from)?;
        let ends_at = end.first().map(read::place).transpose().map_err(Failure::from)?;
        let ends_well = match ends_at {
            Some(end) => end == recorded,
            None => recorded.position == 0,
        };
        if !ends_well {
            return Err(changed(format!(
                "the log ends at fact {}, not at fact {} that was recorded last",
                ends_at.map_or(0, |end| end.position),
                recorded.position
            )));
        }
        if let Some(last) = self.last
            && last.position > recorded.position
        {
            return Err(changed(format!(
                "the log ends at fact {}, but fact {} was recorded",
                recorded.position, last.position
            )));
        }
        let generation: i64 = get(head, 2)?;
        if self.generation != Some(generation) {
            session.forget_statements();
            if !schema::same_views(session, &self.views)? {
                return Err(Stopped::Before(Failure::Other(
                    "the views of the ledger were exchanged by another version of throughline\n\
                     hint: let one version work on a database, and start this server again"
                        .into(),
                )));
            }
            self.generation = Some(generation);
            self.rows.forget();
        }
        if self.last != Some(recorded) {
            self.rows.forget();
            self.last = Some(recorded);
            advance(&self.head, recorded.position);
        }
        Ok(recorded)
    }
}

/// A server that is stopped in the middle of a transaction, as a whole machine may be, keeps others waiting
/// for as long as this. One that works says that it is alive; the longest it is silent for is while it seals
/// one fact.
const KEPT_WAITING: &str = "SET idle_in_transaction_session_timeout TO '30s'";

/// Tells the first appends of the batch what came of them.
fn answer(batch: &mut VecDeque<Queued>, results: Vec<Result<Appended, AppendError>>) {
    for result in results {
        if let Some((_, reply)) = batch.pop_front() {
            // Whoever waited may be gone; the facts are recorded all the same.
            let _ = reply.send(result);
        }
    }
}
