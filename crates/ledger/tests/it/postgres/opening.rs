//! Opening: what is made, what is found again, and what is refused.

use std::sync::Arc;

use ledger::{Ledger, LedgerError, PostgresLedger, Select, View};
use testkit::{ManualClock, Postgres};

use super::{address, open, record, try_open};
use crate::sample::{Counts, Journal, Things};

#[tokio::test]
async fn a_ledger_is_found_again_as_it_was_left() {
    let Some(database) = Postgres::start() else { return };
    let place = address(&database, "mine");
    let ledger = open(&place).await;
    record(&ledger, "1").await;
    let exported = ledger.export(0, 10).await.unwrap();
    drop(ledger);
    let ledger = open(&place).await;
    assert_eq!(*ledger.follow().borrow(), 1);
    assert_eq!(ledger.export(0, 10).await.unwrap(), exported);
    assert_eq!(record(&ledger, "2").await.first, 2);
    // Another schema is another ledger, and people can read what is in one.
    assert_eq!(open(&address(&database, "other")).await.head().await.unwrap(), 0);
    let readable = "SELECT seq, stream, kind, document::jsonb -> 'body' ->> 'amount' FROM mine.facts_readable";
    assert_eq!(
        database.ask(readable).unwrap(),
        "1|thing/a|thing.changed|1\n2|thing/a|thing.changed|1"
    );
}

#[tokio::test]
async fn a_ledger_of_a_newer_version_is_refused() {
    let Some(database) = Postgres::start() else { return };
    let place = address(&database, "newer");
    drop(open(&place).await);
    database.ask("UPDATE newer.ledger_format SET format = 99").unwrap();
    let error = try_open(&place).await.err().unwrap();
    assert!(matches!(error, LedgerError::Newer { found: 99, known: 3 }), "{error}");
    assert!(error.to_string().contains("hint: use the version"), "{error}");
}

#[tokio::test]
async fn tables_of_another_program_are_left_alone() {
    let Some(database) = Postgres::start() else { return };
    database
        .ask("CREATE SCHEMA theirs; CREATE TABLE theirs.facts (x int)")
        .unwrap();
    let error = try_open(&address(&database, "theirs")).await.err().unwrap();
    assert!(matches!(error, LedgerError::NotALedger { .. }), "{error}");
    assert!(error.to_string().contains("of another program"), "{error}");
}

#[tokio::test]
async fn changed_views_are_folded_again_when_the_ledger_opens() {
    let Some(database) = Postgres::start() else { return };
    let place = address(&database, "views");
    let ledger = open(&place).await;
    record(&ledger, "1").await;
    drop(ledger);
    let open_with = async |version, counts: Counts| {
        let views: Vec<Arc<dyn View>> = vec![Arc::new(Things { version }), Arc::new(Journal), Arc::new(counts)];
        let clock = Arc::new(ManualClock::new());
        PostgresLedger::open(&place, views, clock).await.unwrap()
    };
    let total = async |ledger: &PostgresLedger| {
        let rows = ledger.select(Select::from("things")).await.unwrap().rows;
        rows[0].integer("total").unwrap()
    };
    let old = open_with(1, Counts::default()).await;
    let ledger = open_with(
        2,
        Counts {
            step: 10,
            version: 2,
            ..Counts::default()
        },
    )
    .await;
    assert_eq!(total(&ledger).await, 2);
    // The old version still reads, and its writes would not fit.
    let error = old
        .append(ledger::Append::unconditional(vec![crate::sample::changed("2", "a", 1)]))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("by another version of throughline"),
        "{error}"
    );
    // The new version of a followed view takes the place of the old one when it has come as far.
    let mut come = ledger.follow_views();
    while crate::conformance::count(&ledger, "a").await.0 != 10 {
        tokio::time::timeout(std::time::Duration::from_secs(1), come.changed())
            .await
            .ok();
    }
    drop(old);
    drop(ledger);
    let wide = Counts {
        wide: true,
        version: 3,
        ..Counts::default()
    };
    let ledger = open_with(1, wide).await;
    crate::conformance::caught_up(&ledger).await;
    assert_eq!(total(&ledger).await, 1);
    let row = ledger.select(Select::from("counts")).await.unwrap().rows.remove(0);
    assert_eq!(row.integer("doubled").unwrap(), 2);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_an_error_that_says_so() {
    let folder = testkit::folder();
    let place = format!("postgres://robin:s3cret@/x?host={}", folder.path().display());
    let error = try_open(&place.parse().unwrap()).await.err().unwrap().to_string();
    assert!(error.contains("error connecting to server"), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
}

#[tokio::test]
async fn a_connection_to_another_machine_is_encrypted_and_the_name_of_the_server_checked() {
    let port = testkit::free_port();
    let authority = testkit::Authority::new();
    let Some(mut database) = Postgres::start() else { return };
    let certified = authority.certify(&["localhost"]);
    database.encrypt(port, &certified.certificate, &certified.key);
    let trusted = database.folder().join("authority.pem");
    std::fs::write(&trusted, authority.pem()).unwrap();
    let at = |host: &str, rest: &str| {
        let text = format!(
            "postgres://postgres@{host}:{}/template1?sslmode=verify-full{rest}",
            port.port()
        );
        try_open_owned(text)
    };
    let roots = format!("&sslrootcert={}", trusted.display());
    let ledger = at("localhost", &roots).await.unwrap();
    record(&ledger, "1").await;
    let encrypted = "SELECT count(*) > 0 FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE ssl AND application_name = 'throughline'";
    assert_eq!(database.ask(encrypted).unwrap(), "t");
    for (host, roots, expected) in [
        ("localhost", "", "UnknownIssuer"),
        ("127.0.0.1", roots.as_str(), "not valid for name"),
    ] {
        let error = at(host, roots).await.err().unwrap().to_string();
        assert!(error.contains(expected), "{host}: {error}");
    }
}

async fn try_open_owned(text: String) -> Result<PostgresLedger, LedgerError> {
    try_open(&text.parse().unwrap()).await
}

#[tokio::test]
async fn a_ledger_as_the_first_format_of_the_tables_had_it_is_read_verified_and_gone_on_with() {
    let Some(database) = Postgres::start() else { return };
    database
        .ask(include_str!("../../fixtures/postgres-format-1.sql"))
        .unwrap();
    let ledger = open(&address(&database, "old")).await;
    let verification = ledger.verify(None, &|_| {}).await.unwrap();
    assert_eq!((verification.checked, verification.fault), (3, None));
    assert!(!ledger.rebuild(&|_| {}).await.unwrap().differed());
    let rows = ledger.select(Select::from("things")).await.unwrap().rows;
    let totals: Vec<_> = rows
        .iter()
        .map(|row| (row.text("name").unwrap(), row.integer("total").unwrap()))
        .collect();
    assert_eq!(totals, [("a", 4), ("b", 2)]);
    assert_eq!(ledger.find_claim("key").await.unwrap().unwrap().seq, 1);
    assert_eq!(record(&ledger, "4").await.first, 4);
    assert!(ledger.verify(None, &|_| {}).await.unwrap().is_good());
}

#[tokio::test]
async fn views_that_an_older_version_kept_in_one_table_are_folded_into_two() {
    let Some(database) = Postgres::start() else { return };
    let place = address(&database, "old");
    database
        .ask(include_str!("../../fixtures/postgres-format-1.sql"))
        .unwrap();
    // As format 2 had them: long rows in the same table as the others, as far as its index took them.
    database
        .ask(
            "ALTER TABLE old.ledger_leases ADD COLUMN since timestamptz NOT NULL DEFAULT clock_timestamp();
             UPDATE old.ledger_format SET format = 2;
             CREATE TABLE old.view_things (name bytea NOT NULL PRIMARY KEY, total bigint NOT NULL);
             INSERT INTO old.view_things VALUES (repeat('a', 3000)::bytea, 1);
             INSERT INTO old.ledger_views VALUES ('things', 1, 'sha256:0', 'things');
             CREATE TABLE old.view_counts (name bytea NOT NULL PRIMARY KEY, count bigint NOT NULL);
             INSERT INTO old.followed SELECT 'counts', 'in use', 1, 'sha256:0', 'counts', position, hash FROM old.ledger_head",
        )
        .unwrap();
    let ledger = open(&place).await;
    let names = async || {
        let rows = ledger.select(Select::from("things")).await.unwrap().rows;
        rows.iter()
            .map(|row| row.text("name").unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["a", "b"]);
    let long = crate::conformance::noise(1, 5_000);
    let append = ledger::Append::unconditional(vec![crate::sample::changed("new", &long, 1)]);
    ledger.append(append).await.unwrap();
    let mut expected = vec!["a".to_owned(), "b".to_owned(), long.clone()];
    expected.sort();
    assert_eq!(names().await, expected);
    crate::conformance::caught_up(&ledger).await;
    assert_eq!(crate::conformance::count(&ledger, &long).await.0, 1);
    assert_eq!(crate::conformance::count(&ledger, "a").await.0, 2);
    assert!(!ledger.rebuild(&|_| {}).await.unwrap().differed());
}
