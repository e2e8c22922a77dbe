//! The keeper: the process between a shim and the processes of an attempt.
//!
//! Where attempts are isolated, it starts them in namespaces of their own. In any case it is the
//! subreaper of what it starts, so no fork and no session of its own takes a process out of
//! its sight, and what it finds below itself belongs to this one attempt. It is one process of one
//! thread, serves one attempt at a time, and is used again for the next one. Its standard output and
//! error are pipes to the shim, which the attempt's processes inherit.
//!
//! When the shim dies, its end of the control socket closes, and the keeper kills the attempt. Until
//! that is done it holds the run's lock.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use facts::RunId;
use process::isolation::{Isolation, Shown, Started};
use process::{Channel, Exit, Group, Identity, Signal, SpawnError, Spec, Usage, subreaper, tree};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::isolation::Wanted;
use crate::limits::rlimits;
use crate::wire::{Attempt, Order, Report, SecretMessage};
use crate::{frame, secrets};

/// The variable in which a keeper finds the number of its control socket.
pub(crate) const VARIABLE: &str = "THROUGHLINE_KEEPER";

/// Runs as a keeper until the shim closes the socket.
pub(crate) fn keeper_main(run_folder: &Path, control: i32) -> i32 {
    let serve = || -> io::Result<()> {
        let control = process::take_inherited(control)
            .ok_or_else(|| io::Error::other("the control socket was not handed over"))?;
        let isolation = Wanted::handed()
            .map(|wanted| wanted.enter())
            .transpose()
            .map_err(io::Error::other)?;
        process::protect_memory()?;
        subreaper::become_subreaper()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let control = std::os::unix::net::UnixStream::from(control);
            control.set_nonblocking(true)?;
            let mut keeper = Keeper::new(UnixStream::from_std(control)?, run_folder.to_owned(), isolation)?;
            keeper.serve().await
        })
    };
    match serve() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("throughline keeper: {error}");
            1
        }
    }
}

struct Keeper {
    run_folder: PathBuf,
    /// How it isolates what it starts; nothing where it does not.
    isolation: Option<Isolation>,
    this: Identity,
    /// Closed when the shim is gone.
    orders: mpsc::Receiver<Order>,
    reports: OwnedWriteHalf,
    child_ended: Signals,
    /// A step that signals its parent must not end its keeper, so these are caught and dropped.
    _ignored: Vec<Signals>,
}

/// Reading in a task of its own: an order that is half read is not lost when something else happens.
async fn read_orders(mut stream: OwnedReadHalf, orders: mpsc::Sender<Order>) {
    while let Ok(Some(order)) = frame::read::<Order>(&mut stream).await {
        if orders.send(order).await.is_err() {
            return;
        }
    }
}

impl Keeper {
    fn new(control: UnixStream, run_folder: PathBuf, isolation: Option<Isolation>) -> io::Result<Self> {
        let (reading, reports) = control.into_split();
        let (sender, orders) = mpsc::channel(4);
        tokio::spawn(read_orders(reading, sender));
        let ignored = [
            SignalKind::terminate(),
            SignalKind::interrupt(),
            SignalKind::hangup(),
            SignalKind::quit(),
        ];
        Ok(Self {
            run_folder,
            isolation,
            this: Identity::of_this_process()?,
            orders,
            reports,
            child_ended: signal(SignalKind::child())?,
            _ignored: ignored.into_iter().map(signal).collect::<io::Result<_>>()?,
        })
    }

    async fn serve(&mut self) -> io::Result<()> {
        loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    None => return Ok(()),
                    // The attempt that was to be stopped ended a moment ago.
                    Some(Order::Stop { .. }) => {}
                    Some(Order::Spawn { program, arguments, folder, variables, nice, limits, run, attempt, secrets, tell }) => {
                        let spec = Spec::new(program)
                            .args(arguments)
                            .variables(variables)
                            .folder(folder)
                            .nice(nice);
                        let spec = rlimits(&limits)
                            .into_iter()
                            .fold(spec, |spec, (resource, _, most)| spec.limit(resource, most));
                        let report = match self.start(spec, run, &attempt, &secrets, tell) {
                            Ok(main) => self.keep(main, tell).await,
                            Err(reason) => Report::CouldNotStart { reason },
                        };
                        if self.isolation.is_none() && !secrets.is_empty() {
                            secrets::remove(&self.run_folder, run, &attempt);
                        }
                        frame::write(&mut self.reports, &report).await?;
                    }
                },
                _ = self.child_ended.recv() => drop(reap_all(0)),
            }
        }
    }

    /// Starts the attempt's process, and waits until it runs where that is to be told.
    fn start(
        &self,
        spec: Spec,
        run: RunId,
        attempt: &Attempt,
        secrets: &[SecretMessage],
        tell: bool,
    ) -> Result<Main, String> {
        let streams = || Ok::<_, io::Error>((reopened(1)?, reopened(2)?));
        let (stdout, stderr) = streams().map_err(|error| format!("no stream for its output: {error}"))?;
        let spec = spec.stdout(stdout).stderr(stderr).group(Group::OwnSession);
        let Some(isolation) = &self.isolation else {
            let spec = if secrets.is_empty() {
                spec
            } else {
                let folder = secrets::write(&self.run_folder, run, attempt, secrets)
                    .map_err(|error| format!("no place for the step's secrets: {error}"))?;
                spec.variable(secrets::VARIABLE, folder)
            };
            let child = process::spawn(spec.with_parent(Signal::KILL)).map_err(|error| told(&error))?;
            return Ok(Main::Alone(child.leave_to_subreaper()));
        };
        let spec = if secrets.is_empty() {
            spec
        } else {
            spec.variable(secrets::VARIABLE, isolation.private_files())
        };
        let shown = Shown {
            folders: self.shown_folders(isolation.folder(), spec.folder.as_deref()),
            files: secrets
                .iter()
                .map(|secret| (secret.name.as_str(), secret.value().as_bytes()))
                .collect(),
        };
        let started = match tell {
            true => isolation.spawn(spec, &shown),
            false => isolation.begin(spec, &shown),
        };
        started.map(Main::Isolated).map_err(|error| told(&error))
    }

    /// What an attempt sees of the data folder: the workspace of its run, and the folder it works in.
    fn shown_folders(&self, data: &Path, folder: Option<&Path>) -> Vec<PathBuf> {
        let work = self.run_folder.join("work");
        let other = folder.filter(|folder| !folder.starts_with(&work));
        let all = std::iter::once(work.as_path()).chain(other);
        all.filter_map(|path| path.strip_prefix(data).ok())
            .filter(|path| path.components().next().is_some())
            .map(Path::to_owned)
            .collect()
    }

    /// Sees the process and all of its descendants to their end.
    async fn keep(&mut self, mut main: Main, tell: bool) -> Report {
        let mut shim_is_gone = tell && frame::write(&mut self.reports, &Report::Started).await.is_err();
        let mut usage = Usage::default();
        let mut kill_at: Option<Instant> = None;
        let exit = loop {
            let reaped = reap_all(main.identity().pid);
            usage = usage.and(reaped.usage);
            if let Some(exit) = reaped.main {
                match main.exit(exit) {
                    Ok(exit) => break exit,
                    Err(error) => return Report::CouldNotStart { reason: told(&error) },
                }
            }
            if shim_is_gone {
                tree::kill_until_none(Vec::new(), || tree::descendants(self.this)).await;
            }
            let time_is_up = async {
                match kill_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = self.child_ended.recv() => {}
                order = self.orders.recv(), if !shim_is_gone => match order {
                    Some(Order::Stop { grace_ms }) => {
                        // Before it runs there is nothing that could hear of it.
                        main.await_program();
                        tree::signal_all(&tree::descendants(self.this), Signal::TERM);
                        kill_at = Some(Instant::now() + Duration::from_millis(grace_ms));
                    }
                    Some(Order::Spawn { .. }) => {}
                    None => shim_is_gone = true,
                },
                () = time_is_up => {
                    kill_at = None;
                    tree::kill_until_none(Vec::new(), || tree::descendants(self.this)).await;
                }
            }
        };
        let (left, clean) = self.clear().await;
        Report::Ended {
            ending: exit.ending,
            usage: usage.and(left),
            clean,
        }
    }

    /// Kills what the main process left behind. Most leave nothing, and then no child is left at all:
    /// every descendant has this process at the end of its chain of parents.
    async fn clear(&self) -> (Usage, bool) {
        let mut usage = Usage::default();
        for _ in 0..3 {
            let reaped = reap_all(0);
            usage = usage.and(reaped.usage);
            if reaped.none_left {
                return (usage, true);
            }
            tree::kill_until_none(Vec::new(), || tree::descendants(self.this)).await;
        }
        let reaped = reap_all(0);
        (usage.and(reaped.usage), reaped.none_left)
    }
}

/// The process by which an attempt begins, and with which it ends.
enum Main {
    Alone(Identity),
    Isolated(Started),
}

impl Main {
    fn identity(&self) -> Identity {
        match self {
            Self::Alone(identity) => *identity,
            Self::Isolated(started) => started.identity,
        }
    }

    /// Waits until its program runs, or could not be started.
    fn await_program(&mut self) {
        if let Self::Isolated(started) = self {
            started.await_program();
        }
    }

    fn exit(&mut self, exit: Exit) -> Result<Exit, SpawnError> {
        match self {
            Self::Alone(_) => Ok(exit),
            Self::Isolated(started) => started.exit(exit),
        }
    }
}

/// Why something could not be started, with its cause.
fn told(error: &SpawnError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

struct Reaped {
    main: Option<Exit>,
    usage: Usage,
    none_left: bool,
}

/// Reaps every child that has ended.
fn reap_all(main: u32) -> Reaped {
    let mut all = Reaped {
        main: None,
        usage: Usage::default(),
        none_left: false,
    };
    loop {
        match subreaper::reap(None) {
            Ok(Some((pid, exit))) => {
                all.usage = all.usage.and(exit.usage);
                if pid == main {
                    all.main = Some(exit);
                }
            }
            Ok(None) => return all,
            Err(error) => {
                all.none_left = subreaper::is_childless(&error);
                return all;
            }
        }
    }
}

/// The keeper's own stream opened anew: a program that changes how its output behaves (many set it
/// non-blocking) changes this one only, not that of the next attempt.
fn reopened(number: i32) -> io::Result<Channel> {
    use rustix::fs::{Mode, OFlags, fcntl_setfl, open};
    // Without waiting, since a shim that is gone reads no more. The attempt's writes do wait.
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = open(format!("/proc/self/fd/{number}"), flags, Mode::empty())?;
    fcntl_setfl(&file, OFlags::empty())?;
    Ok(Channel::File(file))
}
