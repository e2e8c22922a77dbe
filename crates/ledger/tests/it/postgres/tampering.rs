//! Somebody changes the tables behind the ledger's back: `verify` names the first bad fact.

use facts::{Fact, Position};
use ledger::{Append, AppendError, Checkpoint, Fault, Ledger, LedgerError, PostgresLedger, Problem};
use testkit::Postgres;

use super::{address, open, try_open};
use crate::sample::{changed, claiming};

/// A ledger of ten facts in a schema of that name.
async fn ten_facts(database: &Postgres, schema: &str) -> (PostgresLedger, Checkpoint) {
    let ledger = open(&address(database, schema)).await;
    let facts = (1..=10).map(|number: u32| {
        let name = if number.is_multiple_of(2) { "even" } else { "odd" };
        claiming(&number.to_string(), name, &format!("key-{number}"))
    });
    ledger.append(Append::unconditional(facts.collect())).await.unwrap();
    let checkpoint = ledger.verify(None, &|_| {}).await.unwrap().checkpoint;
    (ledger, checkpoint)
}

/// What somebody who owns the tables does: without the triggers nothing stops them.
fn tamper(database: &Postgres, schema: &str, sql: &str) {
    let sql = format!("SET search_path TO {schema}; ALTER TABLE facts DISABLE TRIGGER ALL; {sql}");
    database.ask(&sql).unwrap();
}

async fn fault(ledger: &PostgresLedger) -> Fault {
    ledger.verify(None, &|_| {}).await.unwrap().fault.expect("a fault")
}

const CUT_AND_MENDED: &str = "DELETE FROM facts WHERE seq > 6;
    UPDATE ledger_head SET position = 6, hash = (SELECT hash FROM facts WHERE seq = 6)";

#[tokio::test]
async fn the_triggers_keep_facts_from_being_changed_removed_or_put_between_in_postgresql() {
    let Some(database) = Postgres::start() else { return };
    let (ledger, _) = ten_facts(&database, "kept").await;
    for sql in [
        "UPDATE kept.facts SET kind = 'x' WHERE seq = 3",
        "DELETE FROM kept.facts WHERE seq = 3",
        "DELETE FROM kept.facts",
        "TRUNCATE kept.facts",
        "INSERT INTO kept.facts SELECT 12, stream, 99, 'x', kind, recorded_at, 'x', bytes, hash FROM kept.facts WHERE seq = 3",
        "INSERT INTO kept.facts SELECT 0, stream, 99, 'x', kind, recorded_at, 'x', bytes, hash FROM kept.facts WHERE seq = 3",
        "INSERT INTO kept.facts SELECT 10 + seq * 2, stream, 99, id || 'x', kind, recorded_at, NULL, bytes, hash FROM kept.facts WHERE seq < 3",
    ] {
        let error = database.ask(sql).unwrap_err();
        assert!(error.contains("fact"), "{sql}: {error}");
    }
    assert!(ledger.verify(None, &|_| {}).await.unwrap().is_good());
}

#[tokio::test]
async fn what_somebody_changed_in_the_tables_is_found_and_named() {
    let Some(database) = Postgres::start() else { return };
    let no_fact = facts::Digest::of("{}").hex();
    let no_fact = format!("UPDATE facts SET bytes = '{{}}', hash = decode('{no_fact}', 'hex') WHERE seq = 6");
    let edited = "UPDATE facts SET bytes = convert_to(replace(convert_from(bytes, 'UTF8'), '\"amount\":1', '\"amount\":9'), 'UTF8') WHERE seq = 4";
    let fitting = format!("{edited}; UPDATE facts SET hash = sha256(bytes) WHERE seq = 4");
    let moved_up = "DELETE FROM facts WHERE seq = 4; UPDATE facts SET seq = -seq + 1 WHERE seq > 4; UPDATE facts SET seq = -seq WHERE seq < 0;
         UPDATE ledger_head SET position = 9";
    let swapped = "UPDATE facts SET seq = -1 WHERE seq = 3; UPDATE facts SET seq = 3 WHERE seq = 8; UPDATE facts SET seq = 8 WHERE seq = -1";
    let column = |column: &'static str, value: &str| {
        let sql = format!("UPDATE facts SET {column} = {value} WHERE seq = 5");
        (sql, 5, Some(Problem::Column(column)))
    };
    let cut = || Some(Problem::CutOff { recorded: 10 });
    let cases: Vec<(String, Position, Option<Problem>)> = vec![
        (edited.into(), 4, Some(Problem::Hash)),
        (fitting, 5, Some(Problem::Chain)),
        (no_fact, 6, None),
        column("stream", "'thing/other'"),
        column("version", "77"),
        column("id", "'fact_0'"),
        column("kind", "'thing.removed'"),
        column("recorded_at", "5"),
        column("external_key", "'other'"),
        column("external_key", "NULL"),
        ("DELETE FROM facts WHERE seq = 1".into(), 1, Some(Problem::Missing)),
        ("DELETE FROM facts WHERE seq = 7".into(), 7, Some(Problem::Missing)),
        (moved_up.into(), 4, None),
        (swapped.into(), 3, Some(Problem::Chain)),
        ("DELETE FROM facts WHERE seq > 6".into(), 7, cut()),
        ("TRUNCATE facts".into(), 1, cut()),
        (CUT_AND_MENDED.into(), 7, cut()),
    ];
    for (number, (sql, seq, problem)) in cases.into_iter().enumerate() {
        let schema = format!("case{number}");
        // The ledger is open while it happens, so that what it checks at opening does not hide what
        // `verify` finds.
        let (ledger, _) = ten_facts(&database, &schema).await;
        tamper(&database, &schema, &sql);
        let found = fault(&ledger).await;
        assert_eq!(found.seq, seq, "{sql}: {found}");
        if let Some(problem) = problem {
            assert_eq!(found.problem, problem, "{sql}");
        }
    }
}

#[tokio::test]
async fn a_cut_end_is_found_by_a_checkpoint_kept_elsewhere_when_all_else_was_mended() {
    let Some(database) = Postgres::start() else { return };
    let (ledger, checkpoint) = ten_facts(&database, "cut").await;
    tamper(&database, "cut", CUT_AND_MENDED);
    drop(ledger);
    let ledger = open(&address(&database, "cut")).await;
    assert!(ledger.verify(None, &|_| {}).await.unwrap().is_good());
    let found = ledger.verify(Some(checkpoint), &|_| {}).await.unwrap().fault.unwrap();
    assert_eq!((found.seq, found.problem), (7, Problem::CutOff { recorded: 10 }));
}

#[tokio::test]
async fn a_fact_added_by_another_hand_is_found_and_nothing_is_added_after_it() {
    let Some(database) = Postgres::start() else { return };
    let (ledger, _) = ten_facts(&database, "forged").await;
    let last = Fact::from_stored(&ledger.export(9, 1).await.unwrap()[0].bytes).unwrap();
    let (forged, bytes) = changed("forged", "even", 1).seal(11, 6, last.recorded_at, last.hash);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let sql = format!(
        "INSERT INTO forged.facts VALUES (11, 'thing/even', 6, '{}', 'thing.changed', {}, NULL, decode('{}', 'hex'), decode('{}', 'hex'))",
        forged.new.id,
        last.recorded_at.as_microsecond(),
        hex(&bytes),
        forged.hash.hex(),
    );
    database.ask(&sql).unwrap();
    let found = fault(&ledger).await;
    assert_eq!((found.seq, found.problem), (11, Problem::Foreign));
    let new = || Append::unconditional(vec![changed("new", "a", 1)]);
    let error = ledger.append(new()).await.unwrap_err();
    assert!(error.to_string().contains("ends at fact 11, not at fact 10"), "{error}");
}

#[tokio::test]
async fn nothing_is_added_to_a_log_whose_end_was_changed() {
    let Some(database) = Postgres::start() else { return };
    for (number, sql) in ["DELETE FROM facts WHERE seq > 6", CUT_AND_MENDED]
        .into_iter()
        .enumerate()
    {
        let schema = format!("end{number}");
        let (ledger, _) = ten_facts(&database, &schema).await;
        tamper(&database, &schema, sql);
        let new = Append::unconditional(vec![changed("new", "a", 1)]);
        let error = ledger.append(new).await.unwrap_err();
        assert!(
            matches!(&error, AppendError::Store(text) if text.contains("changed the database")),
            "{error}"
        );
    }
    let error = try_open(&address(&database, "end0")).await.err().unwrap();
    assert!(error.to_string().contains("ends at fact 6, not at fact 10"), "{error}");
}

#[tokio::test]
async fn a_damaged_fact_is_not_read_as_if_it_were_whole() {
    let Some(database) = Postgres::start() else { return };
    let (ledger, _) = ten_facts(&database, "damaged").await;
    tamper(
        &database,
        "damaged",
        "UPDATE facts SET bytes = bytes || ' ' WHERE seq = 4",
    );
    let error = ledger.read(0, 10).await.unwrap_err();
    assert!(matches!(error, LedgerError::Damaged { seq: 4, .. }), "{error}");
    assert_eq!(ledger.read(0, 3).await.unwrap().len(), 3);
}

#[tokio::test]
async fn tampered_views_are_found_and_mended_by_a_rebuild() {
    let Some(database) = Postgres::start() else { return };
    let (ledger, _) = ten_facts(&database, "views").await;
    for sql in [
        "UPDATE view_things SET total = 99 WHERE name = 'odd'",
        "DELETE FROM view_things",
        "INSERT INTO view_things VALUES ('new', 1, 1, NULL, NULL, 1)",
        "DROP TABLE view_things",
        "ALTER TABLE view_things DROP COLUMN weight",
        "ALTER TABLE view_things ALTER COLUMN note TYPE text USING NULL",
    ] {
        database.ask(&format!("SET search_path TO views; {sql}")).unwrap();
        let rebuilt = ledger.rebuild(&|_| {}).await.unwrap();
        assert_eq!(
            rebuilt.views.iter().map(|view| view.differed).collect::<Vec<_>>(),
            [true, false, false],
            "{sql}"
        );
        assert!(!ledger.rebuild(&|_| {}).await.unwrap().differed());
    }
}
