//! The server's side: starting keepers and asking them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use process::{Channel, Identity, Spec};
use proxy::{Evidence, Stamp};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::control::{self, Ask, Line, Tell};
use super::keeper;
use super::state::State;
use crate::desired::{Desired, Placement};
use crate::error::{Refused, TargetError};
use crate::observed::Observed;
use crate::{Progress, Target};

/// How long a keeper may take until it is ready; it reads its access log first.
const READY: Duration = Duration::from_secs(60);
/// How often a question is asked again after the keeper ended or was replaced under it.
const ASKED: usize = 4;
const PASSED: [&str; 8] = [
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
    "RUST_BACKTRACE",
    "THROUGHLINE_CRASH",
];

/// What the target is made of.
#[derive(Debug, Clone)]
pub struct ProcessSettings {
    /// The folder below which each placement has one of its own.
    pub folder: PathBuf,
    /// This program, which is also the keeper's.
    pub program: PathBuf,
    /// The arguments that make it a keeper; `--folder DIR` is added.
    pub arguments: Vec<String>,
    /// Variables that a keeper gets besides a few of ours.
    pub variables: BTreeMap<String, String>,
}

impl ProcessSettings {
    /// The settings of a server with the data folder `data`, whose program is `program`.
    pub fn new(data: &Path, program: impl Into<PathBuf>) -> Self {
        Self {
            folder: data.join("targets"),
            program: program.into(),
            arguments: vec!["proxy".to_owned()],
            variables: BTreeMap::new(),
        }
    }
}

/// Instances as processes of this machine. Cloning gives another handle of the same target.
#[derive(Clone)]
pub struct ProcessTarget(Arc<Inner>);

struct Inner {
    settings: ProcessSettings,
    /// The keeper of a folder is started by one at a time.
    starting: Mutex<HashMap<PathBuf, Arc<tokio::sync::Mutex<()>>>>,
    /// Folders whose keeper is started again when it ends.
    guarded: Mutex<HashSet<PathBuf>>,
}

impl ProcessTarget {
    /// A target; it looks at nothing yet.
    pub fn new(settings: ProcessSettings) -> Self {
        Self(Arc::new(Inner {
            settings,
            starting: Mutex::default(),
            guarded: Mutex::default(),
        }))
    }

    /// Finds what an earlier server left: each placement that is in use has a keeper of this very
    /// program afterwards. Answers with the placements, each with what went wrong.
    pub async fn resume(&self) -> Vec<(Placement, Result<(), TargetError>)> {
        let mut found = Vec::new();
        for (folder, placement) in self.placements() {
            let in_use = State::load(&folder).is_ok_and(|state| state.is_in_use());
            if in_use || Line::connect(&folder).await.is_ok() {
                found.push((placement, self.0.ensure(&folder, true).await.map(drop)));
            }
        }
        found
    }

    /// Ends everything of every placement.
    ///
    /// # Errors
    /// The first that went wrong; the others are stopped all the same.
    pub async fn stop_all(&self) -> Result<(), TargetError> {
        let mut first = Ok(());
        for (_, placement) in self.placements() {
            let stopped = self.stop(&placement).await;
            if first.is_ok() {
                first = stopped;
            }
        }
        first
    }

    fn placements(&self) -> Vec<(PathBuf, Placement)> {
        let subfolders = |folder: &Path| -> Vec<PathBuf> {
            fs::read_dir(folder)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .collect()
        };
        let folders = subfolders(&self.0.settings.folder)
            .into_iter()
            .flat_map(|component| subfolders(&component));
        let named = folders.filter_map(|folder| {
            let placement = serde_json::from_slice(&fs::read(folder.join("placement.json")).ok()?).ok()?;
            Some((folder, placement))
        });
        named.collect()
    }

    /// The folder of a placement.
    pub fn folder(&self, placement: &Placement) -> PathBuf {
        self.0
            .settings
            .folder
            .join(placement.component.to_string())
            .join(placement.environment.as_str())
    }

    /// Asks until there is an answer, of the next keeper if need be.
    async fn ask(&self, folder: &Path, ask: &Ask, progress: Progress<'_>) -> Result<Tell, TargetError> {
        for _ in 0..ASKED {
            let mut line = self.0.ensure(folder, false).await?;
            if let Some(told) = ask_on(&mut line, folder, ask, progress).await? {
                return Ok(told);
            }
        }
        Err(unreachable(
            folder,
            format!("it went away {ASKED} times without an answer"),
        ))
    }
}

fn unreachable(folder: &Path, reason: impl Into<String>) -> TargetError {
    TargetError::Unreachable {
        reason: reason.into(),
        log: folder.join("proxy.log"),
    }
}

fn unexpected(folder: &Path, told: &Tell) -> TargetError {
    unreachable(folder, format!("it answers something else than was asked: {told:?}"))
}

fn files(path: &Path) -> impl FnOnce(io::Error) -> TargetError + '_ {
    move |source| TargetError::Files {
        path: path.to_owned(),
        source,
    }
}

impl Inner {
    /// A line to the keeper of `folder`, which is started where there is none, and replaced by one of
    /// this program where that is wanted and it is of another.
    async fn ensure(self: &Arc<Self>, folder: &Path, of_this_program: bool) -> Result<Line, TargetError> {
        let starting = {
            let mut all = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(folder.to_owned()).or_default().clone()
        };
        let _one = starting.lock().await;
        if let Ok(mut line) = Line::connect(folder).await
            && let Some((process, build)) = who(&mut line).await
        {
            self.guard(folder, process);
            if !of_this_program || build == control::build_of(&self.settings.program) {
                return Ok(line);
            }
        }
        let identity = self.start(folder).await?;
        self.guard(folder, identity);
        Line::connect(folder)
            .await
            .map_err(|error| unreachable(folder, error.to_string()))
    }

    /// Starts a keeper, which takes over from another one by itself.
    async fn start(&self, folder: &Path) -> Result<Identity, TargetError> {
        let log = folder.join("proxy.log");
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(files(&log))?;
        crashpoint::reach("target.keeper.before-spawn");
        let spec = Spec::new(&self.settings.program)
            .args(&self.settings.arguments)
            .arg("--folder")
            .arg(folder)
            .pass(PASSED)
            .variables(&self.settings.variables)
            .stdout(Channel::Pipe)
            .stderr(Channel::File(log.into()))
            .group(process::Group::OwnSession);
        let mut child = process::spawn(spec).map_err(|error| unreachable(folder, error.to_string()))?;
        let mut said = String::new();
        if let Some(output) = child.stdout.take() {
            let listening = tokio::time::timeout(READY, hear_ready(BufReader::new(output), &mut said)).await;
            if listening.is_err() {
                "it is not ready in time".clone_into(&mut said);
            }
        }
        crashpoint::reach("target.keeper.after-spawn");
        if said == "ready" {
            return Ok(child.detach());
        }
        // Its drop ends it.
        drop(child);
        let said = said.as_str();
        Err(unreachable(
            folder,
            if said.is_empty() { "it ended at once" } else { said },
        ))
    }

    /// Starts the keeper of `folder` again when it ends though it is still wanted.
    fn guard(self: &Arc<Self>, folder: &Path, process: Identity) {
        let mut guarded = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
        if guarded.insert(folder.to_owned()) {
            tokio::spawn(guard(Arc::downgrade(self), folder.to_owned(), process));
        }
    }
}

/// Reads until the line `ready` or the end; `said` is the last line that says something.
async fn hear_ready(mut output: impl tokio::io::AsyncBufRead + Unpin, said: &mut String) {
    let mut line = String::new();
    while output.read_line(&mut line).await.is_ok_and(|length| length > 0) {
        let words = line.trim();
        if !words.is_empty() {
            words.clone_into(said);
        }
        if words == "ready" {
            return;
        }
        line.clear();
    }
}

/// Asks once; `None` when the keeper went away without an answer.
async fn ask_on(
    line: &mut Line,
    folder: &Path,
    ask: &Ask,
    progress: Progress<'_>,
) -> Result<Option<Tell>, TargetError> {
    if line.say(ask).await.is_err() {
        return Ok(None);
    }
    loop {
        match line.hear::<Tell>().await {
            Ok(Some(Tell::Progress { text })) => progress(text),
            Ok(Some(Tell::Refused(Refused::HandedOver)) | None) => return Ok(None),
            Ok(Some(Tell::Refused(refused))) => return Err(refused.into()),
            Ok(Some(told)) => return Ok(Some(told)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(unreachable(folder, format!("its answer is not understood: {error}")));
            }
            Err(_) => return Ok(None),
        }
    }
}

/// Asks a keeper who it is; `None` when it does not say so, not even after a handover.
async fn who(line: &mut Line) -> Option<(Identity, String)> {
    let asking = async {
        line.say(&Ask::Who).await.ok()?;
        match line.hear().await {
            Ok(Some(Tell::Keeper { process, build })) => Some((process, build)),
            _ => None,
        }
    };
    tokio::time::timeout(READY, asking).await.ok().flatten()
}

async fn guard(target: Weak<Inner>, folder: PathBuf, process: Identity) {
    const LONGEST: Duration = Duration::from_secs(30);
    // An end that cannot be waited for is found by the next question.
    let _ = process.ended().await;
    let mut pause = Duration::from_millis(50);
    loop {
        let Some(target) = target.upgrade() else { return };
        target
            .guarded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&folder);
        if !State::load(&folder).is_ok_and(|state| state.is_in_use()) {
            return;
        }
        match target.ensure(&folder, false).await {
            // Guarded again, by a task of its own.
            Ok(_) => return,
            Err(error) => tracing::warn!("{error}"),
        }
        drop(target);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

#[async_trait]
impl Target for ProcessTarget {
    async fn apply(&self, desired: &Desired, progress: Progress<'_>) -> Result<Observed, TargetError> {
        desired.check()?;
        let folder = self.folder(&desired.placement);
        create_private(&folder).map_err(files(&folder))?;
        let named = folder.join("placement.json");
        let text = serde_json::to_vec(&desired.placement).map_err(io::Error::other);
        text.and_then(|text| write_by_rename(&named, &text))
            .map_err(files(&named))?;
        let ask = Ask::Apply {
            desired: Box::new(desired.clone()),
            secrets: desired
                .groups
                .iter()
                .map(|group| group.launch.secrets.clone())
                .collect(),
        };
        crashpoint::reach("target.apply.before");
        let told = self.ask(&folder, &ask, progress).await?;
        crashpoint::reach("target.apply.after");
        match told {
            Tell::Observed(observed) => Ok(observed),
            other => Err(unexpected(&folder, &other)),
        }
    }

    async fn observe(&self, placement: &Placement) -> Result<Observed, TargetError> {
        let folder = self.folder(placement);
        let state = State::load(&folder).map_err(files(&folder))?;
        if !state.is_in_use() {
            return Ok(keeper::observed(&state));
        }
        match self.ask(&folder, &Ask::Observe, &|_| {}).await? {
            Tell::Observed(observed) => Ok(observed),
            other => Err(unexpected(&folder, &other)),
        }
    }

    /// What was accepted stands in the placement's folder: nobody has to be asked.
    async fn overtaken(&self, placement: &Placement, generation: u64) -> Result<Option<Stamp>, TargetError> {
        let folder = self.folder(placement);
        let state = State::load(&folder).map_err(files(&folder))?;
        Ok(state.accepted.filter(|stamp| stamp.generation >= generation))
    }

    async fn stop(&self, placement: &Placement) -> Result<(), TargetError> {
        let folder = self.folder(placement);
        for _ in 0..ASKED {
            let in_use = State::load(&folder).map_err(files(&folder))?.is_in_use();
            let line = if in_use {
                Some(self.0.ensure(&folder, false).await?)
            } else {
                Line::connect(&folder).await.ok()
            };
            let Some(mut line) = line else { return Ok(()) };
            let Some((keeper, _)) = who(&mut line).await else {
                continue;
            };
            match ask_on(&mut line, &folder, &Ask::Stop, &|_| {}).await? {
                Some(Tell::Stopped) => {
                    // All that is left for it is to end.
                    let _ = tokio::time::timeout(READY, keeper.ended()).await;
                    return Ok(());
                }
                Some(other) => return Err(unexpected(&folder, &other)),
                // It was replaced or ended in this very moment.
                None => {}
            }
        }
        Err(unreachable(&folder, "it does not say whether it has stopped"))
    }

    async fn evidence(&self, placement: &Placement) -> Result<Option<Evidence>, TargetError> {
        let folder = self.folder(placement);
        if !State::load(&folder).map_err(files(&folder))?.is_in_use() {
            return Ok(None);
        }
        match self.ask(&folder, &Ask::Evidence, &|_| {}).await? {
            Tell::Evidence(evidence) => Ok(Some(*evidence)),
            other => Err(unexpected(&folder, &other)),
        }
    }
}

fn create_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn write_by_rename(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    fs::write(&fresh, bytes)?;
    fs::rename(fresh, path)
}
