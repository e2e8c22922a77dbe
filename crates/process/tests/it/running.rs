use std::time::{Duration, Instant};

use process::{Ending, RunError, SpawnError, Spec, run};

fn sh(script: &str) -> Spec {
    Spec::new("sh").args(["-c", script]).pass(["PATH"])
}

const TIME: Duration = Duration::from_secs(20);

#[tokio::test]
async fn input_goes_in_and_both_outputs_come_back() {
    let input = vec![b'x'; 300_000];
    let output = run(sh("cat; echo complaint >&2; exit 3"), &input, TIME, 1 << 20)
        .await
        .unwrap();
    assert_eq!(output.ending, Ending::Code(3));
    assert_eq!(output.stdout, input);
    assert_eq!(output.complaint(), "complaint");
    assert!(!output.truncated);
}

#[tokio::test]
async fn a_command_that_does_not_read_its_input_is_no_failure() {
    let output = run(sh("exit 0"), &vec![b'x'; 1 << 20], TIME, 10).await.unwrap();
    assert!(output.is_success());
}

#[tokio::test]
async fn more_output_than_asked_for_is_cut_and_said() {
    let output = run(sh("head -c 1000000 /dev/zero"), b"", TIME, 1000).await.unwrap();
    assert!(output.is_success());
    assert_eq!((output.stdout.len(), output.truncated), (1000, true));
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_killed_with_all_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let script = "sleep 100 & echo $! > pid; echo $$ >> pid; wait";
    let error = run(sh(script).folder(folder.path()), b"", Duration::from_millis(300), 10)
        .await
        .unwrap_err();
    assert!(matches!(error, RunError::TimedOut { .. }), "{error}");
    for pid in std::fs::read_to_string(folder.path().join("pid"))
        .unwrap()
        .split_whitespace()
    {
        if let Some(process) = process::Identity::of_pid(pid.parse().unwrap()) {
            tokio::time::timeout(TIME, process.ended()).await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn a_child_left_behind_does_not_hold_the_output_open() {
    let started = Instant::now();
    let output = run(sh("echo said; sleep 100 &"), b"", TIME, 100).await.unwrap();
    assert_eq!(output.text(), "said\n");
    assert!(started.elapsed() < TIME);
}

#[tokio::test]
async fn what_cannot_be_started_is_said_plainly() {
    let error = run(Spec::new("no-such-program"), b"", TIME, 1).await.unwrap_err();
    assert!(matches!(error, RunError::Spawn(SpawnError::NoProgram(_))), "{error}");
    let error = run(sh("true").folder("/no/such/folder"), b"", TIME, 1)
        .await
        .unwrap_err();
    assert!(matches!(error, RunError::Spawn(SpawnError::NoFolder(_))), "{error}");
    let error = run(sh("true").arg("x".repeat(200_000)), b"", TIME, 1)
        .await
        .unwrap_err();
    assert!(matches!(error, RunError::Spawn(SpawnError::TooLong(_))), "{error}");
}
