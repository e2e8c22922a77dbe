//! What the tests share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use executor::conformance::image::engine;
use executor::conformance::{Bench, in_time};
use executor::{LocalExecutor, LocalOptions, Service};
use process::{Channel, Child, Identity, Spec, tree};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// An example of this crate, which the test build makes beside the tests.
pub fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("examples")
        .join(name);
    assert!(
        path.exists(),
        "{} is missing (hint: `cargo build -p executor --examples`)",
        path.display()
    );
    path
}

pub fn options(folder: &Path) -> LocalOptions {
    let mut options = LocalOptions::new(folder, example("shim"));
    options.grace = Duration::from_millis(300);
    options.idle = Duration::from_secs(20);
    options.containers = engine().0;
    options
}

/// A local executor over a new data folder.
pub fn local() -> Bench {
    local_with(|_| {})
}

pub fn local_with(change: impl FnOnce(&mut LocalOptions)) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let mut options = options(&data_folder(&work));
    change(&mut options);
    let make = move || Arc::new(LocalExecutor::new(options.clone()).unwrap());
    Bench {
        executor: make(),
        again: Box::new(move || make()),
        work,
        run: Bench::fresh_run(),
        container: None,
        held: Box::new(folder),
    }
}

fn data_folder(work: &Path) -> PathBuf {
    work.parent().unwrap().join("data")
}

pub fn run_folder(bench: &Bench) -> PathBuf {
    data_folder(&bench.work)
        .canonicalize()
        .unwrap()
        .join("runs")
        .join(bench.run.to_string())
}

/// The shim of the run and its keepers: the shim is the one without a relative among them.
pub fn shim(bench: &Bench) -> Option<Identity> {
    let folder = run_folder(bench).into_os_string().into_string().unwrap();
    let ours = |pid: u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line)
            .split('\0')
            .any(|argument| argument == folder)
    };
    let pids: Vec<u32> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|pid| ours(*pid))
        .collect();
    pids.iter()
        .filter(|pid| !pids.iter().any(|other| other != *pid && tree::is_below(**pid, *other)))
        .find_map(|pid| Identity::of_pid(*pid).filter(Identity::is_alive))
}

/// The process of a step that is known by `inside` to the step itself, and its keeper: as they are
/// known out here.
pub fn step_and_keeper(bench: &Bench, inside: u32) -> (Identity, Identity) {
    let below = tree::descendants(shim(bench).unwrap());
    let innermost = |pid: u32| -> Option<u32> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
        numbers.split_whitespace().last()?.parse().ok()
    };
    // The keeper is the eldest of those above the step.
    let step = below.iter().find(|process| innermost(process.pid) == Some(inside));
    let step = *step.unwrap_or_else(|| panic!("no process of the run is {inside} to itself"));
    let keeper = below.iter().find(|process| tree::is_below(step.pid, process.pid));
    (step, *keeper.unwrap())
}

/// The number that a step wrote into a file of its folder.
pub fn number_in(bench: &Bench, file: &str) -> u32 {
    let text = std::fs::read_to_string(bench.work.join(file)).unwrap();
    text.trim().parse().unwrap()
}

/// A server of its own that starts an attempt and waits; with a crash point, it or its shim dies there.
pub fn starter(bench: &Bench, step: &str, script: &str, crash: &str) -> Child {
    starter_with(bench, step, script, crash, &[])
}

/// The same with services beside the step.
pub fn starter_with(bench: &Bench, step: &str, script: &str, crash: &str, services: &[Service]) -> Child {
    let mut spec = Spec::new(example("starter"))
        .arg(data_folder(&bench.work))
        .args([&bench.run.to_string(), step])
        .arg(&bench.work)
        .arg(script)
        .arg(serde_json::json!(bench.container).to_string())
        .arg(serde_json::json!(services).to_string())
        .pass([
            "PATH",
            "HOME",
            "XDG_RUNTIME_DIR",
            "DOCKER_HOST",
            "THROUGHLINE_TEST_ENGINE",
        ])
        .stdout(Channel::Pipe);
    if !crash.is_empty() {
        spec = spec.variable("THROUGHLINE_CRASH", crash);
    }
    process::spawn(spec).unwrap()
}

/// Everything that the starter says until it ends or has said `last`.
pub async fn says(child: &mut Child, last: &str) -> Vec<String> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    while let Some(line) = in_time(lines.next_line()).await.unwrap() {
        said.push(line);
        if said.last().is_some_and(|line| line == last) {
            break;
        }
    }
    said
}
