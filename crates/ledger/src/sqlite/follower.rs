//! The thread that folds followed views: it wakes when the log has grown, and when it is asked to fold
//! them again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use facts::Position;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tokio::sync::{mpsc, oneshot, watch};

use super::followed::{self, Stopped};
use super::read::{self, Readers};
use super::rebuild;
use super::rows::Place;
use super::schema;
use crate::contract::{LedgerError, RebuiltView};
use crate::upcast::Upcasters;
use crate::view::{FoldError, View, Views};

/// Asks to fold all followed views again.
type Rebuild = oneshot::Sender<Result<Vec<RebuiltView>, LedgerError>>;

/// Follows the log while it lives. Dropping it waits until the facts in hand are folded.
pub(super) struct Follower {
    requests: Option<mpsc::Sender<Rebuild>>,
    position: watch::Receiver<Position>,
    readers: Readers,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Starts the thread for the ledger at `path`.
    pub fn start(
        path: &Path,
        views: Views,
        upcasters: Upcasters,
        head: watch::Receiver<Position>,
    ) -> Result<Self, LedgerError> {
        let place = followed::path_of(path);
        let mut work = Work {
            ledger: path.to_owned(),
            place: place.clone(),
            open: None,
            views,
            upcasters,
            stopped: BTreeSet::new(),
            position: watch::Sender::new(0),
            ending: Arc::default(),
        };
        match work.open() {
            // What is recorded can be read all the same; it is tried again when the log has grown.
            Err(LedgerError::Full) => tracing::warn!("the disk is full: followed views stay behind"),
            opened => opened?,
        }
        let (requests, queue) = mpsc::channel(1);
        let (position, ending) = (work.position.subscribe(), work.ending.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let no_thread = |error: std::io::Error| LedgerError::Store(format!("no thread to follow: {error}"));
        let runtime = runtime.map_err(no_thread)?;
        let thread = std::thread::Builder::new()
            .name("ledger-follower".into())
            .spawn(move || runtime.block_on(work.follow(head, queue)))
            .map_err(no_thread)?;
        Ok(Self {
            requests: Some(requests),
            position,
            readers: Readers::new(&place),
            ending,
            thread: Some(thread),
        })
    }

    /// Those who read followed views.
    pub fn readers(&self) -> &Readers {
        &self.readers
    }

    /// How far all views have come, as it changes.
    pub fn position(&self) -> watch::Receiver<Position> {
        self.position.clone()
    }

    /// Folds all followed views again.
    pub async fn rebuild(&self) -> Result<Vec<RebuiltView>, LedgerError> {
        let (reply, result) = oneshot::channel();
        if let Some(requests) = &self.requests {
            let _ = requests.send(reply).await;
        }
        result
            .await
            .unwrap_or_else(|_| Err(LedgerError::Store("the follower has stopped".into())))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the follower of the ledger has panicked");
        }
    }
}

/// The open files.
struct Open {
    /// The file of followed views.
    views: Connection,
    /// The log, to read.
    log: Connection,
}

/// What the thread has in hand.
struct Work {
    ledger: PathBuf,
    place: PathBuf,
    open: Option<Open>,
    views: Views,
    upcasters: Upcasters,
    /// The views that cannot take in the next fact.
    stopped: BTreeSet<&'static str>,
    position: watch::Sender<Position>,
    ending: Arc<AtomicBool>,
}

impl Work {
    async fn follow(mut self, mut head: watch::Receiver<Position>, mut requests: mpsc::Receiver<Rebuild>) {
        loop {
            head.borrow_and_update();
            self.catch_up();
            tokio::select! {
                changed = head.changed() => if changed.is_err() { return },
                request = requests.recv() => match request {
                    Some(reply) => {
                        // Whoever asked may be gone.
                        let _ = reply.send(self.rebuild());
                    }
                    None => return,
                },
            }
        }
    }

    fn open(&mut self) -> Result<(), LedgerError> {
        if self.open.is_some() {
            return Ok(());
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let log = Connection::open_with_flags(&self.ledger, flags)?;
        log.busy_timeout(std::time::Duration::from_secs(10))?;
        let mut views = followed::open(&self.place)?;
        followed::prepare(&mut views, &self.views, |checkpoint| followed::knows(&log, checkpoint))?;
        self.open = Some(Open { views, log });
        self.tell()
    }

    /// Says how far all views have come.
    fn tell(&self) -> Result<(), LedgerError> {
        let Some(open) = &self.open else { return Ok(()) };
        let mut all = Position::MAX;
        for view in self.views.iter() {
            all = all.min(followed::position(&open.views, view.name())?);
        }
        self.position
            .send_if_modified(|position| std::mem::replace(position, all) != all);
        Ok(())
    }

    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Folds what is new, view by view. What goes wrong is tried again when the log has grown.
    fn catch_up(&mut self) {
        if let Err(error) = self.open() {
            tracing::warn!(%error, "followed views cannot be opened and stay behind");
            return;
        }
        for view in self.views.clone().iter() {
            if self.stopped.contains(view.name()) {
                continue;
            }
            match self.bring_up(view.as_ref()) {
                Ok(()) => {}
                Err(error @ LedgerError::Fold { .. }) => {
                    tracing::error!(view = view.name(), %error, "a followed view stops here");
                    self.stopped.insert(view.name());
                }
                Err(error) => tracing::warn!(view = view.name(), %error, "a followed view stays behind for now"),
            }
            // What stands before a fact that stopped the view is committed too.
            if let Err(error) = self.tell() {
                tracing::warn!(%error, "how far the followed views have come cannot be read");
            }
        }
    }

    /// Brings one view up to the end of the log; a new version of it beside the old one.
    fn bring_up(&mut self, view: &dyn View) -> Result<(), LedgerError> {
        loop {
            if self.is_ending() {
                return Ok(());
            }
            let Some(open) = &mut self.open else { return Ok(()) };
            let fresh = followed::standing(&open.views, view.name(), Place::Fresh)?.is_some();
            let place = if fresh { Place::Fresh } else { Place::InUse };
            let whole = step(open, view, place, &self.upcasters, read::CHUNK)?;
            if whole && fresh {
                let transaction = open.views.transaction_with_behavior(TransactionBehavior::Immediate)?;
                followed::swap(&transaction, view)?;
                crashpoint::reach("ledger.followed.before-swap");
                transaction.commit()?;
                crashpoint::reach("ledger.followed.after-swap");
                tracing::info!(view = view.name(), "folded by its new version");
            }
            self.tell()?;
            if whole {
                return Ok(());
            }
        }
    }

    /// Folds all views again beside the ones in use.
    fn rebuild(&mut self) -> Result<Vec<RebuiltView>, LedgerError> {
        self.open()?;
        let mut rebuilt = Vec::new();
        for view in self.views.clone().iter() {
            self.bring_up(view.as_ref())?;
            let differed = match self.fold_again(view.as_ref()) {
                Ok(differed) => differed,
                Err(error) => {
                    if let Some(open) = &self.open
                        && let Err(left) = followed::abandon(&open.views, view.as_ref())
                    {
                        // The next rebuild or opening does it.
                        tracing::warn!(?left, "the tables of a failed rebuild could not be removed");
                    }
                    return Err(error);
                }
            };
            self.stopped.remove(view.name());
            rebuilt.push(RebuiltView {
                name: view.name(),
                differed,
            });
            self.tell()?;
        }
        Ok(rebuilt)
    }

    /// Folds one view again beside the one in use, up to where that is, and puts it in its place.
    /// Whether it was not what its facts say.
    fn fold_again(&mut self, view: &dyn View) -> Result<bool, LedgerError> {
        let ended = || LedgerError::Store("the ledger is being closed".into());
        let open = self.open.as_mut().ok_or_else(ended)?;
        followed::abandon(&open.views, view)?;
        followed::begin(&open.views, view, Place::Fresh)?;
        let in_use = followed::position(&open.views, view.name())?;
        let mut left = usize::try_from(in_use).unwrap_or(usize::MAX);
        while left > 0 {
            if self.ending.load(Ordering::Relaxed) {
                return Err(ended());
            }
            let limit = left.min(read::CHUNK);
            step(open, view, Place::Fresh, &self.upcasters, limit)?;
            left -= limit;
        }
        let transaction = open.views.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut differed = false;
        for table in view.tables() {
            differed = differed || rebuild::differs(&transaction, table)?;
        }
        followed::swap(&transaction, view)?;
        crashpoint::reach("ledger.followed.before-swap");
        transaction.commit()?;
        crashpoint::reach("ledger.followed.after-swap");
        Ok(differed)
    }
}

/// Lets a view take in up to `limit` facts in one transaction. Whether none was left after them. Where
/// it cannot take in one of them, those before it are kept.
fn step(
    open: &mut Open,
    view: &dyn View,
    place: Place,
    upcasters: &Upcasters,
    limit: usize,
) -> Result<bool, LedgerError> {
    let after = followed::standing(&open.views, view.name(), place)?.map_or(0, |standing| standing.at.position);
    let facts = read::facts(&open.log, upcasters, after, limit)?;
    if facts.is_empty() {
        return Ok(true);
    }
    let mut commit = |facts: &[Arc<facts::Fact>]| -> Result<(), Stopped> {
        let of_store = |error: rusqlite::Error| Stopped {
            seq: after,
            error: FoldError::from(error),
        };
        let transaction = open
            .views
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(of_store)?;
        followed::take_in(&transaction, view, place, facts)?;
        crashpoint::reach("ledger.followed.before-commit");
        transaction.commit().map_err(of_store)?;
        crashpoint::reach("ledger.followed.after-commit");
        Ok(())
    };
    match commit(&facts) {
        Ok(()) => Ok(facts.len() < limit),
        Err(Stopped { seq, error }) => {
            let good = facts.partition_point(|fact| fact.seq < seq);
            let failed = schema::fold_error(view.name(), seq, error);
            if good > 0 && matches!(failed, LedgerError::Fold { .. }) {
                commit(&facts[..good])
                    .map_err(|stopped| schema::fold_error(view.name(), stopped.seq, stopped.error))?;
            }
            Err(failed)
        }
    }
}
