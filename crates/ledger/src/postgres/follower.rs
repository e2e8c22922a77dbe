//! The thread that folds followed views: it wakes when the log has grown, and when it is asked to fold
//! them again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use facts::Position;
use tokio::sync::{mpsc, oneshot, watch};

use super::address::Address;
use super::followed::{self, Stepped};
use super::read;
use super::rows::Place;
use super::session::{BEGIN, Session};
use super::writer::advance;
use crate::contract::{LedgerError, RebuiltView};
use crate::upcast::Upcasters;
use crate::view::{View, Views};

/// After how long to try again what failed, where the log does not grow.
const AGAIN: Duration = Duration::from_secs(2);

/// Asks to fold all followed views again.
type Rebuild = oneshot::Sender<Result<Vec<RebuiltView>, LedgerError>>;

/// Follows the log while it lives. Dropping it waits until the facts in hand are folded.
pub(super) struct Follower {
    requests: Option<mpsc::Sender<Rebuild>>,
    position: watch::Receiver<Position>,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Starts the thread. Not to be called where a thread may not block.
    pub fn start(
        address: &Address,
        views: Views,
        upcasters: Upcasters,
        head: watch::Receiver<Position>,
    ) -> Result<Self, LedgerError> {
        let mut work = Work {
            address: address.clone(),
            session: None,
            views,
            upcasters,
            stopped: BTreeSet::new(),
            position: watch::Sender::new(0),
            ending: Arc::default(),
        };
        match work.open() {
            // What is recorded can be read all the same; it is tried again.
            Err(LedgerError::Full) => tracing::warn!("the disk is full: followed views stay behind"),
            opened => opened?,
        }
        let (requests, queue) = mpsc::channel(1);
        let (position, ending) = (work.position.subscribe(), work.ending.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let no_thread = |error: std::io::Error| LedgerError::Store(format!("no thread to follow: {error}"));
        let runtime = runtime.map_err(no_thread)?;
        let thread = std::thread::Builder::new()
            .name("ledger-follower".into())
            .spawn(move || work.follow(&runtime, head, queue))
            .map_err(no_thread)?;
        Ok(Self {
            requests: Some(requests),
            position,
            ending,
            thread: Some(thread),
        })
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

/// What the thread has in hand.
struct Work {
    address: Address,
    session: Option<Session>,
    views: Views,
    upcasters: Upcasters,
    /// The views that cannot take in the next fact.
    stopped: BTreeSet<&'static str>,
    position: watch::Sender<Position>,
    ending: Arc<AtomicBool>,
}

impl Work {
    fn follow(
        mut self,
        runtime: &tokio::runtime::Runtime,
        mut head: watch::Receiver<Position>,
        mut requests: mpsc::Receiver<Rebuild>,
    ) {
        loop {
            head.borrow_and_update();
            let all_well = self.catch_up();
            let request = runtime.block_on(async {
                tokio::select! {
                    changed = head.changed() => changed.map(|()| None).ok(),
                    request = requests.recv() => request.map(Some),
                    () = tokio::time::sleep(AGAIN), if !all_well => Some(None),
                }
            });
            match request {
                None => return,
                Some(None) => {}
                Some(Some(reply)) => {
                    // Whoever asked may be gone.
                    let _ = reply.send(self.rebuild());
                }
            }
        }
    }

    fn open(&mut self) -> Result<(), LedgerError> {
        if self.session.is_none() {
            let session = Session::open(&self.address)?;
            // What a power cut takes back is folded again.
            session.batch("SET synchronous_commit TO off; SET idle_in_transaction_session_timeout TO '60s'")?;
            followed::prepare(&session, &self.views)?;
            self.session = Some(session);
        }
        self.tell()
    }

    fn session(&self) -> Result<&Session, LedgerError> {
        let none = || LedgerError::Store("there is no connection to the database".into());
        self.session.as_ref().ok_or_else(none)
    }

    /// Says how far all views have come.
    fn tell(&self) -> Result<(), LedgerError> {
        let come = followed::position(self.session()?, &self.views)?;
        advance(&self.position, come);
        Ok(())
    }

    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Folds what is new, view by view. Whether nothing went wrong that may go well the next time.
    fn catch_up(&mut self) -> bool {
        if let Err(error) = self.open() {
            tracing::warn!(%error, "followed views cannot be opened and stay behind");
            self.session = None;
            return false;
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
                Err(error) => {
                    tracing::warn!(view = view.name(), %error, "a followed view stays behind for now");
                    self.session = None;
                    return false;
                }
            }
            // What stands before a fact that stopped the view is committed too.
            if let Err(error) = self.tell() {
                tracing::warn!(%error, "how far the followed views have come cannot be read");
                self.session = None;
                return false;
            }
        }
        true
    }

    /// Brings one view up to the end of the log; a new version of it beside the old one.
    fn bring_up(&self, view: &dyn View) -> Result<(), LedgerError> {
        let session = self.session()?;
        while !self.is_ending() {
            let step = |place| followed::step(session, view, place, &self.upcasters, read::CHUNK);
            let whole = match step(Place::Fresh)? {
                Stepped::On => false,
                Stepped::Whole => {
                    followed::swap(session, view, false)?;
                    tracing::info!(view = view.name(), "folded by its new version");
                    true
                }
                Stepped::Absent => matches!(step(Place::InUse)?, Stepped::Whole),
            };
            self.tell()?;
            if whole {
                break;
            }
        }
        Ok(())
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
                    if let Ok(session) = self.session()
                        && let Err(left) = followed::abandon(session, view.as_ref())
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
    fn fold_again(&self, view: &dyn View) -> Result<bool, LedgerError> {
        let session = self.session()?;
        session.transaction(BEGIN, || {
            followed::abandon(session, view)?;
            followed::begin(session, view, Place::Fresh)?;
            session.batch("COMMIT")
        })?;
        let standing = followed::standing(session, view.name(), Place::InUse)?;
        let mut left = usize::try_from(standing.map_or(0, |standing| standing.at.position)).unwrap_or(usize::MAX);
        while left > 0 {
            if self.is_ending() {
                return Err(LedgerError::Store("the ledger is being closed".into()));
            }
            let limit = left.min(read::CHUNK);
            followed::step(session, view, Place::Fresh, &self.upcasters, limit)?;
            left -= limit;
        }
        followed::swap(session, view, true)
    }
}
