//! Somebody changes the file behind the ledger's back: `verify` names the first bad fact.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use facts::{Fact, Position};
use ledger::{Append, AppendError, Checkpoint, Fault, Ledger, LedgerError, Problem, SqliteLedger};
use rusqlite::Connection;
use testkit::ManualClock;

use crate::sample::{changed, claiming, views};

fn open(path: &Path) -> Result<SqliteLedger, LedgerError> {
    SqliteLedger::open(path, views(), Arc::new(ManualClock::new()))
}

/// A ledger of ten facts, closed, and its last checkpoint.
async fn ten_facts() -> (tempfile::TempDir, PathBuf, Checkpoint) {
    let folder = testkit::folder();
    let path = folder.path().join("ledger.db");
    let ledger = open(&path).unwrap();
    for number in 1..=10 {
        let name = if number % 2 == 0 { "even" } else { "odd" };
        let fact = claiming(&number.to_string(), name, &format!("key-{number}"));
        ledger.append(Append::unconditional(vec![fact])).await.unwrap();
    }
    let checkpoint = ledger.verify(None, &|_| {}).await.unwrap().checkpoint;
    (folder, path, checkpoint)
}

/// What somebody who can write the file does: without the triggers nothing stops them.
fn tamper(path: &Path, sql: &str) {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "DROP TRIGGER facts_are_not_changed; DROP TRIGGER facts_are_not_removed; DROP TRIGGER facts_come_at_the_end;",
        )
        .unwrap();
    connection.execute_batch(sql).unwrap();
}

async fn fault(ledger: &SqliteLedger) -> Fault {
    ledger.verify(None, &|_| {}).await.unwrap().fault.expect("a fault")
}

/// The fault that `verify` finds after `sql`. The ledger is open while it happens, so that what it
/// checks at opening does not hide what `verify` finds.
async fn fault_after(sql: &str) -> Fault {
    let (_folder, path, _) = ten_facts().await;
    let ledger = open(&path).unwrap();
    tamper(&path, sql);
    fault(&ledger).await
}

#[tokio::test]
async fn the_triggers_keep_facts_from_being_changed_removed_or_put_between() {
    let (_folder, path, _) = ten_facts().await;
    let connection = Connection::open(&path).unwrap();
    for sql in [
        "UPDATE facts SET kind = 'x' WHERE seq = 3",
        "DELETE FROM facts WHERE seq = 3",
        "DELETE FROM facts",
        "INSERT OR REPLACE INTO facts SELECT 3, stream, 99, 'x', kind, recorded_at, 'x', bytes, hash FROM facts WHERE seq = 3",
        "INSERT INTO facts SELECT 12, stream, 99, 'x', kind, recorded_at, 'x', bytes, hash FROM facts WHERE seq = 3",
    ] {
        let error = connection.execute_batch(sql).unwrap_err();
        assert!(error.to_string().contains("fact"), "{sql}: {error}");
    }
    let ledger = open(&path).unwrap();
    assert!(ledger.verify(None, &|_| {}).await.unwrap().is_good());
}

#[tokio::test]
async fn edited_bytes_are_found() {
    let found = fault_after(
        "UPDATE facts SET bytes = CAST(replace(bytes, '\"amount\":1', '\"amount\":9') AS BLOB) WHERE seq = 4",
    )
    .await;
    assert_eq!((found.seq, found.problem), (4, Problem::Hash));
}

#[tokio::test]
async fn edited_bytes_with_a_fitting_hash_break_the_chain_at_the_next_fact() {
    let (_folder, path, _) = ten_facts().await;
    let ledger = open(&path).unwrap();
    let stored = ledger.export(3, 1).await.unwrap().remove(0);
    let edited = String::from_utf8(stored.bytes)
        .unwrap()
        .replace("\"amount\":1", "\"amount\":9");
    tamper(
        &path,
        &format!(
            "UPDATE facts SET bytes = x'{}', hash = x'{}' WHERE seq = 4",
            edited.bytes().map(|b| format!("{b:02x}")).collect::<String>(),
            facts::Digest::of(&edited).hex()
        ),
    );
    let found = fault(&ledger).await;
    assert_eq!((found.seq, found.problem), (5, Problem::Chain));
}

#[tokio::test]
async fn bytes_that_are_no_fact_are_found() {
    let hash = facts::Digest::of("{}").hex();
    let found = fault_after(&format!(
        "UPDATE facts SET bytes = CAST('{{}}' AS BLOB), hash = x'{hash}' WHERE seq = 6"
    ))
    .await;
    assert!(matches!((found.seq, &found.problem), (6, Problem::Bytes(_))), "{found}");
}

#[tokio::test]
async fn an_edited_column_is_found() {
    for (column, value) in [
        ("stream", "'thing/other'"),
        ("version", "77"),
        ("id", "'fact_0'"),
        ("kind", "'thing.removed'"),
        ("recorded_at", "5"),
        ("external_key", "'other'"),
        ("external_key", "NULL"),
    ] {
        let found = fault_after(&format!("UPDATE facts SET {column} = {value} WHERE seq = 5")).await;
        assert_eq!((found.seq, found.problem), (5, Problem::Column(column)));
    }
}

#[tokio::test]
async fn a_removed_fact_is_found() {
    for seq in [1, 7] {
        let found = fault_after(&format!("DELETE FROM facts WHERE seq = {seq}")).await;
        assert_eq!((found.seq, found.problem), (seq, Problem::Missing));
    }
}

#[tokio::test]
async fn a_removed_fact_is_found_when_later_ones_were_moved_up() {
    let found = fault_after(
        "DELETE FROM facts WHERE seq = 4; UPDATE facts SET seq = -seq + 1 WHERE seq > 4; UPDATE facts SET seq = -seq WHERE seq < 0;
         UPDATE ledger_head SET position = 9",
    )
    .await;
    assert_eq!(found.seq, 4);
}

#[tokio::test]
async fn swapped_facts_are_found() {
    let found =
        fault_after("UPDATE facts SET seq = -1 WHERE seq = 3; UPDATE facts SET seq = 3 WHERE seq = 8; UPDATE facts SET seq = 8 WHERE seq = -1")
            .await;
    assert_eq!((found.seq, found.problem), (3, Problem::Chain));
}

#[tokio::test]
async fn a_cut_end_is_found() {
    let found = fault_after("DELETE FROM facts WHERE seq > 6").await;
    assert_eq!((found.seq, found.problem), (7, Problem::CutOff { recorded: 10 }));
}

#[tokio::test]
async fn a_cut_end_is_found_by_the_running_ledger_when_the_note_of_the_end_was_mended_too() {
    let found = fault_after(CUT_AND_MENDED).await;
    assert_eq!((found.seq, found.problem), (7, Problem::CutOff { recorded: 10 }));
}

const CUT_AND_MENDED: &str = "DELETE FROM facts WHERE seq > 6;
    UPDATE ledger_head SET position = 6, hash = (SELECT hash FROM facts WHERE seq = 6)";

#[tokio::test]
async fn a_cut_end_is_found_by_a_checkpoint_kept_elsewhere_when_all_else_was_mended() {
    let (_folder, path, checkpoint) = ten_facts().await;
    tamper(&path, CUT_AND_MENDED);
    let ledger = open(&path).unwrap();
    assert!(ledger.verify(None, &|_| {}).await.unwrap().is_good());
    let found = ledger.verify(Some(checkpoint), &|_| {}).await.unwrap().fault.unwrap();
    assert_eq!((found.seq, found.problem), (7, Problem::CutOff { recorded: 10 }));
}

/// Seals a history anew, with the fact at `seq` made different: what somebody who knows all of this
/// would do.
async fn reseal(ledger: &SqliteLedger, path: &Path, seq: Position) {
    let connection = Connection::open(path).unwrap();
    let mut previous = facts::envelope::GENESIS;
    for stored in ledger.export(0, 100).await.unwrap() {
        let mut fact = Fact::from_stored(&stored.bytes).unwrap();
        if fact.seq == seq {
            fact.new.body["amount"] = 1_000_000.into();
        }
        let (sealed, bytes) = fact.new.seal(fact.seq, fact.stream_version, fact.recorded_at, previous);
        previous = sealed.hash;
        let set = "UPDATE facts SET bytes = ?1, hash = ?2 WHERE seq = ?3";
        connection
            .execute(set, rusqlite::params![bytes, sealed.hash.as_bytes(), fact.seq as i64])
            .unwrap();
    }
    connection
        .execute("UPDATE ledger_head SET hash = ?1", [previous.as_bytes()])
        .unwrap();
}

#[tokio::test]
async fn a_history_sealed_anew_is_found_by_a_checkpoint_kept_elsewhere() {
    let (_folder, path, checkpoint) = ten_facts().await;
    let ledger = open(&path).unwrap();
    tamper(&path, "");
    reseal(&ledger, &path, 4).await;
    assert!(ledger.verify(None, &|_| {}).await.unwrap().is_good());
    let found = ledger.verify(Some(checkpoint), &|_| {}).await.unwrap().fault.unwrap();
    assert_eq!((found.seq, found.problem), (10, Problem::Checkpoint));
}

#[tokio::test]
async fn a_fact_added_by_another_hand_is_found() {
    let (_folder, path, _) = ten_facts().await;
    let ledger = open(&path).unwrap();
    let last = Fact::from_stored(&ledger.export(9, 1).await.unwrap()[0].bytes).unwrap();
    let (forged, bytes) = changed("forged", "even", 1).seal(11, 6, last.recorded_at, last.hash);
    Connection::open(&path)
        .unwrap()
        .execute(
            "INSERT INTO facts VALUES (11, 'thing/even', 6, ?1, 'thing.changed', ?2, NULL, ?3, ?4)",
            rusqlite::params![
                forged.new.id.to_string(),
                last.recorded_at.as_microsecond(),
                bytes,
                forged.hash.as_bytes()
            ],
        )
        .unwrap();
    let found = fault(&ledger).await;
    assert_eq!((found.seq, found.problem), (11, Problem::Foreign));
}

#[tokio::test]
async fn a_gap_in_a_stream_is_found() {
    // A chain that is whole, but whose fact 7 jumps a version.
    let (_folder, path, _) = ten_facts().await;
    let ledger = open(&path).unwrap();
    tamper(&path, "");
    let connection = Connection::open(&path).unwrap();
    let mut previous = facts::envelope::GENESIS;
    for stored in ledger.export(0, 100).await.unwrap() {
        let fact = Fact::from_stored(&stored.bytes).unwrap();
        let version = fact.stream_version + u64::from(fact.seq >= 7 && fact.seq % 2 == 1);
        let (sealed, bytes) = fact.new.seal(fact.seq, version, fact.recorded_at, previous);
        previous = sealed.hash;
        let set = "UPDATE facts SET bytes = ?1, hash = ?2, version = ?3 + 100 WHERE seq = ?4";
        connection
            .execute(
                set,
                rusqlite::params![bytes, sealed.hash.as_bytes(), version as i64, fact.seq as i64],
            )
            .unwrap();
    }
    connection
        .execute_batch("UPDATE facts SET version = version - 100")
        .unwrap();
    connection
        .execute("UPDATE ledger_head SET hash = ?1", [previous.as_bytes()])
        .unwrap();
    let found = fault(&ledger).await;
    assert_eq!(
        (found.seq, found.problem),
        (
            7,
            Problem::Version {
                stream: "thing/odd".into(),
                expected: 4,
                found: 5
            }
        )
    );
}

#[tokio::test]
async fn verification_from_a_checkpoint_finds_what_is_bad_after_it() {
    let (_folder, path, _) = ten_facts().await;
    let ledger = open(&path).unwrap();
    let fourth = ledger.read(3, 1).await.unwrap().remove(0);
    tamper(&path, "UPDATE facts SET kind = 'x' WHERE seq = 8");
    let from = Checkpoint {
        position: 4,
        hash: fourth.hash,
    };
    let verification = ledger.verify(Some(from), &|_| {}).await.unwrap();
    assert_eq!((verification.checked, verification.checkpoint.position), (3, 7));
    assert_eq!(verification.fault.unwrap().seq, 8);
}

#[tokio::test]
async fn nothing_is_added_to_a_log_whose_end_was_changed() {
    for sql in ["DELETE FROM facts WHERE seq > 6", CUT_AND_MENDED] {
        let (_folder, path, _) = ten_facts().await;
        let ledger = open(&path).unwrap();
        tamper(&path, sql);
        let error = ledger
            .append(Append::unconditional(vec![changed("new", "a", 1)]))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, AppendError::Store(text) if text.contains("changed the file")),
            "{error}"
        );
    }
    let (_folder, path, _) = ten_facts().await;
    tamper(&path, "DELETE FROM facts WHERE seq > 6");
    let error = open(&path).err().unwrap();
    assert!(error.to_string().contains("ends at fact 6, not at fact 10"), "{error}");
}

#[tokio::test]
async fn a_damaged_fact_is_not_read_as_if_it_were_whole() {
    let (_folder, path, _) = ten_facts().await;
    let ledger = open(&path).unwrap();
    tamper(
        &path,
        "UPDATE facts SET bytes = CAST(replace(bytes, '\"amount\":1', '\"amount\":9') AS BLOB) WHERE seq = 4",
    );
    let error = ledger.read(0, 10).await.unwrap_err();
    assert!(matches!(error, LedgerError::Damaged { seq: 4, .. }), "{error}");
}

#[tokio::test]
async fn tampered_views_are_found_and_mended_by_a_rebuild() {
    let (_folder, path, _) = ten_facts().await;
    let ledger = open(&path).unwrap();
    for sql in [
        "UPDATE view_things SET total = 99 WHERE name = 'odd'",
        "DELETE FROM view_things",
        "INSERT INTO view_things VALUES ('new', 1, 1, NULL, NULL, 1)",
        "DROP TABLE view_things",
        "ALTER TABLE view_things DROP COLUMN weight",
    ] {
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let rebuilt = ledger.rebuild(&|_| {}).await.unwrap();
        assert_eq!(
            rebuilt.views.iter().map(|view| view.differed).collect::<Vec<_>>(),
            [true, false, false],
            "{sql}"
        );
        assert!(!ledger.rebuild(&|_| {}).await.unwrap().differed());
    }
}
