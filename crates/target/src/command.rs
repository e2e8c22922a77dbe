//! The user's own commands as a target, for whatever is not built in.
//!
//! Each command is a line for `sh -c`, run in the placement's own folder, with these variables besides
//! the usual few: `THROUGHLINE_ACTION` (`apply`, `observe`, `weight` or `stop`), `THROUGHLINE_COMPONENT`,
//! `THROUGHLINE_ENVIRONMENT`, `THROUGHLINE_GENERATION` and `THROUGHLINE_PHASE`. What a command prints is
//! shown as progress; only `observe` prints JSON. Exit code 0 means that it is done.
//!
//! - `apply` gets the [`Desired`] as JSON on its standard input, with the list `secrets` in the `launch`
//!   of each group, and returns when it is so. After a crash `observe` is asked first: what it shows to be
//!   there is not applied again. Otherwise `apply` is run again with the same input, so it must complete
//!   what it finds half done, and it must leave traffic where it was when it fails.
//! - `observe` gets `{"placement": ..}` and prints an [`Observed`] as JSON: `groups`, each with `name`,
//!   `package`, `configuration`, `instances`, `healthy`, `weight`; `url`; and `stamp` where it keeps it.
//! - `weight`, where there is one, is run instead of `apply` when nothing but weights changes, with the
//!   same input.
//! - `stop` gets `{"placement": ..}`. Without it, `apply` is run with no groups.
//!
//! Two commands never run for one placement at the same time: one begins only when it is noted that it runs,
//! and whoever comes later waits for it, whichever server started it. One that takes too long is ended with everything
//! that is still in its session.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::process::mask::{self, Secrets};
use ::process::{Channel, Group, Identity, Signal, Spec};
use async_trait::async_trait;
use proxy::{Evidence, Stamp};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};

use crate::desired::{Desired, Placement};
use crate::error::{Refused, TargetError};
use crate::observed::Observed;
use crate::{Progress, Target};

const PASSED: [&str; 8] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
];
/// How long a command that took too long may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// How long output is awaited after a command has ended; what it started may hold its streams open.
const REST: Duration = Duration::from_millis(300);
/// The longest answer of `observe`, and the longest line.
const LONGEST: usize = 4 << 20;
/// Lines of output that are told when a command fails.
const TAIL: usize = 30;
/// Waits for a line on the standard input before it becomes the command. Where the server dies before it has noted
/// that the command runs, the line does not come, and nothing begins.
const GATE: &str = r#"read -r _ || exit 125; exec /bin/sh -c "$1""#;

/// What the target is made of.
#[derive(Debug, Clone)]
pub struct CommandSettings {
    /// The folder below which each placement has one of its own.
    pub folder: PathBuf,
    /// Makes it so.
    pub apply: String,
    /// Says what it is.
    pub observe: String,
    /// Changes weights alone.
    pub weight: Option<String>,
    /// Ends everything.
    pub stop: Option<String>,
    /// How long `apply` and `stop` may take.
    pub apply_timeout: Duration,
    /// How long `observe` and `weight` may take.
    pub observe_timeout: Duration,
    /// Variables that the commands get.
    pub variables: BTreeMap<String, String>,
}

/// Whose turn it is at each placement: all targets of one process that may lead to the same one share it.
#[derive(Debug, Clone, Default)]
pub struct Turns(Arc<Mutex<HashMap<PathBuf, Arc<tokio::sync::Mutex<()>>>>>);

/// The user's own commands as a target.
pub struct CommandTarget {
    settings: CommandSettings,
    turns: Turns,
}

/// What is kept of a placement in `command.json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Record {
    accepted: Option<Stamp>,
    pending: Option<Desired>,
    applied: Option<Desired>,
    /// The command that runs.
    running: Option<Identity>,
}

/// One command to be run.
struct Job<'a> {
    what: &'static str,
    line: &'a str,
    placement: &'a Placement,
    stamp: Option<Stamp>,
    input: Vec<u8>,
    timeout: Duration,
    hidden: Secrets,
}

impl CommandTarget {
    /// A target of these commands.
    pub fn new(settings: CommandSettings) -> Self {
        Self::beside(settings, Turns::default())
    }

    /// A target of these commands beside others, with which it takes turns.
    pub fn beside(settings: CommandSettings, turns: Turns) -> Self {
        Self { settings, turns }
    }

    fn folder(&self, placement: &Placement) -> PathBuf {
        self.settings
            .folder
            .join(placement.component.to_string())
            .join(placement.environment.as_str())
    }

    /// Waits until no other command runs for the placement, not even one of an earlier server.
    async fn alone(
        &self,
        placement: &Placement,
        patience: Duration,
    ) -> Result<(tokio::sync::OwnedMutexGuard<()>, Record), TargetError> {
        let folder = self.folder(placement);
        let busy = {
            let mut all = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(folder.clone()).or_default().clone()
        };
        let guard = busy.lock_owned().await;
        let mut record = self.load(placement)?;
        if let Some(running) = record.running.take() {
            if tokio::time::timeout(patience, running.ended()).await.is_err() {
                ::process::tree::stop(running, Signal::TERM, GRACE).await;
            }
            self.save(placement, &record)?;
        }
        Ok((guard, record))
    }

    fn load(&self, placement: &Placement) -> Result<Record, TargetError> {
        let path = self.folder(placement).join("command.json");
        let read = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Record::default()),
            other => other.and_then(|bytes| Ok(serde_json::from_slice(&bytes)?)),
        };
        read.map_err(|source| TargetError::Files { path, source })
    }

    fn save(&self, placement: &Placement, record: &Record) -> Result<(), TargetError> {
        let folder = self.folder(placement);
        let path = folder.join("command.json");
        let write = || -> io::Result<()> {
            fs::create_dir_all(&folder)?;
            disk::replace(&disk::LocalDisk, &path, 0o600, &serde_json::to_vec_pretty(record)?)
        };
        write().map_err(|source| TargetError::Files { path, source })
    }

    /// Runs a command; the answer is what it wrote to its standard output.
    async fn run(&self, job: Job<'_>, record: &mut Record, progress: Progress<'_>) -> Result<String, TargetError> {
        let failed = |reason: String, output: String| TargetError::Command {
            what: job.what,
            reason,
            output,
        };
        let stamp = job.stamp.unwrap_or_default();
        let spec = Spec::new("/bin/sh")
            .args(["-c", GATE, "sh", job.line])
            .pass(PASSED)
            .variables(&self.settings.variables)
            .variable("THROUGHLINE_ACTION", job.what)
            .variable("THROUGHLINE_COMPONENT", job.placement.component_name.as_str())
            .variable("THROUGHLINE_ENVIRONMENT", job.placement.environment.as_str())
            .variable("THROUGHLINE_GENERATION", stamp.generation.to_string())
            .variable("THROUGHLINE_PHASE", stamp.phase.to_string())
            .folder(self.folder(job.placement))
            .stdin(Channel::Pipe)
            .stdout(Channel::Pipe)
            .stderr(Channel::Pipe)
            .group(Group::OwnSession);
        crashpoint::reach("target.command.before-run");
        let mut child = ::process::spawn(spec).map_err(|error| failed(error.to_string(), String::new()))?;
        record.running = Some(child.identity());
        self.save(job.placement, record)?;
        crashpoint::reach("target.command.running");
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let said = Mutex::new(Said::default());
        let hear = |line: &str, answer: bool| {
            let line = String::from_utf8_lossy(&mask::mask_all(&job.hidden, line.as_bytes())).into_owned();
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if answer && said.answer.len() + line.len() <= LONGEST {
                said.answer.push_str(&line);
                said.answer.push('\n');
            }
            if said.tail.len() == TAIL {
                said.tail.pop_front();
            }
            said.tail.push_back(line.clone());
            if !(answer && job.what == "observe") {
                progress(line);
            }
        };
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A command need not read its input.
                let _ = stdin.write_all(b"begin\n").await;
                let _ = stdin.write_all(&job.input).await;
            }
        };
        let mut listening = std::pin::pin!(async {
            tokio::join!(
                feed,
                lines(stdout, |l| hear(l, true)),
                lines(stderr, |l| hear(l, false))
            )
        });
        let whole = async {
            tokio::select! {
                exit = child.wait() => {
                    // Output that is on its way; a service left behind may hold the streams for ever.
                    let _ = tokio::time::timeout(REST, &mut listening).await;
                    exit
                }
                _ = &mut listening => child.wait().await,
            }
        };
        let exit = tokio::time::timeout(job.timeout, whole).await;
        let exit = match exit {
            Ok(exit) => exit.map(|exit| Some(exit.ending)),
            Err(_) => child.kill_group(Signal::TERM, GRACE).await.map(|_| None),
        };
        // What it left running on purpose lives on.
        child.detach();
        crashpoint::reach("target.command.after-run");
        record.running = None;
        self.save(job.placement, record)?;
        let said = std::mem::take(&mut *said.lock().unwrap_or_else(PoisonError::into_inner));
        let tail = || said.tail.iter().map(|line| format!("{line}\n")).collect::<String>();
        match exit {
            Ok(Some(ending)) if ending.is_success() => Ok(said.answer),
            Ok(Some(ending)) => Err(failed(ending.to_string(), tail())),
            Ok(None) => Err(failed(
                format!("it took longer than {} s and was ended", job.timeout.as_secs_f32()),
                tail(),
            )),
            Err(error) => Err(failed(format!("it cannot be waited for: {error}"), tail())),
        }
    }

    async fn ask(&self, placement: &Placement, record: &mut Record) -> Result<Observed, TargetError> {
        let job = Job {
            what: "observe",
            line: &self.settings.observe,
            placement,
            stamp: record.accepted,
            input: serde_json::json!({ "placement": placement }).to_string().into_bytes(),
            timeout: self.settings.observe_timeout,
            hidden: Secrets::new(<[&str; 0]>::default()),
        };
        let text = self.run(job, record, &|_| {}).await?;
        serde_json::from_str(&text).map_err(|error| TargetError::Command {
            what: "observe",
            reason: format!("what it prints is not understood: {error}"),
            output: text.chars().take(2_000).collect(),
        })
    }

    /// The newest stamp that was accepted. What is there may know of a newer intention than this server does, which
    /// has applied nothing yet.
    async fn accepted(&self, placement: &Placement, record: &mut Record) -> Result<Option<Stamp>, TargetError> {
        if record.accepted.is_some() {
            return Ok(record.accepted);
        }
        self.save(placement, record)?;
        let asked = self.ask(placement, record).await;
        Ok(asked.ok().and_then(|observed| observed.stamp))
    }

    /// What the commands say, with the stamp that is known here where they say none.
    async fn look(&self, placement: &Placement, record: &mut Record) -> Result<Observed, TargetError> {
        let mut observed = self.ask(placement, record).await?;
        observed.stamp = observed.stamp.or(record.applied.as_ref().map(|applied| applied.stamp));
        Ok(observed)
    }

    async fn carry_out(
        &self,
        desired: &Desired,
        record: &mut Record,
        progress: Progress<'_>,
    ) -> Result<(), TargetError> {
        let only_weights = record
            .applied
            .as_ref()
            .is_some_and(|applied| applied.differs_in_weights_alone(desired));
        let (what, line, timeout) = match &self.settings.weight {
            Some(weight) if only_weights => ("weight", weight, self.settings.observe_timeout),
            _ => ("apply", &self.settings.apply, self.settings.apply_timeout),
        };
        let secrets = desired.groups.iter().flat_map(|group| &group.launch.secrets);
        let hidden = Secrets::new(secrets.map(|secret| secret.value.reveal()));
        let input = desired.with_secrets().map_err(|error| TargetError::Invalid {
            reason: error.to_string(),
        })?;
        let (placement, stamp) = (&desired.placement, Some(desired.stamp));
        let job = Job {
            what,
            line,
            placement,
            stamp,
            input,
            timeout,
            hidden,
        };
        self.run(job, record, progress).await.map(drop)
    }
}

#[derive(Default)]
struct Said {
    answer: String,
    tail: std::collections::VecDeque<String>,
}

async fn lines(stream: Option<impl AsyncRead + Unpin>, hear: impl Fn(&str)) {
    let Some(stream) = stream else { return };
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while let Ok(length) = stream.read_until(b'\n', &mut line).await {
        if length == 0 {
            return;
        }
        line.truncate(LONGEST);
        hear(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
        line.clear();
    }
}

#[async_trait]
impl Target for CommandTarget {
    async fn apply(&self, desired: &Desired, progress: Progress<'_>) -> Result<Observed, TargetError> {
        desired.check()?;
        let placement = &desired.placement;
        let (_alone, mut record) = self.alone(placement, self.settings.apply_timeout).await?;
        let accepted = self.accepted(placement, &mut record).await?;
        if let Some(accepted) = accepted.filter(|accepted| desired.stamp < *accepted) {
            return Err(TargetError::Stale {
                asked: desired.stamp,
                accepted,
            });
        }
        let before = [&record.pending, &record.applied];
        let used = before
            .into_iter()
            .flatten()
            .find(|earlier| earlier.stamp == desired.stamp);
        if let Some(used) = used {
            if !used.wants_the_same(desired) {
                return Err(Refused::Reused { stamp: desired.stamp }.into());
            }
            // Whoever asked before did not hear the end of it: it may be there.
            let mut observed = self.ask(placement, &mut record).await?;
            if observed.shows(desired) {
                observed.stamp = Some(desired.stamp);
                record.applied = Some(desired.clone());
                record.pending = None;
                self.save(placement, &record)?;
                return Ok(observed);
            }
        }
        record.accepted = Some(desired.stamp);
        record.pending = Some(desired.clone());
        self.save(placement, &record)?;
        crashpoint::reach("target.command.accepted");
        let done = self.carry_out(desired, &mut record, progress).await;
        record.pending = None;
        if done.is_ok() {
            record.applied = Some(desired.clone());
        }
        self.save(placement, &record)?;
        crashpoint::reach("target.command.applied");
        done?;
        self.look(placement, &mut record).await
    }

    async fn observe(&self, placement: &Placement) -> Result<Observed, TargetError> {
        let (_alone, mut record) = self.alone(placement, self.settings.apply_timeout).await?;
        if record.applied.is_none() && record.pending.is_none() {
            return Ok(Observed::default());
        }
        self.look(placement, &mut record).await
    }

    async fn found(&self, placement: &Placement) -> Result<Observed, TargetError> {
        let (_alone, mut record) = self.alone(placement, self.settings.apply_timeout).await?;
        self.save(placement, &record)?;
        self.look(placement, &mut record).await
    }

    async fn overtaken(&self, placement: &Placement, generation: u64) -> Result<Option<Stamp>, TargetError> {
        let (_alone, mut record) = self.alone(placement, self.settings.apply_timeout).await?;
        let accepted = self.accepted(placement, &mut record).await?;
        Ok(accepted.filter(|stamp| stamp.generation >= generation))
    }

    async fn stop(&self, placement: &Placement) -> Result<(), TargetError> {
        let (_alone, mut record) = self.alone(placement, self.settings.apply_timeout).await?;
        let Some(accepted) = record.accepted else { return Ok(()) };
        match &self.settings.stop {
            Some(stop) => {
                let job = Job {
                    what: "stop",
                    line: stop,
                    placement,
                    stamp: Some(accepted),
                    input: serde_json::json!({ "placement": placement }).to_string().into_bytes(),
                    timeout: self.settings.apply_timeout,
                    hidden: Secrets::new(<[&str; 0]>::default()),
                };
                self.run(job, &mut record, &|_| {}).await?;
            }
            None => {
                let nothing = Desired {
                    placement: placement.clone(),
                    stamp: accepted,
                    address: None,
                    groups: Vec::new(),
                };
                self.carry_out(&nothing, &mut record, &|_| {}).await?;
            }
        }
        record.applied = None;
        record.pending = None;
        self.save(placement, &record)
    }

    async fn evidence(&self, _: &Placement) -> Result<Option<Evidence>, TargetError> {
        Ok(None)
    }
}
