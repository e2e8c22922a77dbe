//! What is particular to PostgreSQL: several at work, what cannot be in a transaction, and what is not shown.

use std::ops::ControlFlow;
use std::sync::mpsc;

use database::engine::engine_of;
use database::{Dialect, EngineError, MigrateError, MigrationSet, Options, Patience, Progress, Runner, ScanError};

use crate::engines::{Server, go_on, runner};
use crate::support::{Noon, set_in};

const LOG: (&str, &str) = (
    "V1__log.sql",
    "CREATE TABLE log (a int);\nINSERT INTO log SELECT * FROM generate_series(1, 1000);",
);

#[test]
fn an_index_is_built_concurrently_while_another_deployer_waits() {
    let Some(server) = Server::postgres() else { return };
    let site = server.site();
    site.apply(&site.set(&[LOG])).unwrap();
    let set = site.set(&[LOG, ("V2__index.sql", "CREATE INDEX CONCURRENTLY by_a ON log (a);")]);
    // An old transaction, which the building of the index has to wait for.
    let old = site.postgres().hold(&format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM {}",
        site.named("log")
    ));
    let (built, waited) = std::thread::scope(|scope| {
        let (begun, has_begun) = mpsc::channel();
        let first = scope.spawn({
            let set = &set;
            let site = &site;
            move || {
                site.runner().apply(set, &mut |progress| {
                    if matches!(progress, Progress::Statement { .. }) {
                        begun.send(()).unwrap();
                    }
                    ControlFlow::Continue(())
                })
            }
        });
        has_begun.recv().unwrap();
        let (waits, does_wait) = mpsc::channel();
        let second = scope.spawn({
            let set = &set;
            let site = &site;
            move || {
                let mut told = None;
                let report = site.runner().apply(set, &mut |progress| {
                    if let Progress::Waiting { reason } = progress {
                        told = Some(reason);
                        waits.send(()).unwrap();
                    }
                    ControlFlow::Continue(())
                });
                (report, told)
            }
        });
        does_wait.recv().unwrap();
        drop(old);
        (first.join().unwrap(), second.join().unwrap())
    });
    assert_eq!(built.unwrap().ran.len(), 1);
    let (report, told) = waited;
    assert!(report.unwrap().ran.is_empty(), "nothing is left to do");
    assert!(told.unwrap().starts_with("another run is migrating postgres://"));
    assert_eq!(
        site.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_a'::regclass"),
        "t"
    );
}

#[test]
fn an_index_that_cannot_be_built_leaves_nothing_behind_and_can_be_built_when_the_rows_are_mended() {
    let Some(server) = Server::postgres() else { return };
    let site = server.site();
    let index = ("V2__index.sql", "CREATE UNIQUE INDEX CONCURRENTLY by_a ON log (a);");
    let twice = (
        "V1__log.sql",
        "CREATE TABLE log (a int);\nINSERT INTO log VALUES (7), (7);",
    );
    let error = site.apply(&site.set(&[twice, index])).unwrap_err().to_string();
    assert!(error.contains("could not create unique index"), "{error}");
    assert!(!error.contains("(7)"), "values of rows are not told: {error}");
    assert_eq!(site.ask("SELECT count(*) FROM pg_class WHERE relname = 'by_a'"), "0");
    site.ask("DELETE FROM log WHERE ctid = '(0,1)'");
    assert_eq!(site.apply(&site.set(&[twice, index])).unwrap().ran.len(), 1);
    assert_eq!(
        site.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_a'::regclass"),
        "t"
    );
}

#[test]
fn an_invalid_index_of_a_run_that_died_is_dropped_and_built_again() {
    let Some(server) = Server::postgres() else { return };
    let site = server.site();
    let index = (
        "V2__index.sql",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS by_a ON log (a);",
    );
    let set = site.set(&[LOG, index]);
    site.apply(&site.set(&[LOG])).unwrap();
    let stopped = site.runner().apply(&set, &mut |progress| match progress {
        Progress::Statement { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    assert!(stopped.is_err());
    // As the database is when the building dies within: the intent, and an index that is not valid.
    let digest = facts::Digest::of("CREATE INDEX CONCURRENTLY IF NOT EXISTS by_a ON log (a)");
    site.ask(&format!(
        "CREATE INDEX by_a ON log (a);
         UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'by_a'::regclass;
         INSERT INTO throughline_statements (key, file, number, line, checksum, state, at, mark)
             VALUES ('2', 'V2__index.sql', 1, 1, '{digest}', 'started', '2026-01-01T00:00:00Z', '')"
    ));
    let before = site.ask("SELECT 'by_a'::regclass::oid");
    site.apply(&set).unwrap();
    assert_ne!(site.ask("SELECT 'by_a'::regclass::oid"), before);
    assert_eq!(
        site.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_a'::regclass"),
        "t"
    );
}

#[test]
fn an_invalid_index_of_somebody_else_is_not_taken_for_a_good_one() {
    let Some(server) = Server::postgres() else { return };
    let site = server.site();
    site.apply(&site.set(&[LOG])).unwrap();
    site.ask(
        "CREATE INDEX by_a ON log (a); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'by_a'::regclass",
    );
    let index = (
        "V2__index.sql",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS by_a ON log (a);",
    );
    let error = site.apply(&site.set(&[LOG, index])).unwrap_err().to_string();
    assert!(error.contains("was there already and is invalid"), "{error}");
    site.ask("DROP INDEX by_a");
    site.apply(&site.set(&[LOG, index])).unwrap();
}

#[test]
fn a_change_that_finds_a_long_transaction_gives_way_and_comes_again() {
    let Some(server) = Server::postgres() else { return };
    let site = server.site();
    site.apply(&site.set(&[LOG])).unwrap();
    let change = (
        "V2__b.sql",
        "SET lock_timeout = '50ms';\nALTER TABLE log ADD b int;\nALTER TABLE log ADD c int;",
    );
    let mut long = Some(
        site.postgres()
            .hold(&format!("BEGIN; SELECT count(*) FROM {}", site.named("log"))),
    );
    let mut told = Vec::new();
    let set = site.set(&[LOG, change]);
    let report = site.runner().apply(&set, &mut |progress| {
        if let Progress::Waiting { reason } = progress {
            told.push(reason);
            long = None;
        }
        ControlFlow::Continue(())
    });
    assert_eq!(report.unwrap().ran.len(), 1);
    assert!(told[0].contains("statement 2 waits for others"), "{told:?}");
    assert_eq!(
        site.ask("SELECT count(*) FROM throughline_statements WHERE key = '2' AND state = 'done'"),
        "3"
    );

    // And gives up after so many times, with everything as it was.
    let _long = site
        .postgres()
        .hold(&format!("BEGIN; SELECT count(*) FROM {}", site.named("log")));
    let drop_it = (
        "V3__c.sql",
        "SET lock_timeout = '50ms';\nCREATE TABLE other (a int);\nALTER TABLE log DROP c;",
    );
    let impatient = Options {
        patience: Patience {
            tries: 2,
            ..Patience::default()
        },
        ..Options::default()
    };
    let engine = engine_of(Dialect::Postgres, &site.location, None).unwrap();
    let error = Runner::new(engine, std::sync::Arc::new(Noon))
        .with_options(impatient)
        .apply(&site.set(&[LOG, change, drop_it]), &mut go_on)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("V3__c.sql:3: statement 3 found its way blocked 2 times"),
        "{error}"
    );
    assert_eq!(site.ask("SELECT to_regclass('other')"), "");
}

#[test]
fn what_a_dead_runner_left_running_is_waited_for() {
    let Some(server) = Server::postgres() else { return };
    let site = server.site();
    site.apply(&site.set(&[LOG])).unwrap();
    let mut first = engine_of(Dialect::Postgres, &site.location, None).unwrap();
    assert!(first.try_lock().unwrap());
    let mut second = engine_of(Dialect::Postgres, &site.location, None).unwrap();
    assert!(!second.try_lock().unwrap());
    // Another schema of the same database is nobody's concern.
    let beside = server.site();
    let mut third = engine_of(Dialect::Postgres, &beside.location, None).unwrap();
    assert!(third.try_lock().unwrap());
    // Who loses the lock does not go on.
    let ended = site.postgres().ask(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'throughline' AND pid IN
            (SELECT pid FROM pg_locks WHERE locktype = 'advisory' ORDER BY pid)",
    );
    assert!(ended.unwrap().contains('t'));
    assert!(first.check_lock().is_err());
    while !second.try_lock().unwrap() {
        std::thread::yield_now();
    }
}

#[test]
fn a_script_that_gives_the_lock_away_is_stopped() {
    let Some(server) = Server::postgres() else { return };
    let site = server.site();
    let bad = (
        "V1__bad.sql",
        "SELECT pg_advisory_unlock_all();\nCREATE TABLE log (a int);",
    );
    let error = site.apply(&site.set(&[bad])).unwrap_err();
    assert!(
        matches!(error, MigrateError::Engine(EngineError::LockLost { .. })),
        "{error}"
    );
    assert_eq!(site.ask("SELECT to_regclass('log')"), "");
}

#[test]
fn no_search_path_or_role_of_a_script_misleads_the_journal() {
    let Some(server) = Server::postgres() else { return };
    let site = server.site();
    let elsewhere = (
        "V1__away.sql",
        "-- no-transaction\nCREATE SCHEMA away;\nSET search_path TO away;\nCREATE TABLE log (a int);\nCREATE INDEX CONCURRENTLY by_a ON log (a);",
    );
    let here = ("V2__here.sql", "CREATE TABLE here (a int);");
    site.apply(&site.set(&[elsewhere, here])).unwrap();
    assert_eq!(site.ask("SELECT count(*) FROM away.log"), "0");
    assert_eq!(site.ask("SELECT count(*) FROM here"), "0");
    assert_eq!(site.ask("SELECT to_regclass('away.throughline_statements')"), "");
    site.postgres().ask("DROP SCHEMA away CASCADE").unwrap();
}

#[test]
fn a_value_of_a_type_is_added_in_a_transaction_and_used_in_the_next_file() {
    let Some(server) = Server::postgres() else { return };
    let site = server.site();
    let files = [
        (
            "V1__mood.sql",
            "CREATE TYPE mood AS ENUM ('good');\nCREATE TABLE log (a mood);",
        ),
        ("V2__bad.sql", "ALTER TYPE mood ADD VALUE 'bad';"),
        ("V3__use.sql", "INSERT INTO log VALUES ('bad');"),
    ];
    assert_eq!(site.apply(&site.set(&files)).unwrap().ran.len(), 3);
    assert_eq!(site.ask("SELECT a FROM log"), "bad");
}

#[test]
fn functions_and_partitions_go_their_way() {
    let Some(server) = Server::postgres() else { return };
    let site = server.site();
    let files = [
        (
            "V1__start.sql",
            "CREATE TABLE m (a int) PARTITION BY RANGE (a);\nCREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (10);\n\
             CREATE FUNCTION two() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END; $$;\n\
             CREATE OR REPLACE FUNCTION two() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END;\n\
             DO $x$ BEGIN INSERT INTO m VALUES (3); END $x$;",
        ),
        ("V2__part.sql", "ALTER TABLE m DETACH PARTITION m1 CONCURRENTLY;"),
    ];
    assert_eq!(
        site.apply(&site.set(&files))
            .unwrap_or_else(|error| panic!("{error}"))
            .ran
            .len(),
        2
    );
    assert_eq!(site.ask("SELECT two()"), "2");
    assert_eq!(
        site.ask("SELECT count(*) FROM pg_inherits WHERE inhrelid = 'm1'::regclass"),
        "0"
    );
}

#[test]
fn a_file_that_mixes_what_a_transaction_can_and_cannot_hold_is_refused() {
    let files = [(
        "V1__a.sql".to_owned(),
        b"CREATE TABLE t (a int);\nCREATE INDEX CONCURRENTLY i ON t (a);".to_vec(),
    )];
    let error = MigrationSet::of_files(Dialect::Postgres, files).unwrap_err();
    assert!(matches!(error, ScanError::Mixed { line: 2, .. }), "{error}");
    let set = set_in(
        Dialect::Postgres,
        &[(
            "V1__a.sql",
            "-- no-transaction\nCREATE TABLE t (a int);\nCREATE INDEX CONCURRENTLY i ON t (a);",
        )],
    );
    assert_eq!(set.migrations()[0].statements.len(), 2);
}

#[test]
fn a_database_that_is_not_there_is_named_without_its_password() {
    let mut runner = runner(Dialect::Postgres, "postgres://app:s3cret@127.0.0.1:1/shop");
    let error = runner.applied().unwrap_err().to_string();
    assert!(
        error.starts_with("cannot open the database postgres://app@127.0.0.1:1/shop: ") && !error.contains("s3cret"),
        "{error}"
    );
}
