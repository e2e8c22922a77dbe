//! What every store does, whatever it stores in.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use facts::{Clock as _, FactId, Position, envelope::GENESIS};
use ledger::{
    Append, AppendError, Checkpoint, Cursor, Direction, FoldError, Ledger, LedgerError, MemoryLedger, Op, Problem,
    Select, SqliteLedger, Upcasters, Value, View,
};
use serde_json::json;
use testkit::ManualClock;

use crate::sample::{changed, claiming, fact, thing, upcasters, views};

/// A ledger under test.
pub struct Fixture {
    pub ledger: Arc<dyn Ledger>,
    pub clock: ManualClock,
    _folder: Option<tempfile::TempDir>,
}

pub fn memory() -> Fixture {
    let clock = ManualClock::new();
    let ledger = MemoryLedger::with_upcasters(views(), upcasters(), Arc::new(clock.clone())).unwrap();
    Fixture {
        ledger: Arc::new(ledger),
        clock,
        _folder: None,
    }
}

pub fn sqlite() -> Fixture {
    let clock = ManualClock::new();
    let folder = testkit::folder();
    let path = folder.path().join("ledger.db");
    let ledger = SqliteLedger::open_with_upcasters(&path, views(), upcasters(), Arc::new(clock.clone())).unwrap();
    Fixture {
        ledger: Arc::new(ledger),
        clock,
        _folder: Some(folder),
    }
}

macro_rules! ledger_conformance {
    ($($store:ident),*) => { $(
        mod $store {
            ledger_conformance!(@tests $store:
                an_empty_ledger_is_whole,
                facts_get_dense_positions_and_versions_and_a_chain,
                all_facts_of_an_append_are_recorded_or_none,
                a_repeated_append_is_answered_and_changes_nothing,
                an_id_is_never_given_to_another_fact,
                an_append_is_refused_when_its_subjects_have_changed,
                a_condition_can_be_checked_without_facts,
                a_claim_is_held_by_one_fact,
                a_fact_that_a_view_refuses_is_not_recorded,
                a_panic_in_a_view_refuses_that_append_alone,
                a_view_may_use_its_own_tables_only,
                what_is_too_large_is_refused,
                a_body_that_would_not_read_back_is_refused,
                each_of_many_appends_at_once_is_decided_on_its_own,
                exactly_one_of_many_conflicting_appends_wins,
                followers_wake_after_each_commit_and_see_no_gap,
                a_read_gives_what_was_asked_for,
                old_bodies_are_read_in_todays_shape,
                a_view_holds_what_the_facts_say,
                rows_are_filtered_and_ordered,
                rows_that_hold_nothing_are_found_and_ordered,
                pages_of_rows_meet_without_gap_or_overlap,
                a_question_that_does_not_fit_is_refused,
                a_whole_ledger_verifies_from_each_checkpoint,
                a_checkpoint_of_another_history_is_noticed,
                rebuilt_views_are_the_same,
                appends_go_on_during_a_rebuild,
                an_export_carries_its_own_proof,
                odd_texts_and_numbers_come_back_as_they_were,
            );
        }
    )* };
    (@tests $store:ident: $($test:ident,)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            super::$test(super::$store()).await;
        }
    )* };
}

ledger_conformance!(memory, sqlite);

async fn append(ledger: &dyn Ledger, facts: Vec<facts::NewFact>) -> ledger::Appended {
    ledger.append(Append::unconditional(facts)).await.unwrap()
}

async fn totals(ledger: &dyn Ledger) -> Vec<(String, i64)> {
    let selected = ledger.select(Select::from("things")).await.unwrap();
    selected
        .rows
        .iter()
        .map(|row| (row.text("name").unwrap().to_owned(), row.integer("total").unwrap()))
        .collect()
}

async fn an_empty_ledger_is_whole(f: Fixture) {
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

async fn facts_get_dense_positions_and_versions_and_a_chain(f: Fixture) {
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

async fn all_facts_of_an_append_are_recorded_or_none(f: Fixture) {
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

async fn a_repeated_append_is_answered_and_changes_nothing(f: Fixture) {
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

async fn an_id_is_never_given_to_another_fact(f: Fixture) {
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

async fn an_append_is_refused_when_its_subjects_have_changed(f: Fixture) {
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

async fn a_condition_can_be_checked_without_facts(f: Fixture) {
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

async fn a_claim_is_held_by_one_fact(f: Fixture) {
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

async fn a_fact_that_a_view_refuses_is_not_recorded(f: Fixture) {
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

async fn a_panic_in_a_view_refuses_that_append_alone(f: Fixture) {
    let panics = Append::unconditional(vec![fact("1", "a", "thing.panics", json!({}))]);
    let error = f.ledger.append(panics).await.unwrap_err();
    assert!(
        matches!(&error, AppendError::Fold { view: "things", error: FoldError::Panic(text), .. } if text == "the view met its end"),
        "{error}"
    );
    assert_eq!(append(&*f.ledger, vec![changed("2", "a", 1)]).await.first, 1);
}

async fn a_view_may_use_its_own_tables_only(f: Fixture) {
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

async fn what_is_too_large_is_refused(f: Fixture) {
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

async fn a_body_that_would_not_read_back_is_refused(f: Fixture) {
    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    let error = f
        .ledger
        .append(Append::unconditional(vec![fact("1", "a", "thing.other", deep)]))
        .await
        .unwrap_err();
    assert!(matches!(error, AppendError::Unstorable { .. }), "{error}");
    assert_eq!(f.ledger.head().await.unwrap(), 0);
}

async fn each_of_many_appends_at_once_is_decided_on_its_own(f: Fixture) {
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

async fn exactly_one_of_many_conflicting_appends_wins(f: Fixture) {
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

async fn followers_wake_after_each_commit_and_see_no_gap(f: Fixture) {
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

async fn a_read_gives_what_was_asked_for(f: Fixture) {
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

async fn old_bodies_are_read_in_todays_shape(f: Fixture) {
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

async fn a_view_holds_what_the_facts_say(f: Fixture) {
    append(
        &*f.ledger,
        vec![changed("1", "a", 1), changed("2", "b", 2), changed("3", "a", 3)],
    )
    .await;
    append(
        &*f.ledger,
        vec![
            fact("4", "b", "thing.removed", json!({})),
            fact("5", "c", "thing.unknown", json!(null)),
        ],
    )
    .await;
    let selected = f.ledger.select(Select::from("things")).await.unwrap();
    assert_eq!(selected.as_of, 5);
    assert_eq!(selected.rows.len(), 1);
    let row = &selected.rows[0];
    assert_eq!(
        (
            row.text("name").unwrap(),
            row.integer("total").unwrap(),
            row.integer("changes").unwrap()
        ),
        ("a", 4, 2)
    );
    assert_eq!(
        row.timestamp("changed_at").unwrap().to_string(),
        "2026-01-02T03:04:05.000006Z"
    );
    assert_eq!(row.optional_real("weight").unwrap(), None);
    let journal = f
        .ledger
        .select(Select::from("journal").filter("stream", Op::Eq, "thing/a"))
        .await
        .unwrap();
    assert_eq!(
        journal.rows[1].json::<serde_json::Value>("document").unwrap(),
        json!({"amount": 3})
    );
}

/// Things with totals and weights that repeat, and weights that are not there.
async fn many_things(ledger: &dyn Ledger) {
    let facts = (0..25)
        .map(|number| {
            let weight = if number % 3 == 0 { None } else { Some(f64::from(number % 4) / 3.0) };
            let body = json!({"amount": number % 5, "weight": weight, "note": (number % 2 == 0).then(|| format!("n{}", number % 6))});
            fact(&number.to_string(), &format!("t{number:02}"), "thing.changed", body)
        })
        .collect();
    append(ledger, facts).await;
}

async fn names(ledger: &dyn Ledger, query: Select) -> Vec<String> {
    let selected = ledger.select(query).await.unwrap();
    selected
        .rows
        .iter()
        .map(|row| row.text("name").unwrap().to_owned())
        .collect()
}

async fn rows_are_filtered_and_ordered(f: Fixture) {
    many_things(&*f.ledger).await;
    let l = &*f.ledger;
    let things = || Select::from("things");
    assert_eq!(
        names(l, things().filter("total", Op::Eq, 4)).await,
        ["t04", "t09", "t14", "t19", "t24"]
    );
    assert_eq!(
        names(l, things().filter("total", Op::Ge, 3).filter("name", Op::Lt, "t09")).await,
        ["t03", "t04", "t08"]
    );
    assert_eq!(
        names(l, things().filter("total", Op::Gt, 3).filter("name", Op::Le, "t09")).await,
        ["t04", "t09"]
    );
    assert_eq!(
        names(l, things().any_of("name", ["t07", "t01", "none"])).await,
        ["t01", "t07"]
    );
    assert_eq!(names(l, things().any_of("name", Vec::<String>::new())).await, [""; 0]);
    assert_eq!(
        names(
            l,
            things()
                .filter("total", Op::Ne, 4)
                .order("total", Direction::Desc)
                .limit(3)
        )
        .await,
        ["t23", "t18", "t13"]
    );
    let both = things()
        .order("total", Direction::Desc)
        .order("name", Direction::Asc)
        .limit(6);
    assert_eq!(names(l, both).await, ["t04", "t09", "t14", "t19", "t24", "t03"]);
}

async fn rows_that_hold_nothing_are_found_and_ordered(f: Fixture) {
    many_things(&*f.ledger).await;
    let l = &*f.ledger;
    let things = || Select::from("things").filter("name", Op::Lt, "t08");
    assert_eq!(
        names(l, things().filter("weight", Op::Eq, Value::Null)).await,
        ["t00", "t03", "t06"]
    );
    assert_eq!(
        names(l, things().filter("weight", Op::Ne, Value::Null)).await,
        ["t01", "t02", "t04", "t05", "t07"]
    );
    assert_eq!(
        names(l, things().filter("weight", Op::Ne, 0.0)).await,
        ["t00", "t01", "t02", "t03", "t05", "t06", "t07"]
    );
    assert_eq!(
        names(l, things().filter("weight", Op::Ge, 0.0)).await,
        ["t01", "t02", "t04", "t05", "t07"]
    );
    assert_eq!(names(l, things().filter("weight", Op::Lt, Value::Null)).await, [""; 0]);
    assert_eq!(
        names(l, things().any_of("weight", [Value::Null, Value::Real(0.0)])).await,
        ["t00", "t03", "t04", "t06"]
    );
    assert_eq!(
        names(l, things().order("weight", Direction::Asc).limit(4)).await,
        ["t00", "t03", "t06", "t04"]
    );
    assert_eq!(
        names(l, things().order("weight", Direction::Desc).limit(2)).await,
        ["t07", "t02"]
    );
}

async fn pages_of_rows_meet_without_gap_or_overlap(f: Fixture) {
    many_things(&*f.ledger).await;
    for order in [
        vec![],
        vec![("weight", Direction::Asc)],
        vec![("weight", Direction::Desc)],
        vec![("total", Direction::Desc)],
        vec![
            ("note", Direction::Desc),
            ("weight", Direction::Asc),
            ("total", Direction::Desc),
        ],
    ] {
        let question = || {
            order
                .iter()
                .fold(Select::from("things"), |select, (column, direction)| {
                    select.order(*column, *direction)
                })
        };
        let whole = names(&*f.ledger, question()).await;
        assert_eq!(whole.len(), 25);
        for size in [1, 4, 24, 25] {
            let mut pages = Vec::new();
            let mut cursor: Option<Cursor> = None;
            loop {
                let page = f.ledger.select(question().limit(size).after(cursor)).await.unwrap();
                assert!(page.rows.len() <= size);
                pages.extend(page.rows.iter().map(|row| row.text("name").unwrap().to_owned()));
                // A cursor survives being text.
                match page.next {
                    Some(next) => cursor = Some(Cursor::from(next.to_string())),
                    None => break,
                }
            }
            assert_eq!(pages, whole, "{order:?} by {size}");
        }
    }
}

async fn a_question_that_does_not_fit_is_refused(f: Fixture) {
    many_things(&*f.ledger).await;
    let page = f.ledger.select(Select::from("things").limit(1)).await.unwrap();
    let cursor = page.next.unwrap();
    for question in [
        Select::from("nothing"),
        Select::from("things").filter("size", Op::Eq, 1),
        Select::from("things").filter("total", Op::Eq, "one"),
        Select::from("things").any_of("name", [1]),
        Select::from("things").order("\"", Direction::Asc),
        Select::from("things").after(Cursor::from("x".to_owned())),
        Select::from("things").order("total", Direction::Asc).after(cursor),
    ] {
        let shown = format!("{question:?}");
        let error = f.ledger.select(question).await.unwrap_err();
        assert!(matches!(error, LedgerError::Select(_)), "{shown}: {error}");
    }
}

async fn a_whole_ledger_verifies_from_each_checkpoint(f: Fixture) {
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

async fn a_checkpoint_of_another_history_is_noticed(f: Fixture) {
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

async fn rebuilt_views_are_the_same(f: Fixture) {
    many_things(&*f.ledger).await;
    append(
        &*f.ledger,
        vec![fact("x", "t03", "thing.removed", json!({})), changed("y", "t04", 9)],
    )
    .await;
    let before = f.ledger.select(Select::from("things")).await.unwrap();
    let rebuilt = f.ledger.rebuild(&|_| {}).await.unwrap();
    assert_eq!(rebuilt.position, 27);
    assert_eq!(
        rebuilt
            .views
            .iter()
            .map(|view| (view.name, view.differed))
            .collect::<Vec<_>>(),
        [("things", false), ("journal", false)]
    );
    assert_eq!(f.ledger.select(Select::from("things")).await.unwrap().rows, before.rows);
    append(&*f.ledger, vec![changed("z", "t05", 1)]).await;
    assert!(!f.ledger.rebuild(&|_| {}).await.unwrap().differed());
}

async fn appends_go_on_during_a_rebuild(f: Fixture) {
    let facts = (0..2_500).map(|number| changed(&number.to_string(), &format!("t{}", number % 50), 1));
    append(&*f.ledger, facts.collect()).await;
    let rebuilding = {
        let ledger = f.ledger.clone();
        tokio::spawn(async move { ledger.rebuild(&|_| {}).await.unwrap() })
    };
    for number in 0..20 {
        append(&*f.ledger, vec![changed(&format!("more {number}"), "t1", 1)]).await;
    }
    assert!(!rebuilding.await.unwrap().differed());
    let row = f
        .ledger
        .select(Select::from("things").filter("name", Op::Eq, "t1"))
        .await
        .unwrap()
        .rows
        .remove(0);
    assert_eq!(row.integer("total").unwrap(), 70);
    assert!(!f.ledger.rebuild(&|_| {}).await.unwrap().differed());
}

async fn an_export_carries_its_own_proof(f: Fixture) {
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

async fn odd_texts_and_numbers_come_back_as_they_were(f: Fixture) {
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
fn views_that_do_not_fit_together_are_refused() {
    use crate::sample::{Journal, Things};
    let clock = Arc::new(ManualClock::new());
    let twice: Vec<Arc<dyn View>> = vec![Arc::new(Journal), Arc::new(Things { version: 1 }), Arc::new(Journal)];
    let error = MemoryLedger::new(twice, clock).err().unwrap();
    assert!(
        matches!(error, LedgerError::Declaration { view: "journal", .. }),
        "{error}"
    );
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
