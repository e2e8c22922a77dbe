//! Steps in real containers, of an image that is made here: nothing is fetched.

use executor::conformance::image::{IMAGE, command, engine, image, remembered};
use executor::conformance::{Bench, in_time};
use executor::{Adopted, Container, Ended, Executor as _, ExecutorError, Limits, LocalExecutor, Pull};
use process::{Ending, Signal};

use crate::support::{local, local_with, options, run_folder, says, shim, starter};

/// A bench whose steps run in containers; nothing, and a word why, where there is no engine.
pub async fn contained() -> Option<Bench> {
    let mut bench = local();
    match found(&bench).await {
        Ok(container) => {
            bench.container = Some(container);
            Some(bench)
        }
        Err(why) => {
            testkit::skip(testkit::Need::Containers, &why);
            None
        }
    }
}

/// What one test found out about the engine, the others need not.
async fn found(bench: &Bench) -> Result<Container, String> {
    let data = run_folder(bench).ancestors().nth(2).unwrap().join("containers.json");
    let shared = remembered();
    let lock = std::fs::File::create(shared.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let _ = std::fs::copy(&shared, &data);
    let found = looked_for(bench).await;
    let _ = std::fs::copy(&data, &shared);
    found
}

async fn looked_for(bench: &Bench) -> Result<Container, String> {
    let folder = tempfile::tempdir().unwrap();
    Ok(Container {
        image: image(&*bench.executor, folder.path()).await?,
        user: None,
        folders: vec![bench.work.clone()],
    })
}

/// The containers that are there of a run.
pub async fn containers_of(bench: &Bench) -> Vec<String> {
    let filter = format!("label=throughline.run={}", bench.run);
    let listed = command(&[engine().1, "ps", "-a", "--filter", &filter, "--format", "{{.Names}}"]).await;
    listed.unwrap().lines().map(str::to_owned).collect()
}

/// Says that it is ready, waits for `go`, and says so.
const WAITING: &str = "echo x >> count; echo ready; while ! [ -e go ]; do sleep 0.01; done; echo went";

#[tokio::test]
async fn a_container_outlives_server_and_shim_and_is_taken_up() {
    let Some(bench) = contained().await else { return };
    let mut server = starter(&bench, "step", WAITING, "");
    assert_eq!(says(&mut server, "started").await, ["started"]);
    bench.until_said("step", "ready").await;
    server.signal(Signal::KILL).unwrap();
    assert_eq!(server.wait().await.unwrap().ending, Ending::Signal(9));
    let first = shim(&bench).unwrap();
    first.signal(Signal::KILL).unwrap();
    first.ended().await.unwrap();

    let key = bench.key("step");
    assert_eq!(bench.executor.adopt(&key).await.unwrap(), Adopted::Running);
    assert_eq!(containers_of(&bench).await.len(), 1);
    std::fs::write(bench.work.join("go"), "").unwrap();
    let outcome = in_time(bench.executor.wait(&key)).await.unwrap();
    assert_eq!(outcome.ended, Ended::Succeeded);
    let said = bench.said("step");
    assert_eq!(
        (said[0].as_str(), said.last().unwrap().as_str()),
        ("ready", "went"),
        "{said:?}"
    );
    // It ran once, and nothing is left of it.
    assert_eq!(std::fs::read_to_string(bench.work.join("count")).unwrap(), "x\n");
    assert!(containers_of(&bench).await.is_empty());
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn a_shim_that_takes_a_container_up_still_masks_its_secrets() {
    let Some(bench) = contained().await else { return };
    let mut job = bench.job("step", &format!("{WAITING}; cat $THROUGHLINE_SECRETS/TOKEN"));
    job.secrets.push(executor::SecretForStep {
        name: "TOKEN".into(),
        value: zeroize::Zeroizing::new("open-sesame".to_owned()),
        as_variable: false,
    });
    bench.executor.start(job).await.unwrap();
    bench.until_said("step", "ready").await;
    let first = shim(&bench).unwrap();
    first.signal(Signal::KILL).unwrap();
    first.ended().await.unwrap();
    let again = (bench.again)();
    assert_eq!(again.adopt(&bench.key("step")).await.unwrap(), Adopted::Running);
    std::fs::write(bench.work.join("go"), "").unwrap();
    let outcome = in_time(again.wait(&bench.key("step"))).await.unwrap();
    assert_eq!(outcome.ended, Ended::Succeeded);
    assert_eq!(bench.said("step").last().unwrap(), "***");
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn a_container_that_ended_while_nobody_listened_still_has_its_outcome() {
    let Some(bench) = contained().await else { return };
    bench
        .executor
        .start(bench.job("step", &format!("{WAITING}; exit 7")))
        .await
        .unwrap();
    bench.until_said("step", "ready").await;
    let first = shim(&bench).unwrap();
    first.signal(Signal::KILL).unwrap();
    first.ended().await.unwrap();
    std::fs::write(bench.work.join("go"), "").unwrap();
    let name = containers_of(&bench).await.pop().unwrap();
    in_time(command(&[engine().1, "wait", &name])).await.unwrap();
    let outcome = in_time(bench.executor.wait(&bench.key("step"))).await;
    let outcome = outcome.unwrap_or_else(|error| {
        panic!(
            "{error}: {}",
            std::fs::read_to_string(run_folder(&bench).join("shim.log")).unwrap()
        )
    });
    assert_eq!(outcome.ended, Ended::Failed { code: 7 });
    assert!(containers_of(&bench).await.is_empty());
    bench.executor.close(bench.run).await.unwrap();
}

/// Ends the shim of the bench's run, as a machine without memory would.
async fn end_shim(bench: &Bench) {
    let shim = shim(bench).unwrap();
    shim.signal(Signal::KILL).unwrap();
    shim.ended().await.unwrap();
}

/// What was said that is a number, without notes on the attempt.
fn numbers(said: &[String], before: &str) -> Vec<usize> {
    let numbers = said.iter().filter_map(|line| line.strip_prefix(before)?.parse().ok());
    numbers.collect()
}

#[tokio::test]
async fn each_line_is_read_once_and_in_order_however_often_the_shim_is_killed() {
    let Some(bench) = contained().await else { return };
    // Both channels at once, without a pause, until it is told to end.
    let script =
        "i=0; while ! [ -e go ]; do echo out $i; echo err $i >&2; i=$((i+1)); usleep 300; done; echo $i > count";
    bench.executor.start(bench.job("step", script)).await.unwrap();
    let key = bench.key("step");
    for round in 0..4 {
        bench.until_said("step", &format!("out {}", 100 + round * 200)).await;
        end_shim(&bench).await;
        if round % 2 == 0 {
            // Much is said while nobody reads.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert_eq!(bench.executor.adopt(&key).await.unwrap(), Adopted::Running);
    }
    std::fs::write(bench.work.join("go"), "").unwrap();
    let outcome = in_time(bench.executor.wait(&key)).await.unwrap();
    assert_eq!((outcome.ended, outcome.log_truncated), (Ended::Succeeded, false));
    let count: usize = std::fs::read_to_string(bench.work.join("count"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let said = bench.said("step");
    let expected: Vec<usize> = (0..count).collect();
    for before in ["out ", "err "] {
        assert!(numbers(&said, before) == expected, "{before}: {said:?}");
    }
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn what_is_said_to_the_end_while_nobody_reads_is_not_lost_and_stays_masked() {
    let Some(bench) = contained().await else { return };
    // Far more than a pipe holds.
    let script =
        format!("{WAITING}; i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; echo $TOKEN; printf end");
    let mut job = bench.job("step", &script);
    job.secrets.push(executor::SecretForStep {
        name: "TOKEN".into(),
        value: zeroize::Zeroizing::new("open-sesame".to_owned()),
        as_variable: true,
    });
    bench.executor.start(job).await.unwrap();
    bench.until_said("step", "ready").await;
    end_shim(&bench).await;
    let name = containers_of(&bench).await.pop().unwrap();
    std::fs::write(bench.work.join("go"), "").unwrap();
    in_time(command(&[engine().1, "wait", &name])).await.unwrap();
    let on_disk = files_with(&run_folder(&bench), b"open-sesame");
    let outcome = in_time(bench.executor.wait(&bench.key("step"))).await.unwrap();
    assert_eq!((outcome.ended, outcome.log_truncated), (Ended::Succeeded, false));
    let said = bench.said("step");
    assert!(
        numbers(&said, "line ") == (0..20_000).collect::<Vec<_>>(),
        "{} lines",
        said.len()
    );
    // The note that another one reads on stands after what was read at once.
    let after: Vec<&str> = said.iter().rev().take(3).map(String::as_str).collect();
    assert!(after.contains(&"end") && after.contains(&"***"), "{after:?}");
    // Unmasked it was in memory alone, and there it is not any more.
    assert!(on_disk.is_empty(), "{on_disk:?}");
    bench.executor.close(bench.run).await.unwrap();
    let user = rustix::process::geteuid().as_raw();
    let memory = std::path::PathBuf::from(format!("/dev/shm/throughline-{user}"));
    let of_run = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().contains(&bench.run.to_string());
    let left = std::fs::read_dir(memory).into_iter().flatten().flatten().any(of_run);
    assert!(!left);
}

/// The files below a folder that hold these bytes.
fn files_with(folder: &std::path::Path, bytes: &[u8]) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, bytes));
        } else if let Ok(held) = std::fs::read(&path)
            && held.windows(bytes.len()).any(|window| window == bytes)
        {
            found.push(path);
        }
    }
    found
}

#[tokio::test]
async fn a_container_whose_shim_is_gone_can_be_cancelled_and_its_run_closed() {
    let Some(bench) = contained().await else { return };
    for step in ["cancelled", "closed"] {
        let script = "echo ready; trap 'exit 0' TERM; while :; do sleep 0.02 || :; done";
        bench.executor.start(bench.job(step, script)).await.unwrap();
        bench.until_said(step, "ready").await;
    }
    let first = shim(&bench).unwrap();
    first.signal(Signal::KILL).unwrap();
    first.ended().await.unwrap();
    let key = bench.key("cancelled");
    bench.executor.cancel(&key).await.unwrap();
    assert_eq!(
        in_time(bench.executor.wait(&key)).await.unwrap().ended,
        Ended::Cancelled
    );
    in_time(bench.executor.close(bench.run)).await.unwrap();
    assert!(containers_of(&bench).await.is_empty());
}

#[tokio::test]
async fn closing_a_run_without_a_shim_ends_its_containers() {
    let Some(bench) = contained().await else { return };
    bench
        .executor
        .start(bench.job("step", "echo ready; sleep 1000"))
        .await
        .unwrap();
    bench.until_said("step", "ready").await;
    let first = shim(&bench).unwrap();
    first.signal(Signal::KILL).unwrap();
    first.ended().await.unwrap();
    in_time(bench.executor.close(bench.run)).await.unwrap();
    assert!(containers_of(&bench).await.is_empty());
    assert_eq!(bench.executor.adopt(&bench.key("step")).await.unwrap(), Adopted::Lost);
}

#[tokio::test]
async fn containers_that_nobody_asks_for_any_more_are_removed_and_others_left_alone() {
    let Some(bench) = contained().await else { return };
    bench.executor.start(bench.job("goes-on", WAITING)).await.unwrap();
    bench.executor.start(bench.job("forgotten", WAITING)).await.unwrap();
    for step in ["goes-on", "forgotten"] {
        bench.until_said(step, "ready").await;
    }
    let first = shim(&bench).unwrap();
    first.signal(Signal::KILL).unwrap();
    first.ended().await.unwrap();
    // As if its folder had been removed by hand.
    std::fs::remove_dir_all(run_folder(&bench).join("attempts/forgotten-1")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    LocalExecutor::new(options(elsewhere.path())).unwrap().sweep().await;
    assert_eq!(
        containers_of(&bench).await.len(),
        2,
        "those of another data folder are none of its business"
    );
    bench.executor.sweep().await;
    let left = containers_of(&bench).await;
    assert!(left.len() == 1 && left[0].contains("goes-on"), "{left:?}");
    std::fs::write(bench.work.join("go"), "").unwrap();
    let outcome = in_time(bench.executor.wait(&bench.key("goes-on"))).await.unwrap();
    assert_eq!(outcome.ended, Ended::Succeeded);
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn a_crash_at_any_point_runs_a_container_at_most_once() {
    for (point, can_have_run) in [
        ("executor.container-recorded", false),
        ("executor.container-started", true),
    ] {
        let Some(bench) = contained().await else { return };
        std::fs::write(bench.work.join("go"), "").unwrap();
        let mut server = starter(&bench, "step", WAITING, &format!("{point}:1"));
        in_time(server.wait()).await.unwrap();
        let key = bench.key("step");
        let waited = in_time(bench.executor.wait(&key)).await;
        let started = bench.executor.start(bench.job("step", WAITING)).await;
        let count = std::fs::read_to_string(bench.work.join("count")).unwrap_or_default();
        if can_have_run {
            assert_eq!(waited.unwrap().ended, Ended::Succeeded);
            assert!(started.is_ok() && count == "x\n", "{point}: {count:?}");
        } else {
            assert!(matches!(waited, Err(ExecutorError::Lost(_))), "{point}: {waited:?}");
            assert!(
                matches!(started, Err(ExecutorError::Lost(_))) && count.is_empty(),
                "{point}: {count:?}"
            );
        }
        bench.executor.close(bench.run).await.unwrap();
        assert!(containers_of(&bench).await.is_empty());
    }
}

#[tokio::test]
async fn a_step_in_a_container_sees_its_folder_and_nothing_else_of_the_machine() {
    let Some(bench) = contained().await else { return };
    let script = format!(
        "! [ -e {} ]; ! [ -e /etc/debian_version ]; echo made > made; id -u",
        run_folder(&bench).display()
    );
    assert_eq!(bench.make(bench.job("step", &script)).await.ended, Ended::Succeeded);
    let user = rustix::process::geteuid().as_raw();
    assert_eq!(bench.said("step"), [user.to_string()]);
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!(std::fs::metadata(bench.work.join("made")).unwrap().uid(), user);
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn another_user_of_the_image_reads_the_secrets_too() {
    let Some(mut bench) = contained().await else { return };
    bench.container.as_mut().unwrap().user = Some("somebody".into());
    let mut job = bench.job(
        "step",
        "id -un; wc -c < $THROUGHLINE_SECRETS/TOKEN; echo $TOKEN | wc -c",
    );
    for as_variable in [false, true] {
        let name = if as_variable { "TOKEN" } else { "FILE" };
        job.secrets.push(executor::SecretForStep {
            name: name.into(),
            value: zeroize::Zeroizing::new("open-sesame".to_owned()),
            as_variable,
        });
    }
    assert_eq!(bench.make(job).await.ended, Ended::Succeeded);
    assert_eq!(bench.said("step"), ["somebody", "11", "12"]);
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn limits_of_a_container_hold_or_it_is_said_that_they_do_not() {
    let Some(bench) = contained().await else { return };
    let mut job = bench.job("small", "head -c 200m /dev/zero | tail -c 200000000 > /dev/null");
    job.limits = Limits {
        cpus: Some(1.0),
        memory_bytes: Some(32 << 20),
        pids: Some(50),
    };
    let outcome = bench.make(job).await;
    assert_ne!(outcome.ended, Ended::Succeeded, "{:?}", bench.said("small"));
    let mut job = bench.job("enough", "echo enough");
    job.limits.memory_bytes = Some(64 << 20);
    let outcome = bench.make(job).await;
    assert_eq!(outcome.ended, Ended::Succeeded);
    assert!(outcome.limits.is_some());
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn without_an_engine_a_step_says_so_and_what_to_do() {
    let bench = local_with(|options| options.containers = executor::ContainerChoice::Off);
    let error = bench.executor.image(IMAGE, Pull::Missing).await.unwrap_err();
    assert!(
        error.to_string().contains("the setting `containers` is `off`"),
        "{error}"
    );
    let mut job = bench.job("step", "true");
    job.container = Some(Container {
        image: executor::Image {
            name: IMAGE.into(),
            id: "none".into(),
            digest: "none".into(),
        },
        user: None,
        folders: Vec::new(),
    });
    let Ended::CouldNotStart { reason } = bench.make(job).await.ended else {
        panic!("it started")
    };
    assert!(reason.contains("`off`"), "{reason}");
    bench.executor.close(bench.run).await.unwrap();
}
