//! What a server does by itself, and which of several servers does it.
//!
//! Each duty is led by one server at a time, under a lease of the ledger. Whoever leads one appends for it
//! with the lease's fence, so that the ledger refuses what a server records that was replaced without
//! knowing. A thread of its own takes and renews the leases: whatever else the server is busy with, it keeps
//! what it has, and it hears at once of another server's end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ledger::{Fence, Fenced, Holder, Lease, Leases, Ledger, LedgerError, Taking};
use tokio::sync::{oneshot, watch};

use crate::house::House;
use crate::servers::{Servers, wait_for};

/// For how long a lease is held without being renewed.
pub const TERM: Duration = Duration::from_secs(15);
/// How often leases are renewed.
const RENEW: Duration = Duration::from_secs(4);
/// How soon after they could not be renewed that is tried again: sooner than others look.
const AGAIN: Duration = Duration::from_millis(400);
/// How long after the end of a lease somebody else tries to take it.
const MARGIN: Duration = Duration::from_millis(100);

/// Something that a server does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duty {
    /// Builds, runs of every kind, and packages on their path with what runs in the environments.
    Runs,
    /// Followed repositories, looked at now and then.
    Sources,
    /// Signed checkpoints.
    Checkpoints,
    /// Notifications.
    Notifications,
    /// The rules of the protocol, checked after each fact.
    Rules,
    /// The daily look at views and blobs.
    Stores,
    /// What is removed after a while.
    Retention,
}

impl Duty {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Runs,
        Self::Sources,
        Self::Checkpoints,
        Self::Notifications,
        Self::Rules,
        Self::Stores,
        Self::Retention,
    ];

    /// Its name, which is its lease's.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Sources => "sources",
            Self::Checkpoints => "checkpoints",
            Self::Notifications => "notifications",
            Self::Rules => "rules",
            Self::Stores => "stores",
            Self::Retention => "retention",
        }
    }
}

/// What this server is to a duty.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Another server leads it, or nobody yet.
    Waits,
    /// This one leads it.
    Leads,
    /// Another server has taken it over from this one.
    Replaced(String),
}

/// The duties of this server.
pub(crate) struct Duties {
    leases: Arc<dyn Leases>,
    ledgers: BTreeMap<Duty, Arc<Fenced>>,
    parts: BTreeMap<Duty, watch::Sender<Part>>,
    events: Sender<Event>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread hears.
enum Event {
    /// The server with this id has ended.
    Ended(String),
    /// Everything is to be given back.
    End,
}

impl Duties {
    /// Takes the duties that nobody has, and waits for the others.
    pub async fn start(
        leases: Arc<dyn Leases>,
        ledger: &Arc<dyn Ledger>,
        servers: Arc<Servers>,
    ) -> Result<Arc<Self>, LedgerError> {
        let ledgers: BTreeMap<_, _> = Duty::ALL
            .into_iter()
            .map(|duty| (duty, Arc::new(Fenced::new(ledger.clone()))))
            .collect();
        let parts: BTreeMap<_, _> = Duty::ALL
            .into_iter()
            .map(|duty| (duty, watch::Sender::new(Part::Waits)))
            .collect();
        let (events, heard) = channel();
        let keeper = Keeper {
            holder: Holder {
                id: servers.id().to_owned(),
                place: servers.place(),
            },
            leases: leases.clone(),
            servers,
            ledgers: ledgers.clone(),
            parts: parts.clone(),
            events: events.clone(),
            held: BTreeMap::new(),
            due: BTreeMap::new(),
            watched: BTreeSet::new(),
            asked: Instant::now(),
            renewed: Instant::now(),
            well: true,
        };
        let (ready, taken) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("duties".into())
            .spawn(move || keeper.keep(&heard, ready))
            .map_err(|error| LedgerError::Store(format!("no thread for the duties: {error}")))?;
        let duties = Arc::new(Self {
            leases,
            ledgers,
            parts,
            events,
            thread: Mutex::new(Some(thread)),
        });
        taken
            .await
            .map_err(|_| LedgerError::Store("the duties could not be taken".into()))??;
        Ok(duties)
    }

    /// The ledger as whoever has the duty uses it.
    pub fn ledger(&self, duty: Duty) -> Arc<dyn Ledger> {
        self.ledgers[&duty].clone()
    }

    /// Whether this server leads the duty.
    pub fn leads(&self, duty: Duty) -> bool {
        *self.parts[&duty].borrow() == Part::Leads
    }

    /// Waits until this server leads the duty.
    pub async fn led(&self, duty: Duty) {
        let mut part = self.parts[&duty].subscribe();
        let _ = part.wait_for(|part| *part == Part::Leads).await;
    }

    /// Waits until this server does not lead the duty any more.
    pub async fn lost(&self, duty: Duty) {
        let mut part = self.parts[&duty].subscribe();
        let _ = part.wait_for(|part| *part != Part::Leads).await;
    }

    /// Waits until another server has taken the duty over from this one, and says which.
    pub async fn replaced(&self, duty: Duty) -> String {
        let mut part = self.parts[&duty].subscribe();
        let replaced = part.wait_for(|part| matches!(part, Part::Replaced(_))).await;
        match replaced.as_deref() {
            Ok(Part::Replaced(by)) => by.clone(),
            _ => std::future::pending().await,
        }
    }

    /// The leases as the ledger knows them.
    pub async fn all(&self) -> Result<Vec<Lease>, LedgerError> {
        let leases = self.leases.clone();
        let all = tokio::task::spawn_blocking(move || leases.all()).await;
        all.map_err(|error| LedgerError::Store(error.to_string()))?
    }

    /// Gives everything back: nothing is recorded for a duty any more, and nobody has to wait for the end
    /// of a lease.
    pub async fn give_back(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = self.events.send(Event::End);
        if let Some(thread) = thread {
            // It is told to the store, which takes its time.
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("what renews the leases has panicked");
            }
        }
    }
}

/// Does `work` whenever this server leads the duty, and stops it when it does not any more. Ends with the
/// server, or with the work.
pub(crate) async fn lead<W: Future<Output = ()>>(house: Arc<House>, duty: Duty, work: impl Fn(Arc<House>) -> W) {
    loop {
        tokio::select! {
            () = house.stopping.cancelled() => return,
            () = house.duties.led(duty) => {}
        }
        tokio::select! {
            biased;
            () = house.duties.lost(duty) => {}
            () = work(house.clone()) => return,
        }
    }
}

/// Takes and renews the leases.
struct Keeper {
    holder: Holder,
    leases: Arc<dyn Leases>,
    servers: Arc<Servers>,
    ledgers: BTreeMap<Duty, Arc<Fenced>>,
    parts: BTreeMap<Duty, watch::Sender<Part>>,
    events: Sender<Event>,
    held: BTreeMap<Duty, Fence>,
    /// Who has the other duties, and when to ask for each again.
    due: BTreeMap<Duty, (String, Instant)>,
    /// The servers whose end is waited for.
    watched: BTreeSet<String>,
    /// When the leases were to be renewed last, and when they were.
    asked: Instant,
    renewed: Instant,
    well: bool,
}

impl Keeper {
    fn keep(mut self, heard: &Receiver<Event>, ready: oneshot::Sender<Result<(), LedgerError>>) {
        let first = self.take_what_is_free();
        let _ = ready.send(first);
        loop {
            let renew_at = self.asked + if self.well { RENEW } else { AGAIN };
            let next = self.due.values().map(|(_, at)| *at).min();
            let next = next.map_or(renew_at, |at| at.min(renew_at));
            match heard.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(Event::End) | Err(RecvTimeoutError::Disconnected) => return self.give_back(),
                Ok(Event::Ended(id)) => {
                    self.watched.remove(&id);
                    let now = Instant::now();
                    for (holder, at) in self.due.values_mut() {
                        if *holder == id {
                            *at = now;
                        }
                    }
                    self.servers.point_to_the_living();
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            // First what it has: after a long sleep it may not be its own any more.
            if renew_at <= Instant::now() {
                self.renew();
            }
            if let Err(error) = self.take_what_is_free() {
                self.trouble(&error);
                self.later();
            }
        }
    }

    /// What is due now is asked for again in a moment.
    fn later(&mut self) {
        let (now, again) = (Instant::now(), Instant::now() + AGAIN);
        for duty in Duty::ALL.into_iter().filter(|duty| !self.held.contains_key(duty)) {
            let (_, at) = self.due.entry(duty).or_insert_with(|| (String::new(), again));
            if *at <= now {
                *at = again;
            }
        }
    }

    fn say(&self, duty: Duty, part: Part) {
        if let Some(told) = self.parts.get(&duty) {
            told.send_if_modified(|told| {
                let other = *told != part;
                *told = part;
                other
            });
        }
    }

    /// Asks for each duty that may be free now.
    fn take_what_is_free(&mut self) -> Result<(), LedgerError> {
        for duty in Duty::ALL {
            let due = self.due.get(&duty).is_none_or(|(_, at)| *at <= Instant::now());
            if self.held.contains_key(&duty) || !due || !self.wants(duty) {
                continue;
            }
            let by = self.due.get(&duty).map(|(holder, _)| holder.clone());
            let ended: Vec<String> = by.into_iter().filter(|id| self.servers.has_ended(id)).collect();
            match self.take(duty, &ended)? {
                Taking::Taken(fence) => {
                    tracing::info!(duty = duty.name(), "this server leads");
                    self.due.remove(&duty);
                    self.ledgers[&duty].carry(fence.clone());
                    self.held.insert(duty, fence);
                    self.say(duty, Part::Leads);
                }
                Taking::Held(lease) if !self.servers.is_here(&lease.holder.id) => {
                    // A server on another machine has a copy of the folder now: this one is of no use any more.
                    self.due.insert(duty, (lease.holder.id, Instant::now() + TERM));
                    self.say(Duty::Runs, Part::Replaced(lease.holder.place));
                }
                Taking::Held(lease) => {
                    let at = Instant::now() + lease.left + MARGIN;
                    self.watch(&lease.holder.id);
                    self.due.insert(duty, (lease.holder.id, at));
                }
            }
        }
        Ok(())
    }

    /// Asks for a duty; once more where whoever has it turns out to have ended.
    fn take(&self, duty: Duty, ended: &[String]) -> Result<Taking, LedgerError> {
        match self.leases.take(duty.name(), &self.holder, ended, TERM)? {
            Taking::Held(lease) if self.servers.has_ended(&lease.holder.id) => {
                self.leases.take(duty.name(), &self.holder, &[lease.holder.id], TERM)
            }
            taking => Ok(taking),
        }
    }

    /// Whether this server should have the duty where it can.
    fn wants(&self, duty: Duty) -> bool {
        // What is removed is removed by whoever has the runs in hand, and knows what they use.
        duty != Duty::Retention || self.held.contains_key(&Duty::Runs)
    }

    /// Hears of the end of another server, by a thread that waits for its lock.
    fn watch(&mut self, id: &str) {
        if !self.watched.insert(id.to_owned()) {
            return;
        }
        let (events, data, id) = (self.events.clone(), self.servers.data().to_owned(), id.to_owned());
        let waiting = std::thread::Builder::new().name("duties-wait".into()).spawn(move || {
            wait_for(&data, &id);
            let _ = events.send(Event::Ended(id));
        });
        if let Err(error) = waiting {
            tracing::warn!(%error, "the end of another server is not heard of; its leases are waited for");
        }
    }

    fn renew(&mut self) {
        let fences: Vec<Fence> = self.held.values().cloned().collect();
        if self.renewed.elapsed() > TERM {
            // Somebody else may have them. Runs are told by the ledger, which takes nothing from a server
            // that was replaced; what else goes on is stopped until it is known.
            for duty in self.held.keys().filter(|duty| **duty != Duty::Runs) {
                self.say(*duty, Part::Waits);
            }
        }
        self.asked = Instant::now();
        match self.leases.renew(&fences, TERM) {
            Ok(lost) => {
                self.renewed = self.asked;
                self.well = true;
                self.servers.beat();
                for lease in lost {
                    let Some(duty) = Duty::ALL.into_iter().find(|duty| duty.name() == lease.duty) else {
                        continue;
                    };
                    tracing::warn!(
                        duty = duty.name(),
                        by = lease.holder.place,
                        "another server has taken over"
                    );
                    self.held.remove(&duty);
                    self.due
                        .insert(duty, (lease.holder.id.clone(), Instant::now() + lease.left + MARGIN));
                    self.say(duty, Part::Replaced(lease.holder.place));
                }
                for duty in self.held.keys() {
                    self.say(*duty, Part::Leads);
                }
            }
            Err(error) => {
                // Nobody can have taken them over who reaches as little; whether somebody has is seen at the
                // next renewal, and by every append.
                self.trouble(&error);
            }
        }
    }

    fn trouble(&mut self, error: &LedgerError) {
        if self.well {
            tracing::warn!(%error, "the leases of this server's duties could not be renewed");
        }
        self.well = false;
    }

    fn give_back(self) {
        let fences: Vec<Fence> = self.held.values().cloned().collect();
        if let Err(error) = self.leases.renew(&fences, Duration::ZERO) {
            tracing::debug!(%error, "the leases were not given back");
        }
    }
}
