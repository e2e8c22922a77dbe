//! What every executor must do, as tests.
//!
//! An executor's own tests say `executor_conformance!(name, make)`, where `make` gives a [`Bench`].
//! The scripts use what POSIX has, and `setsid`. Everything here panics when the executor is wrong, as
//! tests do.

pub mod image;

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use facts::{Entropy as _, RunId, StepName, SystemEntropy, Timestamp};
use zeroize::Zeroizing;

use crate::logs;
use crate::{Adopted, AttemptKey, Container, Ended, Executor, ExecutorError, Job, Limits, Outcome, SecretForStep};

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// An executor under test.
pub struct Bench {
    /// The executor.
    pub executor: Arc<dyn Executor>,
    /// Makes another one over the same world, as a restarted server does.
    pub again: Box<dyn Fn() -> Arc<dyn Executor> + Send + Sync>,
    /// An empty folder that steps and tests both see under this path.
    pub work: PathBuf,
    /// The run under test.
    pub run: RunId,
    /// The container that jobs run in; absent for processes.
    pub container: Option<Container>,
    /// What is to live as long as the test.
    pub held: Box<dyn Any + Send + Sync>,
}

impl Bench {
    /// A run of its own for a test.
    pub fn fresh_run() -> RunId {
        let mut bytes = [0; 4];
        SystemEntropy.fill(&mut bytes);
        let second = i64::from(u32::from_be_bytes(bytes));
        RunId::new(Timestamp::from_second(second).unwrap_or_default(), &SystemEntropy)
    }

    /// The first attempt of a step.
    ///
    /// # Panics
    /// When the name is no step's.
    #[allow(clippy::unwrap_used)] // reason: test code
    pub fn key(&self, step: &str) -> AttemptKey {
        AttemptKey {
            run: self.run,
            step: StepName::new(step).unwrap(),
            attempt: 1,
        }
    }

    /// A job with a script and nothing special.
    pub fn job(&self, step: &str, script: &str) -> Job {
        Job {
            key: self.key(step),
            script: script.into(),
            shell: ["sh", "-eu", "-c"].map(String::from).into(),
            folder: self.work.clone(),
            variables: [("PATH".to_owned(), PATH.to_owned())].into(),
            secrets: Vec::new(),
            timeout: None,
            durable_outcome: false,
            nice: 0,
            log_budget: 1 << 20,
            limits: Limits::default(),
            container: self.container.clone(),
            services: Vec::new(),
        }
    }

    /// Makes an attempt and waits for its end.
    ///
    /// # Panics
    /// When the executor fails.
    #[allow(clippy::unwrap_used)] // reason: test code
    pub async fn make(&self, job: Job) -> Outcome {
        let key = job.key.clone();
        let outcome = in_time(self.executor.run(job)).await.unwrap();
        // Whoever waits without having started it hears the same.
        assert_eq!(in_time(self.executor.wait(&key)).await.unwrap(), outcome);
        outcome
    }

    /// What the log of a step says, a line each.
    ///
    /// # Panics
    /// When there is no log.
    #[allow(clippy::unwrap_used)] // reason: test code
    pub fn said(&self, step: &str) -> Vec<String> {
        let log = std::fs::read(self.executor.log_path(&self.key(step))).unwrap();
        // Where attempts are not isolated, each log says so; what steps say is the same.
        let lines = logs::lines(&log).map(|line| line.text);
        lines
            .filter(|text| !text.contains(crate::attempt::NOT_ISOLATED))
            .collect()
    }

    /// Waits until the log of a step says this.
    ///
    /// # Panics
    /// When it does not.
    #[allow(clippy::unwrap_used)] // reason: test code
    pub async fn until_said(&self, step: &str, text: &str) {
        let mut log = logs::follow(&self.executor.log_path(&self.key(step))).unwrap();
        in_time(async {
            while let Some(line) = log.next().await.unwrap() {
                if line.text == text {
                    return;
                }
            }
            panic!("the log of {step} ended without {text:?}: {:?}", self.said(step));
        })
        .await;
    }

    /// A script that starts a family of processes which do not want to end and says `ready`, and a
    /// wait for the end of all of them: each holds a pipe open.
    ///
    /// # Panics
    /// When the pipe cannot be made.
    #[allow(clippy::unwrap_used)] // reason: test code
    pub fn family(&self) -> (String, tokio::task::JoinHandle<()>) {
        let pipe = self.work.join("alive");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let gone = tokio::task::spawn_blocking(move || drop(std::fs::read(pipe).unwrap()));
        let script = "exec 9> alive
            sleep 1000 &
            (sleep 1000 & )
            (setsid sh -c 'trap \"\" TERM HUP INT; : > up-1; while :; do sleep 1000; done' & )
            setsid sh -c '(setsid sleep 1000 & ); : > up-2; trap \"\" TERM; sleep 1000' &
            while ! [ -e up-1 ] || ! [ -e up-2 ]; do sleep 0.01; done
            echo ready";
        (script.to_owned(), gone)
    }
}

/// Waits, but not for ever.
///
/// # Panics
/// When the time is over.
#[allow(clippy::expect_used)] // reason: test code
pub async fn in_time<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), wait)
        .await
        .expect("it takes too long")
}

/// Makes a test of each requirement. The second argument is an expression that gives a [`Bench`], or
/// nothing where the executor cannot be had, which it then says.
#[macro_export]
macro_rules! executor_conformance {
    ($module:ident, $make:expr) => {
        $crate::executor_conformance! { @each $module, $make,
            a_step_that_succeeds_leaves_an_outcome_and_a_log,
            exit_codes_and_signals_are_told_apart,
            an_attempt_that_is_started_twice_runs_once,
            what_cannot_be_started_is_an_outcome,
            a_job_that_no_one_could_run_is_refused,
            only_the_stated_variables_reach_the_step,
            secrets_are_files_and_on_request_variables_and_gone_afterwards,
            no_secret_reaches_the_log,
            a_timeout_ends_everything_the_step_started,
            a_cancel_ends_everything_the_step_started,
            a_cancelled_step_may_tidy_up,
            what_a_step_leaves_behind_ends_with_it,
            an_attempt_that_has_ended_keeps_its_outcome,
            a_later_executor_adopts_what_runs,
            a_later_executor_reads_what_has_ended,
            an_attempt_that_never_was_is_lost_and_can_be_started,
            attempts_of_a_run_are_made_side_by_side,
            attempts_of_a_step_are_kept_apart,
            a_log_beyond_its_budget_is_cut_and_the_step_goes_on,
            a_log_is_followed_while_it_is_written,
            closing_a_run_ends_what_runs_in_it,
        }
    };
    (@each $module:ident, $make:expr, $($name:ident),* $(,)?) => {
        mod $module {
            use super::*;
            $(
                #[tokio::test]
                async fn $name() {
                    let Some(bench): Option<$crate::conformance::Bench> = $make.into() else { return };
                    $crate::conformance::checks::$name(&bench).await;
                    // Nothing is left behind, whatever the test did.
                    bench.executor.close(bench.run).await.expect("the run can be closed");
                }
            )*
        }
    };
}

/// The requirements; [`executor_conformance!`](crate::executor_conformance) makes tests of them.
#[allow(missing_docs, clippy::unwrap_used, clippy::missing_panics_doc)] // reason: test code; the names say it
pub mod checks {
    use super::*;

    pub async fn a_step_that_succeeds_leaves_an_outcome_and_a_log(bench: &Bench) {
        let outcome = bench
            .make(bench.job("one", "echo out; echo err >&2; pwd > where"))
            .await;
        assert_eq!(outcome.ended, Ended::Succeeded);
        assert!(outcome.started_at <= outcome.finished_at && !outcome.log_truncated);
        match &bench.container {
            None => assert!(outcome.peak_memory_kib > 0 && outcome.container.is_none()),
            Some(container) => assert_eq!(outcome.container.unwrap().digest, container.image.digest),
        }
        let mut said = bench.said("one");
        said.sort();
        assert_eq!(said, ["err", "out"]);
        let place = std::fs::read_to_string(bench.work.join("where")).unwrap();
        assert_eq!(PathBuf::from(place.trim_end()), bench.work.canonicalize().unwrap());
    }

    pub async fn exit_codes_and_signals_are_told_apart(bench: &Bench) {
        assert_eq!(
            bench.make(bench.job("code", "exit 7")).await.ended,
            Ended::Failed { code: 7 }
        );
        assert_eq!(
            bench.make(bench.job("signal", "kill -9 $$")).await.ended,
            Ended::Signalled { signal: 9 }
        );
        assert_eq!(
            bench.make(bench.job("unset", "echo $NO_SUCH")).await.ended,
            Ended::Failed { code: 2 }
        );
    }

    pub async fn an_attempt_that_is_started_twice_runs_once(bench: &Bench) {
        let job = || bench.job("once", "echo x >> count; sleep 0.1");
        let (one, two) = tokio::join!(bench.executor.start(job()), bench.executor.start(job()));
        one.unwrap();
        two.unwrap();
        bench.make(job()).await;
        bench.make(job()).await;
        assert_eq!(std::fs::read_to_string(bench.work.join("count")).unwrap(), "x\n");
    }

    pub async fn what_cannot_be_started_is_an_outcome(bench: &Bench) {
        let mut job = bench.job("shell", "true");
        job.shell = vec!["/no/such/shell".into()];
        let Ended::CouldNotStart { reason } = bench.make(job).await.ended else {
            panic!("it started")
        };
        assert!(reason.contains("/no/such/shell"), "{reason}");
        let mut job = bench.job("folder", "true");
        job.folder = bench.work.join("missing");
        assert!(matches!(bench.make(job).await.ended, Ended::CouldNotStart { .. }));
        let job = bench.job("long", &"x".repeat(300_000));
        assert!(matches!(bench.make(job).await.ended, Ended::CouldNotStart { .. }));
        assert_eq!(bench.make(bench.job("after", "true")).await.ended, Ended::Succeeded);
    }

    pub async fn a_job_that_no_one_could_run_is_refused(bench: &Bench) {
        let refused = async |change: fn(&mut Job)| {
            let mut job = bench.job("bad", "true");
            change(&mut job);
            let error = bench.executor.start(job).await.unwrap_err();
            assert!(matches!(error, ExecutorError::Invalid { .. }), "{error}");
        };
        refused(|job| job.shell.clear()).await;
        refused(|job| job.folder = "relative".into()).await;
        refused(|job| drop(job.variables.insert("A=B".into(), "x".into()))).await;
        refused(|job| job.script = "x".repeat(20 << 20)).await;
        refused(|job| {
            let value = Zeroizing::new("value".to_owned());
            job.secrets.push(SecretForStep {
                name: "../up".into(),
                value,
                as_variable: false,
            });
        })
        .await;
    }

    pub async fn only_the_stated_variables_reach_the_step(bench: &Bench) {
        let mut job = bench.job("variables", "env");
        job.variables.insert("ANSWER".into(), "forty two".into());
        bench.make(job).await;
        // Shells add these of their own.
        let mut own = vec!["PWD=", "OLDPWD=", "SHLVL=", "_="];
        if bench.container.is_some() {
            own.extend(["HOME=", "HOSTNAME=", "TERM=", "container="]);
        }
        let mut said = bench.said("variables");
        said.retain(|line| !own.iter().any(|own| line.starts_with(own)));
        said.sort();
        assert_eq!(said, ["ANSWER=forty two", "PATH=/usr/local/bin:/usr/bin:/bin"]);
    }

    pub async fn secrets_are_files_and_on_request_variables_and_gone_afterwards(bench: &Bench) {
        let script = "echo $THROUGHLINE_SECRETS > where
            cat $THROUGHLINE_SECRETS/FILE_ONLY > seen
            echo ${FILE_ONLY-none} $BOTH >> seen
            ls -ld $THROUGHLINE_SECRETS | cut -c1-10 >> seen
            ls -l $THROUGHLINE_SECRETS | cut -c1-10 | sort -u >> seen
            tr '\\0' ' ' < /proc/$$/cmdline > cmdline";
        let mut job = bench.job("secret", script);
        for (name, as_variable) in [("FILE_ONLY", false), ("BOTH", true)] {
            let value = Zeroizing::new(format!("{name}-value\n"));
            job.secrets.push(SecretForStep {
                name: name.into(),
                value,
                as_variable,
            });
        }
        assert_eq!(bench.make(job).await.ended, Ended::Succeeded);
        let read = |name| std::fs::read_to_string(bench.work.join(name)).unwrap();
        assert_eq!(
            read("seen"),
            "FILE_ONLY-value\nnone BOTH-value\ndrwx------\n-r--------\ntotal 8\n"
        );
        assert!(!read("cmdline").contains("-value"));
        assert!(!PathBuf::from(read("where").trim_end()).exists());
    }

    pub async fn no_secret_reaches_the_log(bench: &Bench) {
        let script =
            "printf open; cat $THROUGHLINE_SECRETS/TOKEN; printf -- - ; printf sesame-; sleep 0.05; printf street >&2
            sleep 0.05; printf 'street\\n'; base64 $THROUGHLINE_SECRETS/TOKEN >&2";
        let mut job = bench.job("leak", script);
        let value = Zeroizing::new("sesame-street".to_owned());
        job.secrets.push(SecretForStep {
            name: "TOKEN".into(),
            value,
            as_variable: true,
        });
        bench.make(job).await;
        let mut said = bench.said("leak");
        said.sort();
        assert_eq!(said, ["open***-***", "street***"]);
    }

    pub async fn a_timeout_ends_everything_the_step_started(bench: &Bench) {
        let (script, gone) = bench.family();
        let mut job = bench.job("slow", &format!("{script}; sleep 1000"));
        // Long enough that the family is complete on a busy machine, and no condition hangs on it.
        job.timeout = Some(Duration::from_millis(700));
        assert_eq!(bench.make(job).await.ended, Ended::TimedOut);
        in_time(gone).await.unwrap();
    }

    pub async fn a_cancel_ends_everything_the_step_started(bench: &Bench) {
        let (script, gone) = bench.family();
        let key = bench.key("cancelled");
        bench
            .executor
            .start(bench.job("cancelled", &format!("{script}; sleep 1000")))
            .await
            .unwrap();
        bench.until_said("cancelled", "ready").await;
        bench.executor.cancel(&key).await.unwrap();
        bench.executor.cancel(&key).await.unwrap();
        assert_eq!(
            in_time(bench.executor.wait(&key)).await.unwrap().ended,
            Ended::Cancelled
        );
        in_time(gone).await.unwrap();
    }

    pub async fn a_cancelled_step_may_tidy_up(bench: &Bench) {
        let script = "trap 'echo tidy > tidied; exit 0' TERM; echo ready; while :; do sleep 0.02 || :; done";
        bench.executor.start(bench.job("tidy", script)).await.unwrap();
        bench.until_said("tidy", "ready").await;
        bench.executor.cancel(&bench.key("tidy")).await.unwrap();
        assert_eq!(
            in_time(bench.executor.wait(&bench.key("tidy"))).await.unwrap().ended,
            Ended::Cancelled
        );
        assert!(bench.work.join("tidied").exists());
    }

    pub async fn what_a_step_leaves_behind_ends_with_it(bench: &Bench) {
        let (script, gone) = bench.family();
        assert_eq!(bench.make(bench.job("leaves", &script)).await.ended, Ended::Succeeded);
        in_time(gone).await.unwrap();
    }

    pub async fn an_attempt_that_has_ended_keeps_its_outcome(bench: &Bench) {
        let outcome = bench.make(bench.job("ended", "exit 3")).await;
        bench.executor.cancel(&bench.key("ended")).await.unwrap();
        bench.executor.close(bench.run).await.unwrap();
        bench.executor.start(bench.job("ended", "exit 4")).await.unwrap();
        assert_eq!(bench.executor.wait(&bench.key("ended")).await.unwrap(), outcome);
        assert_eq!(
            bench.executor.adopt(&bench.key("ended")).await.unwrap(),
            Adopted::Finished(outcome)
        );
    }

    pub async fn a_later_executor_adopts_what_runs(bench: &Bench) {
        let key = bench.key("adopted");
        let script = "while ! [ -e go ]; do sleep 0.01; done; echo went";
        bench.executor.start(bench.job("adopted", script)).await.unwrap();
        let later = (bench.again)();
        assert_eq!(later.adopt(&key).await.unwrap(), Adopted::Running);
        later.start(bench.job("adopted", script)).await.unwrap();
        let wait = tokio::spawn(async move { later.wait(&key).await });
        std::fs::write(bench.work.join("go"), "").unwrap();
        assert_eq!(in_time(wait).await.unwrap().unwrap().ended, Ended::Succeeded);
        assert_eq!(bench.said("adopted"), ["went"]);
    }

    pub async fn a_later_executor_reads_what_has_ended(bench: &Bench) {
        let outcome = bench.make(bench.job("done", "exit 5")).await;
        let later = (bench.again)();
        assert_eq!(
            later.adopt(&bench.key("done")).await.unwrap(),
            Adopted::Finished(outcome.clone())
        );
        assert_eq!(later.wait(&bench.key("done")).await.unwrap(), outcome);
    }

    pub async fn an_attempt_that_never_was_is_lost_and_can_be_started(bench: &Bench) {
        let key = bench.key("never");
        assert_eq!(bench.executor.adopt(&key).await.unwrap(), Adopted::Lost);
        assert!(matches!(
            bench.executor.wait(&key).await,
            Err(ExecutorError::Unknown(_))
        ));
        bench.executor.cancel(&key).await.unwrap();
        assert_eq!(bench.make(bench.job("other", "true")).await.ended, Ended::Succeeded);
        assert!(matches!(
            bench.executor.wait(&key).await,
            Err(ExecutorError::Unknown(_))
        ));
        assert_eq!(bench.make(bench.job("never", "true")).await.ended, Ended::Succeeded);
    }

    pub async fn attempts_of_a_run_are_made_side_by_side(bench: &Bench) {
        let meet = |me: &str, other: &str| format!(": > {me}; while ! [ -e {other} ]; do sleep 0.01; done");
        let one = bench.make(bench.job("one", &meet("a", "b")));
        let two = bench.make(bench.job("two", &meet("b", "a")));
        let (one, two) = tokio::join!(one, two);
        assert_eq!((one.ended, two.ended), (Ended::Succeeded, Ended::Succeeded));
    }

    pub async fn attempts_of_a_step_are_kept_apart(bench: &Bench) {
        let mut second = bench.job("again", "echo second");
        second.key.attempt = 2;
        let second_key = second.key.clone();
        assert_eq!(
            bench.make(bench.job("again", "echo first; exit 1")).await.ended,
            Ended::Failed { code: 1 }
        );
        assert_eq!(bench.make(second).await.ended, Ended::Succeeded);
        assert_eq!(bench.said("again"), ["first"]);
        let log = std::fs::read(bench.executor.log_path(&second_key)).unwrap();
        assert_eq!(logs::lines(&log).map(|line| line.text).collect::<Vec<_>>(), ["second"]);
    }

    pub async fn a_log_beyond_its_budget_is_cut_and_the_step_goes_on(bench: &Bench) {
        let mut job = bench.job("loud", "yes | head -c 3000000; : > finished");
        job.log_budget = 10_000;
        let outcome = bench.make(job).await;
        assert_eq!((outcome.ended, outcome.log_truncated), (Ended::Succeeded, true));
        assert!(bench.work.join("finished").exists());
        let size = std::fs::metadata(bench.executor.log_path(&bench.key("loud")))
            .unwrap()
            .len();
        assert!((9_000..11_000).contains(&size), "{size}");
        assert!(bench.said("loud").last().unwrap().contains("dropped"));
    }

    pub async fn a_log_is_followed_while_it_is_written(bench: &Bench) {
        let script = "for n in 1 2 3; do echo $n; while ! [ -e seen-$n ]; do sleep 0.01; done; done; printf last";
        bench.executor.start(bench.job("live", script)).await.unwrap();
        let path = bench.executor.log_path(&bench.key("live"));
        let mut log = logs::follow(&path).unwrap();
        // Each line is there before the next one is said.
        for expected in ["1", "2", "3"] {
            assert_eq!(in_time(log.next()).await.unwrap().unwrap().text, expected);
            std::fs::write(bench.work.join(format!("seen-{expected}")), "").unwrap();
        }
        let position = log.position();
        assert_eq!(in_time(log.next()).await.unwrap().unwrap().text, "last");
        assert_eq!(in_time(log.next()).await.unwrap(), None);
        let mut later = logs::follow_from(&path, position).unwrap();
        assert_eq!(in_time(later.next()).await.unwrap().unwrap().text, "last");
        assert_eq!(in_time(later.next()).await.unwrap(), None);
    }

    pub async fn closing_a_run_ends_what_runs_in_it(bench: &Bench) {
        let (script, gone) = bench.family();
        bench
            .executor
            .start(bench.job("open", &format!("{script}; sleep 1000")))
            .await
            .unwrap();
        bench.until_said("open", "ready").await;
        in_time(bench.executor.close(bench.run)).await.unwrap();
        in_time(gone).await.unwrap();
        assert_eq!(
            bench.executor.wait(&bench.key("open")).await.unwrap().ended,
            Ended::Cancelled
        );
        bench.executor.close(bench.run).await.unwrap();
    }
}
