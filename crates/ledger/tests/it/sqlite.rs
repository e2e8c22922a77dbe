//! What is particular to the store in SQLite: the file, its format, and what happens at opening.

use std::path::Path;
use std::sync::Arc;

use facts::Fact;
use ledger::{Append, FoldError, Ledger, LedgerError, Rows, Select, SqliteLedger, Table, View};
use rusqlite::Connection;
use serde_json::json;
use testkit::ManualClock;

use crate::sample::{Journal, Things, changed, fact, views};

fn open(path: &Path, views: Vec<Arc<dyn View>>) -> Result<SqliteLedger, LedgerError> {
    SqliteLedger::open(path, views, Arc::new(ManualClock::new()))
}

async fn total(ledger: &SqliteLedger) -> i64 {
    ledger.select(Select::from("things")).await.unwrap().rows[0]
        .integer("total")
        .unwrap()
}

#[tokio::test]
async fn a_ledger_that_is_opened_again_holds_what_was_recorded() {
    let folder = testkit::folder();
    let path = folder.path().join("ledger.db");
    for number in 0..3 {
        let ledger = open(&path, views()).unwrap();
        assert_eq!(ledger.head().await.unwrap(), number);
        assert_eq!(*ledger.follow().borrow(), number);
        let appended = ledger
            .append(Append::unconditional(vec![changed(&number.to_string(), "a", 1)]))
            .await
            .unwrap();
        assert_eq!(appended.first, number + 1);
        assert_eq!(total(&ledger).await, number as i64 + 1);
    }
    let ledger = open(&path, views()).unwrap();
    assert!(ledger.verify(None, &|_| {}).await.unwrap().is_good());
}

#[tokio::test]
async fn the_file_is_private_durable_and_marked() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = testkit::folder();
    let path = folder.path().join("ledger.db");
    let ledger = open(&path, views()).unwrap();
    ledger
        .append(Append::unconditional(vec![changed("1", "a", 1)]))
        .await
        .unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{:?}",
            entry.path()
        );
    }
    let connection = Connection::open(&path).unwrap();
    let pragma = |name: &str| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(pragma("application_id"), 0x5448_524c);
    assert_eq!(pragma("user_version"), 1);
    let mode: String = connection
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn a_ledger_of_a_newer_version_is_refused_and_left_as_it_is() {
    let folder = testkit::folder();
    let path = folder.path().join("ledger.db");
    drop(open(&path, views()).unwrap());
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 2)
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = open(&path, views()).err().unwrap();
    assert!(matches!(error, LedgerError::Newer { found: 2, known: 1 }), "{error}");
    assert!(error.to_string().contains("hint: "));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn other_files_are_refused_and_left_as_they_are() {
    let folder = testkit::folder();
    let text = folder.path().join("text");
    std::fs::write(
        &text,
        "this is no database, but a text that is long enough to be looked at".repeat(20),
    )
    .unwrap();
    let other = folder.path().join("other.db");
    Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE t (a)")
        .unwrap();
    for path in [text, other] {
        let before = std::fs::read(&path).unwrap();
        let error = open(&path, views()).err().unwrap();
        assert!(matches!(error, LedgerError::NotALedger { .. }), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
    assert!(open(&folder.path().join("no/such/folder.db"), views()).is_err());
}

#[tokio::test]
async fn a_view_of_another_version_is_folded_again_at_opening() {
    let folder = testkit::folder();
    let path = folder.path().join("ledger.db");
    {
        let ledger = open(&path, views()).unwrap();
        ledger
            .append(Append::unconditional(vec![changed("1", "a", 5), changed("2", "a", 1)]))
            .await
            .unwrap();
        assert_eq!(total(&ledger).await, 6);
    }
    {
        let ledger = open(&path, vec![Arc::new(Things { version: 2 }), Arc::new(Journal)]).unwrap();
        assert_eq!(total(&ledger).await, 12);
        assert_eq!(ledger.select(Select::from("journal")).await.unwrap().rows.len(), 2);
        assert!(!ledger.rebuild(&|_| {}).await.unwrap().differed());
    }
    // Back to the version before, as after a return to an older binary.
    assert_eq!(total(&open(&path, views()).unwrap()).await, 6);
}

#[tokio::test]
async fn views_that_come_and_go_are_folded_from_all_facts() {
    let folder = testkit::folder();
    let path = folder.path().join("ledger.db");
    {
        let ledger = open(&path, vec![Arc::new(Journal)]).unwrap();
        ledger
            .append(Append::unconditional(vec![changed("1", "a", 5)]))
            .await
            .unwrap();
        assert!(matches!(
            ledger.select(Select::from("things")).await,
            Err(LedgerError::Select(_))
        ));
    }
    {
        let ledger = open(&path, vec![Arc::new(Things { version: 1 })]).unwrap();
        assert_eq!(total(&ledger).await, 5);
        ledger
            .append(Append::unconditional(vec![changed("2", "a", 5)]))
            .await
            .unwrap();
    }
    let ledger = open(&path, views()).unwrap();
    assert_eq!(total(&ledger).await, 10);
    assert_eq!(ledger.select(Select::from("journal")).await.unwrap().rows.len(), 2);
    assert!(!ledger.rebuild(&|_| {}).await.unwrap().differed());
}

/// A view that takes in nothing of kind `thing.changed`.
struct Strict;

impl View for Strict {
    fn name(&self) -> &'static str {
        "strict"
    }

    fn version(&self) -> u32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        &[]
    }

    fn apply(&self, fact: &Fact, _: &mut dyn Rows) -> Result<(), FoldError> {
        match fact.kind() {
            "thing.changed" => Err(FoldError::Contradiction("never".into())),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn a_view_that_cannot_take_in_a_recorded_fact_stops_the_opening_and_changes_nothing() {
    let folder = testkit::folder();
    let path = folder.path().join("ledger.db");
    {
        let ledger = open(&path, views()).unwrap();
        let facts = vec![fact("1", "a", "thing.other", json!({})), changed("2", "a", 5)];
        ledger.append(Append::unconditional(facts)).await.unwrap();
    }
    let error = open(&path, vec![Arc::new(Strict)]).err().unwrap();
    assert!(
        matches!(
            error,
            LedgerError::Fold {
                view: "strict",
                seq: 2,
                ..
            }
        ),
        "{error}"
    );
    let ledger = open(&path, views()).unwrap();
    assert_eq!(total(&ledger).await, 5);
    assert!(!ledger.rebuild(&|_| {}).await.unwrap().differed());
}

#[tokio::test]
async fn an_append_whose_caller_has_gone_is_recorded_all_the_same() {
    let folder = testkit::folder();
    let path = folder.path().join("ledger.db");
    let ledger = open(&path, views()).unwrap();
    let mut head = ledger.follow();
    {
        let mut append = ledger.append(Append::unconditional(vec![changed("1", "a", 1)]));
        // Polled once, so that it is queued; then dropped.
        let waker = std::task::Waker::noop();
        let _ = append.as_mut().poll(&mut std::task::Context::from_waker(waker));
    }
    head.wait_for(|position| *position == 1).await.unwrap();
    assert_eq!(total(&ledger).await, 1);
}

#[tokio::test]
async fn what_is_queued_is_recorded_before_the_ledger_is_gone() {
    let folder = testkit::folder();
    let path = folder.path().join("ledger.db");
    let ledger = open(&path, views()).unwrap();
    for number in 0..50 {
        let mut append = ledger.append(Append::unconditional(vec![changed(&number.to_string(), "a", 1)]));
        let waker = std::task::Waker::noop();
        let _ = append.as_mut().poll(&mut std::task::Context::from_waker(waker));
    }
    drop(ledger);
    assert_eq!(open(&path, views()).unwrap().head().await.unwrap(), 50);
}

#[tokio::test]
async fn a_ledger_as_the_first_version_wrote_it_is_read_verified_and_gone_on_with() {
    let folder = testkit::folder();
    let path = folder.path().join("ledger.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch(include_str!("../fixtures/format-1.sql"))
        .unwrap();
    let ledger = open(&path, views()).unwrap();
    let verification = ledger.verify(None, &|_| {}).await.unwrap();
    assert_eq!((verification.checked, verification.fault), (3, None));
    assert!(!ledger.rebuild(&|_| {}).await.unwrap().differed());
    let rows = ledger.select(Select::from("things")).await.unwrap().rows;
    let totals: Vec<_> = rows
        .iter()
        .map(|row| (row.text("name").unwrap(), row.integer("total").unwrap()))
        .collect();
    assert_eq!(totals, [("a", 4), ("b", 2)]);
    assert_eq!(rows[1].optional_text("note").unwrap(), Some("it's ü"));
    assert_eq!(ledger.find_claim("key").await.unwrap().unwrap().seq, 1);
    assert_eq!(
        ledger
            .append(Append::unconditional(vec![changed("4", "a", 1)]))
            .await
            .unwrap()
            .first,
        4
    );
    assert!(ledger.verify(None, &|_| {}).await.unwrap().is_good());
}
