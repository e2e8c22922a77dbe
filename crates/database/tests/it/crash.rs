//! The process dies at every place that matters, and the next one brings it to its end.

use std::path::Path;

use crate::support::{Place, go_on, runner, set};

/// The database that the child migrates.
const DATABASE: &str = "DATABASE_CRASH_TEST";

fn migrations() -> database::MigrationSet {
    set(&[
        ("V1__log.sql", "CREATE TABLE log (a);\nINSERT INTO log VALUES (1);"),
        (
            "V2__step.sql",
            "-- no-transaction\nINSERT INTO log VALUES (2);\nVACUUM;\nINSERT INTO log VALUES (3);",
        ),
        (
            "V3__end.sql",
            "INSERT INTO log VALUES (4);\nINSERT INTO log VALUES (5);",
        ),
    ])
}

/// Not a test of its own: the process that the test below starts.
#[test]
fn child() {
    let Ok(file) = std::env::var(DATABASE) else { return };
    runner(Path::new(&file)).apply(&migrations(), &mut go_on).unwrap();
}

#[allow(clippy::disallowed_methods)] // the test binary itself, so that a crash ends no other test
fn run_child(place: &Place, crash: &str) -> bool {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child"])
        .env(DATABASE, place.file())
        .env("THROUGHLINE_CRASH", crash)
        .output()
        .unwrap()
        .status
        .success()
}

#[test]
fn a_death_at_any_place_is_mended_by_the_next_run_and_nothing_happens_twice() {
    let counting = Place::new();
    let names = counting.folder.path().join("reached");
    assert!(run_child(&counting, &format!("count:{}", names.display())));
    let reached = std::fs::read_to_string(names).unwrap().lines().count();
    assert!(reached >= 20, "{reached}");
    for place_to_die in 1..=reached {
        let place = Place::new();
        assert!(
            !run_child(&place, &place_to_die.to_string()),
            "it dies at place {place_to_die}"
        );
        // What the journal says took effect did, and nothing else.
        let applied = runner(&place.file()).applied().unwrap();
        if let Some(entry) = applied.get(&"2".parse().unwrap())
            && entry.state == database::EntryState::Open
        {
            let effects = entry.done.len() as i64 - i64::from(entry.done.len() >= 2);
            assert_eq!(
                place.value("SELECT count(*) FROM log"),
                1 + effects,
                "place {place_to_die}"
            );
        }
        place.apply(&migrations()).unwrap();
        assert_eq!(place.value("SELECT count(*) FROM log"), 5, "place {place_to_die}");
        assert_eq!(
            place.value("SELECT count(DISTINCT a) FROM log"),
            5,
            "place {place_to_die}"
        );
    }
}
