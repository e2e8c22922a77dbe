//! What every kind of database does, each against a real server.

use std::ops::ControlFlow;

use database::{Dialect, EntryState, MigrateError, Progress};

use crate::engines::{Server, Site, go_on, runner};
use crate::support::set_in;

/// One module of tests for each engine.
macro_rules! engines {
    ($($name:ident),* $(,)?) => {
        $(mod $name {
            use super::Server;

            engines!(@tests $name
                a_folder_is_applied_once_and_the_schema_state_is_its_last_version
                a_failing_file_says_where_and_what_is_left_and_goes_on_when_it_is_mended
                a_file_whose_statements_stand_alone_goes_on_where_it_stopped
                a_repeatable_file_runs_again_when_its_text_changed_and_a_versioned_one_may_not_change
                what_was_applied_is_taken_back_in_reverse_order
                many_runners_at_once_apply_each_migration_once
                stopping_on_request_leaves_what_the_journal_says
                a_death_at_any_place_is_mended_by_the_next_run_and_nothing_happens_twice
                what_a_script_sets_is_gone_for_the_next_and_there_again_after_a_stop
            );
        })*
    };
    (@tests $name:ident $($test:ident)*) => {
        $(#[test]
        fn $test() {
            if let Some(server) = Server::$name() {
                super::$test(&server.site());
            }
        })*
    };
}

engines!(sqlite, postgres, mysql);

const LOG: (&str, &str) = ("V1__log.sql", "CREATE TABLE log (a INT);\nINSERT INTO log VALUES (1);");
const MORE: (&str, &str) = ("V2__more.sql", "ALTER TABLE log ADD b INT;");
const VIEW: (&str, &str) = (
    "R__view.sql",
    "DROP VIEW IF EXISTS seen;\nCREATE VIEW seen AS SELECT a FROM log;",
);

fn a_folder_is_applied_once_and_the_schema_state_is_its_last_version(site: &Site<'_>) {
    let set = site.set(&[LOG, MORE, VIEW]);
    let mut runner = site.runner();
    assert_eq!(runner.schema_state().unwrap(), None);
    let report = runner.apply(&set, &mut go_on).unwrap();
    assert_eq!(
        (report.ran.len(), report.schema.unwrap().to_string()),
        (3, "2".to_owned())
    );
    assert!(runner.apply(&set, &mut go_on).unwrap().ran.is_empty());
    assert!(site.apply(&set).unwrap().ran.is_empty());
    assert_eq!(site.ask("SELECT count(*) FROM log"), "1");
    assert_eq!(
        site.ask("SELECT count(*) FROM throughline_statements WHERE state = 'done'"),
        "5"
    );
}

fn a_failing_file_says_where_and_what_is_left_and_goes_on_when_it_is_mended(site: &Site<'_>) {
    let bad = (
        "V2__bad.sql",
        "CREATE TABLE half (a INT);\n\nINSERT INTO nowhere VALUES (1);\nCREATE TABLE other (a INT);",
    );
    let error = site.apply(&site.set(&[LOG, bad])).unwrap_err();
    assert!(matches!(&error, MigrateError::Run(_)), "{error:?}");
    let told = error.to_string();
    assert!(
        told.starts_with("V2__bad.sql:3: statement 2 failed: ") && told.contains("nowhere"),
        "{told}"
    );
    let applied = site.runner().applied().unwrap();
    let entry = &applied.entries[1];
    let together = site.dialect != Dialect::Mysql;
    assert_eq!(
        (entry.state, entry.done.len()),
        (EntryState::Open, usize::from(!together))
    );
    assert!(entry.failure.as_ref().unwrap().starts_with("statement 2, line 3: "));
    assert!(
        told.contains(if together {
            "nothing of the file took effect"
        } else {
            "the statement before it took effect"
        }),
        "{told}"
    );
    let mended = (
        "V2__bad.sql",
        "CREATE TABLE half (a INT);\nINSERT INTO half VALUES (1);",
    );
    let report = site.apply(&site.set(&[LOG, mended])).unwrap();
    assert_eq!(report.schema.unwrap().to_string(), "2");
    assert_eq!(site.ask("SELECT count(*) FROM half"), "1");
    assert_eq!(site.runner().applied().unwrap().entries[1].failure, None);
}

fn a_file_whose_statements_stand_alone_goes_on_where_it_stopped(site: &Site<'_>) {
    let text = |last: &str| {
        format!(
            "-- no-transaction\nCREATE TABLE log (a INT);\nINSERT INTO log VALUES (1);\n{last};\nINSERT INTO log VALUES (2);"
        )
    };
    let bad = text("INSERT INTO nowhere VALUES (1)");
    let error = site.apply(&site.set(&[("V1__log.sql", &bad)])).unwrap_err().to_string();
    assert!(error.contains("V1__log.sql:4: statement 3 failed"), "{error}");
    assert!(error.contains("2 statements before it took effect"), "{error}");
    assert_eq!(site.runner().applied().unwrap().entries[0].done.len(), 2);
    let other = bad.replace("VALUES (1);\nINSERT", "VALUES (3);\nINSERT");
    let error = site
        .apply(&site.set(&[("V1__log.sql", &other)]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("the statements up to there were changed"), "{error}");
    let mended = text("CREATE INDEX by_a ON log (a)");
    site.apply(&site.set(&[("V1__log.sql", &mended)])).unwrap();
    assert_eq!(site.ask("SELECT count(*) FROM log"), "2");
    assert!(
        site.apply(&site.set(&[("V1__log.sql", &mended)]))
            .unwrap()
            .ran
            .is_empty()
    );
}

fn a_repeatable_file_runs_again_when_its_text_changed_and_a_versioned_one_may_not_change(site: &Site<'_>) {
    site.apply(&site.set(&[LOG, VIEW])).unwrap();
    let changed = (
        "R__view.sql",
        "DROP VIEW IF EXISTS seen;\nCREATE VIEW seen AS SELECT 7 AS a FROM log;",
    );
    let report = site.apply(&site.set(&[LOG, changed])).unwrap();
    assert_eq!(report.ran, ["R__view".parse().unwrap()]);
    assert_eq!(site.ask("SELECT a FROM seen"), "7");
    // Other line ends, a mark at the head and a missing one at the end are no change.
    let windows = format!("\u{feff}{}", LOG.1.replace('\n', "\r\n"));
    assert!(
        site.apply(&site.set(&[("V1__log.sql", &windows), changed]))
            .unwrap()
            .ran
            .is_empty()
    );
    let other = LOG.1.replace("(1)", "(2)");
    let error = site
        .apply(&site.set(&[("V1__log.sql", &other), changed, MORE]))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("V1__log.sql was changed after it was applied"),
        "{error}"
    );
    assert_eq!(site.runner().schema_state().unwrap().unwrap().to_string(), "1");
}

fn what_was_applied_is_taken_back_in_reverse_order(site: &Site<'_>) {
    let all = site.set(&[
        LOG,
        ("U1__log.sql", "DROP TABLE log;"),
        ("2_more.up.sql", MORE.1),
        ("2_more.down.sql", "ALTER TABLE log DROP COLUMN b;"),
    ]);
    site.apply(&all).unwrap();
    let report = site
        .runner()
        .undo(&all, Some(&"1".parse().unwrap()), &mut go_on)
        .unwrap();
    assert_eq!(report.schema.unwrap().to_string(), "1");
    site.apply(&all).unwrap();
    let report = site.runner().undo(&all, None, &mut go_on).unwrap();
    assert_eq!(report.ran, ["2".parse().unwrap(), "1".parse().unwrap()]);
    assert_eq!(report.schema, None);
    site.apply(&all).unwrap();
    assert_eq!(site.ask("SELECT count(*) FROM log"), "1");
}

fn many_runners_at_once_apply_each_migration_once(site: &Site<'_>) {
    let set = site.set(&[LOG, MORE, VIEW]);
    let ran: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| site.runner().apply(&set, &mut go_on).unwrap().ran.len()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(ran, 3);
    assert_eq!(site.ask("SELECT count(*) FROM log"), "1");
}

fn stopping_on_request_leaves_what_the_journal_says(site: &Site<'_>) {
    let text = "-- no-transaction\nCREATE TABLE log (a INT);\nINSERT INTO log VALUES (1);\nINSERT INTO log VALUES (2);";
    let set = site.set(&[("V1__log.sql", text)]);
    let error = site
        .runner()
        .apply(&set, &mut |progress| match progress {
            Progress::Statement { number: 3, .. } => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .unwrap_err();
    assert_eq!(error.to_string(), "stopped as asked before statement 3 of V1__log.sql");
    assert_eq!(site.ask("SELECT count(*) FROM log"), "1");
    site.apply(&set).unwrap();
    assert_eq!(site.ask("SELECT count(*) FROM log"), "2");
}

/// Files with every kind of statement that a crash can meet, and how many rows of `log` there are at the end.
fn of_every_kind(dialect: Dialect) -> (Vec<(&'static str, &'static str)>, &'static str) {
    let alone = match dialect {
        Dialect::Sqlite => "-- no-transaction\nINSERT INTO log VALUES (2);\nVACUUM;\nINSERT INTO log VALUES (3);",
        Dialect::Postgres => {
            "-- no-transaction\nINSERT INTO log VALUES (2);\nCREATE UNIQUE INDEX CONCURRENTLY by_a ON log (a);\n\
             REINDEX TABLE CONCURRENTLY log;\nVACUUM log;\nDROP INDEX CONCURRENTLY by_a;\nINSERT INTO log VALUES (3);"
        }
        Dialect::Mysql => {
            "INSERT INTO log VALUES (2);\nALTER TABLE log ADD b INT;\nCREATE TABLE other (a INT);\n\
             RENAME TABLE other TO another;\nCREATE VIEW seen AS SELECT a FROM log;\nTRUNCATE another;\nDROP TABLE another;\n\
             ALTER TABLE log DROP COLUMN b;\nINSERT INTO log VALUES (3);"
        }
    };
    let files = vec![
        LOG,
        ("V2__step.sql", alone),
        (
            "V3__end.sql",
            "INSERT INTO log VALUES (4);\nINSERT INTO log VALUES (5);",
        ),
    ];
    (files, "5")
}

const CHILD: &str = "DATABASE_CRASH_TEST";

/// Not a test of its own: the process that the tests of crashes start.
#[test]
fn child() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let (dialect, location) = told.split_once(' ').unwrap();
    let dialect = dialect.parse().unwrap();
    let (files, _) = of_every_kind(dialect);
    runner(dialect, location)
        .apply(&set_in(dialect, &files), &mut go_on)
        .unwrap();
}

#[allow(clippy::disallowed_methods)] // the test binary itself, so that a crash ends no other test
pub fn run_child(site: &Site<'_>, crash: &str) -> bool {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "conformance::child"])
        .env(CHILD, format!("{} {}", site.dialect, site.location))
        .env("THROUGHLINE_CRASH", crash)
        .output()
        .unwrap()
        .status
        .success()
}

fn a_death_at_any_place_is_mended_by_the_next_run_and_nothing_happens_twice(first: &Site<'_>) {
    let (files, rows) = of_every_kind(first.dialect);
    let folder = tempfile::tempdir().unwrap();
    let names = folder.path().join("reached");
    assert!(run_child(first, &format!("count:{}", names.display())));
    let reached: Vec<String> = std::fs::read_to_string(names)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    assert!(reached.len() >= 20, "{reached:?}");
    for (place, name) in (1..).zip(&reached) {
        let site = first.server.site();
        assert!(
            !run_child(&site, &place.to_string()),
            "it dies at place {place}, {name}"
        );
        // What the journal says took effect did.
        let applied = site.runner().applied().unwrap();
        if let Some(entry) = applied.get(&"2".parse().unwrap())
            && entry.state == EntryState::Open
            && !entry.done.is_empty()
        {
            assert_eq!(
                site.ask("SELECT count(*) FROM log WHERE a = 2"),
                "1",
                "place {place}, {name}"
            );
        }
        site.apply(&site.set(&files)).unwrap();
        assert_eq!(site.ask("SELECT count(*) FROM log"), rows, "place {place}, {name}");
        assert_eq!(
            site.ask("SELECT count(DISTINCT a) FROM log"),
            rows,
            "place {place}, {name}"
        );
        assert!(site.apply(&site.set(&files)).unwrap().ran.is_empty());
    }
}

fn what_a_script_sets_is_gone_for_the_next_and_there_again_after_a_stop(site: &Site<'_>) {
    let (set, look) = match site.dialect {
        Dialect::Sqlite => (
            "PRAGMA foreign_keys = on",
            "INSERT INTO seen SELECT foreign_keys FROM pragma_foreign_keys",
        ),
        Dialect::Postgres => (
            "SET app.tone = '1'",
            "INSERT INTO seen SELECT coalesce(nullif(current_setting('app.tone', true), ''), '0')::int",
        ),
        Dialect::Mysql => (
            "SET @tone = 1, SESSION sort_buffer_size = 65536",
            "INSERT INTO seen SELECT @@sort_buffer_size = 65536",
        ),
    };
    let one = format!("-- no-transaction\nCREATE TABLE seen (a INT);\n{set};\n{look};\n{look};");
    let two = format!("{look};");
    let files = site.set(&[("V1__one.sql", &one), ("V2__two.sql", &two)]);
    let stopped = site.runner().apply(&files, &mut |progress| match progress {
        Progress::Statement { number: 4, .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    assert!(stopped.is_err());
    site.apply(&files).unwrap();
    // SQLite's has no part in this: a later run begins without references enforced, as the first did.
    let expected = if site.dialect == Dialect::Sqlite { "1" } else { "2" };
    assert_eq!(site.ask("SELECT sum(a) FROM seen"), expected);
    assert_eq!(site.ask("SELECT count(*) FROM seen"), "3");
}
