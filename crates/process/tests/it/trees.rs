use std::path::Path;
use std::time::Duration;

use process::{Channel, Group, Identity, Signal, Spec, spawn, tree};
use tokio::io::{AsyncBufReadExt as _, BufReader};

const TIME: Duration = Duration::from_secs(20);

/// Starts a script that says the pids of what it starts, a line each, in any order, or `ready`.
async fn start(script: &str, group: Group, pids: usize) -> (process::Child, Vec<Identity>) {
    let spec = Spec::new("sh")
        .args(["-c", script])
        .pass(["PATH"])
        .group(group)
        .stdout(Channel::Pipe);
    let mut child = spawn(spec).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut found = Vec::new();
    while let Some(line) = tokio::time::timeout(TIME, lines.next_line()).await.unwrap().unwrap() {
        if line == "ready" {
            break;
        }
        found.push(Identity::of_pid(line.trim().parse().unwrap()).unwrap());
        if found.len() == pids {
            break;
        }
    }
    (child, found)
}

async fn all_end(processes: &[Identity]) {
    assert!(!processes.is_empty());
    tokio::time::timeout(TIME, tree::ended_all(processes))
        .await
        .expect("all have ended");
}

/// A child, a grandchild, and one that lost its parent by a double fork.
const FAMILY: &str = "sleep 100 & echo $!; (sleep 100 & echo $!; wait) & (sleep 100 & echo $!); wait";

#[tokio::test]
async fn the_whole_group_is_killed_with_double_forked_children() {
    for group in [Group::Own, Group::OwnSession] {
        let (mut child, found) = start(FAMILY, group, 3).await;
        let exit = child.kill_group(Signal::KILL, Duration::ZERO).await.unwrap();
        assert_eq!(exit.ending, process::Ending::Signal(9));
        all_end(&found).await;
    }
}

#[tokio::test]
async fn a_child_in_a_session_of_its_own_is_a_descendant_still() {
    let script = "setsid sleep 100 & echo $!; wait";
    let (mut child, found) = start(script, Group::Own, 1).await;
    child.kill_group(Signal::TERM, Duration::from_secs(5)).await.unwrap();
    all_end(&found).await;
}

#[tokio::test]
async fn a_process_that_ignores_the_request_is_killed_after_the_grace() {
    let (mut child, _) = start("trap '' TERM; echo ready; while :; do sleep 0.05; done", Group::Own, 0).await;
    let exit = child
        .kill_group(Signal::TERM, Duration::from_millis(200))
        .await
        .unwrap();
    assert_eq!(exit.ending, process::Ending::Signal(9));
}

#[tokio::test]
async fn a_process_may_end_in_its_own_way_within_the_grace() {
    let (mut child, _) = start(
        "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done",
        Group::Own,
        0,
    )
    .await;
    let exit = child.kill_group(Signal::TERM, TIME).await.unwrap();
    assert_eq!(exit.ending, process::Ending::Code(7));
}

#[tokio::test]
async fn a_detached_tree_is_stopped_by_its_identity_alone() {
    let (child, found) = start(FAMILY, Group::OwnSession, 3).await;
    let identity = child.detach();
    assert!(tree::stop(identity, Signal::TERM, Duration::from_secs(5)).await);
    all_end(&found).await;
    assert!(!identity.is_alive());
    assert!(
        tree::stop(identity, Signal::TERM, TIME).await,
        "what has ended needs no stopping"
    );
}

#[tokio::test]
async fn what_a_dead_leader_left_in_its_session_is_found_and_stopped() {
    let (child, found) = start("sleep 100 & echo $!; exit 0", Group::OwnSession, 1).await;
    let identity = child.detach();
    identity.ended().await.unwrap();
    assert!(found[0].is_alive());
    assert!(tree::stop(identity, Signal::TERM, Duration::from_secs(5)).await);
    all_end(&found).await;
}

#[tokio::test]
async fn a_process_that_goes_on_forking_is_killed_too() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "f() {{ while :; do (sleep 0.02; date >> {0}) & sleep 0.01; done; }}; f & f & echo ready; wait",
        folder.path().join("beat").display()
    );
    let (mut child, _) = start(&script, Group::Own, 0).await;
    child.kill_group(Signal::KILL, Duration::ZERO).await.unwrap();
    assert!(tree::members(child.identity(), true).is_empty());
    assert!(Path::new("/proc").exists());
}

#[test]
fn ancestry_is_read_from_the_chain_of_parents() {
    let this = std::process::id();
    assert!(tree::is_below(this, this));
    assert!(tree::is_below(this, 1) || this == 1);
    assert!(!tree::is_below(1, this));
    assert!(!tree::is_below(u32::MAX, this));
}
