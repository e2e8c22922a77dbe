//! An attempt's container within the shim: started or taken up again, listened to, ended, removed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use facts::{Clock as _, SystemClock, Timestamp};
use process::{Identity, Signal, tree};
use tokio::time::Instant;

use super::Container;
use super::command::{self, NO_PROGRAM, STARTED, Wanted};
use super::engine::Engine;
use super::life::{self, Starter, state};
use super::record::{self, Record, STARTER};
use super::said::{self, Ears};
use crate::attempt::Work;
use crate::job::Ended;
use crate::limits::Held;
use crate::log_writer::LogWriter;
use crate::secrets;
use crate::shim::Shim;
use crate::wire::JobMessage;

/// How long an engine may take to end a container, beyond the grace of its step.
const LAST_PATIENCE: Duration = Duration::from_secs(60);

/// How a container came to its end.
pub(crate) struct Contained {
    pub(crate) ended: Ended,
    /// What stands beside the attempt, to be removed with the container once the outcome is recorded.
    pub(crate) record: Option<Record>,
}

/// Sees a new attempt in its container to the end.
pub(crate) async fn go(
    work: &mut Work<'_>,
    shim: &Arc<Shim>,
    job: &mut JobMessage,
    engine: Engine,
    container: Container,
    grace: Duration,
) -> Contained {
    match begin(work, shim, job, engine, container, grace) {
        Ok((record, ears, starter)) => listen(work, shim, record, ears, Some(starter)).await,
        Err((reason, record)) => Contained {
            ended: Ended::CouldNotStart { reason },
            record,
        },
    }
}

type Begun = (Record, Ears, Starter);

#[allow(clippy::result_large_err)] // reason: made once an attempt
fn begin(
    work: &mut Work<'_>,
    shim: &Arc<Shim>,
    job: &mut JobMessage,
    engine: Engine,
    container: Container,
    grace: Duration,
) -> Result<Begun, (String, Option<Record>)> {
    if !job.folder.is_dir() {
        return Err((
            format!("the working folder `{}` is not a folder", job.folder.display()),
            None,
        ));
    }
    let now = SystemClock.now();
    let name = record::name(shim.run, &job.attempt);
    let mut record = Record::new(job.attempt.clone(), engine, name, container, now);
    record.deadline = job
        .timeout_ms
        .and_then(|timeout| after(now, Duration::from_millis(timeout)));
    record.grace_ms = crate::wire::milliseconds(grace);
    record.durable = job.durable_outcome;
    record.log_budget = job.log_budget;
    record.stands_alone = work.stands_alone;
    if !job.limits.is_none() {
        record.limits = Some(match &record.engine.no_limits {
            None => Held::ControlGroup,
            Some(reason) => Held::each_process(&job.limits, false, reason.clone()),
        });
    }
    work.limits = record.limits.clone();
    record.said = record::said(&shim.folder, &job.attempt);
    let secrets_folder = if job.secrets.is_empty() {
        None
    } else {
        let written = secrets::write(&shim.folder, shim.run, &job.attempt, &job.secrets);
        let written = written.and_then(|folder| {
            if record.container.user.is_some() {
                secrets::open_to_container(&folder)?;
            }
            Ok(folder)
        });
        let folder = written.map_err(|error| (format!("no place for the step's secrets: {error}"), None))?;
        record.said = secrets::place_for_said(&folder);
        Some(folder)
    };
    let io = record::io(&shim.folder, &job.attempt);
    let ears = record
        .write(&shim.folder)
        .and_then(|()| open(shim, &record, &work.log))
        .map_err(|error| {
            let reason = format!("what the step's container says cannot be read: {error}");
            (reason, Some(record.clone()))
        })?;
    crashpoint::reach("executor.container-recorded");
    let mut program = std::mem::take(&mut job.shell);
    program.push(std::mem::take(&mut job.script));
    let as_variables = job.secrets.iter().filter(|secret| secret.as_variable);
    let arguments = command::run(&Wanted {
        engine: &record.engine,
        name: &record.name,
        home: &shim.home(),
        run: shim.run,
        attempt: &job.attempt,
        container: &record.container,
        limits: &job.limits,
        folder: &job.folder,
        variables: &job.variables,
        secrets: secrets_folder
            .as_deref()
            .map(|folder| (folder, as_variables.map(|secret| secret.name.as_str()).collect())),
        io: &io,
        said: &record.said,
        program,
        own: (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
    });
    match Starter::spawn(shim, &record.engine, &arguments, &io.join(STARTER), job.nice) {
        Ok(starter) => Ok((record, ears, starter)),
        Err(reason) => Err((reason, Some(record))),
    }
}

fn open(shim: &Shim, record: &Record, log: &LogWriter) -> io::Result<Ears> {
    let io = record::io(&shim.folder, &record.attempt);
    let opened = Ears::open(&record.said, &shim.folder.join(record.attempt.folder()), &io, log);
    opened.map_err(|error| match rustix::io::Errno::from_io_error(&error) {
        Some(rustix::io::Errno::MFILE) => io::Error::other(format!(
            "{error} (hint: raise `fs.inotify.max_user_instances` by sysctl)"
        )),
        _ => error,
    })
}

fn after(from: Timestamp, time: Duration) -> Option<Timestamp> {
    from.checked_add(jiff::SignedDuration::try_from(time).ok()?).ok()
}

/// Whether the container of an earlier shim can be listened to again; otherwise it is of no use any more.
pub(crate) async fn can_be_taken_up(shim: &Shim, record: &Record) -> bool {
    if record.is_of_another_boot() || !record.stands_alone || !said::are_there(&record.said) {
        return false;
    }
    let io = record::io(&shim.folder, &record.attempt);
    life::until_started(&io.join(STARTER), &record.name).await;
    match state(shim, &record.engine, &record.name).await {
        // One that was made and never started does not start by itself.
        Ok(Some(state)) => !matches!(state.status.as_str(), "created" | "configured" | "initialized"),
        Ok(None) => false,
        Err(why) => {
            eprintln!(
                "throughline shim: the engine does not say how {} is: {why}",
                record.name
            );
            false
        }
    }
}

/// Listens to the container of an earlier shim until its end.
pub(crate) async fn take_up(work: &mut Work<'_>, shim: &Arc<Shim>, record: Record) -> Contained {
    work.limits = record.limits.clone();
    work.started_at = record.started_at;
    work.running_now();
    match open(shim, &record, &work.log) {
        Ok(mut ears) => {
            // First what stood in the log already, so that whoever reads along sees no line twice.
            ears.take(&mut work.log, false);
            work.log.note(
                "the process that read what this step says was ended; another one reads on, and what was said in between has come now",
            );
            ears.keep(&work.log);
            listen(work, shim, record, ears, None).await
        }
        Err(error) => Contained {
            ended: Ended::CouldNotStart {
                reason: format!("what it says cannot be read any more: {error}"),
            },
            record: Some(record),
        },
    }
}

/// Listens until the container has ended. Without a starter it runs already.
async fn listen(
    work: &mut Work<'_>,
    shim: &Arc<Shim>,
    record: Record,
    mut ears: Ears,
    mut starter: Option<Starter>,
) -> Contained {
    let known = record.known(&shim.folder);
    let _known = shim.contain(&known, starter.as_ref().map(|starter| starter.identity));
    let io = record::io(&shim.folder, &record.attempt);
    let mut started = starter.is_none();
    let mut end: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = match starter {
        Some(_) => None,
        None => Some(Box::pin(life::over(shim.clone(), known.clone()))),
    };
    let mut cancelled = work.running.cancelled();
    let deadline = time_left(record.deadline).map(|left| Instant::now() + left);
    let (mut ending_it, mut give_up_at) = (None, None);
    let grace = Duration::from_millis(record.grace_ms);
    let gave_up = loop {
        let is_starting = end.is_none();
        let starting = async {
            match &mut starter {
                Some(starter) => starter.ended().await,
                None => std::future::pending().await,
            }
        };
        let ending = async {
            match &mut end {
                Some(end) => end.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = ears.hear() => {
                ears.take(&mut work.log, false);
                if !started && record::status(&io).contains(STARTED) {
                    started = true;
                    crashpoint::reach("executor.container-started");
                    work.started_at = SystemClock.now();
                    work.running_now();
                }
            }
            succeeded = starting, if is_starting => match succeeded {
                true => end = Some(Box::pin(life::over(shim.clone(), known.clone()))),
                false => break false,
            },
            () = ending => break false,
            () = until(deadline), if work.stopped.is_none() => {
                work.log.note("the step took longer than its timeout and is stopped");
                work.stopped = Some(Ended::TimedOut);
                ending_it = Some(tokio::spawn(end_it(shim.clone(), record.clone())));
                give_up_at = Some(Instant::now() + grace + LAST_PATIENCE);
            }
            () = async { drop(cancelled.wait_for(|cancelled| *cancelled).await) }, if work.stopped.is_none() => {
                work.log.note("the step is cancelled");
                work.stopped = Some(Ended::Cancelled);
                ending_it = Some(tokio::spawn(end_it(shim.clone(), record.clone())));
                give_up_at = Some(Instant::now() + grace + LAST_PATIENCE);
            }
            () = until(give_up_at) => break true,
        }
        ears.keep(&work.log);
    };
    if let Some(ending_it) = ending_it {
        ending_it.abort();
    }
    ears.take(&mut work.log, true);
    let status = record::status(&io);
    started |= status.contains(STARTED);
    if gave_up {
        work.log.note("the step's container could not be killed in time");
    }
    let ended = match work.stopped.take() {
        Some(why) => why,
        None if status.contains(NO_PROGRAM) => Ended::CouldNotStart {
            reason: format!(
                "the image `{}` has no program `{}` (hint: name another `shell`, or another image)",
                record.container.image.name, work.program
            ),
        },
        None if started => told(work, shim, &record).await,
        None => Ended::CouldNotStart {
            reason: starter.map_or_else(String::new, |starter| starter.complaint("the container never started")),
        },
    };
    Contained {
        ended,
        record: Some(record),
    }
}

/// How the engine says that a step ended.
async fn told(work: &mut Work<'_>, shim: &Shim, record: &Record) -> Ended {
    let killed = Ended::Signalled {
        signal: Signal::KILL.as_raw(),
    };
    match state(shim, &record.engine, &record.name).await {
        Ok(Some(state)) if state.status == "running" => {
            work.log
                .note("somebody ended the process that watched this step's container");
            killed
        }
        Ok(Some(state)) => {
            if state.out_of_memory {
                work.log.note("the step used more memory than its limit and was killed");
            }
            life::exit(state.code)
        }
        Ok(None) => {
            work.log.note("somebody removed the container of this step");
            killed
        }
        Err(why) => {
            work.log
                .note(&format!("the engine does not say how the step ended: {why}"));
            killed
        }
    }
}

fn time_left(deadline: Option<Timestamp>) -> Option<Duration> {
    let left = deadline?.duration_since(SystemClock.now());
    Some(Duration::try_from(left).unwrap_or(Duration::ZERO))
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Asks every process of the container to end, and kills it after its grace. The engine reaches the first one only; the others are
/// processes of this machine, where the engine is.
async fn end_it(shim: Arc<Shim>, record: Record) {
    let first = match state(&shim, &record.engine, &record.name).await {
        Ok(Some(state)) if state.status == "running" => Identity::of_pid(state.process),
        // It has not started yet: there is nobody to ask, and nothing to kill before the engine has made it.
        Ok(_) => {
            let starter = record::io(&shim.folder, &record.attempt).join(STARTER);
            life::until_started(&starter, &record.name).await;
            return kill(&shim, &record).await;
        }
        Err(_) => None,
    };
    let below = first.map(tree::descendants).unwrap_or_default();
    let _ = shim
        .ask(record.engine.spec(["kill", "--signal=TERM", &record.name]))
        .await;
    tree::signal_all(&below, Signal::TERM);
    tokio::time::sleep(Duration::from_millis(record.grace_ms)).await;
    kill(&shim, &record).await;
}

async fn kill(shim: &Shim, record: &Record) {
    let killed = shim
        .ask(record.engine.spec(["kill", "--signal=KILL", &record.name]))
        .await;
    if killed.is_err() {
        // One that is only just made cannot be killed, and can be removed.
        let _ = life::remove(shim, &record.engine, &record.name).await;
    }
}

/// Removes the container of an attempt that is over, with all that stood for it beside the log.
pub(crate) async fn tidy(shim: &Shim, record: &Record) -> Result<(), String> {
    secrets::remove(&shim.folder, shim.run, &record.attempt);
    life::remove(shim, &record.engine, &record.name).await?;
    record.remove(&shim.folder);
    Ok(())
}
