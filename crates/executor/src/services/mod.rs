//! Services beside a step: started before it, looked at until they are ready, ended with it.
//!
//! One that is a process ([`process`]) ends when its shim does, however that ends. One in a container
//! ([`contained`]) outlives the shim as the container of a step does; which containers there are is written
//! down before they are made ([`noted`]), and they are taken up with the step's own, or removed by whoever
//! finds them.

mod contained;
pub(crate) mod noted;
mod process;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::process::mask::Secrets;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::noted::{Noted, NotedContainer};
use crate::attempt::Work;
use crate::container::engine::PATIENCE;
use crate::container::life::Known;
use crate::container::{Contained, Container};
use crate::hold::Hold;
use crate::log_writer::LogWriter;
use crate::logs;
use crate::shim::Shim;
use crate::wire::{Attempt, JobMessage};

/// The most that a service may log, in bytes.
pub(crate) const LOG_BUDGET: u64 = 8 * 1024 * 1024;
/// How many of its last lines are shown when the step fails.
const LAST_LINES: usize = 20;
/// How many of these, of how many characters, stand in the outcome.
const TOLD_LINES: usize = 8;
const TOLD_CHARACTERS: usize = 200;
/// The pause between two looks whether a service is ready: nothing tells when it is.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a service has to end before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// In the attempt's folder: the logs of its services.
const LOGS: &str = "services";

/// A process or a container beside a step, such as a database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Service {
    /// Its name: lower-case letters, digits and `-`. The step finds it in the variables `NAME_HOST` and
    /// `NAME_PORT`.
    pub name: String,
    /// Its commands; absent for what the image itself does.
    pub script: Option<String>,
    /// The program that runs them, with its arguments.
    pub shell: Vec<String>,
    /// The folder it works in.
    pub folder: PathBuf,
    /// Its container; absent for processes of this machine.
    pub container: Option<Container>,
    /// The port it listens on within its container. A process listens on the one it finds in `PORT`.
    pub port: Option<u16>,
    /// Its variables.
    pub variables: BTreeMap<String, String>,
    /// Commands that succeed when it is ready; where there are none, it is when its port answers.
    pub ready: Option<String>,
    /// How long that may take, in milliseconds.
    pub within_ms: u64,
}

/// What became of a service, as the outcome of its attempt tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// Its name.
    pub name: String,
    /// Its container; absent for processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Contained>,
    /// After how many milliseconds it was ready; absent where it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_ms: Option<u64>,
    /// How it ended by itself, before it was to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// Its last lines, where the attempt did not succeed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last: Vec<String>,
}

/// What the variables of a service begin with.
pub fn variable_prefix(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    Starting,
    Running,
    Ended(String),
}

/// A service that was started.
struct Started {
    name: String,
    state: watch::Receiver<State>,
    ready_ms: Option<u64>,
    log: PathBuf,
    by: By,
}

/// What a service is kept by.
enum By {
    Keeper {
        stop: watch::Sender<bool>,
        task: JoinHandle<Option<Hold>>,
    },
    Engine {
        known: Box<Known>,
        contained: Contained,
        task: JoinHandle<()>,
    },
}

/// The services of a step.
pub(crate) struct Services {
    started: Vec<Started>,
    masked: Secrets,
}

/// What all services of a step share while they come up.
struct Coming<'a> {
    shim: &'a Arc<Shim>,
    job: &'a JobMessage,
    /// The variables by which they are found.
    addresses: BTreeMap<String, String>,
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn log_of(attempt_folder: &Path, service: &str) -> PathBuf {
    attempt_folder.join(LOGS).join(format!("{service}.log"))
}

/// Starts the services of a step and waits until all are ready. Their addresses become variables of the
/// step.
///
/// # Errors
/// Which one does not come up, and what it said last.
pub(crate) async fn start(
    work: &mut Work<'_>,
    shim: &Arc<Shim>,
    job: &mut JobMessage,
    masked: &Secrets,
) -> Result<Services, String> {
    let mut services = Services {
        started: Vec::new(),
        masked: masked.clone(),
    };
    if job.services.is_empty() {
        return Ok(services);
    }
    let wanted = std::mem::take(&mut job.services);
    let mut ports = Vec::new();
    let mut addresses = BTreeMap::new();
    for (service, _) in &wanted {
        let port = free_port().map_err(|error| format!("there is no free port: {error}"))?;
        let prefix = variable_prefix(&service.name);
        addresses.insert(format!("{prefix}_HOST"), Ipv4Addr::LOCALHOST.to_string());
        addresses.insert(format!("{prefix}_PORT"), port.to_string());
        ports.push(port);
    }
    job.variables.extend(addresses.clone());
    let folder = shim.folder.join(job.attempt.folder());
    let mut noted = Noted::of(shim, &job.attempt, &wanted);
    let written = std::fs::create_dir_all(folder.join(LOGS)).and_then(|()| noted.write(&folder));
    written.map_err(|error| format!("its services cannot be written down: {error}"))?;
    let coming = Coming { shim, job, addresses };
    let begun = Instant::now();
    for (((service, _), port), noted) in wanted.iter().zip(&ports).zip(&noted.services) {
        match coming.one(service, noted.container.as_ref(), *port, masked) {
            Ok(started) => services.started.push(started),
            Err(reason) => {
                services.end_quietly(work, shim, &job.attempt).await;
                return Err(format!("the service `{}` could not start: {reason}", service.name));
            }
        }
    }
    let mut cancelled = work.running.cancelled();
    for (index, (service, _)) in wanted.iter().enumerate() {
        let ready = tokio::select! {
            ready = coming.ready(service, ports[index], &services.started[index]) => ready,
            () = async { drop(cancelled.wait_for(|cancelled| *cancelled).await) } => {
                Err("the step was cancelled before its services were ready".to_owned())
            }
        };
        if let Err(reason) = ready {
            services.collect(shim).await;
            let said = match services.started[index].last_lines().as_slice() {
                [] => "; it said nothing".to_owned(),
                lines => format!("; it said last:\n{}", lines.join("\n")),
            };
            services.end_quietly(work, shim, &job.attempt).await;
            return Err(format!("{reason}{said}"));
        }
        let after = u64::try_from(begun.elapsed().as_millis()).ok();
        services.started[index].ready_ms = after;
        noted.services[index].ready_ms = after;
    }
    if let Err(error) = noted.write(&folder) {
        services.end_quietly(work, shim, &job.attempt).await;
        return Err(format!("its services cannot be written down: {error}"));
    }
    Ok(services)
}

/// Takes up the services of an attempt that an earlier shim started: all of them are containers, and all were
/// ready.
pub(crate) fn take_up(shim: &Arc<Shim>, attempt: &Attempt, masked: &Secrets) -> Services {
    let folder = shim.folder.join(attempt.folder());
    let noted = Noted::read(&folder).unwrap_or_default();
    let started = noted.services.into_iter().filter_map(|service| {
        let container = service.container?;
        let known = container.known(&folder, &service.name);
        let (state, seen) = watch::channel(State::Starting);
        Some(Started {
            state: seen,
            ready_ms: service.ready_ms,
            log: log_of(&folder, &service.name),
            by: By::Engine {
                task: tokio::spawn(contained::watch(shim.clone(), known.clone(), None, state)),
                known: Box::new(known),
                contained: container.contained,
            },
            name: service.name,
        })
    });
    Services {
        started: started.collect(),
        masked: masked.clone(),
    }
}

impl Coming<'_> {
    /// Starts one service.
    fn one(
        &self,
        service: &Service,
        noted: Option<&NotedContainer>,
        port: u16,
        masked: &Secrets,
    ) -> Result<Started, String> {
        let (shim, job) = (self.shim, self.job);
        let folder = shim.folder.join(job.attempt.folder());
        let path = log_of(&folder, &service.name);
        let (state, seen) = watch::channel(State::Starting);
        let by = match (&service.container, noted) {
            (Some(container), Some(noted)) => {
                let starter = contained::spawn(shim, job, (service, container), noted, port, &self.addresses)?;
                let known = noted.known(&folder, &service.name);
                By::Engine {
                    task: tokio::spawn(contained::watch(shim.clone(), known.clone(), Some(starter), state)),
                    known: Box::new(known),
                    contained: noted.contained.clone(),
                }
            }
            (Some(_), None) => return Err("there is no engine that runs containers".to_owned()),
            (None, _) => {
                let order = process::order(job, service, port, &self.addresses)?;
                let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
                let log = opened.map_err(|error| format!("it has no log: {error}"))?;
                let log = LogWriter::new(log, LOG_BUDGET, masked);
                let hold = shim.keeper().map_err(|error| format!("it has no keeper: {error}"))?;
                let (stop, stopped) = watch::channel(false);
                By::Keeper {
                    stop,
                    task: tokio::spawn(process::keep(shim.clone(), hold, order, log, stopped, state)),
                }
            }
        };
        Ok(Started {
            name: service.name.clone(),
            state: seen,
            ready_ms: None,
            log: path,
            by,
        })
    }

    /// Waits until a service is ready.
    async fn ready(&self, service: &Service, port: u16, started: &Started) -> Result<(), String> {
        let mut state = started.state.clone();
        let ended = async {
            match state
                .wait_for(|state| matches!(state, State::Ended(_)))
                .await
                .as_deref()
            {
                Ok(State::Ended(how)) => how.clone(),
                _ => "it is gone".to_owned(),
            }
        };
        let comes_up = async {
            loop {
                let is_ready = match (&service.ready, &started.by) {
                    (None, _) => answers(port).await,
                    (Some(script), By::Engine { known, .. }) => {
                        let asked = ["exec", &known.name, "sh", "-c", script];
                        self.shim.ask(known.engine.spec(asked)).await.is_ok()
                    }
                    (Some(script), By::Keeper { .. }) => {
                        process::asks(self.shim, self.job, service, script, port, &self.addresses).await
                    }
                };
                if is_ready {
                    return;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let within = Duration::from_millis(service.within_ms);
        tokio::select! {
            biased;
            how = ended => Err(format!("the service `{}` ended before it was ready ({how})", service.name)),
            () = comes_up => Ok(()),
            () = tokio::time::sleep(within) => Err(format!(
                "the service `{}` was not ready within {} s (hint: let it listen on the port in `$PORT`, or say by `ready` how to see that it is)",
                service.name,
                within.as_secs()
            )),
        }
    }
}

/// Whether somebody takes a connection on the port, and keeps it: what passes ports on takes one before
/// anybody is there, and closes it again.
async fn answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return false;
    };
    let mut byte = [0];
    match tokio::time::timeout(PAUSE, stream.read(&mut byte)).await {
        Err(_) => true,
        Ok(read) => read.is_ok_and(|read| read > 0),
    }
}

impl Started {
    /// Waits until it is known how it is. One that is being made, or was taken up a moment ago, is not.
    async fn looked_at(&self) {
        let mut state = self.state.clone();
        let known = state.wait_for(|state| *state != State::Starting);
        drop(tokio::time::timeout(PATIENCE, known).await);
    }

    /// What it said last.
    fn last_lines(&self) -> Vec<String> {
        let said = std::fs::read(&self.log).unwrap_or_default();
        let lines: Vec<String> = logs::lines(&said).map(|line| line.text).collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].to_vec()
    }

    /// For the outcome.
    fn told(&self, last: &[String]) -> Served {
        let shown = last.iter().skip(last.len().saturating_sub(TOLD_LINES));
        Served {
            name: self.name.clone(),
            container: match &self.by {
                By::Engine { contained, .. } => Some(contained.clone()),
                By::Keeper { .. } => None,
            },
            ready_ms: self.ready_ms,
            ended: match &*self.state.borrow() {
                State::Ended(how) => Some(how.clone()),
                State::Starting | State::Running => None,
            },
            last: shown.map(|line| line.chars().take(TOLD_CHARACTERS).collect()).collect(),
        }
    }
}

impl Services {
    /// Ends all of them. What became of them is told in the outcome; the step's log says which ended before the
    /// step did, and, where the step failed, what each said last.
    pub(crate) async fn end(self, work: &mut Work<'_>, shim: &Arc<Shim>, attempt: &Attempt, has_failed: bool) {
        self.collect(shim).await;
        for service in &self.started {
            service.looked_at().await;
        }
        for service in &self.started {
            if let State::Ended(how) = &*service.state.borrow() {
                let note = format!("the service `{}` ended while the step ran ({how})", service.name);
                work.log.note(&note);
            }
            if has_failed {
                for line in service.last_lines() {
                    work.log.note(&format!("{} | {line}", service.name));
                }
            }
        }
        self.tell(work, has_failed);
        self.stop(shim, attempt).await;
    }

    /// The same where the reason says it all.
    async fn end_quietly(self, work: &mut Work<'_>, shim: &Arc<Shim>, attempt: &Attempt) {
        self.tell(work, true);
        self.stop(shim, attempt).await;
    }

    fn tell(&self, work: &mut Work<'_>, has_failed: bool) {
        let told = self.started.iter().map(|service| {
            let last = if has_failed { service.last_lines() } else { Vec::new() };
            service.told(&last)
        });
        work.services = told.collect();
    }

    /// Brings the logs of those in containers up to date.
    async fn collect(&self, shim: &Shim) {
        for service in &self.started {
            if let By::Engine { known, .. } = &service.by {
                contained::collect(shim, known, &service.log, &self.masked).await;
            }
        }
    }

    /// Ends all of them, the last one first, and removes their containers.
    async fn stop(self, shim: &Arc<Shim>, attempt: &Attempt) {
        for service in self.started.into_iter().rev() {
            if matches!(service.by, By::Engine { .. }) {
                // What is only just being made cannot be removed yet.
                service.looked_at().await;
            }
            match service.by {
                By::Keeper { stop, task } => {
                    stop.send_replace(true);
                    if let Ok(Some(hold)) = task.await {
                        shim.give_back(hold);
                    }
                }
                By::Engine { known, task, .. } => {
                    contained::stop(shim, &known).await;
                    task.abort();
                }
            }
        }
        Noted::forget(&shim.folder.join(attempt.folder()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_found_by_variables_of_its_name() {
        assert_eq!(variable_prefix("db"), "DB");
        assert_eq!(variable_prefix("message-broker"), "MESSAGE_BROKER");
    }

    #[tokio::test]
    async fn a_port_answers_when_a_connection_is_kept() {
        let port = free_port().unwrap();
        assert!(!answers(port).await);
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap();
        let closing = tokio::spawn(async move {
            drop(listener.accept().await);
            listener
        });
        assert!(!answers(port).await, "it was closed at once");
        let _listener = closing.await.unwrap();
        assert!(answers(port).await);
    }
}
