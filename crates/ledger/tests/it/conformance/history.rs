//! Reading the facts back, and proving that they are what was recorded.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use facts::{Clock as _, Position, envelope::GENESIS};
use ledger::{Checkpoint, Op, Problem, Select, Upcasters};
use serde_json::json;
use testkit::ManualClock;

use super::{Fixture, append, totals};
use crate::sample::{changed, claiming, fact, thing};

pub async fn an_empty_ledger_is_whole(f: Fixture) {
    assert_eq!(f.ledger.head().await.unwrap(), 0);
    assert!(f.ledger.read(0, 10).await.unwrap().is_empty());
    assert!(f.ledger.find_claim("x").await.unwrap().is_none());
    let verification = f.ledger.verify(None, &|_| {}).await.unwrap();
    assert!(verification.is_good());
    assert_eq!(
        verification.checkpoint,
        Checkpoint {
            position: 0,
            hash: GENESIS
        }
    );
    let rebuilt = f.ledger.rebuild(&|_| {}).await.unwrap();
    assert!(!rebuilt.differed());
    let selected = f.ledger.select(Select::from("things")).await.unwrap();
    assert_eq!((selected.rows.len(), selected.as_of), (0, 0));
}

pub async fn followers_wake_after_each_commit_and_see_no_gap(f: Fixture) {
    const FACTS: Position = 40;
    let mut head = f.ledger.follow();
    let reader = f.ledger.clone();
    let follower = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.len() < FACTS as usize {
            head.changed().await.unwrap();
            let position = *head.borrow_and_update();
            let facts = reader.read(seen.len() as Position, usize::MAX).await.unwrap();
            seen.extend(facts.iter().map(|fact| fact.seq));
            assert!(
                seen.len() as Position >= position,
                "woken for {position}, but only {} are there",
                seen.len()
            );
        }
        seen
    });
    let appends = (0..FACTS).map(|number| {
        let ledger = f.ledger.clone();
        tokio::spawn(async move { append(&*ledger, vec![changed(&number.to_string(), "a", 1)]).await })
    });
    for task in appends.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let seen = tokio::time::timeout(Duration::from_secs(10), follower)
        .await
        .expect("the follower was woken")
        .unwrap();
    assert_eq!(seen, (1..=FACTS).collect::<Vec<_>>());
}

pub async fn a_read_gives_what_was_asked_for(f: Fixture) {
    for number in 0..6 {
        append(
            &*f.ledger,
            vec![changed(
                &number.to_string(),
                if number % 2 == 0 { "even" } else { "odd" },
                number,
            )],
        )
        .await;
    }
    let seqs = |facts: Vec<Arc<facts::Fact>>| facts.iter().map(|fact| fact.seq).collect::<Vec<_>>();
    assert_eq!(seqs(f.ledger.read(2, 3).await.unwrap()), [3, 4, 5]);
    assert_eq!(seqs(f.ledger.read(6, 3).await.unwrap()), [0; 0]);
    assert_eq!(seqs(f.ledger.read(u64::MAX, 3).await.unwrap()), [0; 0]);
    assert_eq!(
        seqs(f.ledger.read_stream(&thing("odd"), 0, 10).await.unwrap()),
        [2, 4, 6]
    );
    assert_eq!(seqs(f.ledger.read_stream(&thing("odd"), 1, 1).await.unwrap()), [4]);
    assert_eq!(seqs(f.ledger.read_stream(&thing("none"), 0, 10).await.unwrap()), [0; 0]);
}

pub async fn old_bodies_are_read_in_todays_shape(f: Fixture) {
    let mut old = fact("1", "a", "thing.changed", json!({"by": 7, "weight": 0.5}));
    old.kind_version = 1;
    append(&*f.ledger, vec![old]).await;
    let facts = f.ledger.read(0, 1).await.unwrap();
    assert_eq!(facts[0].new.kind_version, 2);
    assert_eq!(facts[0].new.body, json!({"amount": 7, "weight": 0.5}));
    assert_eq!(totals(&*f.ledger).await, [("a".to_owned(), 7)]);
    // The stored bytes stay as they were, and so does the chain.
    let stored = f.ledger.export(0, 1).await.unwrap().remove(0);
    assert!(String::from_utf8(stored.bytes).unwrap().contains(r#""by":7"#));
    assert_eq!(stored.hash, facts[0].hash);
    append(&*f.ledger, vec![changed("2", "a", 1)]).await;
    assert!(f.ledger.verify(None, &|_| {}).await.unwrap().is_good());
}

pub async fn a_whole_ledger_verifies_from_each_checkpoint(f: Fixture) {
    for number in 0..5 {
        append(
            &*f.ledger,
            vec![
                changed(&number.to_string(), "a", 1),
                changed(&format!("{number}b"), "b", 1),
            ],
        )
        .await;
    }
    let seen = Mutex::new(Vec::new());
    let whole = f
        .ledger
        .verify(None, &|position| seen.lock().unwrap().push(position))
        .await
        .unwrap();
    assert_eq!(
        (whole.checked, whole.checkpoint.position, &whole.fault),
        (10, 10, &None)
    );
    assert_eq!(seen.into_inner().unwrap().last(), Some(&10));
    for fact in f.ledger.read(0, 10).await.unwrap() {
        let from = Checkpoint {
            position: fact.seq,
            hash: fact.hash,
        };
        let rest = f.ledger.verify(Some(from), &|_| {}).await.unwrap();
        assert_eq!(
            (rest.checked, rest.checkpoint, &rest.fault),
            (10 - fact.seq, whole.checkpoint, &None)
        );
    }
}

pub async fn a_checkpoint_of_another_history_is_noticed(f: Fixture) {
    append(&*f.ledger, vec![changed("1", "a", 1), changed("2", "a", 1)]).await;
    let other = Checkpoint {
        position: 1,
        hash: facts::Digest::of("another history"),
    };
    let fault = f.ledger.verify(Some(other), &|_| {}).await.unwrap().fault.unwrap();
    assert_eq!((fault.seq, fault.problem), (1, Problem::Checkpoint));
    let longer = Checkpoint {
        position: 9,
        hash: other.hash,
    };
    let fault = f.ledger.verify(Some(longer), &|_| {}).await.unwrap().fault.unwrap();
    assert_eq!((fault.seq, fault.problem), (3, Problem::CutOff { recorded: 9 }));
}

pub async fn an_export_carries_its_own_proof(f: Fixture) {
    append(
        &*f.ledger,
        vec![changed("1", "a", 1), claiming("2", "ü\n", "k"), changed("3", "a", 1)],
    )
    .await;
    let exported = f.ledger.export(1, 10).await.unwrap();
    assert_eq!(exported.iter().map(|exported| exported.seq).collect::<Vec<_>>(), [2, 3]);
    for one in &exported {
        let line = one.line();
        assert!(!line.contains(&b'\n'));
        let text = String::from_utf8(line).unwrap();
        let rest = text.strip_prefix("{\"hash\":\"").unwrap();
        let (hash, rest) = rest.split_once("\",\"fact\":").unwrap();
        let bytes = rest.strip_suffix('}').unwrap();
        assert_eq!(facts::Digest::of(bytes).to_string(), hash);
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["fact"]["seq"], one.seq);
    }
}

pub async fn odd_texts_and_numbers_come_back_as_they_were(f: Fixture) {
    let odd = [
        "",
        "nul\0inside",
        "quote'\"",
        "😀 ü",
        "\u{feff}",
        "%_*",
        "-- ; DROP TABLE facts",
    ];
    for (number, name) in odd.iter().enumerate() {
        let body = json!({"amount": i64::MAX / 2 - number as i64, "weight": 0.1 + number as f64 / 3.0, "note": name});
        append(&*f.ledger, vec![fact(&number.to_string(), name, "thing.changed", body)]).await;
    }
    for (number, name) in odd.iter().enumerate() {
        let rows = f
            .ledger
            .select(Select::from("things").filter("note", Op::Eq, *name))
            .await
            .unwrap()
            .rows;
        assert_eq!(rows.len(), 1, "{name:?}");
        assert_eq!(rows[0].text("name").unwrap(), *name);
        assert_eq!(rows[0].integer("total").unwrap(), i64::MAX / 2 - number as i64);
        assert_eq!(f.ledger.read_stream(&thing(name), 0, 9).await.unwrap().len(), 1);
    }
    assert!(f.ledger.verify(None, &|_| {}).await.unwrap().is_good());
    assert!(!f.ledger.rebuild(&|_| {}).await.unwrap().differed());
}

#[test]
fn a_kind_is_brought_up_version_by_version() {
    let upcasters = Upcasters::new().with("k", 1, |body| json!([body, 1])).and(
        Upcasters::new()
            .with("k", 2, |body| json!([body, 2]))
            .with("other", 3, |body| body),
    );
    let mut new = fact("1", "a", "k", json!(0));
    new.kind_version = 1;
    let (mut sealed, _) = new.seal(1, 1, ManualClock::new().now(), GENESIS);
    upcasters.apply(&mut sealed);
    assert_eq!((sealed.new.body, sealed.new.kind_version), (json!([[0, 1], 2]), 3));
}

pub async fn a_ledger_verifies_while_facts_are_appended(f: Fixture) {
    let facts = (0..2_500).map(|number| changed(&number.to_string(), &format!("t{}", number % 50), 1));
    append(&*f.ledger, facts.collect()).await;
    let verifying = {
        let ledger = f.ledger.clone();
        tokio::spawn(async move { ledger.verify(None, &|_| {}).await.unwrap() })
    };
    for number in 0..20 {
        append(&*f.ledger, vec![changed(&format!("more {number}"), "t1", 1)]).await;
    }
    let verification = verifying.await.unwrap();
    assert_eq!(verification.fault, None);
    assert!(verification.checked >= 2_500);
    let rest = f.ledger.verify(Some(verification.checkpoint), &|_| {}).await.unwrap();
    assert_eq!((verification.checked + rest.checked, rest.fault), (2_520, None));
}
