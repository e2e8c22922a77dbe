//! The demo: the whole path with the real program, and that nothing is left of it in any case.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use process::{Channel, Child, Ending, Signal, Spec};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::runtime::Runtime;

use crate::support::Home;

const PROGRAM: &str = env!("CARGO_BIN_EXE_throughline");
/// Long enough for a machine that compiles other things meanwhile.
const PATIENCE: Duration = Duration::from_secs(400);

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// A demo in `folder`, with this user's own cargo.
fn spec(folder: &Path, arguments: &[&str]) -> Spec {
    let passed = [
        "PATH",
        "HOME",
        "CARGO_HOME",
        "RUSTUP_HOME",
        "RUSTUP_TOOLCHAIN",
        "TMPDIR",
    ];
    Spec::new(PROGRAM)
        .args(["demo", "--address", "127.0.0.1:0", "--folder"])
        .arg(folder)
        .args(arguments)
        .pass(passed)
        .stdout(Channel::Pipe)
        .stderr(Channel::Pipe)
}

/// Reads what a demo says until a line holds `text`; the answer is everything said.
async fn heard(demo: &mut Child, text: &str) -> String {
    let mut lines = BufReader::new(demo.stderr.take().unwrap()).lines();
    let mut said = String::new();
    while let Ok(Some(line)) = tokio::time::timeout(PATIENCE, lines.next_line())
        .await
        .expect("the demo says something")
    {
        said.push_str(&line);
        said.push('\n');
        if line.contains(text) {
            // The rest is read, so that the demo is not stopped by a full pipe.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return said;
        }
    }
    panic!("the demo ended without `{text}`:\n{said}")
}

/// The processes that have to do with a folder: by their command, their variables or where they are.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let place = entry.path();
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if pid == std::process::id() {
            continue;
        }
        let text =
            |name: &str| String::from_utf8_lossy(&std::fs::read(place.join(name)).unwrap_or_default()).into_owned();
        let link = |name: &str| {
            std::fs::read_link(place.join(name))
                .unwrap_or_default()
                .display()
                .to_string()
        };
        if [text("cmdline"), text("environ"), link("cwd"), link("exe")]
            .iter()
            .any(|one| one.contains(folder))
        {
            found.push(format!("{pid} {}", text("cmdline").replace('\0', " ")));
        }
    }
    found
}

#[test]
fn three_commits_come_out_as_they_should_and_nothing_is_left() {
    let parent = testkit::folder();
    let folder = parent.path().join("demo");
    let run = process::run(spec(&folder, &["--exit", "--json"]), b"", PATIENCE, 16 << 20);
    let output = runtime().block_on(run).unwrap();
    assert_eq!(
        output.ending,
        Ending::Code(0),
        "{}\n{}",
        output.text(),
        output.complaint()
    );
    assert!(!output.stderr.contains(&0x1b), "a pipe gets no colours");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["schema"], "demo/1");

    let changes = document["changes"].as_array().unwrap();
    let outcomes: Vec<&str> = changes
        .iter()
        .map(|change| change["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["in-production", "in-production", "rolled-back"]);
    for change in changes {
        // One package, built once, went everywhere.
        assert!(change["package"].as_str().unwrap().starts_with("sha256:"), "{change}");
        assert_eq!(change["environments"]["staging"], change["package"], "{change}");
        assert_eq!(change["environments"]["production"], change["package"], "{change}");
        assert_eq!(change["commit"].as_str().unwrap().len(), 40, "{change}");
    }

    let requests = &document["requests"];
    let number = |value: &Value| value.as_u64().unwrap();
    assert!(number(&requests["sent"]) > 1_000, "{requests}");
    assert_eq!(number(&requests["unattributed_failed"]), 0);
    for one in requests["by_package"].as_array().unwrap() {
        if one["package"] == changes[2]["package"] {
            assert!(number(&one["failed"]) > 0, "{requests}");
        } else {
            assert_eq!(number(&one["failed"]), 0, "{requests}");
        }
    }
    // The record tells the same, line by line.
    let record = std::fs::read_to_string(folder.join("requests.jsonl")).unwrap();
    assert_eq!(record.lines().count() as u64, number(&requests["sent"]));
    assert_eq!(document["ledger"]["verified"], true);
    assert!(number(&document["ledger"]["facts"]) > 100);
    assert_eq!(processes_of(&folder), [""; 0]);
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    let parent = testkit::folder();
    let folder = parent.path().join("demo");
    runtime().block_on(async {
        let mut demo = process::spawn(spec(&folder, &[])).unwrap();
        heard(&mut demo, "pushed").await;
        // In the middle of the first build.
        wait_for(|| {
            folder
                .join("data/runs")
                .read_dir()
                .is_ok_and(|mut runs| runs.next().is_some())
        })
        .await;
        assert!(!processes_of(&folder).is_empty());
        demo.signal(Signal::INT).unwrap();
        let exit = tokio::time::timeout(PATIENCE, demo.wait())
            .await
            .expect("it ends")
            .unwrap();
        assert_eq!(exit.ending, Ending::Code(130));
    });
    assert_eq!(processes_of(&folder), [""; 0]);
}

#[test]
fn a_server_that_dies_in_the_middle_ends_the_demo_with_everything() {
    let parent = testkit::folder();
    let folder = parent.path().join("demo");
    let said = runtime().block_on(async {
        let mut demo = process::spawn(spec(&folder, &["--exit"])).unwrap();
        heard(&mut demo, "pushed").await;
        wait_for(|| {
            folder
                .join("data/runs")
                .read_dir()
                .is_ok_and(|mut runs| runs.next().is_some())
        })
        .await;
        let server: Value = serde_json::from_slice(&std::fs::read(folder.join("data/server.json")).unwrap()).unwrap();
        let pid = u32::try_from(server["pid"].as_u64().unwrap()).unwrap();
        process::Identity::of_pid(pid).unwrap().signal(Signal::KILL).unwrap();
        let exit = tokio::time::timeout(PATIENCE, demo.wait())
            .await
            .expect("it ends")
            .unwrap();
        exit.ending
    });
    assert_eq!(said, Ending::Code(1));
    assert_eq!(processes_of(&folder), [""; 0]);
}

/// Looks again and again: there is no event for what another program does to a folder.
async fn wait_for(done: impl Fn() -> bool) {
    for _ in 0..4_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it does not come");
}

/// A folder of programs that do nothing, as the only `PATH`.
fn only(home: &mut Home, programs: &[&str]) {
    let folder = home.folder.path().join("programs");
    std::fs::create_dir_all(&folder).unwrap();
    for name in programs {
        let path = folder.join(name);
        std::fs::write(&path, "#!/bin/sh\nexit 0\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    home.variables.insert("PATH".to_owned(), folder.display().to_string());
}

#[test]
fn what_the_demo_needs_is_looked_for_before_anything_starts() {
    let missing: BTreeMap<&str, &[&str]> = [
        ("git", &[][..]),
        ("cargo", &["git"][..]),
        ("a C compiler", &["git", "cargo"][..]),
    ]
    .into();
    for (what, there) in missing {
        let mut home = Home::new();
        only(&mut home, there);
        let called = home.call(&["demo", "--folder", "here"]);
        assert_eq!(called.exit.code(), 1, "{}", called.shown());
        assert!(
            called.err.starts_with(&format!("error: the demo needs {what}")),
            "{}",
            called.err
        );
        assert!(called.err.contains("hint: install"), "{}", called.err);
        assert!(!home.current.join("here").exists());
    }
}

#[test]
fn a_taken_port_and_a_full_folder_are_refused_at_once() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut home = Home::new();
    only(&mut home, &["git", "cargo", "cc"]);
    let called = home.call(&["demo", "--address", &taken.local_addr().unwrap().to_string()]);
    assert_eq!(called.exit.code(), 1, "{}", called.shown());
    assert!(
        called.err.contains("cannot listen on") && called.err.contains("hint:"),
        "{}",
        called.err
    );

    let called = home.call(&["demo", "--address", "0.0.0.0:0"]);
    assert_eq!(called.exit.code(), 2, "{}", called.shown());

    home.file("full/note", "mine");
    let called = home.call(&["demo", "--address", "127.0.0.1:0", "--folder", "full"]);
    assert_eq!(called.exit.code(), 2, "{}", called.shown());
    assert!(called.err.contains("is not empty"), "{}", called.err);
    assert_eq!(std::fs::read_dir(home.current.join("full")).unwrap().count(), 1);
}
