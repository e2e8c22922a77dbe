//! One attempt within the shim: begun, kept, ended, recorded.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use disk::{Disk, Draft, LocalDisk};
use facts::{Clock, SystemClock, Timestamp};
use process::mask::Secrets;
use process::{Ending, Signal, Usage};
use tokio::sync::watch;

use crate::container::{
    self,
    record::{self, Record},
    said::Heard,
};
use crate::groups::Group;
use crate::hold::{Event, Hold};
use crate::isolation::Isolation;
use crate::job::{Ended, Outcome};
use crate::limits::{Held, Limits};
use crate::log_writer::LogWriter;
use crate::services::Served;
use crate::shim::{Busy, Shim, locked};
use crate::wire::{Answer, Attempt, JobMessage, Order, Report, SecretMessage, milliseconds};
use crate::{logs, secrets, services};

/// How the log says that a step runs without the isolation that was wanted.
pub(crate) const NOT_ISOLATED: &str = "this step is not isolated from others";

/// The `PATH` of a step that states none.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[derive(Clone)]
enum Progress {
    Starting,
    Running,
    Finished(Outcome),
}

/// An attempt that has no stored outcome yet.
pub(crate) struct Running {
    progress: watch::Sender<Progress>,
    cancelled: watch::Sender<bool>,
}

impl Running {
    pub(crate) fn cancel(&self) {
        self.cancelled.send_replace(true);
    }

    /// Changes when somebody cancels it.
    pub(crate) fn cancelled(&self) -> watch::Receiver<bool> {
        self.cancelled.subscribe()
    }

    pub(crate) fn outcome(&self) -> Option<Outcome> {
        match &*self.progress.borrow() {
            Progress::Finished(outcome) => Some(outcome.clone()),
            _ => None,
        }
    }

    pub(crate) async fn finished(&self) -> Outcome {
        let mut progress = self.progress.subscribe();
        loop {
            if let Some(outcome) = self.outcome() {
                return outcome;
            }
            // The sender lives as long as `self`.
            let _ = progress.changed().await;
        }
    }

    /// Waits until it runs or has ended.
    async fn begun(&self) -> Answer {
        let mut progress = self.progress.subscribe();
        let _ = progress
            .wait_for(|progress| !matches!(progress, Progress::Starting))
            .await;
        self.outcome().map_or(Answer::Running, Answer::Finished)
    }
}

/// The attempts that have no stored outcome yet.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<HashMap<Attempt, Arc<Running>>>);

impl Attempts {
    pub(crate) fn get(&self, attempt: &Attempt) -> Option<Arc<Running>> {
        locked(&self.0).get(attempt).cloned()
    }

    fn begin(&self, attempt: &Attempt) -> Arc<Running> {
        let running = Arc::new(Running {
            progress: watch::Sender::new(Progress::Starting),
            cancelled: watch::Sender::new(false),
        });
        locked(&self.0).insert(attempt.clone(), running.clone());
        running
    }

    pub(crate) fn all(&self) -> HashMap<Attempt, Arc<Running>> {
        locked(&self.0).clone()
    }
}

/// Starts the attempt, or says how far it is; never a second time.
pub(crate) async fn start(shim: &Arc<Shim>, job: JobMessage, grace: Duration) -> Answer {
    let refused = |reason: String| Answer::Refused { reason };
    if job.run != shim.run {
        return refused(format!("this is the shim of {}", shim.run));
    }
    if let Some(running) = shim.attempts.get(&job.attempt) {
        return running.begun().await;
    }
    match shim.stored(&job.attempt) {
        Answer::Unknown => {}
        known => return known,
    }
    if shim.is_closing() {
        return refused("the run is being closed".into());
    }
    // From here to the entry in the table there is no await: two requests cannot both pass.
    crashpoint::reach("executor.begin");
    let log = match begin(&shim.folder, &job) {
        Ok(log) => log,
        Err(error) => return refused(format!("the attempt's folder cannot be made: {error}")),
    };
    crashpoint::reach("executor.begun");
    let running = shim.attempts.begin(&job.attempt);
    tokio::spawn(make(shim.clone(), job, grace, log, running.clone(), shim.busy()));
    running.begun().await
}

/// Makes the attempt's folder and its log. The log is the mark that the attempt was begun: it is there
/// before anything is started, and made once.
fn begin(run_folder: &Path, job: &JobMessage) -> io::Result<File> {
    let folder = run_folder.join(job.attempt.folder());
    DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let log = OpenOptions::new()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(folder.join(logs::LOG))?;
    if job.durable_outcome {
        log.sync_all()?;
        for folder in [folder.as_path(), &run_folder.join("attempts"), run_folder] {
            File::open(folder)?.sync_all()?;
        }
    }
    Ok(log)
}

/// Makes the attempt and records its outcome.
async fn make(shim: Arc<Shim>, mut job: JobMessage, grace: Duration, log: File, running: Arc<Running>, busy: Busy) {
    let masked = Secrets::new(job.secrets.iter().map(SecretMessage::value));
    let mut work = Work {
        log: LogWriter::new(log, job.log_budget, &masked),
        running: &running,
        started_at: SystemClock.now(),
        stopped: None,
        limits: None,
        services: Vec::new(),
        stands_alone: job.services.iter().all(|(service, _)| service.container.is_some()),
        program: job.shell.first().cloned().unwrap_or_default(),
    };
    let (attempt, durable) = (job.attempt.clone(), job.durable_outcome);
    let end = match services::start(&mut work, &shim, &mut job, &masked).await {
        Err(_) if running.cancelled.borrow().to_owned() => End::process(Ended::Cancelled, Usage::default(), None),
        Err(reason) => End::not_started(reason),
        Ok(beside) => {
            let end = match job.container.take() {
                Some(Ok((engine, wanted))) => container::attempt::go(&mut work, &shim, &mut job, engine, wanted, grace)
                    .await
                    .into(),
                Some(Err(reason)) => End::not_started(reason),
                None => work.go(&shim, &mut job, grace).await,
            };
            let has_failed = end.ended != Ended::Succeeded;
            beside.end(&mut work, &shim, &attempt, has_failed).await;
            end
        }
    };
    drop(job);
    finish(&shim, &attempt, durable, work, end, &masked).await;
    drop(busy);
}

/// Sees containers to their end that an earlier shim of this run has started. Those that cannot be
/// listened to any more are removed, and their attempts are lost.
pub(crate) async fn take_up_containers(shim: &Arc<Shim>) {
    services::noted::remove_forgotten(shim).await;
    for (record, has_ended) in record::of_run(&shim.folder) {
        if has_ended || !container::attempt::can_be_taken_up(shim, &record).await {
            let folder = shim.folder.join(record.attempt.folder());
            if !has_ended {
                say_why_lost(&folder, &record);
            }
            services::noted::remove_of_attempt(shim, &folder).await;
            // What cannot be removed is found by its label later.
            let _ = container::attempt::tidy(shim, &record).await;
            continue;
        }
        let running = shim.attempts.begin(&record.attempt);
        let busy = shim.busy();
        tokio::spawn(take_up(shim.clone(), record, running, busy));
    }
}

/// Says in the log of an attempt that it cannot go on: a step whose services are gone is not seen to the end.
fn say_why_lost(folder: &Path, record: &Record) {
    let processes = services::noted::processes(folder);
    let (false, false, Ok(log)) = (
        record.is_of_another_boot(),
        processes.is_empty(),
        OpenOptions::new().append(true).open(folder.join(logs::LOG)),
    ) else {
        return;
    };
    let mut log = LogWriter::resume(log, record.log_budget, &Secrets::new([""; 0]), false);
    for name in processes {
        log.note(&format!(
            "the service `{name}` was a process, and ended with the shim that kept it: this attempt is lost"
        ));
    }
    let _ = log.finish(record.durable);
}

async fn take_up(shim: Arc<Shim>, record: Record, running: Arc<Running>, busy: Busy) {
    let attempt = record.attempt.clone();
    let path = shim.folder.join(attempt.folder()).join(logs::LOG);
    let values = secrets::values(&shim.folder, shim.run, &attempt);
    let masked = Secrets::new(values.iter().map(|value| value.as_str()));
    // Without its log the attempt cannot be told from one that never was; then it is lost.
    let Ok(log) = OpenOptions::new().append(true).open(path) else {
        locked(&shim.attempts.0).remove(&attempt);
        return;
    };
    // What came into the log after it was last noted how far it had come, comes again.
    let heard = Heard::read(&shim.folder.join(attempt.folder()));
    let is_full = heard.is_some_and(|heard| heard.cut(&log).unwrap_or(false));
    let mut work = Work {
        log: LogWriter::resume(log, record.log_budget, &masked, is_full),
        running: &running,
        started_at: record.started_at,
        stopped: None,
        limits: None,
        services: Vec::new(),
        stands_alone: true,
        program: String::new(),
    };
    let durable = record.durable;
    let beside = services::take_up(&shim, &attempt, &masked);
    let contained = container::attempt::take_up(&mut work, &shim, record).await;
    let has_failed = contained.ended != Ended::Succeeded;
    beside.end(&mut work, &shim, &attempt, has_failed).await;
    finish(&shim, &attempt, durable, work, contained.into(), &masked).await;
    drop(busy);
}

/// How an attempt came to its end, and what is still to be cleared.
struct End {
    ended: Ended,
    usage: Usage,
    /// The keeper, if it can be used again.
    hold: Option<Hold>,
    /// What is left of its container.
    record: Option<Record>,
    /// Whether it was kept apart by the shim's own isolation.
    is_process: bool,
}

impl End {
    fn not_started(reason: String) -> Self {
        Self::process(Ended::CouldNotStart { reason }, Usage::default(), None)
    }

    fn process(ended: Ended, usage: Usage, hold: Option<Hold>) -> Self {
        Self {
            ended,
            usage,
            hold,
            record: None,
            is_process: true,
        }
    }
}

impl From<container::attempt::Contained> for End {
    fn from(contained: container::attempt::Contained) -> Self {
        Self {
            ended: contained.ended,
            usage: Usage::default(),
            hold: None,
            record: contained.record,
            is_process: false,
        }
    }
}

/// Records how an attempt ended, and clears what is left of it.
async fn finish(shim: &Arc<Shim>, attempt: &Attempt, durable: bool, mut work: Work<'_>, end: End, masked: &Secrets) {
    let running = work.running;
    let mut ended = end.ended;
    if let Ended::CouldNotStart { reason } = &mut ended {
        *reason = String::from_utf8_lossy(&process::mask::mask_all(masked, reason.as_bytes())).into_owned();
        work.log.note(&format!("the step could not start: {reason}"));
    }
    let work_began = !matches!(ended, Ended::CouldNotStart { .. });
    let log_truncated = work.log.finish(durable).unwrap_or(true);
    let outcome = Outcome {
        ended,
        started_at: work.started_at,
        finished_at: SystemClock.now(),
        cpu_ms: end.usage.cpu_ms,
        peak_memory_kib: end.usage.peak_memory_kib,
        log_truncated,
        isolation: (work_began && end.is_process).then(|| shim.isolation.clone()),
        limits: work.limits.map(Box::new),
        container: end.record.as_ref().map(|record| Box::new(record.contained())),
        services: work.services,
    };
    if let Some(hold) = end.hold {
        shim.give_back(hold);
    }
    let folder = shim.folder.join(attempt.folder());
    let mut pause = Duration::from_secs(1);
    let mut recorded = write_outcome(&LocalDisk, &folder, &outcome, durable);
    if let Some(record) = &end.record
        && let Err(why) = container::attempt::tidy(shim, record).await
    {
        eprintln!(
            "throughline shim: the container {} cannot be removed: {why}",
            record.name
        );
    }
    running.progress.send_replace(Progress::Finished(outcome.clone()));
    // On a full disk the outcome stays here and is tried again; whoever asks gets it from memory.
    while recorded.is_err() && !shim.is_closing() {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(30));
        recorded = write_outcome(&LocalDisk, &folder, &outcome, durable);
    }
    locked(&shim.attempts.0).remove(attempt);
}

/// Writes the outcome in one step: it is there as a whole or not at all. One that is not durable may be lost by a power
/// cut, with its attempt, and a part of it is none.
fn write_outcome(disk: &dyn Disk, folder: &Path, outcome: &Outcome, durable: bool) -> io::Result<()> {
    let mut draft = Draft::begin(disk, &folder.join(logs::OUTCOME), 0o600)?;
    draft.add(&serde_json::to_vec(outcome)?)?;
    if !durable {
        crashpoint::reach("executor.outcome-written");
        draft.name_unsealed()?;
        crashpoint::reach("executor.outcome-renamed");
        return Ok(());
    }
    let sealed = draft.seal()?;
    crashpoint::reach("executor.outcome-written");
    let named = sealed.name()?;
    crashpoint::reach("executor.outcome-renamed");
    named.sync()
}

/// An attempt while it is made.
pub(crate) struct Work<'a> {
    pub(crate) log: LogWriter,
    pub(crate) running: &'a Running,
    pub(crate) started_at: Timestamp,
    /// Why it was asked to end, once it was.
    pub(crate) stopped: Option<Ended>,
    /// How it is held to its limits.
    pub(crate) limits: Option<Held>,
    /// What became of its services, once they have ended.
    pub(crate) services: Vec<Served>,
    /// Whether nothing beside it ends with the shim.
    pub(crate) stands_alone: bool,
    /// The program that runs its script.
    pub(crate) program: String,
}

impl Work<'_> {
    /// Sees the attempt to its end. The keeper comes back if it can be used again.
    async fn go(&mut self, shim: &Arc<Shim>, job: &mut JobMessage, grace: Duration) -> End {
        let failed = End::not_started;
        if job.isolation_required && shim.isolation != Isolation::Namespaces {
            return failed(format!(
                "the setting `isolation` is `required`, and steps cannot be isolated here: {}",
                shim.isolation
            ));
        }
        let mut group = None;
        if !job.limits.is_none() {
            let made = shim
                .groups()
                .and_then(|groups| groups.make(shim.run, &job.attempt, &job.limits));
            self.limits = Some(match made {
                Ok(made) => {
                    group = Some(made);
                    Held::ControlGroup
                }
                Err(reason) => Held::each_process(&job.limits, false, reason),
            });
        }
        if group.is_some() {
            // Its group holds it; nothing is left for each process.
            job.limits = Limits::default();
        }
        // What the keeper starts is in its group until it leaves, which it does once it knows that it runs.
        let tell = group.is_some();
        let order = match order(job, tell) {
            Ok(order) => order,
            Err(reason) => return failed(reason),
        };
        let mut hold = match shim.keeper() {
            Ok(hold) => hold,
            Err(error) => return failed(format!("no keeper for the step: {error}")),
        };
        // What a keeper starts is in the group that it is in itself; it leaves when it has done so.
        let enter = |hold: &Hold| match &group {
            Some(group) => group.take_in(hold.identity),
            None => Ok(()),
        };
        if let Err(error) = enter(&hold) {
            return failed(format!("no way into the step's control group: {error}"));
        }
        // An idle keeper that was killed shows only now; another one is asked then.
        if hold.order(&order).await.is_err() {
            let again = match shim.keeper() {
                Ok(mut fresh) => match enter(&fresh) {
                    Ok(()) => fresh.order(&order).await.map(|()| fresh),
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            };
            match again {
                Ok(fresh) => hold = fresh,
                Err(error) => return failed(format!("no keeper for the step: {error}")),
            }
        }
        drop(order);
        if let Isolation::Unavailable { reason } = &shim.isolation {
            self.log.note(&format!("{NOT_ISOLATED}: {reason}"));
        }
        if !tell {
            self.began();
        }
        let timeout = job.timeout_ms.map(Duration::from_millis);
        let end = self.keep(&mut hold, group.as_ref(), timeout, grace).await;
        hold.drain(|channel, bytes| self.log.take(channel, bytes));
        if let Some(group) = &group {
            group.let_go(hold.identity);
        }
        if group.as_ref().is_some_and(Group::ran_out_of_memory) {
            self.log.note("the step used more memory than its limit and was killed");
        }
        match end {
            Some(Report::Ended { ending, usage, clean }) => {
                if !clean {
                    self.log.note("a process of this step could not be killed");
                }
                End::process(self.ended(ending), usage, clean.then_some(hold))
            }
            Some(Report::CouldNotStart { reason }) => {
                End::process(Ended::CouldNotStart { reason }, Usage::default(), Some(hold))
            }
            _ => {
                // The step, or somebody else, killed the keeper: what it kept is killed with it.
                shim.kill_strays_of(hold).await;
                secrets::remove(&shim.folder, shim.run, &job.attempt);
                self.log
                    .note("the process that kept this step was killed, and the step with it");
                let killed = Ending::Signal(Signal::KILL.as_raw());
                End::process(self.ended(killed), Usage::default(), None)
            }
        }
    }

    /// Listens to the keeper until it reports an end; `None` when it is gone.
    async fn keep(
        &mut self,
        hold: &mut Hold,
        group: Option<&Group>,
        timeout: Option<Duration>,
        grace: Duration,
    ) -> Option<Report> {
        let mut cancelled = self.running.cancelled.subscribe();
        let deadline = async {
            match timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(deadline);
        let keeper = hold.identity;
        loop {
            tokio::select! {
                event = hold.event() => match event {
                    Event::Said(channel, bytes) => self.log.take(channel, bytes),
                    Event::Report(Report::Started) => {
                        if let Some(group) = group {
                            group.let_go(keeper);
                        }
                        self.began();
                    }
                    Event::Report(end) => return Some(end),
                    Event::Gone => return None,
                },
                () = &mut deadline, if self.stopped.is_none() => {
                    self.log.note("the step took longer than its timeout and is stopped");
                    self.stop(hold, Ended::TimedOut, grace).await;
                }
                () = async { drop(cancelled.wait_for(|cancelled| *cancelled).await) }, if self.stopped.is_none() => {
                    self.log.note("the step is cancelled");
                    self.stop(hold, Ended::Cancelled, grace).await;
                }
            }
        }
    }

    /// The keeper has started it, or was told to.
    fn began(&mut self) {
        crashpoint::reach("executor.spawned");
        self.started_at = SystemClock.now();
        self.running_now();
    }

    /// Tells whoever waits for it that it runs.
    pub(crate) fn running_now(&self) {
        self.running.progress.send_replace(Progress::Running);
    }

    async fn stop(&mut self, hold: &mut Hold, why: Ended, grace: Duration) {
        self.stopped = Some(why);
        // A keeper that does not hear this is gone, and that is an event of its own.
        let _ = hold
            .order(&Order::Stop {
                grace_ms: milliseconds(grace),
            })
            .await;
    }

    fn ended(&mut self, ending: Ending) -> Ended {
        match (self.stopped.take(), ending) {
            (Some(why), _) => why,
            (None, Ending::Code(0)) => Ended::Succeeded,
            (None, Ending::Code(code)) => Ended::Failed { code },
            (None, Ending::Signal(signal)) => Ended::Signalled { signal },
        }
    }
}

/// What the keeper is told to start.
fn order(job: &mut JobMessage, tell: bool) -> Result<Order, String> {
    let mut shell = job.shell.drain(..);
    let program = shell.next().ok_or("no shell was named")?;
    let mut arguments: Vec<String> = shell.collect();
    arguments.push(std::mem::take(&mut job.script));
    let mut variables = std::mem::take(&mut job.variables);
    variables.entry("PATH".into()).or_insert_with(|| PATH.into());
    for secret in job.secrets.iter().filter(|secret| secret.as_variable) {
        variables.insert(secret.name.clone(), secret.value().to_owned());
    }
    Ok(Order::Spawn {
        program,
        arguments,
        folder: std::mem::take(&mut job.folder),
        variables,
        nice: job.nice,
        limits: Box::new(job.limits),
        run: job.run,
        attempt: job.attempt.clone(),
        secrets: std::mem::take(&mut job.secrets),
        tell,
    })
}

#[cfg(test)]
mod power_cut;
