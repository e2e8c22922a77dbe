use std::time::Duration;

use executor::conformance::in_time;
use executor::{Adopted, Ended, ExecutorError, IsolationMode};
use process::{Ending, Signal};

use crate::support::{local, local_with, number_in, says, shim, starter, step_and_keeper};

/// Counts how often it runs, waits for `go`, and says so.
const COUNTED: &str = "echo x >> count; while ! [ -e go ]; do sleep 0.01; done; echo went";

#[tokio::test]
async fn an_attempt_outlives_the_kill_of_its_starter_and_is_adopted() {
    let bench = local();
    let mut server = starter(&bench, "step", COUNTED, "");
    assert_eq!(says(&mut server, "started").await, ["started"]);
    server.signal(Signal::KILL).unwrap();
    assert_eq!(server.wait().await.unwrap().ending, Ending::Signal(9));

    let key = bench.key("step");
    assert_eq!(bench.executor.adopt(&key).await.unwrap(), Adopted::Running);
    std::fs::write(bench.work.join("go"), "").unwrap();
    assert_eq!(
        in_time(bench.executor.wait(&key)).await.unwrap().ended,
        Ended::Succeeded
    );
    assert_eq!(bench.said("step"), ["went"]);
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn an_attempt_that_ends_while_no_server_is_there_leaves_its_outcome() {
    let bench = local();
    let mut server = starter(&bench, "step", COUNTED, "");
    says(&mut server, "started").await;
    server.signal(Signal::KILL).unwrap();
    server.wait().await.unwrap();
    let path = bench.executor.log_path(&bench.key("step"));
    std::fs::write(bench.work.join("go"), "").unwrap();
    // The end of the log comes with the outcome.
    let mut log = executor::logs::follow(&path).unwrap();
    while in_time(log.next()).await.unwrap().is_some() {}
    let Adopted::Finished(outcome) = bench.executor.adopt(&bench.key("step")).await.unwrap() else {
        panic!("the outcome is there");
    };
    assert_eq!(outcome.ended, Ended::Succeeded);
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn a_killed_shim_takes_its_attempts_with_it_and_they_are_lost() {
    let bench = local();
    let (script, gone) = bench.family();
    let mut job = bench.job(
        "step",
        &format!("echo $THROUGHLINE_SECRETS > where; {script}; sleep 1000"),
    );
    let value = zeroize::Zeroizing::new("a-secret".to_owned());
    job.secrets.push(executor::SecretForStep {
        name: "S".into(),
        value,
        as_variable: false,
    });
    bench.executor.start(job.clone()).await.unwrap();
    bench.until_said("step", "ready").await;
    let waiting = {
        let again = (bench.again)();
        let key = bench.key("step");
        tokio::spawn(async move { again.wait(&key).await })
    };
    let shim = shim(&bench).unwrap();
    shim.signal(Signal::KILL).unwrap();

    // Whoever says that it is lost says so only when nothing of it runs any more.
    assert!(matches!(in_time(waiting).await.unwrap(), Err(ExecutorError::Lost(_))));
    assert_eq!(bench.executor.adopt(&bench.key("step")).await.unwrap(), Adopted::Lost);
    assert!(gone.is_finished() || in_time(gone).await.is_ok());
    let secrets = std::fs::read_to_string(bench.work.join("where")).unwrap();
    assert!(!std::path::Path::new(secrets.trim_end()).exists());

    // It is never run again under the same key, but the run goes on under another shim.
    assert!(matches!(bench.executor.start(job).await, Err(ExecutorError::Lost(_))));
    assert_eq!(bench.make(bench.job("next", "true")).await.ended, Ended::Succeeded);
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn who_waits_for_what_it_started_hears_that_it_is_lost_and_reaches_the_next_shim() {
    let bench = local();
    assert_eq!(bench.make(bench.job("first", "true")).await.ended, Ended::Succeeded);
    let job = bench.job("step", "echo ready; sleep 1000");
    // Its log is there once it is started; running it then is waiting for it.
    bench.executor.start(job.clone()).await.unwrap();
    let running = {
        let executor = bench.executor.clone();
        tokio::spawn(async move { executor.run(job).await })
    };
    bench.until_said("step", "ready").await;
    shim(&bench).unwrap().signal(Signal::KILL).unwrap();
    assert!(matches!(in_time(running).await.unwrap(), Err(ExecutorError::Lost(_))));
    assert_eq!(bench.make(bench.job("next", "true")).await.ended, Ended::Succeeded);
    // A connection that was kept is of no use after this.
    let shim = shim(&bench).unwrap();
    shim.signal(Signal::KILL).unwrap();
    shim.ended().await.unwrap();
    assert_eq!(bench.make(bench.job("last", "true")).await.ended, Ended::Succeeded);
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn an_attempt_is_not_lost_before_the_last_of_its_processes_has_ended() {
    let bench = local();
    let script = "echo $$ > step; echo ready; sleep 1000";
    bench.executor.start(bench.job("step", script)).await.unwrap();
    bench.until_said("step", "ready").await;
    let (step, keeper) = step_and_keeper(&bench, number_in(&bench, "step"));
    // The keeper is held up, so the step lives on although its shim is dead.
    keeper.signal(Signal::STOP).unwrap();
    let shim = shim(&bench).unwrap();
    shim.signal(Signal::KILL).unwrap();
    shim.ended().await.unwrap();
    let key = bench.key("step");
    let adopting = bench.executor.adopt(&key);
    tokio::pin!(adopting);
    assert!(
        tokio::time::timeout(Duration::from_millis(300), &mut adopting)
            .await
            .is_err()
    );
    keeper.signal(Signal::CONT).unwrap();
    assert_eq!(in_time(adopting).await.unwrap(), Adopted::Lost);
    assert!(!step.is_alive());
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn what_a_step_says_last_is_in_its_log_however_late_the_shim_reads_it() {
    let bench = local();
    let script = "echo $$ > pid; echo ready; while ! [ -e go ]; do sleep 0.01; done; seq 1 5000";
    bench.executor.start(bench.job("step", script)).await.unwrap();
    bench.until_said("step", "ready").await;
    let (step, _) = step_and_keeper(&bench, number_in(&bench, "pid"));
    let shim = shim(&bench).unwrap();
    shim.signal(Signal::STOP).unwrap();
    std::fs::write(bench.work.join("go"), "").unwrap();
    in_time(step.ended()).await.unwrap();
    // Time for the keeper's report to come before the shim has read a byte.
    tokio::time::sleep(Duration::from_millis(100)).await;
    shim.signal(Signal::CONT).unwrap();
    assert_eq!(
        in_time(bench.executor.wait(&bench.key("step"))).await.unwrap().ended,
        Ended::Succeeded
    );
    assert_eq!(bench.said("step").last().unwrap(), "5000");
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn a_step_that_is_not_isolated_and_kills_its_keeper_dies_with_all_it_started() {
    let bench = local_with(|options| options.isolation = IsolationMode::Off);
    let (script, gone) = bench.family();
    let outcome = bench
        .make(bench.job("step", &format!("{script}; kill -KILL $PPID; sleep 1000")))
        .await;
    assert_eq!(outcome.ended, Ended::Signalled { signal: 9 });
    in_time(gone).await.unwrap();
    // A polite signal does nothing to a keeper.
    assert_eq!(
        bench.make(bench.job("polite", "kill $PPID; sleep 0.05")).await.ended,
        Ended::Succeeded
    );
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn an_idle_keeper_that_was_killed_costs_nothing() {
    let bench = local();
    bench.make(bench.job("one", "true")).await;
    // What is left below the shim is its keeper.
    let keeper = process::tree::descendants(shim(&bench).unwrap())[0];
    keeper.signal(Signal::KILL).unwrap();
    keeper.ended().await.unwrap();
    assert_eq!(bench.make(bench.job("two", "true")).await.ended, Ended::Succeeded);
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn a_crash_at_any_point_runs_the_step_at_most_once_and_never_leaves_it_in_doubt() {
    // Where the starter or the shim dies, and whether the step can have run by then.
    let points = [
        ("executor.shim-spawn", Some(0)),
        ("executor.shim-spawned", Some(0)),
        ("executor.begin", Some(0)),
        ("executor.begun", Some(0)),
        ("executor.spawned", None),
        ("executor.outcome-written", Some(1)),
        ("executor.outcome-renamed", Some(1)),
    ];
    for (point, expected) in points {
        let bench = local();
        std::fs::write(bench.work.join("go"), "").unwrap();
        let mut server = starter(&bench, "step", COUNTED, &format!("{point}:1"));
        in_time(server.wait()).await.unwrap();

        let key = bench.key("step");
        let count = || {
            std::fs::read_to_string(bench.work.join("count"))
                .unwrap_or_default()
                .lines()
                .count()
        };
        let adopted = bench.executor.adopt(&key).await.unwrap();
        let ran = count();
        if let Some(expected) = expected {
            assert_eq!(ran, expected, "{point}");
        }
        // As a restarted server does that has the claim of the attempt and no more.
        let started = bench.executor.start(bench.job("step", COUNTED)).await;
        match (point, adopted) {
            ("executor.shim-spawn" | "executor.shim-spawned" | "executor.begin", Adopted::Lost) => {
                started.unwrap();
                assert_eq!(
                    in_time(bench.executor.wait(&key)).await.unwrap().ended,
                    Ended::Succeeded,
                    "{point}"
                );
                assert_eq!(count(), 1, "{point}");
            }
            ("executor.begun" | "executor.spawned" | "executor.outcome-written", Adopted::Lost) => {
                assert!(matches!(started, Err(ExecutorError::Lost(_))), "{point}");
                assert_eq!(count(), ran, "{point}");
            }
            ("executor.outcome-renamed", Adopted::Finished(outcome)) => {
                started.unwrap();
                assert_eq!((outcome.ended, count()), (Ended::Succeeded, 1), "{point}");
            }
            (point, adopted) => panic!("{point} gave {adopted:?}"),
        }
        bench.executor.close(bench.run).await.unwrap();
    }
}

#[tokio::test]
async fn a_shim_that_is_alone_for_long_exits_and_the_next_attempt_gets_another() {
    let bench = local_with(|options| options.idle = Duration::from_millis(100));
    bench.make(bench.job("one", "true")).await;
    if let Some(shim) = shim(&bench) {
        in_time(shim.ended()).await.unwrap();
    }
    assert_eq!(bench.make(bench.job("two", "true")).await.ended, Ended::Succeeded);

    // While something runs it stays, however long nobody asks.
    bench.executor.start(bench.job("three", COUNTED)).await.unwrap();
    let before = shim(&bench).unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(
        bench.executor.adopt(&bench.key("three")).await.unwrap(),
        Adopted::Running
    );
    assert!(before.is_alive());
    bench.executor.close(bench.run).await.unwrap();
    in_time(before.ended()).await.unwrap();
}

#[tokio::test]
async fn a_shim_that_cannot_start_says_why() {
    let bench = local_with(|options| options.program = "/no/such/program".into());
    let error = bench.executor.start(bench.job("one", "true")).await.unwrap_err();
    assert!(matches!(error, ExecutorError::Shim { .. }), "{error}");
    let bench = local_with(|options| options.program = "/bin/false".into());
    let error = bench.executor.start(bench.job("one", "true")).await.unwrap_err();
    assert!(matches!(error, ExecutorError::Shim { .. }), "{error}");
}
