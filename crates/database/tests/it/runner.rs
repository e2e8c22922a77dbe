//! What the runner does to a database.

use std::ops::ControlFlow;

use database::{Engine as _, EngineError, EntryState, MigrateError, MigrationSet, Problem, Progress, SqliteEngine};

use crate::support::{Place, go_on, set};

const USERS: (&str, &str) = (
    "V1__users.sql",
    "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);\nINSERT INTO users (name) VALUES ('a');\n",
);
const EMAIL: (&str, &str) = ("V2__email.sql", "ALTER TABLE users ADD COLUMN email TEXT;");
const VIEW: (&str, &str) = (
    "R__names.sql",
    "DROP VIEW IF EXISTS names;\nCREATE VIEW names AS SELECT name FROM users;",
);

#[test]
fn a_folder_is_applied_once_and_the_schema_state_is_its_last_version() {
    let place = Place::new();
    let folder = place.folder.path().join("migrations");
    std::fs::create_dir(&folder).unwrap();
    for (name, text) in [USERS, EMAIL, VIEW] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    std::fs::write(folder.join("README.md"), "no migration").unwrap();
    let found = MigrationSet::scan(database::Dialect::Sqlite, &folder).unwrap();
    let mut runner = place.runner();
    assert_eq!(runner.schema_state().unwrap(), None);
    assert!(!place.file().exists(), "looking makes no database");
    let mut told = Vec::new();
    let report = runner
        .apply(&found, &mut |progress| {
            told.push(match progress {
                Progress::Migration(step) => format!("{} ({})", step.file, step.phase),
                Progress::Statement {
                    number,
                    of,
                    line,
                    summary,
                    ..
                } => format!("{number}/{of} line {line}: {summary}"),
                Progress::Done { file } => format!("done {file}"),
                other => format!("{other:?}"),
            });
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(report.ran.len(), 3);
    assert_eq!(report.schema.unwrap().to_string(), "2");
    assert_eq!(
        told[..4],
        [
            "V1__users.sql (expand)",
            "1/2 line 1: CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)",
            "2/2 line 2: INSERT INTO users (name) VALUES ('a')",
            "done V1__users.sql",
        ]
    );
    assert!(runner.apply(&found, &mut go_on).unwrap().ran.is_empty());
    assert_eq!(place.value("SELECT count(*) FROM users"), 1);
    assert_eq!(
        place.value("SELECT count(*) FROM throughline_statements WHERE state = 'done'"),
        5
    );
}

#[cfg(unix)]
#[test]
fn a_link_in_the_folder_is_refused() {
    let place = Place::new();
    std::os::unix::fs::symlink("/etc/passwd", place.folder.path().join("V1__x.sql")).unwrap();
    let error = MigrationSet::scan(database::Dialect::Sqlite, place.folder.path()).unwrap_err();
    assert!(error.to_string().starts_with("V1__x.sql is a link"), "{error}");
}

#[test]
fn a_repeatable_migration_runs_again_when_its_text_changed() {
    let place = Place::new();
    place.apply(&set(&[USERS, VIEW])).unwrap();
    let changed = (
        "R__names.sql",
        "DROP VIEW IF EXISTS names;\nCREATE VIEW names AS SELECT 7 AS name;",
    );
    let report = place.apply(&set(&[USERS, changed])).unwrap();
    assert_eq!(report.ran, ["R__names".parse().unwrap()]);
    assert_eq!(place.value("SELECT name FROM names"), 7);
}

#[test]
fn a_changed_file_stops_everything_before_it_begins() {
    let place = Place::new();
    place.apply(&set(&[USERS])).unwrap();
    let changed = ("V1__users.sql", "CREATE TABLE users (id INTEGER);");
    let error = place.apply(&set(&[changed, EMAIL])).unwrap_err();
    assert!(matches!(&error, MigrateError::Problems(problems) if matches!(problems[..], [Problem::Changed { .. }])));
    assert!(
        error
            .to_string()
            .contains("V1__users.sql was changed after it was applied"),
        "{error}"
    );
    assert_eq!(place.runner().schema_state().unwrap().unwrap().to_string(), "1");
    // Other line ends are no change.
    let windows = USERS.1.replace('\n', "\r\n");
    place.apply(&set(&[("V1__users.sql", &windows), EMAIL])).unwrap();
}

#[test]
fn a_failing_file_leaves_nothing_and_names_file_statement_and_line() {
    let place = Place::new();
    let bad = (
        "V2__bad.sql",
        "CREATE TABLE half (a);\n\nINSERT INTO nowhere VALUES (1);\nCREATE TABLE other (a);",
    );
    let error = place.apply(&set(&[USERS, bad])).unwrap_err().to_string();
    assert!(
        error.starts_with("V2__bad.sql:3: statement 2 failed: no such table: nowhere"),
        "{error}"
    );
    assert_eq!(place.tables(), ["users"]);
    let mut runner = place.runner();
    let status = runner.status(&set(&[USERS, bad])).unwrap();
    let entry = &status.applied.entries[1];
    assert_eq!((entry.state, entry.done.len()), (EntryState::Open, 0));
    assert!(
        entry
            .failure
            .as_ref()
            .unwrap()
            .starts_with("statement 2, line 3: no such table")
    );
    assert_eq!(runner.schema_state().unwrap().unwrap().to_string(), "1");
    // Mended, it runs as a whole.
    let mended = ("V2__bad.sql", "CREATE TABLE half (a);\nINSERT INTO half VALUES (1);");
    assert_eq!(
        place.apply(&set(&[USERS, mended])).unwrap().schema.unwrap().to_string(),
        "2"
    );
    assert_eq!(place.runner().applied().unwrap().entries[1].failure, None);
}

#[test]
fn a_failing_file_without_transaction_goes_on_where_it_stopped() {
    let place = Place::new();
    let text = |last: &str| {
        format!(
            "-- no-transaction\nCREATE TABLE log (a);\nINSERT INTO log VALUES (1);\nVACUUM;\n{last};\nINSERT INTO log VALUES (2);"
        )
    };
    let bad = text("INSERT INTO nowhere VALUES (1)");
    let error = place.apply(&set(&[("V1__log.sql", &bad)])).unwrap_err().to_string();
    assert!(error.contains("V1__log.sql:5: statement 4 failed"), "{error}");
    assert!(error.contains("3 statements before it took effect"), "{error}");
    assert_eq!(place.runner().applied().unwrap().entries[0].done.len(), 3);
    assert_eq!(place.runner().schema_state().unwrap(), None);
    let other = bad.replace("VALUES (1);\nVACUUM", "VALUES (3);\nVACUUM");
    let error = place.apply(&set(&[("V1__log.sql", &other)])).unwrap_err().to_string();
    assert!(
        error.contains("stopped after statement 3, and the statements up to there were changed"),
        "{error}"
    );
    let mended = text("PRAGMA user_version = 7");
    place.apply(&set(&[("V1__log.sql", &mended)])).unwrap();
    assert_eq!(place.value("SELECT count(*) FROM log"), 2);
    assert_eq!(place.value("PRAGMA user_version"), 7);
    // The journal holds the text that was mended.
    place.apply(&set(&[("V1__log.sql", &mended)])).unwrap();
}

#[test]
fn stopping_on_request_leaves_what_the_journal_says() {
    let place = Place::new();
    let text = "-- no-transaction\nCREATE TABLE log (a);\nINSERT INTO log VALUES (1);\nINSERT INTO log VALUES (2);";
    let found = set(&[("V1__log.sql", text)]);
    let error = place
        .runner()
        .apply(&found, &mut |progress| match progress {
            Progress::Statement { number: 3, .. } => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .unwrap_err();
    assert_eq!(error.to_string(), "stopped as asked before statement 3 of V1__log.sql");
    assert_eq!(place.value("SELECT count(*) FROM log"), 1);
    place.apply(&found).unwrap();
    assert_eq!(place.value("SELECT count(*) FROM log"), 2);
}

#[test]
fn two_runners_never_work_at_once() {
    let place = Place::new();
    let mut other = SqliteEngine::new(place.file());
    assert!(other.try_lock().unwrap());
    let error = place.apply(&set(&[USERS])).unwrap_err();
    assert!(
        matches!(error, MigrateError::Engine(EngineError::Locked { .. })),
        "{error}"
    );
    other.unlock();
    place.apply(&set(&[USERS])).unwrap();
}

#[test]
fn many_runners_at_once_apply_each_migration_once() {
    let place = Place::new();
    let found = set(&[USERS, EMAIL]);
    let ran: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let engine = Box::new(SqliteEngine::new(place.file()));
                    let mut runner = database::Runner::new(engine, std::sync::Arc::new(crate::support::Noon));
                    runner.apply(&found, &mut go_on).unwrap().ran.len()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(ran, 2);
    assert_eq!(place.value("SELECT count(*) FROM users"), 1);
}

#[test]
fn rebuilding_a_table_keeps_what_refers_to_it_and_a_broken_reference_is_refused() {
    let place = Place::new();
    let start = (
        "V1__start.sql",
        "CREATE TABLE team (id INTEGER PRIMARY KEY);\nCREATE TABLE member (team INTEGER REFERENCES team ON DELETE CASCADE);\nINSERT INTO team VALUES (1);\nINSERT INTO member VALUES (1);",
    );
    let rebuild = (
        "V2__rebuild.sql",
        "CREATE TABLE next (id INTEGER PRIMARY KEY, name TEXT);\nINSERT INTO next (id) SELECT id FROM team;\nDROP TABLE team;\nALTER TABLE next RENAME TO team;",
    );
    place.apply(&set(&[start, rebuild])).unwrap();
    assert_eq!(place.value("SELECT count(*) FROM member"), 1);
    let broken = ("V3__broken.sql", "DELETE FROM team;");
    let error = place.apply(&set(&[start, rebuild, broken])).unwrap_err().to_string();
    assert!(
        error.contains("leaves references to rows that are not there"),
        "{error}"
    );
    assert_eq!(place.value("SELECT count(*) FROM team"), 1);
}

#[test]
fn a_migration_reaches_no_other_file() {
    let place = Place::new();
    let other = place.folder.path().join("other.db");
    for text in [
        format!("-- no-transaction\nVACUUM INTO '{}';", other.display()),
        format!("-- no-transaction\nVACUUM main/**/INTO/**/'{}';", other.display()),
        format!("EXPLAIN SELECT 1; -- no\nATTACH '{}' AS other;", other.display()).replace("EXPLAIN SELECT 1;", ""),
    ] {
        let refused = match MigrationSet::of_files(
            database::Dialect::Sqlite,
            [("V1__x.sql".to_owned(), text.clone().into_bytes())],
        ) {
            Err(error) => error.to_string(),
            Ok(found) => place.apply(&found).unwrap_err().to_string(),
        };
        assert!(refused.contains("its own database only"), "{refused}");
        assert!(!other.exists(), "{text}");
    }
}

#[test]
fn what_was_applied_is_taken_back_in_reverse_order() {
    let place = Place::new();
    let all = set(&[
        USERS,
        ("U1__users.sql", "DROP TABLE users;"),
        ("2_email.up.sql", EMAIL.1),
        ("2_email.down.sql", "ALTER TABLE users DROP COLUMN email;"),
    ]);
    place.apply(&all).unwrap();
    let report = place
        .runner()
        .undo(&all, Some(&"1".parse().unwrap()), &mut go_on)
        .unwrap();
    assert_eq!(report.schema.unwrap().to_string(), "1");
    place.apply(&all).unwrap();
    let report = place.runner().undo(&all, None, &mut go_on).unwrap();
    assert_eq!(report.ran, ["2".parse().unwrap(), "1".parse().unwrap()]);
    assert_eq!(report.schema, None);
    assert!(place.tables().is_empty());
    place.apply(&all).unwrap();
    assert_eq!(place.tables(), ["users"]);
    let without = set(&[USERS, EMAIL]);
    let error = place.runner().undo(&without, None, &mut go_on).unwrap_err();
    assert!(
        matches!(error, MigrateError::Problems(_) | MigrateError::NoUndo(_)),
        "{error}"
    );
}

#[test]
fn a_newer_journal_and_a_file_that_is_no_database_are_refused() {
    let place = Place::new();
    place.apply(&set(&[USERS])).unwrap();
    let connection = rusqlite::Connection::open(place.file()).unwrap();
    connection
        .execute("UPDATE throughline_journal SET version = 99", [])
        .unwrap();
    drop(connection);
    let error = place.apply(&set(&[USERS])).unwrap_err();
    assert!(
        matches!(error, MigrateError::Engine(EngineError::Newer { found: 99, .. })),
        "{error}"
    );

    let garbage = Place::new();
    std::fs::write(garbage.file(), vec![7; 4096]).unwrap();
    let error = garbage.apply(&set(&[USERS])).unwrap_err();
    assert!(error.to_string().contains("not a database"), "{error}");
    assert!(database::engine::engine_of(database::Dialect::Postgres, "x", None).is_err());
}
