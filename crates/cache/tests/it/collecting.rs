//! What is removed, and what stays.

use std::time::{Duration, SystemTime};

use cache::{Kept, Key, Limits, Store};
use facts::{Clock as _, SystemClock};

use crate::workspace::{Workspace, files, key};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Keeps a result whose only file has `text`, last used `days` ago.
fn keep(workspace: &Workspace, text: &str, days: u32) -> Key {
    workspace.write("out/file", text);
    let key = key(&format!("key of {text}"));
    workspace.keep(&workspace.store, &key);
    let then = SystemTime::from(SystemClock.now()) - DAY * days - Duration::from_secs(7200);
    let hex = key.digest().hex();
    let record = workspace
        .beside("store/results")
        .join(&hex[..2])
        .join(format!("{hex}.json"));
    for path in files(&workspace.beside("store/blobs")).into_iter().chain([record]) {
        let file = std::fs::File::options().append(true).open(path).unwrap();
        if file.metadata().unwrap().modified().unwrap() > then {
            file.set_modified(then).unwrap();
        }
    }
    key
}

fn collect(workspace: &Workspace, most_bytes: u64, days: u32) -> cache::Collected {
    let limits = Limits {
        most_bytes,
        unused_for: DAY * days,
    };
    workspace.store.collect(limits, SystemClock.now()).unwrap()
}

#[test]
fn results_that_nobody_used_for_long_go_with_their_files() {
    let workspace = Workspace::new();
    let old = keep(&workspace, "old", 40);
    let new = keep(&workspace, "new", 3);
    let collected = collect(&workspace, u64::MAX, 30);
    assert_eq!((collected.results, collected.blobs, collected.bytes), (1, 1, 3));
    assert!(workspace.store.find(&old).is_none());
    assert_eq!(workspace.restore(&workspace.store, &new).unwrap().left, 1);
}

#[test]
fn what_does_not_fit_goes_the_longest_unused_first() {
    let workspace = Workspace::new();
    let keys: Vec<Key> = (0..5)
        .map(|n| keep(&workspace, &format!("{n}{n}{n}{n}"), 5 - n))
        .collect();
    // Using one makes it the newest.
    workspace.store.find(&keys[0]).unwrap();
    assert_eq!(collect(&workspace, 12, 30).results, 2);
    let left: Vec<bool> = keys.iter().map(|key| workspace.store.find(key).is_some()).collect();
    assert_eq!(left, [true, false, false, true, true]);
}

#[test]
fn files_that_two_results_share_stay_as_long_as_one_needs_them() {
    let workspace = Workspace::new();
    let old = keep(&workspace, "same", 40);
    let kept: Kept = workspace.store.find(&old).unwrap();
    keep(&workspace, "other", 40);
    let newer = key("another key");
    workspace.store.keep(&newer, &kept).unwrap();
    collect(&workspace, u64::MAX, 30);
    workspace.write("out/file", "something else");
    workspace.restore(&workspace.store, &newer).unwrap();
    assert_eq!(workspace.read("out/file").as_deref(), Some("same"));
}

#[test]
fn files_of_a_result_that_is_being_kept_are_left_alone() {
    let workspace = Workspace::new();
    workspace.write("out/file", "fresh");
    let outputs = workspace
        .store
        .keep_outputs(&workspace.root(), &crate::workspace::out())
        .unwrap();
    assert_eq!(collect(&workspace, 0, 0).blobs, 0);
    let kept = Kept {
        version: Store::VERSION,
        outputs,
        log: None,
        took_ms: 1,
        made_by: "run_2".into(),
        made_at: facts::Timestamp::UNIX_EPOCH,
    };
    let key = key("key");
    workspace.store.keep(&key, &kept).unwrap();
    std::fs::remove_dir_all(workspace.root().join("out")).unwrap();
    assert_eq!(workspace.restore(&workspace.store, &key).unwrap().written, 1);
}
