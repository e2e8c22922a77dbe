//! Services beside a step: started before it, looked at until they are ready, ended with it.
//!
//! Each has a keeper of its own, so a service ends when its shim does, however that ends. One in a
//! container runs under the engine's command, which stands below its keeper; its container is written
//! down before it is made, and removed by whoever finds it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use process::mask::Secrets;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::attempt::Work;
use crate::container::command::{self, Beside};
use crate::container::engine::Engine;
use crate::container::{Container, leftovers, record};
use crate::hold::{Event, Hold};
use crate::limits::Limits;
use crate::log_writer::LogWriter;
use crate::logs;
use crate::shim::Shim;
use crate::wire::{Attempt, JobMessage, Order, Report, milliseconds};

/// The most that a service may log, in bytes.
const LOG_BUDGET: u64 = 8 * 1024 * 1024;
/// How many of its last lines are shown when the step fails.
const LAST_LINES: usize = 20;
/// The pause between two looks whether a service is ready: nothing tells when it is.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a service has to end before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// In the attempt's folder: the logs of its services, and which containers they have.
const LOGS: &str = "services";
const CONTAINERS: &str = "services.json";

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
    stop: watch::Sender<bool>,
    state: watch::Receiver<State>,
    task: JoinHandle<Option<Hold>>,
    log: PathBuf,
    container: Option<(Engine, String)>,
    is_isolated: bool,
}

/// The services of a step.
#[derive(Default)]
pub(crate) struct Services(Vec<Started>);

/// Containers of services, as they are written down before they are made.
#[derive(Serialize, Deserialize)]
struct Noted {
    engine: Engine,
    names: Vec<String>,
}

/// The files that say which containers services of a run have.
fn noted(run_folder: &Path) -> Vec<(PathBuf, Noted)> {
    let entries = std::fs::read_dir(run_folder.join("attempts")).into_iter().flatten();
    let read = |file: PathBuf| {
        let noted = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
        Some((file, noted))
    };
    entries
        .flatten()
        .filter_map(|entry| read(entry.path().join(CONTAINERS)))
        .collect()
}

/// Removes the containers of services of a run that has no shim. Those that cannot be removed are found by
/// their label later.
pub(crate) async fn remove_run_containers(run_folder: &Path) {
    for (file, noted) in noted(run_folder) {
        for name in &noted.names {
            if let Err(why) = leftovers::remove(&noted.engine, name).await {
                tracing::warn!(name, why, "the container of a service cannot be removed");
            }
        }
        let _ = std::fs::remove_file(file);
    }
}

/// The same, by a shim that has not started any yet.
pub(crate) async fn remove_all_containers(shim: &Shim) {
    for (file, noted) in noted(&shim.folder) {
        for name in &noted.names {
            remove(shim, &noted.engine, name).await;
        }
        let _ = std::fs::remove_file(file);
    }
}

async fn remove(shim: &Shim, engine: &Engine, name: &str) {
    let removed = shim.ask(engine.spec(["rm", "-f", "-v", name])).await;
    if let Err(why) = removed
        && !leftovers::is_gone(&why)
    {
        eprintln!("throughline shim: the container {name} cannot be removed: {why}");
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
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
    secrets: &Secrets,
) -> Result<Services, String> {
    let mut services = Services::default();
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
    note_containers(shim, &job.attempt, &wanted)?;
    for ((service, engine), port) in wanted.iter().zip(&ports) {
        match one(shim, job, service, engine.as_ref(), *port, &addresses, secrets) {
            Ok(started) => services.0.push(started),
            Err(reason) => {
                services.stop(shim, &job.attempt).await;
                return Err(format!("the service `{}` could not start: {reason}", service.name));
            }
        }
    }
    let mut cancelled = work.running.cancelled();
    for (((service, engine), port), started) in wanted.iter().zip(&ports).zip(&services.0) {
        let ready = tokio::select! {
            ready = ready(shim, job, service, engine.as_ref(), *port, &addresses, started) => ready,
            () = async { drop(cancelled.wait_for(|cancelled| *cancelled).await) } => {
                Err("the step was cancelled before its services were ready".to_owned())
            }
        };
        if let Err(reason) = ready {
            let last = started.last_lines();
            services.stop(shim, &job.attempt).await;
            let said = match last.as_slice() {
                [] => "; it said nothing".to_owned(),
                lines => format!("; it said last:\n{}", lines.join("\n")),
            };
            return Err(format!("{reason}{said}"));
        }
    }
    Ok(services)
}

fn note_containers(shim: &Shim, attempt: &Attempt, wanted: &[(Service, Option<Engine>)]) -> Result<(), String> {
    let contained = wanted
        .iter()
        .filter_map(|(service, engine)| Some((service, engine.as_ref()?)));
    let mut noted: Option<Noted> = None;
    for (service, engine) in contained {
        let name = container_name(shim, attempt, &service.name);
        let all = noted.get_or_insert_with(|| Noted {
            engine: engine.clone(),
            names: Vec::new(),
        });
        all.names.push(name);
    }
    let Some(noted) = noted else { return Ok(()) };
    let file = shim.folder.join(attempt.folder()).join(CONTAINERS);
    let text = serde_json::to_vec(&noted).map_err(|error| error.to_string())?;
    std::fs::write(file, text).map_err(|error| format!("its services cannot be written down: {error}"))
}

fn container_name(shim: &Shim, attempt: &Attempt, service: &str) -> String {
    format!("{}.service.{service}", record::name(shim.run, attempt))
}

/// Starts one service.
fn one(
    shim: &Arc<Shim>,
    job: &JobMessage,
    service: &Service,
    engine: Option<&Engine>,
    port: u16,
    addresses: &BTreeMap<String, String>,
    secrets: &Secrets,
) -> Result<Started, String> {
    let folder = shim.folder.join(job.attempt.folder()).join(LOGS);
    let path = folder.join(format!("{}.log", service.name));
    let log = std::fs::create_dir_all(&folder).and_then(|()| {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600).open(&path)
    });
    let log = log.map_err(|error| format!("it has no log: {error}"))?;
    let mut variables = addresses.clone();
    variables.extend(service.variables.clone());
    let mut container = None;
    let (order, hold) = match (&service.container, engine) {
        (Some(wanted), Some(engine)) => {
            let name = container_name(shim, &job.attempt, &service.name);
            let inner = service.port.unwrap_or(port);
            variables.insert("PORT".into(), inner.to_string());
            let arguments = command::beside(&Beside {
                engine,
                name: &name,
                home: &shim.home(),
                run: shim.run,
                container: wanted,
                ports: (port, inner),
                variables: &variables,
                shell: &service.shell,
                script: service.script.as_deref(),
            });
            container = Some((engine.clone(), name));
            (
                spawn_order(
                    job,
                    engine.program.display().to_string(),
                    arguments,
                    "/".into(),
                    engine.variables.clone(),
                ),
                shim.plain_keeper(),
            )
        }
        _ => {
            variables.insert("PORT".into(), port.to_string());
            (process_order(job, service, variables)?, shim.keeper())
        }
    };
    let hold = hold.map_err(|error| format!("it has no keeper: {error}"))?;
    let (stop, stopped) = watch::channel(false);
    let (state, seen) = watch::channel(State::Starting);
    let task = tokio::spawn(keep(
        shim.clone(),
        hold,
        order,
        LogWriter::new(log, LOG_BUDGET, secrets),
        stopped,
        state,
    ));
    Ok(Started {
        name: service.name.clone(),
        stop,
        state: seen,
        task,
        log: path,
        is_isolated: container.is_none(),
        container,
    })
}

fn spawn_order(
    job: &JobMessage,
    program: String,
    arguments: Vec<String>,
    folder: PathBuf,
    variables: BTreeMap<String, String>,
) -> Order {
    Order::Spawn {
        program,
        arguments,
        folder,
        variables,
        nice: job.nice,
        limits: Box::new(Limits::default()),
        run: job.run,
        attempt: job.attempt.clone(),
        secrets: Vec::new(),
    }
}

fn process_order(
    job: &JobMessage,
    service: &Service,
    mut variables: BTreeMap<String, String>,
) -> Result<Order, String> {
    let mut shell = service.shell.iter().cloned();
    let program = shell.next().ok_or("no shell was named")?;
    let script = service.script.clone().ok_or("it has no commands")?;
    let arguments = shell.chain([script]).collect();
    variables
        .entry("PATH".into())
        .or_insert_with(|| crate::attempt::PATH.into());
    Ok(spawn_order(job, program, arguments, service.folder.clone(), variables))
}

/// Listens to a service until its end; the keeper comes back if it can be used again.
async fn keep(
    shim: Arc<Shim>,
    mut hold: Hold,
    order: Order,
    mut log: LogWriter,
    mut stopped: watch::Receiver<bool>,
    state: watch::Sender<State>,
) -> Option<Hold> {
    if hold.order(&order).await.is_err() {
        state.send_replace(State::Ended("its keeper was gone".into()));
        return None;
    }
    let mut asked = false;
    let (how, clean, lost) = loop {
        tokio::select! {
            event = hold.event() => match event {
                Event::Said(channel, bytes) => log.take(channel, bytes),
                Event::Report(Report::Started) => drop(state.send_replace(State::Running)),
                Event::Report(Report::CouldNotStart { reason }) => break (reason, true, false),
                Event::Report(Report::Ended { ending, clean, .. }) => break (ending.to_string(), clean, false),
                Event::Gone => break ("its keeper was killed".to_owned(), false, true),
            },
            () = async { drop(stopped.wait_for(|stopped| *stopped).await) }, if !asked => {
                asked = true;
                let _ = hold.order(&Order::Stop { grace_ms: milliseconds(GRACE) }).await;
            }
        }
    };
    hold.drain(|channel, bytes| log.take(channel, bytes));
    let _ = log.finish(false);
    state.send_replace(State::Ended(how));
    if lost {
        shim.kill_strays_of(hold).await;
        return None;
    }
    clean.then_some(hold)
}

/// Waits until a service is ready.
async fn ready(
    shim: &Arc<Shim>,
    job: &JobMessage,
    service: &Service,
    engine: Option<&Engine>,
    port: u16,
    addresses: &BTreeMap<String, String>,
    started: &Started,
) -> Result<(), String> {
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
            let is_ready = match (&service.ready, &started.container, engine) {
                (None, ..) => answers(port).await,
                (Some(script), Some((_, name)), Some(engine)) => {
                    let asked = shim.ask(engine.spec(["exec", name, "sh", "-c", script]));
                    asked.await.is_ok()
                }
                (Some(script), ..) => asks(shim, job, service, script, port, addresses).await,
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

/// Whether the commands succeed that say that a service is ready.
async fn asks(
    shim: &Arc<Shim>,
    job: &JobMessage,
    service: &Service,
    script: &str,
    port: u16,
    addresses: &BTreeMap<String, String>,
) -> bool {
    let mut variables = addresses.clone();
    variables.extend(service.variables.clone());
    variables.insert("PORT".into(), port.to_string());
    let asking = Service {
        script: Some(script.to_owned()),
        ..service.clone()
    };
    let Ok(order) = process_order(job, &asking, variables) else {
        return false;
    };
    let Ok(mut hold) = shim.keeper() else { return false };
    if hold.order(&order).await.is_err() {
        return false;
    }
    loop {
        match hold.event().await {
            Event::Said(..) | Event::Report(Report::Started) => {}
            Event::Report(Report::Ended { ending, clean, .. }) => {
                if clean {
                    shim.give_back(hold);
                }
                return ending.is_success();
            }
            Event::Report(Report::CouldNotStart { .. }) => return false,
            Event::Gone => {
                shim.kill_strays_of(hold).await;
                return false;
            }
        }
    }
}

impl Started {
    /// What it said last.
    fn last_lines(&self) -> Vec<String> {
        let said = std::fs::read(&self.log).unwrap_or_default();
        let lines: Vec<String> = logs::lines(&said).map(|line| line.text).collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].to_vec()
    }
}

impl Services {
    /// Says in the step's log which service ended before the step did, and, where the step failed, what
    /// each said last.
    pub(crate) fn tell(&self, work: &mut Work<'_>, has_failed: bool) {
        for service in &self.0 {
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
    }

    /// Ends all of them, the last one first, and removes their containers.
    pub(crate) async fn stop(self, shim: &Arc<Shim>, attempt: &Attempt) {
        if self.0.is_empty() {
            return;
        }
        for service in self.0.into_iter().rev() {
            service.stop.send_replace(true);
            if let Ok(Some(hold)) = service.task.await
                && service.is_isolated
            {
                shim.give_back(hold);
            }
            if let Some((engine, name)) = &service.container {
                remove(shim, engine, name).await;
            }
        }
        let _ = std::fs::remove_file(shim.folder.join(attempt.folder()).join(CONTAINERS));
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
