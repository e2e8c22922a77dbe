//! A container as the shim sees it from outside: the command that starts it, how it is, its end.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use process::{Channel, Group, Identity};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

use super::engine::{Engine, Kind, PATIENCE, complaint};
use super::leftovers;
use crate::job::Ended;
use crate::shim::Shim;

/// The most that is kept of what an engine complains of, in bytes.
const LONGEST_COMPLAINT: usize = 16 * 1024;

/// A container, and the file in which Podman says which process watches it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) engine: Engine,
    pub(crate) name: String,
    pub(crate) watcher: PathBuf,
}

/// The command that starts a container. It outlives the shim: one that is killed half-way leaves the
/// engine with a wrong idea of its container.
pub(crate) struct Starter {
    exit: tokio::sync::oneshot::Receiver<process::Exit>,
    pub(crate) identity: Identity,
    complaints: Option<pipe::Receiver>,
    complained: Vec<u8>,
}

impl Starter {
    /// Starts it; its number is in the file `note` from then on.
    pub(crate) fn spawn(
        shim: &Shim,
        engine: &Engine,
        arguments: &[OsString],
        note: &Path,
        nice: i32,
    ) -> Result<Self, String> {
        let spec = engine
            .spec_noted(note, arguments)
            .stderr(Channel::Pipe)
            .group(Group::OwnSession)
            .nice(nice);
        let mut child = process::spawn(spec).map_err(|error| match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        })?;
        let complaints = child.stderr.take();
        let identity = child.leave_to_subreaper();
        Ok(Self {
            exit: shim.expect(identity),
            identity,
            complaints,
            complained: Vec::new(),
        })
    }

    /// Waits for its end and keeps what it complains of. Cancelling the wait loses nothing.
    pub(crate) async fn ended(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            let complaint = async {
                match &mut self.complaints {
                    Some(pipe) => pipe.read(&mut buffer).await.unwrap_or(0),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                read = complaint => match read {
                    0 => self.complaints = None,
                    read if self.complained.len() < LONGEST_COMPLAINT => self.complained.extend_from_slice(&buffer[..read]),
                    _ => {}
                },
                exit = &mut self.exit => return exit.is_ok_and(|exit| exit.ending.is_success()),
            }
        }
    }

    pub(crate) fn complaint(&self, otherwise: &str) -> String {
        complaint(&String::from_utf8_lossy(&self.complained), otherwise)
    }
}

/// Waits for the command that starts a container, where it is just at it.
pub(crate) async fn until_started(note: &Path, name: &str) {
    if let Some(starter) = process_in(note)
        && names(&starter, name)
    {
        let _ = tokio::time::timeout(PATIENCE, starter.ended()).await;
    }
}

/// Waits until a container has ended, as far as can be told from outside.
pub(crate) async fn over(shim: Arc<Shim>, known: Known) {
    if known.engine.kind == Kind::Podman
        && let Some(watcher) = process_in(&known.watcher)
        && watcher.ended().await.is_ok()
    {
        return;
    }
    // Whatever it answers, the state of the container is looked at next.
    let _ = shim.wait_for(known.engine.spec(["wait", &known.name])).await;
}

/// What the engine says of a container.
pub(crate) struct State {
    pub(crate) status: String,
    pub(crate) code: i32,
    pub(crate) out_of_memory: bool,
    pub(crate) process: u32,
}

/// Asks the engine for a container; nothing when there is none.
pub(crate) async fn state(shim: &Shim, engine: &Engine, name: &str) -> Result<Option<State>, String> {
    let question = "{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Pid}}";
    let asked = shim.ask(engine.spec(["inspect", "--type=container", "--format", question, name]));
    let answer = match asked.await {
        Ok(answer) => answer,
        Err(why) if leftovers::is_gone(&why) => return Ok(None),
        Err(why) => return Err(why),
    };
    let mut words = answer.split_whitespace();
    Ok(Some(State {
        status: words.next().unwrap_or_default().to_owned(),
        code: words.next().and_then(|word| word.parse().ok()).unwrap_or(-1),
        out_of_memory: words.next() == Some("true"),
        process: words.next().and_then(|word| word.parse().ok()).unwrap_or(0),
    }))
}

/// A code above 128 stands for a signal, as shells have it: the engine does not say more.
pub(crate) fn exit(code: i32) -> Ended {
    match code {
        0 => Ended::Succeeded,
        129..=192 => Ended::Signalled { signal: code - 128 },
        code => Ended::Failed { code },
    }
}

/// Removes a container, whether it runs or not.
///
/// # Errors
/// What the engine complains of; the container is found and removed later.
pub(crate) async fn remove(shim: &Shim, engine: &Engine, name: &str) -> Result<(), String> {
    match shim.ask(engine.spec(["rm", "-f", "-v", name])).await {
        Err(why) if !leftovers::is_gone(&why) => Err(why),
        _ => Ok(()),
    }
}

/// The process whose number stands in a file.
pub(crate) fn process_in(file: &Path) -> Option<Identity> {
    let pid = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    Identity::of_pid(pid)
}

/// Whether this container stands in the arguments of a process, so that a number that was used again is
/// not taken for it.
fn names(process: &Identity, name: &str) -> bool {
    let line = std::fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
    line.split(|byte| *byte == 0)
        .any(|argument| argument == name.as_bytes())
}
