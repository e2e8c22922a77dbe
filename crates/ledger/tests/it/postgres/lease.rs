//! Leases where several processes have the database: over connections of their own, and never in the middle
//! of an append.

use std::sync::Arc;
use std::time::Duration;

use ledger::{Append, AppendError, Fence, Holder, Ledger, PostgresLedger, Taking};
use testkit::Postgres;

use super::{address, open};
use crate::sample::changed;

const TERM: Duration = Duration::from_secs(3_600);

async fn take(ledger: &PostgresLedger, id: &str, term: Duration) -> Fence {
    let (leases, id) = (ledger.leases(), id.to_owned());
    let holder = Holder {
        place: format!("the place of {id}"),
        id,
    };
    let taking = tokio::task::spawn_blocking(move || leases.take("runs", &holder, &[], term));
    match taking.await.unwrap().unwrap() {
        Taking::Taken(fence) => fence,
        held => panic!("{held:?}"),
    }
}

async fn record(ledger: &dyn Ledger, id: &str, fence: &Fence) -> Result<ledger::Appended, AppendError> {
    let append = Append {
        fence: Some(fence.clone()),
        ..Append::unconditional(vec![changed(id, "a", 1)])
    };
    ledger.append(append).await
}

/// Waits until the database counts one.
async fn until(database: &Postgres, sql: &str) {
    for _ in 0..1_200 {
        if database.ask(sql).unwrap() == "1" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{sql}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_seen_by_all_who_have_the_database_and_held_over_its_restart() {
    let Some(mut database) = Postgres::start() else { return };
    let place = address(&database, "shared");
    let (one, two) = (open(&place).await, open(&place).await);
    let first = take(&one, "one", TERM).await;
    record(&one, "1", &first).await.unwrap();
    database.stop();
    database.go();
    let leases = one.leases();
    let fences = [first.clone()];
    let lost = tokio::task::spawn_blocking(move || leases.renew(&fences, Duration::ZERO));
    assert!(lost.await.unwrap().unwrap().is_empty());
    record(&one, "2", &first).await.unwrap();
    let second = take(&two, "two", TERM).await;
    assert_eq!(second.epoch(), 2);
    let error = record(&one, "3", &first).await.unwrap_err();
    assert!(matches!(error, AppendError::Fenced { .. }), "{error}");
    assert_eq!(record(&two, "3", &second).await.unwrap().first, 3);
    let leases = one.leases();
    let all = tokio::task::spawn_blocking(move || leases.all())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].epoch, all[0].holder.id.as_str()), (2, "two"));
    assert!(all[0].since > "2026-01-01T00:00:00Z".parse().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_takes_a_lease_in_the_middle_of_an_append() {
    let Some(database) = Postgres::start() else { return };
    let place = address(&database, "midway");
    let (one, two) = (Arc::new(open(&place).await), Arc::new(open(&place).await));
    let first = take(&one, "one", TERM).await;
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
        let (one, first) = (one.clone(), first.clone());
        tokio::spawn(async move { record(&*one, "1", &first).await })
    };
    until(
        &database,
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'",
    )
    .await;
    let taking = {
        let two = two.clone();
        // The same holder need not wait for the end of the lease.
        tokio::spawn(async move { take(&two, "one", TERM).await })
    };
    until(
        &database,
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO ledger_leases%'",
    )
    .await;
    assert!(!taking.is_finished());
    drop(hold);
    // The append comes first, and whoever takes over sees it.
    assert_eq!(appending.await.unwrap().unwrap().first, 1);
    let second = taking.await.unwrap();
    assert_eq!(two.head().await.unwrap(), 1);
    let error = record(&*one, "2", &first).await.unwrap_err();
    assert!(matches!(error, AppendError::Fenced { .. }), "{error}");
    assert_eq!(record(&*two, "2", &second).await.unwrap().first, 2);
}
