//! Several at work on one ledger, as several servers are.

use std::sync::Arc;
use std::time::Duration;

use facts::Position;
use ledger::{Append, AppendError, Ledger, Op, PostgresLedger, Select};
use testkit::Postgres;

use super::{address, open, record};
use crate::conformance::{caught_up, count};
use crate::sample::{changed, claiming, thing};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_are_in_the_order_of_commit_whoever_appends_and_followers_see_no_gap() {
    const EACH: u64 = 60;
    let Some(database) = Postgres::start() else { return };
    let place = address(&database, "together");
    let mut handles: Vec<Arc<PostgresLedger>> = Vec::new();
    for _ in 0..3 {
        handles.push(Arc::new(open(&place).await));
    }
    // Whoever follows reads on from where it was, through a handle that does not append.
    let reader = Arc::new(open(&place).await);
    let following = {
        let reader = reader.clone();
        tokio::spawn(async move {
            let mut head = reader.follow();
            let mut seen: Vec<Position> = Vec::new();
            while (seen.len() as u64) < 3 * EACH {
                head.changed().await.unwrap();
                let position = *head.borrow_and_update();
                let facts = reader.read(seen.len() as Position, usize::MAX).await.unwrap();
                seen.extend(facts.iter().map(|fact| fact.seq));
                assert!(seen.len() as Position >= position, "woken for {position}");
            }
            seen
        })
    };
    let tasks: Vec<_> = (0..3 * EACH)
        .map(|number| {
            let ledger = handles[(number % 3) as usize].clone();
            tokio::spawn(async move {
                let fact = changed(&number.to_string(), &format!("t{}", number % 4), 1);
                ledger.append(Append::unconditional(vec![fact])).await.unwrap()
            })
        })
        .collect();
    for task in tasks {
        assert!(!task.await.unwrap().repeated);
    }
    let seen = tokio::time::timeout(Duration::from_secs(60), following)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(seen, (1..=3 * EACH).collect::<Vec<_>>());
    let ledger = &handles[0];
    assert!(ledger.verify(None, &|_| {}).await.unwrap().is_good());
    assert_eq!(
        ledger.read_stream(&thing("t1"), 0, 1_000).await.unwrap().len() as u64,
        3 * EACH / 4
    );
    // Each fact was folded once, whoever folded it.
    for ledger in &handles {
        caught_up(&**ledger).await;
    }
    assert_eq!(count(&*reader, "t1").await.0 as u64, 3 * EACH / 4);
    for ledger in &handles {
        assert!(!ledger.rebuild(&|_| {}).await.unwrap().differed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_conflicting_appends_over_two_connections_one_wins_and_rows_known_before_are_not_believed() {
    let Some(database) = Postgres::start() else { return };
    let place = address(&database, "conflict");
    let (one, two) = (Arc::new(open(&place).await), Arc::new(open(&place).await));
    for round in 0..20_u64 {
        let attempts = [one.clone(), two.clone()]
            .into_iter()
            .enumerate()
            .map(|(number, ledger)| {
                let fact = changed(&format!("{round} {number}"), "a", 1);
                let append = Append::after(round, vec![thing("a")], vec![fact]);
                tokio::spawn(async move { ledger.append(append).await })
            });
        let mut won = 0;
        for attempt in attempts.collect::<Vec<_>>() {
            match attempt.await.unwrap() {
                Ok(appended) => {
                    assert_eq!(appended.first, round + 1);
                    won += 1;
                }
                Err(AppendError::Conflict { at, .. }) => assert_eq!(at, round + 1),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(won, 1);
    }
    let query = Select::from("things").filter("name", Op::Eq, "a");
    assert_eq!(two.select(query).await.unwrap().rows[0].integer("total").unwrap(), 20);
    let claim = |id: &str| Append::unconditional(vec![claiming(id, "b", "key")]);
    one.append(claim("first")).await.unwrap();
    let error = two.append(claim("second")).await.unwrap_err();
    assert!(matches!(error, AppendError::Claimed { by: 21, .. }), "{error}");
    assert!(two.append(claim("first")).await.unwrap().repeated);
}

#[tokio::test]
async fn views_that_another_handle_mended_are_gone_on_with_as_they_are_now() {
    let Some(database) = Postgres::start() else { return };
    let place = address(&database, "mended");
    let (one, two) = (open(&place).await, open(&place).await);
    record(&one, "1").await;
    database.ask("UPDATE mended.view_things SET total = 50").unwrap();
    record(&two, "2").await;
    // The second handle knows the wrong row now.
    assert!(one.rebuild(&|_| {}).await.unwrap().differed());
    record(&two, "3").await;
    assert!(!one.rebuild(&|_| {}).await.unwrap().differed());
    let rows = two.select(Select::from("things")).await.unwrap().rows;
    assert_eq!(rows[0].integer("total").unwrap(), 3);
}
