//! The process that keeps one placement: its start, its loop, its answers.
//!
//! One task owns everything and handles one event after another; what takes time (watching, draining,
//! ending, talking) are tasks that send events. So no two things change the placement at once.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use facts::{Clock, Entropy, InstanceId, SystemClock, SystemEntropy};
use process::Identity;
use proxy::access_log::Limits;
use proxy::{Proxy, Settings, Stamp};
use rustix::fs::FlockOperation;
use tokio::net::UnixListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::control::{self, Ask, Line, Tell};
use super::converge::{Applying, Stopping};
use super::handover::{self, Inherited};
use super::health;
use super::instance;
use super::state::{Kept, Role, State};
use super::supervise::Backoff;
use super::vault::Vault;
use crate::error::Refused;
use crate::observed::{Observed, ObservedGroup};

/// Something that happened.
pub enum Event {
    /// Somebody asks; the answers go to the second.
    Asked(Ask, Asker),
    /// A newer keeper asks for the sockets on this line.
    HandOver(Line),
    /// A new instance is well, or an ill one again.
    Well(InstanceId),
    /// An instance does not answer as it should.
    Ill(InstanceId, String),
    /// A new instance did not get well in time.
    Overdue(InstanceId, String),
    /// An instance gives no answer at all, for long.
    Silent(InstanceId),
    /// The process of an instance ended by itself.
    Ended(InstanceId, String),
    /// Nothing is left of an instance.
    Gone(InstanceId),
    /// It is time to start an instance of this group again.
    RestartDue(String),
    /// It is time to try a new instance of the intention being applied again.
    StartDue(Stamp, String),
    /// The proxy could not reach an instance.
    NotReached(InstanceId),
    /// A signal asks the keeper to end everything.
    Terminate,
}

/// Who waits for answers.
pub type Asker = UnboundedSender<Tell>;

/// What is known of an instance besides its [`Kept`].
pub struct Live {
    /// Whether its health check held the last time.
    pub well: bool,
    /// Has it asked at once.
    pub poke: Arc<Notify>,
    watcher: Option<AbortHandle>,
    stopper: Option<AbortHandle>,
}

impl Live {
    /// What is known of an instance that `stopper` ends.
    pub(super) fn leaving(stopper: AbortHandle) -> Self {
        Self {
            well: false,
            poke: Arc::default(),
            watcher: None,
            stopper: Some(stopper),
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        for task in [&self.watcher, &self.stopper].into_iter().flatten() {
            task.abort();
        }
    }
}

/// The keeper of one placement.
pub struct Keeper {
    pub(super) folder: PathBuf,
    pub(super) lock: OwnedFd,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) proxy: Arc<Proxy>,
    pub(super) state: State,
    pub(super) vault: Vault,
    pub(super) live: HashMap<InstanceId, Live>,
    pub(super) events: UnboundedSender<Event>,
    pub(super) applying: Option<Applying>,
    /// Who is told what, as soon as nothing is leaving any more.
    pub(super) settling: Vec<(Asker, Outcome)>,
    pub(super) backoffs: HashMap<String, Backoff>,
    pub(super) stopping: Option<Vec<Asker>>,
    /// True when the keeper before this one has ended.
    pub(super) alone: watch::Receiver<bool>,
}

/// What an asker is told in the end.
pub enum Outcome {
    /// What the placement is then.
    Applied,
    /// Why it is not.
    Refused(Refused),
}

/// Runs the keeper of the placement in `folder` until it is stopped or handed over; the answer is the
/// exit code. When it is ready, it writes `ready` to its standard output.
pub fn proxy_main(folder: &Path) -> i32 {
    // It holds secrets; without the protection it works as well.
    let _ = process::protect_memory();
    proxy::allow_many_connections();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return 1;
        }
    };
    let code = match runtime.block_on(keep(folder)) {
        Ok(()) => 0,
        Err(error) => {
            println!("{error}");
            eprintln!("{error}");
            1
        }
    };
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

async fn keep(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let lock_path = folder.join("proxy.lock");
    let own_lock: OwnedFd = fs::OpenOptions::new().create(true).append(true).open(lock_path)?.into();
    let inherited = succeed(folder, own_lock).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let state = State::load(folder)?;
    let settings = Settings {
        folder: folder.to_owned(),
        limits: Limits::default(),
        clock: clock.clone(),
        entropy: entropy.clone(),
    };
    let proxy = Proxy::new(&settings)?;
    let mut vault = Vault::open(folder);
    vault.learn(inherited.secrets);
    let (events, inbox) = unbounded_channel();
    let (alone_now, alone) = watch::channel(inherited.line.is_none());
    let mut keeper = Keeper {
        folder: folder.to_owned(),
        lock: inherited.lock,
        clock,
        entropy,
        proxy,
        state,
        vault,
        live: HashMap::new(),
        events,
        applying: None,
        settling: Vec::new(),
        backoffs: HashMap::new(),
        stopping: None,
        alone,
    };
    keeper.listen_for_misses();
    keeper.show().await.map_err(io::Error::other)?;
    keeper.adopt();
    keeper.listen(inherited.listeners)?;
    let control = control::listen(folder)?;
    if let Some(line) = inherited.line {
        handover::accept_records(line, keeper.proxy.clone(), alone_now).await?;
    }
    keeper.listen_for_questions(control);
    keeper.listen_for_signals()?;
    crashpoint::reach("keeper.ready");
    let mut ready = io::stdout();
    // Whoever started this may be gone already.
    let _ = ready.write_all(b"ready\n").and_then(|()| ready.flush());
    keeper.resume().await;
    keeper.run(inbox).await;
    Ok(())
}

/// Becomes the keeper of `folder`: of a free one by its lock, else by taking over from the one before.
async fn succeed(folder: &Path, lock: OwnedFd) -> io::Result<Inherited> {
    const PATIENCE: Duration = Duration::from_secs(20);
    let begun = Instant::now();
    loop {
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok(Inherited::nothing(lock));
        }
        match handover::take_over(folder).await {
            Ok(inherited) => return Ok(inherited),
            Err(error) if begun.elapsed() > PATIENCE => return Err(error),
            // It is just starting, or just ending; neither of these tells when it is done.
            Err(_) => tokio::time::sleep(Duration::from_millis(30)).await,
        }
    }
}

impl Keeper {
    async fn run(&mut self, mut inbox: UnboundedReceiver<Event>) {
        while let Some(event) = inbox.recv().await {
            match event {
                Event::Asked(ask, asker) => self.answer(ask, asker).await,
                Event::HandOver(line) => {
                    if self.hand_over(line).await {
                        return;
                    }
                }
                Event::Well(id) => self.well(id).await,
                Event::Ill(id, reason) => self.ill(id, &reason),
                Event::Overdue(id, reason) => self.overdue(id, reason).await,
                Event::Silent(id) => self.silent(id).await,
                Event::Ended(id, how) => self.ended(id, how).await,
                Event::Gone(id) => self.gone(id),
                Event::RestartDue(group) => self.restart_due(&group).await,
                Event::StartDue(stamp, group) => self.start_due(stamp, &group).await,
                Event::NotReached(id) => {
                    if let Some(live) = self.live.get(&id) {
                        live.poke.notify_one();
                    }
                }
                Event::Terminate => self.stop(Stopping::Terminated).await,
            }
            if self.settle().await {
                return;
            }
        }
    }

    async fn answer(&mut self, ask: Ask, asker: Asker) {
        let answer = match ask {
            Ask::Who => match Identity::of_this_process() {
                Ok(process) => Tell::Keeper {
                    process,
                    build: control::build(),
                },
                Err(error) => Tell::Refused(Refused::State {
                    reason: error.to_string(),
                }),
            },
            Ask::Observe => Tell::Observed(self.observed()),
            Ask::Evidence => match self.proxy.evidence().await {
                Ok(evidence) => Tell::Evidence(Box::new(evidence.summary(20))),
                Err(error) => Tell::Refused(Refused::State {
                    reason: error.to_string(),
                }),
            },
            Ask::Apply { mut desired, secrets } => {
                for (group, secrets) in desired.groups.iter_mut().zip(secrets) {
                    group.launch.secrets = secrets;
                }
                self.apply(*desired, Some(asker)).await;
                return;
            }
            Ask::Stop => {
                self.stop(Stopping::Asked(asker)).await;
                return;
            }
            // Handled before, since it needs the connection itself.
            Ask::HandOver => return,
        };
        // An asker that is gone needs no answer.
        let _ = asker.send(answer);
    }

    /// What the placement is.
    pub(super) fn observed(&self) -> Observed {
        let mut observed = observed(&self.state);
        for group in &mut observed.groups {
            let well = |kept: &&Kept| {
                kept.group == group.name
                    && kept.role == Role::Serving
                    && self.live.get(&kept.id).is_some_and(|live| live.well)
            };
            group.healthy = self.state.instances.iter().filter(well).count() as u32;
        }
        observed
    }

    /// Writes the state down.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(super) fn save(&self) -> Result<(), Refused> {
        self.state.save(&self.folder).map_err(|error| Refused::State {
            reason: error.to_string(),
        })
    }

    /// Writes the state down where nothing can be done about it when that fails: the next change
    /// writes it again.
    pub(super) fn save_or_say(&self) {
        if let Err(error) = self.save() {
            eprintln!("{error}");
        }
    }

    /// Watches an instance.
    pub(super) fn watch(&mut self, id: InstanceId, held: health::Held, known_well: bool) {
        let Some(kept) = self.state.instance(id) else { return };
        let poke = Arc::new(Notify::new());
        let watched = health::Watched {
            id,
            folder: self.folder.clone(),
            held,
            port: kept.port,
            check: kept.health.clone(),
            known_well,
            poke: poke.clone(),
        };
        let watcher = tokio::spawn(health::watch(watched, self.events.clone())).abort_handle();
        self.live.insert(
            id,
            Live {
                well: known_well,
                poke,
                watcher: Some(watcher),
                stopper: None,
            },
        );
    }

    /// Takes over the instances that the state names.
    pub(super) fn adopt(&mut self) {
        for kept in self.state.instances.clone() {
            match kept.process {
                Some(identity) if kept.role != Role::Leaving => {
                    // One that has ended in the meantime tells so at once.
                    self.watch(kept.id, health::Held::Found(identity), kept.role == Role::Serving);
                }
                Some(_) => self.leave(kept.id),
                None => {
                    // Its start was begun, and perhaps done: whoever did it did not live to say so.
                    process::tree::signal_all(&instance::find_marked(kept.id), process::Signal::KILL);
                    self.state.instances.retain(|other| other.id != kept.id);
                    self.vault.clear(kept.id);
                }
            }
        }
    }

    fn listen(&mut self, inherited: Vec<std::net::TcpListener>) -> io::Result<()> {
        if !inherited.is_empty() {
            for listener in inherited {
                self.proxy.accept_on(listener)?;
            }
        } else if let Some(address) = self.state.address.filter(|_| self.state.is_in_use()) {
            let listener = proxy::listen(address)
                .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))?;
            self.proxy.accept_on(listener)?;
        }
        Ok(())
    }

    fn listen_for_misses(&self) {
        let (misses, mut missed) = unbounded_channel();
        self.proxy.tell_not_reached(misses);
        let events = self.events.clone();
        tokio::spawn(async move {
            while let Some(id) = missed.recv().await {
                if events.send(Event::NotReached(id)).is_err() {
                    return;
                }
            }
        });
    }

    fn listen_for_questions(&self, control: UnixListener) {
        let events = self.events.clone();
        tokio::spawn(async move {
            loop {
                match control.accept().await {
                    Ok((stream, _)) => {
                        tokio::spawn(converse(Line::new(stream), events.clone()));
                    }
                    // Out of files: somebody will let go of one.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
    }

    fn listen_for_signals(&self) -> io::Result<()> {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let events = self.events.clone();
        tokio::spawn(async move {
            while terminate.recv().await.is_some() {
                if events.send(Event::Terminate).is_err() {
                    return;
                }
            }
        });
        Ok(())
    }
}

/// What the state alone says; who is well it does not.
pub(super) fn observed(state: &State) -> Observed {
    let Some(applied) = &state.applied else {
        return Observed::default();
    };
    Observed {
        stamp: Some(applied.stamp),
        groups: applied
            .groups
            .iter()
            .map(|group| ObservedGroup {
                name: group.name.clone(),
                package: group.package,
                configuration: group.configuration,
                instances: group.instances,
                healthy: 0,
                weight: group.weight,
                restarts: state.restarts.get(&group.name).copied().unwrap_or(0),
            })
            .collect(),
        url: state.address.map(|address| format!("http://{address}")),
    }
}

/// Answers the questions of one connection, one after another.
async fn converse(mut line: Line, events: UnboundedSender<Event>) {
    while let Ok(Some(ask)) = line.hear::<Ask>().await {
        if matches!(ask, Ask::HandOver) {
            // A keeper that has ended hands nothing over, which the asker sees by the end of the line.
            let _ = events.send(Event::HandOver(line));
            return;
        }
        let (asker, mut answers) = unbounded_channel();
        if events.send(Event::Asked(ask, asker)).is_err() {
            return;
        }
        while let Some(answer) = answers.recv().await {
            if line.say(&answer).await.is_err() {
                // What was asked for is done all the same.
                return;
            }
            if !matches!(answer, Tell::Progress { .. }) {
                break;
            }
        }
    }
}
