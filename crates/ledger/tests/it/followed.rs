//! Followed views in SQLite: the file beside the ledger, its versions, and processes that die.
//!
//! The child is this test binary itself, asked for [`the_child`] alone.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use ledger::{Append, Ledger, LedgerError, Select, SqliteLedger, View};
use rusqlite::Connection;
use testkit::ManualClock;

use crate::conformance::{caught_up, count};
use crate::sample::{Counts, Gate, Journal, Things, changed};

const FOLDER: &str = "LEDGER_TEST_FOLLOWED";

fn open(folder: &Path, counts: Counts) -> SqliteLedger {
    let views: Vec<Arc<dyn View>> = vec![Arc::new(Things { version: 1 }), Arc::new(Journal), Arc::new(counts)];
    SqliteLedger::open(&folder.join("ledger.db"), views, Arc::new(ManualClock::new())).unwrap()
}

async fn record(ledger: &SqliteLedger, from: u32, to: u32) {
    let facts = (from..to).map(|number| changed(&number.to_string(), "a", 1));
    ledger.append(Append::unconditional(facts.collect())).await.unwrap();
}

#[tokio::test]
async fn a_view_goes_on_where_it_was_when_the_ledger_is_opened_again() {
    let folder = testkit::folder();
    let ledger = open(folder.path(), Counts::default());
    record(&ledger, 0, 10).await;
    caught_up(&ledger).await;
    drop(ledger);
    // A row that a fold from the start would not leave.
    let file = Connection::open(folder.path().join("ledger-followed.db")).unwrap();
    file.execute("UPDATE view_counts SET count = 100", []).unwrap();
    drop(file);
    let ledger = open(folder.path(), Counts::default());
    record(&ledger, 10, 11).await;
    caught_up(&ledger).await;
    assert_eq!(count(&ledger, "a").await, (101, 11));
    let rebuilt = ledger.rebuild(&|_| {}).await.unwrap();
    assert!(rebuilt.views.iter().any(|view| view.name == "counts" && view.differed));
    assert_eq!(count(&ledger, "a").await, (11, 11));
}

#[tokio::test]
async fn a_new_version_is_folded_beside_the_old_one_which_is_read_until_then() {
    let folder = testkit::folder();
    let ledger = open(folder.path(), Counts::default());
    record(&ledger, 0, 10).await;
    caught_up(&ledger).await;
    drop(ledger);
    // The new version stops at the first fact until it is let go.
    let gate = Arc::new(Gate::default());
    let next = Counts {
        version: 2,
        step: 2,
        gate: Some(gate.clone()),
        ..Counts::default()
    };
    let ledger = open(folder.path(), next);
    record(&ledger, 10, 12).await;
    assert_eq!(count(&ledger, "a").await, (10, 10), "the old one is read meanwhile");
    gate.open();
    caught_up(&ledger).await;
    assert_eq!(count(&ledger, "a").await, (24, 12));
    assert!(!ledger.rebuild(&|_| {}).await.unwrap().differed());
}

#[tokio::test]
async fn a_view_whose_tables_changed_is_folded_again_and_says_how_far() {
    let folder = testkit::folder();
    let ledger = open(folder.path(), Counts::default());
    record(&ledger, 0, 10).await;
    caught_up(&ledger).await;
    drop(ledger);
    let wider = Counts {
        wide: true,
        ..Counts::default()
    };
    let ledger = open(folder.path(), wider);
    caught_up(&ledger).await;
    let found = ledger.select(Select::from("counts")).await.unwrap();
    assert_eq!((found.rows[0].integer("doubled").unwrap(), found.as_of), (20, 10));
}

#[tokio::test]
async fn views_of_another_history_are_folded_again() {
    let folder = testkit::folder();
    let ledger = open(folder.path(), Counts::default());
    record(&ledger, 0, 10).await;
    caught_up(&ledger).await;
    drop(ledger);
    // An older backup of the ledger is put back, and other facts come.
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.path().join(format!("ledger.db{ending}")));
    }
    let ledger = open(folder.path(), Counts::default());
    record(&ledger, 20, 23).await;
    caught_up(&ledger).await;
    assert_eq!(count(&ledger, "a").await, (3, 3));
}

#[tokio::test]
async fn a_damaged_file_is_made_anew_and_one_of_another_program_is_left_alone() {
    let folder = testkit::folder();
    let ledger = open(folder.path(), Counts::default());
    record(&ledger, 0, 10).await;
    drop(ledger);
    let place = folder.path().join("ledger-followed.db");
    for ending in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.path().join(format!("ledger-followed.db{ending}")));
    }
    std::fs::write(&place, "no database at all, but some words").unwrap();
    let ledger = open(folder.path(), Counts::default());
    caught_up(&ledger).await;
    assert_eq!(count(&ledger, "a").await, (10, 10));
    drop(ledger);
    std::fs::remove_file(&place).unwrap();
    let other = Connection::open(&place).unwrap();
    other.execute_batch("CREATE TABLE mine (a)").unwrap();
    drop(other);
    let views: Vec<Arc<dyn View>> = vec![Arc::new(Counts::default())];
    let refused = SqliteLedger::open(
        &folder.path().join("other.db"),
        Vec::new(),
        Arc::new(ManualClock::new()),
    );
    assert!(refused.is_ok(), "a ledger without followed views needs no such file");
    let error = SqliteLedger::open(&folder.path().join("ledger.db"), views, Arc::new(ManualClock::new()));
    assert!(matches!(error.err().unwrap(), LedgerError::NotALedger { .. }));
}

/// What runs in the child: appends and rebuilds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let ledger = open(Path::new(&folder), Counts::default());
    let start = ledger.head().await.unwrap() as u32;
    for round in 0..4 {
        record(&ledger, start + round * 5, start + round * 5 + 5).await;
        caught_up(&ledger).await;
    }
    ledger.rebuild(&|_| {}).await.unwrap();
    record(&ledger, start + 20, start + 21).await;
    caught_up(&ledger).await;
}

#[allow(clippy::disallowed_methods)] // the test plays the machine on which the process dies
fn child(folder: &Path, crash: &str) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["followed::the_child", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .env("THROUGHLINE_CRASH", crash)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.unwrap().success()
}

#[tokio::test]
async fn a_process_that_dies_between_fold_and_commit_leaves_the_view_whole_at_its_position() {
    let mut died = 0;
    for place in ["before-commit", "after-commit", "before-swap", "after-swap"] {
        for number in [1, 3] {
            let folder = testkit::folder();
            let crash = format!("ledger.followed.{place}:{number}");
            if child(folder.path(), &crash) {
                continue;
            }
            died += 1;
            let ledger = open(folder.path(), Counts::default());
            let (counted, as_of) = count(&ledger, "a").await;
            assert_eq!(counted as u64, as_of, "{crash}");
            caught_up(&ledger).await;
            let head = ledger.head().await.unwrap();
            assert_eq!(count(&ledger, "a").await, (head as i64, head), "{crash}");
            assert!(!ledger.rebuild(&|_| {}).await.unwrap().differed(), "{crash}");
        }
    }
    assert!(died >= 6, "only {died} died");
}
