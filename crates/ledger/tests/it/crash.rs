//! A process that dies while it appends: nothing that was acknowledged is lost, nothing is there by
//! half, and sending the same again is safe.
//!
//! The child is this test binary itself, asked for [`the_child`] alone.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use ledger::{Append, Ledger, PostgresLedger, SqliteLedger};
use testkit::{ManualClock, Postgres};

use crate::sample::{changed, claiming, views};

const PLACE: &str = "LEDGER_TEST_PLACE";
const ENDLESS: &str = "LEDGER_TEST_ENDLESS";

/// Opens the ledger at an address, or in a folder.
async fn open(place: &str) -> Arc<dyn Ledger> {
    let clock = Arc::new(ManualClock::new());
    match place.parse() {
        Ok(address) => Arc::new(PostgresLedger::open(&address, views(), clock).await.unwrap()),
        Err(_) => Arc::new(SqliteLedger::open(&Path::new(place).join("ledger.db"), views(), clock).unwrap()),
    }
}

/// Where ledgers of one store can be made, one beside the other.
enum Store {
    Folders(tempfile::TempDir),
    Database(Postgres),
}

impl Store {
    /// A new place of that name.
    fn place(&self, name: &str) -> String {
        match self {
            Self::Folders(folder) => {
                let place = folder.path().join(name);
                std::fs::create_dir(&place).unwrap();
                place.to_str().unwrap().to_owned()
            }
            Self::Database(database) => format!("{}&schema={name}", database.address()),
        }
    }
}

/// The append of that number: two facts and a claim.
fn numbered(number: u32) -> Append {
    let name = format!("t{}", number % 3);
    Append::unconditional(vec![
        changed(&format!("{number} first"), &name, 1),
        claiming(&format!("{number} second"), &name, &format!("key {number}")),
    ])
}

/// What runs in the child: appends, says so, and rebuilds; some appends at once, so that they share a
/// commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_child() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let ledger = open(&place).await;
    let endless = std::env::var(ENDLESS).is_ok();
    let start = (ledger.head().await.unwrap() / 8) as u32;
    let mut round = start;
    while endless || round < start + 3 {
        let tasks = (0..4).map(|number| {
            let ledger = ledger.clone();
            let number = round * 4 + number;
            tokio::spawn(async move {
                ledger.append(numbered(number)).await.unwrap();
                println!("\nrecorded {number}");
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        if round.is_multiple_of(2) {
            assert!(!ledger.rebuild(&|_| {}).await.unwrap().differed());
        }
        round += 1;
    }
}

#[allow(clippy::disallowed_methods)] // the test plays the machine on which the process dies
fn child(place: &str, variables: &[(&str, &str)]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["crash::the_child", "--exact", "--nocapture"])
        .env(PLACE, place)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Reads what the child says until it is silent or has said `enough`; the appends it knows recorded.
fn acknowledged(child: &mut Child, enough: usize) -> BTreeSet<u32> {
    let mut numbers = BTreeSet::new();
    let mut kill_sent = false;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(Ok(line)) = lines.next() {
        if let Some(number) = line.strip_prefix("recorded ") {
            numbers.insert(number.parse().unwrap());
        }
        if numbers.len() >= enough && !kill_sent {
            child.kill().unwrap();
            kill_sent = true;
        }
    }
    numbers
}

/// The ledger is whole, holds all that was acknowledged, and takes everything again.
async fn check(place: &str, acknowledged: &BTreeSet<u32>) {
    let ledger = open(place).await;
    let verification = ledger.verify(None, &|_| {}).await.unwrap();
    assert_eq!(verification.fault, None);
    let head = ledger.head().await.unwrap();
    assert_eq!(head % 2, 0, "an append is there by half");
    assert!(!ledger.rebuild(&|_| {}).await.unwrap().differed());
    for number in acknowledged {
        assert!(
            ledger.append(numbered(*number)).await.unwrap().repeated,
            "{number} was acknowledged and is lost"
        );
    }
    assert_eq!(ledger.head().await.unwrap(), head);
    for number in 0..12 {
        ledger.append(numbered(number)).await.unwrap();
    }
    assert!(ledger.head().await.unwrap() >= 24);
    assert!(ledger.verify(None, &|_| {}).await.unwrap().is_good());
}

async fn dies_at_any_crash_point(store: Store) {
    let folder = testkit::folder();
    let log = folder.path().join("points");
    let count = format!("count:{}", log.display());
    let mut first = child(&store.place("counted"), &[("THROUGHLINE_CRASH", &count)]);
    assert_eq!(acknowledged(&mut first, usize::MAX).len(), 12);
    assert!(first.wait().unwrap().success());
    let points = std::fs::read_to_string(&log).unwrap();
    for name in ["append", "before-commit", "after-commit", "before-swap", "after-swap"] {
        assert!(points.contains(&format!("ledger.{name}\n")), "{name} was not reached");
    }
    let mut died = 0;
    for number in 1..=points.lines().count() {
        let place = store.place(&format!("point{number}"));
        let mut dying = child(&place, &[("THROUGHLINE_CRASH", &number.to_string())]);
        let acknowledged = acknowledged(&mut dying, usize::MAX);
        // How many commits the appends share differs from run to run, so the last points may not come.
        died += usize::from(!dying.wait().unwrap().success());
        check(&place, &acknowledged).await;
    }
    assert!(died >= 10, "only {died} died");
}

async fn is_killed(store: Store) {
    let place = store.place("killed");
    // The same ledger, killed again and again.
    for enough in [1, 5, 10, 23, 40] {
        let mut killed = child(&place, &[(ENDLESS, "1")]);
        let acknowledged = acknowledged(&mut killed, enough);
        assert!(!killed.wait().unwrap().success());
        check(&place, &acknowledged).await;
    }
}

#[tokio::test]
async fn a_process_that_dies_at_any_crash_point_loses_nothing_acknowledged() {
    dies_at_any_crash_point(Store::Folders(testkit::folder())).await;
}

#[tokio::test]
async fn a_process_that_dies_at_any_crash_point_loses_nothing_acknowledged_on_postgresql() {
    if let Some(database) = Postgres::start() {
        dies_at_any_crash_point(Store::Database(database)).await;
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_acknowledged() {
    is_killed(Store::Folders(testkit::folder())).await;
}

#[tokio::test]
async fn a_killed_process_loses_nothing_acknowledged_on_postgresql() {
    if let Some(database) = Postgres::start() {
        is_killed(Store::Database(database)).await;
    }
}
