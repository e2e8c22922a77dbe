//! Attempts as processes of this machine: the server's side.
//!
//! It holds nothing that matters: what runs is known to the shims, what has ended stands in files.
//! Whoever makes a [`LocalExecutor`] over the same data folder, now or after a crash, finds all of it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use facts::RunId;
use process::{Channel, Group, Spec};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use crate::container::engine::{self, Engine};
use crate::container::{ContainerChoice, Image, Pull, image, leftovers, record};
use crate::isolation::{self, IsolationMode, Wanted};
use crate::job::{Adopted, AttemptKey, Executor, ExecutorError, Job, Outcome};
use crate::shim::{self, COMPLAINTS, LOCK, SOCKET, Stored, stored};
use crate::wire::{Answer, Ask, Attempt, JobMessage, PROTOCOL, Request, milliseconds};
use crate::{frame, logs, secrets, services};

/// How long the processes of a shim that was killed may take to end.
const LAST_BREATH: Duration = Duration::from_secs(60);

/// How often a shim is asked that ends before it answers.
const TRIES: u32 = 3;

/// How many connections to one run's shim are kept that nobody uses.
const MOST_CONNECTIONS: usize = 8;

/// What a [`LocalExecutor`] is made of.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// The data folder; runs are in `runs/` of it.
    pub folder: PathBuf,
    /// The program that becomes the shim: this one.
    pub program: PathBuf,
    /// Its arguments before `--folder RUN_FOLDER`.
    pub arguments: Vec<OsString>,
    /// After this time with nothing running and no server connected a shim exits. It costs nothing but
    /// the start of another when it is needed again.
    pub idle: Duration,
    /// How long an attempt may take to end by itself when it is cancelled or its time is up.
    pub grace: Duration,
    /// Whether attempts are isolated.
    pub isolation: IsolationMode,
    /// Who runs containers.
    pub containers: ContainerChoice,
    /// Files and folders outside of the data folder that isolated attempts are not to see.
    pub hidden: Vec<PathBuf>,
}

impl LocalOptions {
    /// The usual: `PROGRAM shim --folder RUN_FOLDER`, an hour alone, ten seconds of grace, isolated where
    /// that can be had.
    pub fn new(folder: impl Into<PathBuf>, program: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            program: program.into(),
            arguments: vec!["shim".into()],
            idle: Duration::from_secs(3600),
            grace: Duration::from_secs(10),
            isolation: IsolationMode::default(),
            containers: ContainerChoice::default(),
            hidden: Vec::new(),
        }
    }
}

/// Runs attempts as processes of this machine.
#[derive(Debug)]
pub struct LocalExecutor {
    options: LocalOptions,
    /// One starter of a shim per run at a time.
    starting: Mutex<HashMap<RunId, Arc<tokio::sync::Mutex<()>>>>,
    /// Connections to the shims of runs on which nothing is being asked.
    connections: Mutex<HashMap<RunId, Vec<UnixStream>>>,
    /// The container engine, once one was found.
    engine: tokio::sync::Mutex<Option<Engine>>,
}

fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> ExecutorError {
    let what = what.into();
    |source| ExecutorError::Io { what, source }
}

impl LocalExecutor {
    /// An executor over a data folder, which is made if it is absent.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(mut options: LocalOptions) -> Result<Self, ExecutorError> {
        let runs = options.folder.join("runs");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&runs)
            .and_then(|()| options.folder.canonicalize())
            .map(|folder| options.folder = folder)
            .map_err(failed(format!("cannot make the folder {}", runs.display())))?;
        Ok(Self {
            options,
            starting: Mutex::default(),
            connections: Mutex::default(),
            engine: tokio::sync::Mutex::default(),
        })
    }

    /// The container engine. One that was found is kept; where there is none, it is looked for again.
    async fn engine(&self) -> Result<Engine, String> {
        let mut found = self.engine.lock().await;
        if let Some(engine) = &*found {
            return Ok(engine.clone());
        }
        let engine = engine::look(self.options.containers, &self.options.folder).await?;
        *found = Some(engine.clone());
        Ok(engine)
    }

    /// Whether the attempt has a container that may still run, although its run has no shim.
    fn is_contained(&self, key: &AttemptKey) -> bool {
        record::is_open(&self.run_folder(key.run), &Attempt::of(key))
    }

    /// Ends the containers of a run that has no shim any more. Their attempts are lost.
    async fn end_containers(&self, run: RunId) -> Result<(), ExecutorError> {
        let folder = self.run_folder(run);
        services::noted::remove_of_run(&folder, true).await;
        for (record, _) in record::of_run(&folder) {
            if !record.is_of_another_boot() {
                leftovers::remove(&record.engine, &record.name)
                    .await
                    .map_err(|why| ExecutorError::Refused {
                        run,
                        reason: format!("the container {} cannot be removed: {why}", record.name),
                    })?;
            }
            record.remove(&folder);
        }
        Ok(())
    }

    /// The folder of a run.
    pub fn run_folder(&self, run: RunId) -> PathBuf {
        self.options.folder.join("runs").join(run.to_string())
    }

    /// Asks the run's shim; `None` when there is none, or it ended before it answered. Asking is idempotent, so what a
    /// connection cannot carry that was opened before is asked on a new one.
    async fn ask(&self, run: RunId, ask: Ask) -> Result<Option<Answer>, ExecutorError> {
        let failed = || failed(format!("cannot talk to the shim of {run}"));
        let request = Request {
            protocol: PROTOCOL,
            ask,
        };
        let question = frame::encode(&request).map_err(failed())?;
        drop(request);
        loop {
            let kept = self.kept_connection(run);
            let is_kept = kept.is_some();
            let stream = match kept {
                Some(stream) => Some(stream),
                None => self.connect(run).await?,
            };
            let Some(mut stream) = stream else { return Ok(None) };
            let answer = async {
                stream.write_all(&question).await?;
                frame::read::<Answer>(&mut stream).await
            };
            return match answer.await {
                Ok(Some(Answer::Refused { reason })) => Err(ExecutorError::Refused { run, reason }),
                Ok(None) if is_kept => continue,
                Err(error) if is_kept && is_gone(&error) => continue,
                Ok(answer) => {
                    if answer.is_some() {
                        self.keep_connection(run, stream);
                    }
                    Ok(answer)
                }
                Err(error) if is_gone(&error) => Ok(None),
                Err(error) => Err(failed()(error)),
            };
        }
    }

    /// A connection to the run's shim on which nothing is being asked.
    fn kept_connection(&self, run: RunId) -> Option<UnixStream> {
        let mut all = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        all.get_mut(&run)?.pop()
    }

    fn keep_connection(&self, run: RunId, stream: UnixStream) {
        let mut all = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.entry(run).or_default();
        if kept.len() < MOST_CONNECTIONS {
            kept.push(stream);
        }
    }

    async fn connect(&self, run: RunId) -> Result<Option<UnixStream>, ExecutorError> {
        let failed = || failed(format!("cannot reach the shim of {run}"));
        let folder = match open_folder(&self.run_folder(run)) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed()(error)),
        };
        loop {
            match UnixStream::connect(socket_in(&folder)).await {
                Ok(stream) => return Ok(Some(stream)),
                Err(error) if error.kind() == io::ErrorKind::NotFound || is_gone(&error) => return Ok(None),
                // Thousands connect at once; the kernel has no event for "there is room again".
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(error) => return Err(failed()(error)),
            }
        }
    }

    /// Takes the run's lock. When it is given, nothing of the run is running.
    async fn lock(&self, run: RunId) -> Result<File, ExecutorError> {
        let path = self.run_folder(run).join(LOCK);
        let failed = || failed(format!("cannot lock {run}"));
        let open = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let file = open.map_err(failed())?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => {}
            Err(error) => return Err(failed()(error.into())),
        }
        // A thread of its own, not the runtime's: one that waits must not hold up the end of the server.
        let (given, wait) = oneshot::channel();
        std::thread::Builder::new()
            .name("run-lock".into())
            .stack_size(64 * 1024)
            .spawn(move || {
                let locked = flock(&file, FlockOperation::LockExclusive);
                // If nobody waits any more, the file closes here and the lock is free again.
                let _ = given.send(locked.map(|()| file));
            })
            .map_err(failed())?;
        match tokio::time::timeout(LAST_BREATH, wait).await {
            Ok(Ok(Ok(file))) => Ok(file),
            Ok(Ok(Err(error))) => Err(failed()(error.into())),
            Ok(Err(_)) => Err(failed()(io::Error::other("the waiting thread ended"))),
            Err(_) => Err(failed()(io::Error::new(
                io::ErrorKind::TimedOut,
                "its shim does not answer, and a process of it still runs (hint: look for it with `fuser` on the run's shim.lock)",
            ))),
        }
    }

    /// What is stored of an attempt whose run has no shim. Waits for what a killed shim left running.
    async fn stored_alone(&self, key: &AttemptKey) -> Result<Stored, ExecutorError> {
        let folder = self.run_folder(key.run);
        let lock = if folder.join(LOCK).exists() {
            Some(self.lock(key.run).await?)
        } else {
            None
        };
        secrets::sweep(&folder, key.run);
        if lock.is_some() {
            services::noted::remove_of_run(&folder, false).await;
        }
        drop(lock);
        self.stored(key)
    }

    fn stored(&self, key: &AttemptKey) -> Result<Stored, ExecutorError> {
        stored(&self.run_folder(key.run), &Attempt::of(key))
            .map_err(failed(format!("cannot read the outcome of {key}")))
    }

    /// Sees to it that the run has a shim that answers or is about to.
    async fn ensure_shim(&self, run: RunId) -> Result<(), ExecutorError> {
        let starting = {
            let mut all = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(run).or_default().clone()
        };
        let _one = starting.lock().await;
        if self.connect(run).await?.is_some() {
            return Ok(());
        }
        let folder = self.run_folder(run);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(failed(format!("cannot make the folder {}", folder.display())))?;
        let lock = self.lock(run).await?;
        let shim = |source: Box<dyn std::error::Error + Send + Sync>| ExecutorError::Shim { run, source };
        let spec = self.shim(&folder, lock).map_err(|error| shim(error.into()))?;
        crashpoint::reach("executor.shim-spawn");
        process::spawn(spec).map_err(|error| shim(error.into()))?.detach();
        crashpoint::reach("executor.shim-spawned");
        Ok(())
    }

    /// How the shim is started: with the lock taken and the socket bound, and nothing else of ours.
    fn shim(&self, folder: &Path, lock: File) -> io::Result<Spec> {
        let opened = open_folder(folder)?;
        match std::fs::remove_file(folder.join(SOCKET)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = std::os::unix::net::UnixListener::bind(socket_in(&opened))?;
        let complaints = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(folder.join(COMPLAINTS))?;
        let mut spec = Spec::new(&self.options.program)
            .args(&self.options.arguments)
            .arg("--folder")
            .arg(folder)
            // Crash points are a matter of tests, which set them for the shim through the server.
            .pass(["THROUGHLINE_CRASH"])
            .folder("/")
            .group(Group::OwnSession)
            .stderr(Channel::File(complaints.into()));
        let lock = spec.inherit(lock.into());
        let listener = spec.inherit(listener.into());
        let idle = milliseconds(self.options.idle);
        let wanted = Wanted {
            mode: self.options.isolation,
            folder: self.options.folder.clone(),
            others: self.options.hidden.clone(),
        };
        let spec = spec.variable(isolation::VARIABLE, wanted.text());
        Ok(spec.variable(shim::VARIABLE, format!("{lock},{listener},{idle}")))
    }

    /// Starts the attempt, or finds it; the outcome where it has one already, or where it is waited for.
    async fn begin(&self, job: &Job, until_end: bool) -> Result<Option<Outcome>, ExecutorError> {
        check(job)?;
        let run = job.key.run;
        let is_contained = job.container.is_some() || job.services.iter().any(|service| service.container.is_some());
        let engine = if is_contained { Some(self.engine().await) } else { None };
        for _ in 0..TRIES {
            let ask = Ask::Start {
                job: Box::new(JobMessage::of(
                    job,
                    self.options.isolation == IsolationMode::Required,
                    engine.as_ref(),
                )),
                grace_ms: milliseconds(self.options.grace),
                until_end,
            };
            match self.ask(run, ask).await {
                Ok(Some(Answer::Lost)) => return Err(ExecutorError::Lost(job.key.clone())),
                Ok(Some(Answer::Finished(outcome))) => return Ok(Some(outcome)),
                Ok(Some(_)) => return Ok(None),
                Ok(None) => {}
                Err(ExecutorError::Io { source, .. }) if source.kind() == io::ErrorKind::InvalidInput => {
                    return Err(ExecutorError::Invalid {
                        key: job.key.clone(),
                        reason: source.to_string(),
                    });
                }
                Err(error) => return Err(error),
            }
            // An attempt of a run that nobody holds any more may have ended long ago.
            if let Stored::Finished(outcome) = self.stored(&job.key)? {
                return Ok(Some(outcome));
            }
            self.ensure_shim(run).await?;
        }
        Err(self.complaints(run))
    }

    /// Why shims of this run end as soon as they are started.
    fn complaints(&self, run: RunId) -> ExecutorError {
        let text = std::fs::read_to_string(self.run_folder(run).join(COMPLAINTS)).unwrap_or_default();
        let last: Vec<&str> = text.lines().rev().take(3).collect();
        let last = last.into_iter().rev().collect::<Vec<_>>().join("; ");
        let why = if last.is_empty() {
            "it ends at once and does not say why".to_owned()
        } else {
            last
        };
        ExecutorError::Shim {
            run,
            source: why.into(),
        }
    }
}

/// A shim that ended closes its sockets; how that looks depends on the moment.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionRefused | Kind::ConnectionReset | Kind::BrokenPipe | Kind::UnexpectedEof
    )
}

fn open_folder(folder: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(
        folder,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

/// The address of a socket is at most 107 bytes long; a data folder may be deeper than that.
fn socket_in(folder: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()))
}

/// # Errors
/// When no executor could run the job.
fn check(job: &Job) -> Result<(), ExecutorError> {
    let invalid = |reason: String| ExecutorError::Invalid {
        key: job.key.clone(),
        reason,
    };
    if job.shell.is_empty() {
        return Err(invalid("it names no shell".into()));
    }
    if !job.folder.is_absolute() {
        return Err(invalid(format!(
            "its folder `{}` is not a full path",
            job.folder.display()
        )));
    }
    for name in job.variables.keys() {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(invalid(format!("`{name}` is no name for a variable")));
        }
    }
    for secret in &job.secrets {
        secrets::check_name(&secret.name, secret.as_variable).map_err(invalid)?;
    }
    Ok(())
}

#[async_trait]
impl Executor for LocalExecutor {
    async fn start(&self, job: Job) -> Result<(), ExecutorError> {
        self.begin(&job, false).await.map(drop)
    }

    async fn run(&self, job: Job) -> Result<Outcome, ExecutorError> {
        match self.begin(&job, true).await? {
            Some(outcome) => Ok(outcome),
            // Its shim is of an earlier version, and answers as soon as it runs.
            None => self.wait(&job.key).await,
        }
    }

    async fn wait(&self, key: &AttemptKey) -> Result<Outcome, ExecutorError> {
        for _ in 0..TRIES {
            if let Stored::Finished(outcome) = self.stored(key)? {
                return Ok(outcome);
            }
            let attempt = Attempt::of(key);
            match self.ask(key.run, Ask::Wait { attempt }).await? {
                Some(Answer::Finished(outcome)) => return Ok(outcome),
                Some(Answer::Lost) => return Err(ExecutorError::Lost(key.clone())),
                Some(_) => return Err(ExecutorError::Unknown(key.clone())),
                None => {}
            }
            match self.stored_alone(key).await? {
                Stored::Finished(outcome) => return Ok(outcome),
                Stored::Nothing => return Err(ExecutorError::Unknown(key.clone())),
                Stored::Begun if self.is_contained(key) => self.ensure_shim(key.run).await?,
                Stored::Begun => break,
            }
        }
        Err(ExecutorError::Lost(key.clone()))
    }

    async fn adopt(&self, key: &AttemptKey) -> Result<Adopted, ExecutorError> {
        for _ in 0..TRIES {
            if let Stored::Finished(outcome) = self.stored(key)? {
                return Ok(Adopted::Finished(outcome));
            }
            let attempt = Attempt::of(key);
            match self.ask(key.run, Ask::State { attempt }).await? {
                Some(Answer::Running) => return Ok(Adopted::Running),
                Some(Answer::Finished(outcome)) => return Ok(Adopted::Finished(outcome)),
                Some(_) => return Ok(Adopted::Lost),
                None => {}
            }
            match self.stored_alone(key).await? {
                Stored::Finished(outcome) => return Ok(Adopted::Finished(outcome)),
                // A container goes on without its shim; another one takes it up.
                Stored::Begun if self.is_contained(key) => self.ensure_shim(key.run).await?,
                Stored::Begun | Stored::Nothing => break,
            }
        }
        Ok(Adopted::Lost)
    }

    async fn cancel(&self, key: &AttemptKey) -> Result<(), ExecutorError> {
        if self.is_contained(key) {
            // It may run without a shim; a new one finds it.
            self.ensure_shim(key.run).await?;
        }
        self.ask(
            key.run,
            Ask::Cancel {
                attempt: Attempt::of(key),
            },
        )
        .await
        .map(drop)
    }

    async fn close(&self, run: RunId) -> Result<(), ExecutorError> {
        self.ask(run, Ask::Close).await?;
        let folder = self.run_folder(run);
        if folder.join(LOCK).exists() {
            let lock = self.lock(run).await?;
            self.end_containers(run).await?;
            secrets::sweep(&folder, run);
            drop(lock);
        }
        self.starting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&run);
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&run);
        Ok(())
    }

    async fn standing_by(&self) -> Result<Vec<RunId>, ExecutorError> {
        let runs = self.options.folder.join("runs");
        let entries = std::fs::read_dir(&runs).map_err(failed(format!("cannot list {}", runs.display())))?;
        // A shim that ends takes its socket away. What a killed one left is no harm.
        let has_socket = |entry: &std::fs::DirEntry| entry.path().join(SOCKET).exists();
        let named = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        Ok(entries.flatten().filter(has_socket).filter_map(named).collect())
    }

    async fn image(&self, name: &str, pull: Pull) -> Result<Image, ExecutorError> {
        let engine = self.engine().await.map_err(ExecutorError::Image)?;
        image::resolve(&engine, name, pull).await.map_err(ExecutorError::Image)
    }

    async fn sweep(&self) {
        // Where no container was ever run, there is none to be removed.
        let Some(engine) = engine::known(&self.options.folder) else {
            return;
        };
        match leftovers::sweep(&engine, &self.options.folder).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "containers that were left over are removed"),
            Err(why) => tracing::warn!(why, "containers that are left over cannot be looked for"),
        }
    }

    fn log_path(&self, key: &AttemptKey) -> PathBuf {
        self.run_folder(key.run).join(Attempt::of(key).folder()).join(logs::LOG)
    }
}
