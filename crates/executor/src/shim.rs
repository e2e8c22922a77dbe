//! The shim: one resident process per run, which starts the run's attempts and outlives the server.
//!
//! The server that starts it hands over the run's lock, already taken, and a listening socket, so there
//! is no moment at which the lock is free or nobody listens. From then on it serves whoever connects
//! as the same user and is not one of its own attempts: the server that started it, or a later one. It
//! exits when its run is closed, or when nothing runs and nobody has connected for long.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use facts::RunId;
use process::{Identity, subreaper, tree};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};

use crate::attempt::{self, Attempts};
use crate::children::Children;
use crate::container;
use crate::container::life::{self, Known};
use crate::frame;
use crate::groups::Groups;
use crate::hold::Hold;
use crate::isolation::{Isolation, Wanted};
use crate::job::Outcome;
use crate::wire::{Answer, Ask, Attempt, PROTOCOL, Request};
use crate::{keeper, logs, secrets};

/// The variable in which a shim finds what it is handed: the number of the lock, the number of the
/// listening socket, and after how many milliseconds alone it exits.
pub(crate) const VARIABLE: &str = "THROUGHLINE_SHIM";

/// The names of lock, socket and complaints in the run's folder.
pub(crate) const LOCK: &str = "shim.lock";
pub(crate) const SOCKET: &str = "shim.sock";
pub(crate) const COMPLAINTS: &str = "shim.log";

/// A client says what it wants within this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs as the shim of the run with this folder, or as one of its keepers; the answer is the exit
/// code. To be called before the process starts a thread or opens a file. The process must have been
/// started by a [`LocalExecutor`](crate::LocalExecutor).
pub fn shim_main(folder: &Path) -> i32 {
    if let Some(control) = std::env::var(keeper::VARIABLE).ok().and_then(|text| text.parse().ok()) {
        return keeper::keeper_main(folder, control);
    }
    match serve(folder) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("throughline shim: {}: {error}", folder.display());
            1
        }
    }
}

struct Handed {
    lock: OwnedFd,
    listener: std::os::unix::net::UnixListener,
    idle: Duration,
}

fn handed() -> io::Result<Handed> {
    let nothing = || io::Error::other("no lock and no socket (hint: a shim is started by the server, not by hand)");
    let text = std::env::var(VARIABLE).map_err(|_| nothing())?;
    let numbers: Vec<u64> = text
        .split(',')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| nothing())?;
    let [lock, listener, idle] = numbers[..] else {
        return Err(nothing());
    };
    let take = |number| {
        i32::try_from(number)
            .ok()
            .and_then(process::take_inherited)
            .ok_or_else(nothing)
    };
    let listener = std::os::unix::net::UnixListener::from(take(listener)?);
    listener.set_nonblocking(true)?;
    Ok(Handed {
        lock: take(lock)?,
        listener,
        idle: Duration::from_millis(idle),
    })
}

fn serve(folder: &Path) -> io::Result<()> {
    let handed = handed()?;
    let wanted = Wanted::handed();
    let isolation = wanted.as_ref().map_or(Isolation::Off, Wanted::found);
    let home = wanted.as_ref().map(|wanted| container::leftovers::home(&wanted.folder));
    process::protect_memory()?;
    subreaper::become_subreaper()?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let run: RunId = name.parse().map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let shim = Arc::new(Shim {
            run,
            folder: folder.to_owned(),
            lock: handed.lock,
            wanted: wanted.filter(|_| isolation == Isolation::Namespaces),
            isolation,
            home: home.unwrap_or_default(),
            groups: OnceLock::new(),
            children: Children::default(),
            contained: Mutex::default(),
            this: Identity::of_this_process()?,
            attempts: Attempts::default(),
            idle_keepers: Mutex::default(),
            keepers: Mutex::default(),
            busy: watch::Sender::new(0),
            closing: AtomicBool::new(false),
            exit: Notify::new(),
        });
        secrets::sweep(folder, run);
        shim.serve(UnixListener::from_std(handed.listener)?, handed.idle).await
    })
}

/// The state of a shim. One thread runs all of it; locks are never held across an await.
pub(crate) struct Shim {
    pub(crate) run: RunId,
    pub(crate) folder: PathBuf,
    lock: OwnedFd,
    /// What keeps attempts apart, and how a keeper learns of it.
    pub(crate) isolation: Isolation,
    wanted: Option<Wanted>,
    /// How the data folder is called among the labels of containers.
    home: String,
    /// The control groups of attempts, or why there are none. Looked for when the first attempt has limits.
    groups: OnceLock<Result<Groups, String>>,
    children: Children,
    /// The containers of attempts and services by their names, and the engine's command that starts each.
    contained: Mutex<HashMap<String, (Known, Option<Identity>)>>,
    this: Identity,
    pub(crate) attempts: Attempts,
    idle_keepers: Mutex<Vec<Hold>>,
    keepers: Mutex<HashSet<Identity>>,
    /// How many attempts run and how many clients are connected.
    busy: watch::Sender<usize>,
    closing: AtomicBool,
    exit: Notify,
}

/// As long as it lives, the shim does not exit for being alone.
pub(crate) struct Busy(Arc<Shim>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.send_modify(|count| *count -= 1);
    }
}

/// A container that is listened to.
pub(crate) struct Listening(Arc<Shim>, String);

impl Drop for Listening {
    fn drop(&mut self) {
        locked(&self.0.contained).remove(&self.1);
    }
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shim {
    async fn serve(self: Arc<Self>, listener: UnixListener, idle: Duration) -> io::Result<()> {
        tokio::spawn(reap(self.clone(), signal(SignalKind::child())?));
        attempt::take_up_containers(&self).await;
        // The first attempt finds its keeper ready.
        let first = Hold::spawn(&self.lock, self.wanted.as_ref())?;
        self.give_back(first);
        let mut busy = self.busy.subscribe();
        let alone = async {
            loop {
                if busy.wait_for(|count| *count == 0).await.is_err() {
                    return;
                }
                tokio::select! {
                    changed = busy.changed() => if changed.is_err() { return },
                    () = tokio::time::sleep(idle) => return,
                }
            }
        };
        tokio::pin!(alone);
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    // An error here is that of one client, or a lack of files that may pass.
                    if let Ok((stream, _)) = accepted {
                        tokio::spawn(self.clone().talk(stream));
                    } else {
                        tokio::task::yield_now().await;
                    }
                }
                () = &mut alone => break,
                () = self.exit.notified() => break,
            }
        }
        // Keepers end when their sockets close; the lock is free when the last of them has.
        drop(listener);
        let _ = std::fs::remove_file(self.folder.join(SOCKET));
        locked(&self.idle_keepers).clear();
        secrets::sweep(&self.folder, self.run);
        Ok(())
    }

    pub(crate) fn busy(self: &Arc<Self>) -> Busy {
        self.busy.send_modify(|count| *count += 1);
        Busy(self.clone())
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// A keeper that is free, or a new one.
    pub(crate) fn keeper(&self) -> io::Result<Hold> {
        if let Some(hold) = locked(&self.idle_keepers).pop() {
            return Ok(hold);
        }
        let hold = Hold::spawn(&self.lock, self.wanted.as_ref())?;
        let mut keepers = locked(&self.keepers);
        keepers.retain(Identity::is_alive);
        keepers.insert(hold.identity);
        Ok(hold)
    }

    /// Takes back a keeper that has nothing left to keep.
    pub(crate) fn give_back(&self, hold: Hold) {
        const MOST_IDLE: usize = 8;
        locked(&self.keepers).insert(hold.identity);
        let mut idle = locked(&self.idle_keepers);
        if idle.len() < MOST_IDLE {
            idle.push(hold);
        }
    }

    /// Kills what a keeper leaves behind that was killed: all that is below this shim and belongs to no
    /// living keeper.
    pub(crate) async fn kill_strays_of(&self, gone: Hold) {
        // Its pipes close a moment before its children come to this process, and until then they would
        // be taken for those of a living keeper.
        let keeper = gone.identity;
        drop(gone);
        let _ = keeper.signal(process::Signal::KILL);
        let _ = keeper.ended().await;
        locked(&self.keepers).remove(&keeper);
        let strays = || {
            let mut keepers = locked(&self.keepers);
            keepers.retain(Identity::is_alive);
            let mut heads: Vec<Identity> = keepers.iter().copied().collect();
            drop(keepers);
            // Podman's containers and those who watch them may stand below this shim.
            for (known, command) in locked(&self.contained).values() {
                heads.extend(*command);
                heads.extend(life::process_in(&known.watcher));
            }
            let below = heads.iter().flat_map(|head| tree::descendants(*head));
            let kept: HashSet<Identity> = heads.iter().copied().chain(below).collect();
            tree::descendants(self.this)
                .into_iter()
                .filter(|process| !kept.contains(process))
                .collect()
        };
        tree::kill_until_none(Vec::new(), strays).await;
    }

    /// The control groups of attempts, arranged when they are first asked for.
    ///
    /// # Errors
    /// Why there are none.
    pub(crate) fn groups(&self) -> Result<&Groups, String> {
        let found = self.groups.get_or_init(|| {
            let groups = Groups::arrange()?;
            groups.sweep(self.run);
            Ok(groups)
        });
        found.as_ref().map_err(Clone::clone)
    }

    /// How the data folder is called among the labels of containers.
    pub(crate) fn home(&self) -> String {
        self.home.clone()
    }

    /// A wait for the end of a child that was left to this shim.
    pub(crate) fn expect(&self, child: Identity) -> tokio::sync::oneshot::Receiver<process::Exit> {
        self.children.expect(child)
    }

    /// Runs a short command; the answer is its standard output, or what it complains of.
    pub(crate) async fn ask(&self, spec: process::Spec) -> Result<String, String> {
        self.children.ask(spec).await
    }

    /// Runs a command that takes as long as it takes.
    pub(crate) async fn wait_for(&self, spec: process::Spec) -> Result<String, String> {
        self.children.wait_for(spec, None).await
    }

    /// As long as the answer lives, this container is known to be one of the shim's.
    pub(crate) fn contain(self: &Arc<Self>, known: &Known, command: Option<Identity>) -> Listening {
        locked(&self.contained).insert(known.name.clone(), (known.clone(), command));
        Listening(self.clone(), known.name.clone())
    }

    /// Answers one question after the other. Who asks is looked at once: a connection stays with the process that made
    /// it, since no file of the server or of this shim is handed on to what they start.
    async fn talk(self: Arc<Self>, mut stream: UnixStream) {
        let mut busy = self.busy();
        if let Err(reason) = self.admit(&stream) {
            let _ = frame::write(&mut stream, &Answer::Refused { reason }).await;
            return;
        }
        while self.clone().converse(&mut stream).await {
            drop(busy);
            if stream.readable().await.is_err() {
                return;
            }
            busy = self.busy();
        }
    }

    /// Answers one question; whether another one may follow.
    async fn converse(self: Arc<Self>, stream: &mut UnixStream) -> bool {
        let answer = match tokio::time::timeout(PATIENCE, frame::read::<Request>(stream)).await {
            Ok(Ok(Some(request))) if request.protocol != PROTOCOL => Answer::Refused {
                reason: format!("this shim speaks protocol {PROTOCOL}, not {}", request.protocol),
            },
            Ok(Ok(Some(request))) => {
                // A client that goes away while it waits is not waited for.
                tokio::select! {
                    answer = self.clone().answer(request.ask) => answer,
                    () = closed(stream) => return false,
                }
            }
            Ok(Ok(None)) | Err(_) => return false,
            Ok(Err(error)) => Answer::Refused {
                reason: error.to_string(),
            },
        };
        let last = matches!(answer, Answer::Done) && self.is_closing();
        let written = frame::write(stream, &answer).await;
        if last {
            self.exit.notify_one();
        }
        written.is_ok() && !last && !matches!(answer, Answer::Refused { .. })
    }

    /// Only the user's own processes, and none of those that this shim itself has started: a step
    /// cannot cancel its neighbours or start an attempt.
    fn admit(&self, stream: &UnixStream) -> Result<(), String> {
        let peer = stream.peer_cred().map_err(|error| error.to_string())?;
        if peer.uid() != rustix::process::geteuid().as_raw() && peer.uid() != 0 {
            return Err("another user".into());
        }
        match peer.pid().and_then(|pid| u32::try_from(pid).ok()) {
            Some(pid) if !tree::is_below(pid, self.this.pid) => Ok(()),
            _ => Err("a step has no say here".into()),
        }
    }

    async fn answer(self: Arc<Self>, ask: Ask) -> Answer {
        match ask {
            Ask::Start {
                job,
                grace_ms,
                until_end,
            } => {
                let attempt = job.attempt.clone();
                let begun = attempt::start(&self, *job, Duration::from_millis(grace_ms)).await;
                match self.attempts.get(&attempt) {
                    Some(running) if until_end && matches!(begun, Answer::Running) => {
                        Answer::Finished(running.finished().await)
                    }
                    // It may have ended in between.
                    None if until_end && matches!(begun, Answer::Running) => self.stored(&attempt),
                    _ => begun,
                }
            }
            Ask::Wait { attempt } => match self.attempts.get(&attempt) {
                Some(running) => Answer::Finished(running.finished().await),
                None => self.stored(&attempt),
            },
            Ask::State { attempt } => match self.attempts.get(&attempt) {
                Some(running) => running.outcome().map_or(Answer::Running, Answer::Finished),
                None => self.stored(&attempt),
            },
            Ask::Cancel { attempt } => {
                if let Some(running) = self.attempts.get(&attempt) {
                    running.cancel();
                }
                Answer::Done
            }
            Ask::Close => {
                self.closing.store(true, Ordering::SeqCst);
                self.attempts.cancel_all_and_wait().await;
                Answer::Done
            }
        }
    }

    /// What the files say of an attempt that does not run here.
    pub(crate) fn stored(&self, attempt: &Attempt) -> Answer {
        stored(&self.folder, attempt).map_or_else(
            |error| Answer::Refused {
                reason: format!("the outcome of {} cannot be read: {error}", attempt.name()),
            },
            |stored| match stored {
                Stored::Finished(outcome) => Answer::Finished(outcome),
                Stored::Begun => Answer::Lost,
                Stored::Nothing => Answer::Unknown,
            },
        )
    }
}

/// What the files say of an attempt.
pub(crate) enum Stored {
    Finished(Outcome),
    /// It was begun, and has no outcome.
    Begun,
    Nothing,
}

/// Reads what the files say of an attempt.
///
/// # Errors
/// When there is an outcome that cannot be read.
pub(crate) fn stored(run_folder: &Path, attempt: &Attempt) -> io::Result<Stored> {
    let folder = run_folder.join(attempt.folder());
    match std::fs::read(folder.join(logs::OUTCOME)) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(outcome) => Ok(Stored::Finished(outcome)),
            // A power cut may have taken the end of one that was not made durable: nobody saw its end.
            Err(error) if error.is_eof() || bytes.contains(&0) => Ok(Stored::Begun),
            Err(error) => Err(error.into()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(if folder.join(logs::LOG).exists() {
            Stored::Begun
        } else {
            Stored::Nothing
        }),
        Err(error) => Err(error),
    }
}

/// Returns when the other side has closed the stream. It says nothing more, so whatever comes is that.
async fn closed(stream: &UnixStream) {
    let mut byte = [0];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut byte) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
}

/// Reaps keepers, and whatever a killed keeper left.
async fn reap(shim: Arc<Shim>, mut child_ended: tokio::signal::unix::Signal) {
    while child_ended.recv().await.is_some() {
        while let Ok(Some((pid, exit))) = subreaper::reap(None) {
            shim.children.ended(pid, exit);
        }
    }
}

impl Attempts {
    async fn cancel_all_and_wait(&self) {
        let all: HashMap<_, _> = self.all();
        for running in all.values() {
            running.cancel();
        }
        for running in all.values() {
            running.finished().await;
        }
    }
}
