//! Connections that are lost, a database that is started again, and one without room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ledger::{Append, AppendError, Ledger, PostgresLedger};
use testkit::Postgres;

use super::{address, open, record};
use crate::conformance::{caught_up, count};
use crate::sample::changed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_ride_over_lost_connections_without_loss_or_repetition() {
    let Some(database) = Postgres::start() else { return };
    let ledger = Arc::new(open(&address(&database, "lost")).await);
    let done = Arc::new(AtomicBool::new(false));
    let appending = {
        let (ledger, done) = (ledger.clone(), done.clone());
        tokio::spawn(async move {
            let mut number = 0;
            while !done.load(Ordering::Relaxed) || number < 50 {
                // What is answered as a repetition was recorded by an attempt that is not answered for.
                let appended = record(&*ledger, &number.to_string()).await;
                number += 1;
                assert_eq!((appended.first, appended.repeated), (number, false));
            }
            number
        })
    };
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'throughline'";
    let mut ended = 0;
    for _ in 0..40 {
        ended += database.ask(end).unwrap().parse::<u32>().unwrap();
        // Questions are asked again, too.
        ledger.read(0, 1).await.unwrap();
    }
    assert!(ended >= 40, "{ended}");
    done.store(true, Ordering::Relaxed);
    let number = appending.await.unwrap();
    assert_eq!(ledger.head().await.unwrap(), number);
    assert!(ledger.verify(None, &|_| {}).await.unwrap().is_good());
    caught_up(&*ledger).await;
    assert_eq!(count(&*ledger, "a").await, (number as i64, number));
    assert!(!ledger.rebuild(&|_| {}).await.unwrap().differed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_started_again_is_waited_for() {
    let Some(mut database) = Postgres::start() else { return };
    let place = address(&database, "again");
    let (ledger, other) = (Arc::new(open(&place).await), open(&place).await);
    record(&*ledger, "1").await;
    for round in 2..5_u64 {
        database.stop();
        let appending = {
            let ledger = ledger.clone();
            tokio::spawn(async move { record(&*ledger, &round.to_string()).await })
        };
        assert!(ledger.read(0, 10).await.is_err(), "nobody is there to answer");
        database.go();
        assert_eq!(appending.await.unwrap().first, round);
        // Those who follow hear of it again.
        other.follow().wait_for(|head| *head == round).await.unwrap();
    }
    assert!(ledger.verify(None, &|_| {}).await.unwrap().is_good());
}

#[tokio::test]
async fn without_room_appends_are_refused_and_the_ledger_stays_usable() {
    let Some(database) = Postgres::start() else { return };
    let ledger = open(&address(&database, "room")).await;
    record(&ledger, "1").await;
    // What PostgreSQL says when a write finds no room, said by a trigger for what is large.
    database
        .ask(
            "CREATE FUNCTION room.no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               IF length(NEW.bytes) > 10000 THEN
                 RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
               END IF;
               RETURN NEW;
             END $$;
             CREATE TRIGGER no_room BEFORE INSERT ON room.facts FOR EACH ROW EXECUTE FUNCTION room.no_room()",
        )
        .unwrap();
    let large = || {
        let mut fact = changed("large", "a", 1);
        fact.body["note"] = "x".repeat(20_000).into();
        Append::unconditional(vec![fact])
    };
    for _ in 0..3 {
        let error = ledger.append(large()).await.unwrap_err();
        assert!(matches!(error, AppendError::Full), "{error}");
    }
    // Among appends committed together, only those without room are refused.
    let (a, b, c) = tokio::join!(
        ledger.append(Append::unconditional(vec![changed("2", "a", 1)])),
        ledger.append(large()),
        ledger.append(Append::unconditional(vec![changed("3", "a", 1)])),
    );
    assert!(a.is_ok() && c.is_ok());
    assert!(matches!(b, Err(AppendError::Full)));
    database.ask("DROP TRIGGER no_room ON room.facts").unwrap();
    assert_eq!(ledger.append(large()).await.unwrap().first, 4);
    assert!(ledger.verify(None, &|_| {}).await.unwrap().is_good());
    assert!(!ledger.rebuild(&|_| {}).await.unwrap().differed());
}

#[tokio::test]
async fn what_is_queued_is_recorded_before_the_ledger_is_gone() {
    let Some(database) = Postgres::start() else { return };
    let place = address(&database, "queued");
    let ledger: PostgresLedger = open(&place).await;
    for number in 0..50 {
        let mut append = ledger.append(Append::unconditional(vec![changed(&number.to_string(), "a", 1)]));
        let waker = std::task::Waker::noop();
        let _ = append.as_mut().poll(&mut std::task::Context::from_waker(waker));
    }
    drop(ledger);
    assert_eq!(open(&place).await.head().await.unwrap(), 50);
}
