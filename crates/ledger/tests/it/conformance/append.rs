//! Appending: positions, conditions, claims, repetition, and what is refused.

use facts::{Clock as _, FactId, envelope::GENESIS};
use ledger::{Append, AppendError, FoldError, Select};
use serde_json::json;
use std::time::Duration;

use super::{Fixture, append, totals};
use crate::sample::{changed, claiming, fact, thing};

pub async fn facts_get_dense_positions_and_versions_and_a_chain(f: Fixture) {
    let first = append(&*f.ledger, vec![changed("1", "a", 1), changed("2", "b", 2)]).await;
    assert_eq!((first.first, first.last, first.repeated), (1, 2, false));
    assert_eq!(first.recorded_at, f.clock.now());
    f.clock.advance(Duration::from_secs(60));
    let second = append(&*f.ledger, vec![changed("3", "a", 3), changed("4", "a", 4)]).await;
    assert_eq!((second.first, second.last), (3, 4));
    let facts = f.ledger.read(0, 10).await.unwrap();
    let places: Vec<_> = facts
        .iter()
        .map(|fact| (fact.seq, fact.stream().key(), fact.stream_version))
        .collect();
    assert_eq!(places, [(1, "a", 1), (2, "b", 1), (3, "a", 2), (4, "a", 3)]);
    assert_eq!(facts[0].previous, GENESIS);
    for pair in facts.windows(2) {
        assert_eq!(pair[1].previous, pair[0].hash);
    }
    assert_eq!(facts[1].recorded_at, first.recorded_at);
    assert_eq!(facts[3].recorded_at, second.recorded_at);
    assert_ne!(first.recorded_at, second.recorded_at);
}

pub async fn all_facts_of_an_append_are_recorded_or_none(f: Fixture) {
    append(&*f.ledger, vec![claiming("1", "a", "taken")]).await;
    let error = f
        .ledger
        .append(Append::unconditional(vec![
            changed("2", "a", 5),
            changed("3", "b", 5),
            claiming("4", "c", "taken"),
        ]))
        .await
        .unwrap_err();
    assert!(matches!(error, AppendError::Claimed { by: 1, .. }), "{error}");
    assert_eq!(f.ledger.head().await.unwrap(), 1);
    assert_eq!(totals(&*f.ledger).await, [("a".to_owned(), 1)]);
    // What was refused leaves no trace: the ids are free.
    assert_eq!(append(&*f.ledger, vec![changed("2", "a", 5)]).await.first, 2);
    assert!(f.ledger.verify(None, &|_| {}).await.unwrap().is_good());
}

pub async fn a_repeated_append_is_answered_and_changes_nothing(f: Fixture) {
    append(&*f.ledger, vec![changed("0", "a", 1)]).await;
    let request = Append::after(
        1,
        vec![thing("a")],
        vec![claiming("1", "a", "key"), changed("2", "b", 2)],
    );
    let first = f.ledger.append(request.clone()).await.unwrap();
    f.clock.advance(Duration::from_secs(5));
    append(&*f.ledger, vec![changed("3", "a", 1)]).await;
    // The answer was lost, the condition no longer holds, the claim is held: by this very append.
    let again = f.ledger.append(request).await.unwrap();
    assert_eq!((again.first, again.last, again.repeated), (2, 3, true));
    assert_eq!(again.recorded_at, first.recorded_at);
    assert_eq!(f.ledger.head().await.unwrap(), 4);
    assert_eq!(totals(&*f.ledger).await, [("a".to_owned(), 3), ("b".to_owned(), 2)]);
}

pub async fn an_id_is_never_given_to_another_fact(f: Fixture) {
    append(&*f.ledger, vec![changed("1", "a", 1)]).await;
    let partly = Append::unconditional(vec![changed("2", "a", 1), changed("1", "a", 1)]);
    let error = f.ledger.append(partly).await.unwrap_err();
    assert!(
        matches!(error, AppendError::Reused { id, by: 1 } if id == FactId::of_key("1")),
        "{error}"
    );
    let twice = Append::unconditional(vec![changed("3", "a", 1), changed("3", "b", 1)]);
    let error = f.ledger.append(twice).await.unwrap_err();
    assert!(matches!(error, AppendError::Reused { by: 0, .. }), "{error}");
    assert_eq!(f.ledger.head().await.unwrap(), 1);
}

pub async fn an_append_is_refused_when_its_subjects_have_changed(f: Fixture) {
    append(&*f.ledger, vec![changed("1", "a", 1), changed("2", "b", 1)]).await;
    let stale = Append::after(1, vec![thing("a"), thing("b")], vec![changed("3", "c", 1)]);
    let error = f.ledger.append(stale).await.unwrap_err();
    assert!(
        matches!(&error, AppendError::Conflict { stream, at: 2 } if *stream == thing("b")),
        "{error}"
    );
    // What happened to others does not matter, nor does a subject without facts.
    let fresh = Append::after(1, vec![thing("a"), thing("new")], vec![changed("3", "b", 1)]);
    assert_eq!(f.ledger.append(fresh).await.unwrap().first, 3);
}

pub async fn a_condition_can_be_checked_without_facts(f: Fixture) {
    append(&*f.ledger, vec![changed("1", "a", 1)]).await;
    let holds = f
        .ledger
        .append(Append::after(1, vec![thing("a")], Vec::new()))
        .await
        .unwrap();
    assert_eq!((holds.first, holds.last, holds.repeated), (1, 1, false));
    let error = f
        .ledger
        .append(Append::after(0, vec![thing("a")], Vec::new()))
        .await
        .unwrap_err();
    assert!(matches!(error, AppendError::Conflict { at: 1, .. }), "{error}");
}

pub async fn a_claim_is_held_by_one_fact(f: Fixture) {
    append(
        &*f.ledger,
        vec![changed("0", "a", 1), claiming("1", "a", "version/1.0")],
    )
    .await;
    let error = f
        .ledger
        .append(Append::unconditional(vec![claiming("2", "b", "version/1.0")]))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, AppendError::Claimed { key, by: 2 } if key == "version/1.0"),
        "{error}"
    );
    let twice = Append::unconditional(vec![claiming("3", "b", "x"), claiming("4", "b", "x")]);
    let error = f.ledger.append(twice).await.unwrap_err();
    assert!(matches!(error, AppendError::Claimed { by: 0, .. }), "{error}");
    assert_eq!(f.ledger.find_claim("version/1.0").await.unwrap().unwrap().seq, 2);
    assert!(f.ledger.find_claim("x").await.unwrap().is_none());
}

pub async fn a_fact_that_a_view_refuses_is_not_recorded(f: Fixture) {
    append(&*f.ledger, vec![changed("0", "a", 1)]).await;
    for (kind, body) in [
        ("thing.broken", json!({})),
        ("thing.late", json!({})),
        ("thing.changed", json!({"amount": "many"})),
    ] {
        // The first fact folds well, and must be taken back with the second.
        let facts = vec![changed("1", "a", 10), fact("2", "new", kind, body)];
        let error = f.ledger.append(Append::unconditional(facts)).await.unwrap_err();
        assert!(
            matches!(&error, AppendError::Fold { kind: found, .. } if found == kind),
            "{error}"
        );
        assert_eq!(f.ledger.head().await.unwrap(), 1);
        assert_eq!(totals(&*f.ledger).await, [("a".to_owned(), 1)]);
        assert_eq!(f.ledger.select(Select::from("journal")).await.unwrap().rows.len(), 1);
    }
    assert!(!f.ledger.rebuild(&|_| {}).await.unwrap().differed());
}

pub async fn a_panic_in_a_view_refuses_that_append_alone(f: Fixture) {
    let panics = Append::unconditional(vec![fact("1", "a", "thing.panics", json!({}))]);
    let error = f.ledger.append(panics).await.unwrap_err();
    assert!(
        matches!(&error, AppendError::Fold { view: "things", error: FoldError::Panic(text), .. } if text == "the view met its end"),
        "{error}"
    );
    assert_eq!(append(&*f.ledger, vec![changed("2", "a", 1)]).await.first, 1);
}

pub async fn a_view_may_use_its_own_tables_only(f: Fixture) {
    let misuse = Append::unconditional(vec![fact("1", "a", "thing.misuse", json!({}))]);
    let error = f.ledger.append(misuse).await.unwrap_err();
    assert!(
        matches!(
            &error,
            AppendError::Fold {
                error: FoldError::Table { table: "journal", .. },
                ..
            }
        ),
        "{error}"
    );
}

pub async fn what_is_too_large_is_refused(f: Fixture) {
    let large = "x".repeat(ledger::MAX_APPEND_BYTES / 2);
    let part = |id: &str| fact(id, "a", "thing.other", json!({ "text": large }));
    let error = f
        .ledger
        .append(Append::unconditional(vec![part("1"), part("2")]))
        .await
        .unwrap_err();
    assert!(matches!(error, AppendError::TooLarge { .. }), "{error}");
    assert_eq!(f.ledger.head().await.unwrap(), 0);
    assert_eq!(append(&*f.ledger, vec![changed("1", "a", 1)]).await.first, 1);
}

pub async fn a_body_that_would_not_read_back_is_refused(f: Fixture) {
    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    let error = f
        .ledger
        .append(Append::unconditional(vec![fact("1", "a", "thing.other", deep)]))
        .await
        .unwrap_err();
    assert!(matches!(error, AppendError::Unstorable { .. }), "{error}");
    assert_eq!(f.ledger.head().await.unwrap(), 0);
}

pub async fn each_of_many_appends_at_once_is_decided_on_its_own(f: Fixture) {
    append(&*f.ledger, vec![claiming("0", "zero", "taken")]).await;
    let mut tasks = Vec::new();
    for number in 0..60 {
        let ledger = f.ledger.clone();
        tasks.push(tokio::spawn(async move {
            let (id, name) = (format!("id-{number}"), format!("n-{number}"));
            let request = match number % 4 {
                0 => Append::unconditional(vec![changed(&id, &name, number)]),
                1 => Append::unconditional(vec![
                    changed(&id, &name, 1),
                    claiming(&format!("{id}+"), &name, "taken"),
                ]),
                2 => Append::after(0, vec![thing("zero")], vec![changed(&id, &name, number)]),
                _ => Append::unconditional(vec![
                    changed(&id, &name, 1),
                    fact(&format!("{id}+"), &name, "thing.late", json!({})),
                ]),
            };
            (number, ledger.append(request).await)
        }));
    }
    for task in tasks {
        let (number, result) = task.await.unwrap();
        match number % 4 {
            0 => assert!(!result.unwrap().repeated),
            1 => assert!(matches!(result, Err(AppendError::Claimed { by: 1, .. }))),
            2 => assert!(matches!(result, Err(AppendError::Conflict { at: 1, .. }))),
            _ => assert!(matches!(result, Err(AppendError::Fold { .. }))),
        }
    }
    assert_eq!(f.ledger.head().await.unwrap(), 16);
    assert_eq!(totals(&*f.ledger).await.len(), 16);
    assert!(f.ledger.verify(None, &|_| {}).await.unwrap().is_good());
    assert!(!f.ledger.rebuild(&|_| {}).await.unwrap().differed());
}

pub async fn exactly_one_of_many_conflicting_appends_wins(f: Fixture) {
    let mut tasks = Vec::new();
    for number in 0..30 {
        let ledger = f.ledger.clone();
        tasks.push(tokio::spawn(async move {
            let request = Append::after(0, vec![thing("a")], vec![changed(&format!("id-{number}"), "a", 1)]);
            ledger.append(request).await
        }));
    }
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => assert!(matches!(error, AppendError::Conflict { at: 1, .. }), "{error}"),
        }
    }
    assert_eq!(won, 1);
}
