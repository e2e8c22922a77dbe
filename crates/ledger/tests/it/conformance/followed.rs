//! Followed views: they come after the facts, say how far they have come, and refuse nothing.

use std::sync::Arc;

use ledger::{Ledger, LedgerError, Op, Select};
use serde_json::json;

use super::{Fixture, append};
use crate::sample::{changed, fact};

/// Waits until all followed views have come to the head.
pub async fn caught_up(ledger: &dyn Ledger) {
    let head = ledger.head().await.unwrap();
    let mut position = ledger.follow_views();
    position.wait_for(|position| *position >= head).await.unwrap();
}

/// What the followed view of the sample counted, and of which position that is.
pub async fn count(ledger: &dyn Ledger, name: &str) -> (i64, u64) {
    let query = Select::from("counts").filter("name", Op::Eq, name);
    let found = ledger.select(query).await.unwrap();
    let count = found.rows.first().map_or(0, |row| row.integer("count").unwrap());
    (count, found.as_of)
}

pub async fn a_followed_view_comes_to_the_head_without_being_asked(f: Fixture) {
    assert_eq!(*f.ledger.follow_views().borrow(), 0);
    for round in 0..3 {
        let facts = (0..700).map(|number| changed(&format!("{round} {number}"), &format!("t{}", number % 2), 1));
        append(&*f.ledger, facts.collect()).await;
    }
    caught_up(&*f.ledger).await;
    assert_eq!(count(&*f.ledger, "t1").await, (1_050, 2_100));
}

pub async fn a_followed_view_holds_exactly_the_facts_up_to_its_position(f: Fixture) {
    let reader = {
        let ledger = f.ledger.clone();
        tokio::spawn(async move {
            let mut seen = Vec::new();
            let mut position = ledger.follow_views();
            loop {
                let found = ledger.select(Select::from("counts")).await.unwrap();
                let counted: i64 = found.rows.iter().map(|row| row.integer("count").unwrap()).sum();
                assert_eq!(counted as u64, found.as_of, "rows and position are of different states");
                seen.push(found.as_of);
                if found.as_of == 300 {
                    return seen;
                }
                position.changed().await.unwrap();
            }
        })
    };
    for number in 0..300 {
        append(
            &*f.ledger,
            vec![changed(&number.to_string(), &format!("t{}", number % 7), 1)],
        )
        .await;
    }
    let seen = reader.await.unwrap();
    assert!(seen.is_sorted(), "a view went back: {seen:?}");
}

pub async fn what_a_followed_view_cannot_take_in_is_recorded_and_stops_it_alone(f: Fixture) {
    append(&*f.ledger, vec![changed("1", "a", 1), changed("2", "a", 1)]).await;
    append(
        &*f.ledger,
        vec![
            changed("3", "a", 1),
            fact("4", "a", "thing.uncountable", json!({})),
            changed("5", "a", 1),
        ],
    )
    .await;
    let mut position = f.ledger.follow_views();
    position.wait_for(|position| *position == 3).await.unwrap();
    append(&*f.ledger, vec![changed("6", "a", 1)]).await;
    assert_eq!(f.ledger.head().await.unwrap(), 6);
    assert_eq!(count(&*f.ledger, "a").await, (3, 3));
    assert_eq!(super::totals(&*f.ledger).await, [("a".to_owned(), 5)]);
    let error = f.ledger.rebuild(&|_| {}).await.unwrap_err();
    assert!(
        matches!(
            error,
            LedgerError::Fold {
                view: "counts",
                seq: 4,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(count(&*f.ledger, "a").await, (3, 3));
}

pub async fn a_rebuild_folds_followed_views_too(f: Fixture) {
    let facts = (0..2_500).map(|number| changed(&number.to_string(), &format!("t{}", number % 50), 1));
    append(&*f.ledger, facts.collect()).await;
    let rebuilding = {
        let ledger = Arc::clone(&f.ledger);
        tokio::spawn(async move { ledger.rebuild(&|_| {}).await.unwrap() })
    };
    for number in 0..20 {
        append(&*f.ledger, vec![changed(&format!("more {number}"), "t1", 1)]).await;
    }
    let rebuilt = rebuilding.await.unwrap();
    let found: Vec<_> = rebuilt.views.iter().map(|view| (view.name, view.differed)).collect();
    assert_eq!(found, [("things", false), ("journal", false), ("counts", false)]);
    caught_up(&*f.ledger).await;
    assert_eq!(count(&*f.ledger, "t1").await, (70, 2_520));
}
