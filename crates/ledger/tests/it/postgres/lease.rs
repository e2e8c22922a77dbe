//! Leases and fencing: of two who believe to have a duty, one alone can record anything.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use ledger::{Address, Append, Held, Holder, Lease, Ledger};
use testkit::Postgres;

use super::{address, record, try_open};
use crate::sample::changed;

fn holder(id: &str) -> Holder {
    Holder {
        id: id.to_owned(),
        place: format!("the place of {id}"),
    }
}

async fn take(place: &Address, id: &str) -> Lease {
    Lease::take(place, "server", holder(id), |held| panic!("it is held by {held:?}"))
        .await
        .unwrap()
}

/// Waits until the database counts one.
async fn until(database: &Postgres, sql: &str) {
    for _ in 0..600 {
        if database.ask(sql).unwrap() == "1" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{sql}");
}

/// Lets the lease run out, as time does.
fn run_out(database: &Postgres, schema: &str) {
    let sql = format!("UPDATE {schema}.ledger_leases SET until = clock_timestamp() - interval '1 second'");
    database.ask(&sql).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_replaced_without_knowing_records_nothing_more() {
    let Some(database) = Postgres::start() else { return };
    let place = address(&database, "fenced");
    let first = take(&place, "one").await;
    let one = try_open(&place, Some(first.fence())).await.unwrap();
    record(&one, "1").await;
    run_out(&database, "fenced");
    let second = take(&place, "two").await;
    let two = try_open(&place, Some(second.fence())).await.unwrap();
    let late = || Append::unconditional(vec![changed("late", "a", 1)]);
    let error = one.append(late()).await.unwrap_err();
    assert!(
        error.to_string().contains("taken over the database: the place of two"),
        "{error}"
    );
    assert_eq!(two.head().await.unwrap(), 1);
    assert_eq!(two.append(late()).await.unwrap().first, 2);
    assert!(one.append(late()).await.is_err(), "not even a repetition is answered");
    // Who was replaced is told, and a ledger cannot be opened with what it had.
    let lost = tokio::time::timeout(Duration::from_secs(60), first.lost())
        .await
        .unwrap();
    assert!(lost.contains("the place of two"), "{lost}");
    assert!(try_open(&place, Some(first.fence())).await.is_err());
    drop(first);
    // What the first gives back is not the second's.
    record(&two, "3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_is_held_is_waited_for_and_given_back_at_the_end() {
    let Some(database) = Postgres::start() else { return };
    let place = address(&database, "waited");
    let first = take(&place, "one").await;
    let told: Arc<Mutex<Vec<Held>>> = Arc::default();
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let waiting = {
        let (place, told) = (place.clone(), told.clone());
        tokio::spawn(async move {
            let tell = move |held: &Held| {
                told.lock().unwrap().push(held.clone());
                let _ = heard.send(());
            };
            Lease::take(&place, "server", holder("two"), tell).await.unwrap()
        })
    };
    hears.recv().await.unwrap();
    tokio::task::spawn_blocking(move || drop(first)).await.unwrap();
    let second = tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .unwrap()
        .unwrap();
    let place_of_one = Held {
        place: "the place of one".into(),
    };
    assert_eq!(*told.lock().unwrap(), [place_of_one]);
    let ledger = try_open(&place, Some(second.fence())).await.unwrap();
    record(&ledger, "1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_holder_replaces_itself_at_once_and_duties_are_apart() {
    let Some(database) = Postgres::start() else { return };
    let place = address(&database, "same");
    let first = take(&place, "one").await;
    let again = take(&place, "one").await;
    assert!(try_open(&place, Some(first.fence())).await.is_err());
    assert!(try_open(&place, Some(again.fence())).await.is_ok());
    let other = Lease::take(&place, "other duty", holder("two"), |held| panic!("{held:?}"));
    assert!(try_open(&place, Some(other.await.unwrap().fence())).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_renewed_while_it_is_held_and_over_a_restart_of_the_database() {
    let Some(mut database) = Postgres::start() else { return };
    let place = address(&database, "renewed");
    let lease = take(&place, "one").await;
    let until = "SELECT extract(epoch FROM until) FROM renewed.ledger_leases";
    let seen = |database: &Postgres| database.ask(until).unwrap().parse::<f64>().unwrap();
    let renewed = async |database: &Postgres, before: f64| {
        for _ in 0..600 {
            if seen(database) > before {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it was not renewed");
    };
    renewed(&database, seen(&database)).await;
    let before = seen(&database);
    database.stop();
    database.go();
    renewed(&database, before).await;
    let ledger = try_open(&place, Some(lease.fence())).await.unwrap();
    record(&ledger, "1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_takes_a_lease_in_the_middle_of_an_append() {
    let Some(database) = Postgres::start() else { return };
    let place = address(&database, "midway");
    let first = take(&place, "one").await;
    let one = Arc::new(try_open(&place, Some(first.fence())).await.unwrap());
    // A fact that takes its time: the lease is taken while it is being recorded.
    database
        .ask(
            "CREATE FUNCTION midway.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               PERFORM pg_notify('slow', ''); PERFORM pg_advisory_lock_shared(7); RETURN NEW; END $$;
             CREATE TRIGGER slow BEFORE INSERT ON midway.facts FOR EACH ROW EXECUTE FUNCTION midway.slow()",
        )
        .unwrap();
    let hold = database.hold("SELECT pg_advisory_lock(7)");
    let appending = {
        let one = one.clone();
        tokio::spawn(async move { record(&*one, "1").await })
    };
    until(
        &database,
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'",
    )
    .await;
    let taking = {
        let place = place.clone();
        // The same holder need not wait for the end of the lease.
        tokio::spawn(async move { take(&place, "one").await })
    };
    until(
        &database,
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO ledger_leases%'",
    )
    .await;
    assert!(!taking.is_finished());
    drop(hold);
    // The append comes first, and whoever takes over sees it.
    assert_eq!(appending.await.unwrap().first, 1);
    let second = taking.await.unwrap();
    let two = try_open(&place, Some(second.fence())).await.unwrap();
    assert_eq!(*two.follow().borrow(), 1);
}
