//! What is particular to MariaDB and MySQL: statements that commit by themselves, and what the catalogue shows
//! of them.

use std::ops::ControlFlow;

use database::{MigrateError, Progress};
use facts::Digest;

use crate::engines::{Server, Site};

const LOG: (&str, &str) = ("V1__log.sql", "CREATE TABLE log (a INT);\nINSERT INTO log VALUES (1);");

/// Stops before the first statement of the second file, and writes into the journal what a run has written that
/// dies within that statement: an intent, with what `mark` gives.
fn begun(site: &Site<'_>, statement: &str, mark: &str) {
    let two = format!("{statement};");
    let set = site.set(&[LOG, ("V2__two.sql", &two)]);
    let stopped = site.runner().apply(&set, &mut |progress| match progress {
        Progress::Statement { ref file, .. } if file == "V2__two.sql" => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    assert!(stopped.is_err());
    let digest = Digest::of(statement);
    site.ask(&format!(
        "INSERT INTO throughline_statements (`key`, file, number, line, checksum, state, at, mark)
         VALUES ('2', 'V2__two.sql', 1, 1, '{digest}', 'started', '2026-01-01T00:00:00Z', '{mark}')"
    ));
}

#[test]
fn a_statement_that_took_effect_before_a_death_is_not_repeated() {
    let Some(server) = Server::mysql() else { return };
    let site = server.site();
    // Any other digest than that of now: it was taken before the column was there.
    begun(&site, "ALTER TABLE log ADD b INT", &Digest::of("before").to_string());
    site.ask("ALTER TABLE log ADD b INT");
    let mut notes = Vec::new();
    let set = site.set(&[LOG, ("V2__two.sql", "ALTER TABLE log ADD b INT;")]);
    let report = site.runner().apply(&set, &mut |progress| {
        if let Progress::Note { text } = progress {
            notes.push(text);
        }
        ControlFlow::Continue(())
    });
    assert_eq!(report.unwrap().schema.unwrap().to_string(), "2");
    assert_eq!(
        notes,
        ["statement 1 took effect in an earlier run, as the database shows"]
    );
}

#[test]
fn what_nothing_shows_is_left_to_a_person() {
    let Some(server) = Server::mysql() else { return };
    let site = server.site();
    site.ask("CREATE PROCEDURE fill() INSERT INTO log VALUES (2)");
    begun(&site, "CALL fill()", "");
    let set = site.set(&[LOG, ("V2__two.sql", "CALL fill();")]);
    let error = site.apply(&set).unwrap_err();
    let told = error.to_string();
    assert!(
        told.starts_with("V2__two.sql:1: an earlier run ended within statement 1, and the database does not show"),
        "{told}"
    );
    assert!(matches!(
        error,
        MigrateError::Run(database::engine::RunError::Unseen { .. })
    ));
    // What the person writes is believed.
    let id = site.ask("SELECT max(id) FROM throughline_statements");
    site.ask(&format!(
        "UPDATE throughline_statements SET state = 'failed' WHERE id = {id}"
    ));
    site.apply(&set).unwrap();
    assert_eq!(site.ask("SELECT count(*) FROM log"), "2");
}

#[test]
fn a_text_that_was_changed_within_a_statement_is_asked_for_again() {
    let Some(server) = Server::mysql() else { return };
    let site = server.site();
    begun(&site, "ALTER TABLE log ADD b INT", "");
    let set = site.set(&[LOG, ("V2__two.sql", "ALTER TABLE log ADD c INT;")]);
    let told = site.apply(&set).unwrap_err().to_string();
    assert!(
        told.contains("whose text was another then") && told.contains("hint: restore it"),
        "{told}"
    );
}

#[test]
fn a_change_that_finds_a_long_transaction_gives_way_and_comes_again() {
    let Some(server) = Server::mysql() else { return };
    let site = server.site();
    site.apply(&site.set(&[LOG])).unwrap();
    let change = ("V2__b.sql", "SET lock_wait_timeout = 1;\nALTER TABLE log ADD b INT;");
    let mut long = Some(site.hold("START TRANSACTION; SELECT * FROM log"));
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
    assert_eq!(site.ask("SELECT count(b) FROM log"), "0");
}

#[test]
fn routines_triggers_and_comments_that_are_run_go_their_way() {
    let Some(server) = Server::mysql() else { return };
    let site = server.site();
    let text = "/*!40101 SET NAMES utf8mb4 */;\nDELIMITER //\nCREATE PROCEDURE fill()\nBEGIN\n  INSERT INTO log VALUES (2);\n  INSERT INTO log VALUES (3);\nEND//\n\
        CREATE TRIGGER twice BEFORE INSERT ON log FOR EACH ROW BEGIN SET NEW.a = NEW.a * 2; END//\nDELIMITER ;\nINSERT INTO log VALUES (5); # a comment; of one line\nINSERT INTO log VALUES (6) -- ;\n;";
    site.apply(&site.set(&[LOG, ("V2__routines.sql", text)]))
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(site.ask("SELECT group_concat(a ORDER BY a) FROM log"), "1,10,12");
    site.ask("CALL fill()");
    assert_eq!(site.ask("SELECT max(a) FROM log"), "12");
}

#[test]
fn files_that_only_change_rows_are_applied_as_a_whole_or_not_at_all() {
    let Some(server) = Server::mysql() else { return };
    let site = server.site();
    let bad = (
        "V2__rows.sql",
        "INSERT INTO log VALUES (2);\nUPDATE log SET a = 3 WHERE nowhere = 1;",
    );
    let told = site.apply(&site.set(&[LOG, bad])).unwrap_err().to_string();
    assert!(told.contains("nothing of the file took effect"), "{told}");
    assert_eq!(site.ask("SELECT count(*) FROM log"), "1");
    // Values of rows are not told.
    let twice = (
        "V2__rows.sql",
        "CREATE UNIQUE INDEX by_a ON log (a);\nINSERT INTO log VALUES (77);\nINSERT INTO log VALUES (77);",
    );
    let told = site.apply(&site.set(&[LOG, twice])).unwrap_err().to_string();
    assert!(
        told.contains("a duplicate entry for key 'by_a'") && !told.contains("'77'"),
        "{told}"
    );
}

#[test]
fn another_database_of_the_server_is_nobodys_concern() {
    let Some(server) = Server::mysql() else { return };
    let (one, other) = (server.site(), server.site());
    let engine = |site: &Site<'_>| database::engine::engine_of(site.dialect, &site.location, None).unwrap();
    let (mut first, mut second, mut third) = (engine(&one), engine(&one), engine(&other));
    assert!(first.try_lock().unwrap());
    assert!(!second.try_lock().unwrap());
    assert!(third.try_lock().unwrap());
    first.check_lock().unwrap();
    first.unlock();
    assert!(second.try_lock().unwrap());
}
