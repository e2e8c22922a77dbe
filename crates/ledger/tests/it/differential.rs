//! The stores side by side: whatever is done to all of them, nobody can tell them apart; and views that
//! are folded again are the same.

use std::path::PathBuf;
use std::sync::Arc;

use facts::NewFact;
use ledger::{Append, Appended, Direction, Ledger, MemoryLedger, PostgresLedger, Row, Select, SqliteLedger, View};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;
use testkit::{ManualClock, Postgres};

use crate::conformance::noise;
use crate::sample::{Journal, Things, fact, thing, upcasters, views};

/// How many things there are.
const THINGS: usize = 4;

/// The name of a thing. That of the last is longer than what an index takes.
fn named(number: usize) -> String {
    match number {
        3 => noise(1, 3_000),
        _ => ["a", "b", "c"][number].to_owned(),
    }
}

#[derive(Debug, Clone)]
enum Act {
    /// Append facts, on the condition that these subjects stand where they stood `behind` facts ago.
    Append {
        subjects: Vec<usize>,
        behind: u64,
        facts: Vec<NewFact>,
    },
    /// Send the append again that was sent so many acts ago.
    Again(usize),
    Rebuild,
}

fn new_fact() -> impl Strategy<Value = NewFact> {
    let kinds = prop_oneof![
        8 => Just("thing.changed"),
        2 => Just("thing.removed"),
        1 => Just("thing.unknown"),
        1 => Just("thing.broken"),
        1 => Just("thing.late"),
    ];
    let body = (
        any::<i32>(),
        proptest::option::of(-1e9..1e9),
        proptest::option::of(prop_oneof![7 => "[a-cü\\PC]{0,3}", 1 => Just(noise(2, 2_500))]),
    );
    let body = prop_oneof![
        9 => body.prop_map(|(amount, weight, note)| (2, json!({"amount": amount, "weight": weight, "note": note}))),
        2 => any::<i32>().prop_map(|by| (1, json!({"by": by}))),
        1 => Just((2, json!({"amount": "none"}))),
    ];
    (
        0..40_u32,
        0..THINGS,
        kinds,
        body,
        proptest::option::weighted(0.2, 0..6_u32),
    )
        .prop_map(|(id, name, kind, (version, body), claim)| {
            let mut new = fact(&id.to_string(), &named(name), kind, body);
            new.kind_version = version;
            new.external_key = claim.map(|claim| format!("claim {claim}"));
            new
        })
}

fn act() -> impl Strategy<Value = Act> {
    let append = (
        proptest::collection::vec(0..THINGS, 0..3),
        0..4_u64,
        proptest::collection::vec(new_fact(), 0..4),
    )
        .prop_map(|(subjects, behind, facts)| Act::Append {
            subjects,
            behind,
            facts,
        });
    prop_oneof![12 => append, 2 => (0..5_usize).prop_map(Act::Again), 1 => Just(Act::Rebuild)]
}

/// What a caller sees of an append.
fn seen(result: Result<Appended, ledger::AppendError>) -> String {
    match result {
        Ok(appended) => format!("{appended:?}"),
        Err(error) => format!("{error:?}"),
    }
}

async fn rows(ledger: &dyn Ledger) -> Vec<Vec<Row>> {
    let mut all = Vec::new();
    for query in [
        Select::from("things"),
        Select::from("things")
            .order("note", Direction::Desc)
            .order("weight", Direction::Asc)
            .limit(3),
        Select::from("journal").order("seq", Direction::Asc),
    ] {
        let selected = ledger.select(query).await.unwrap();
        assert_eq!(selected.as_of, ledger.head().await.unwrap());
        all.push(selected.rows);
    }
    all
}

/// Where a store's ledger is.
#[derive(Clone)]
enum Place {
    File(PathBuf),
    Database(String),
}

impl Place {
    async fn open(&self, views: Vec<Arc<dyn View>>, clock: &ManualClock) -> Arc<dyn Ledger> {
        let clock = Arc::new(clock.clone());
        match self {
            Self::File(path) => Arc::new(SqliteLedger::open_with_upcasters(path, views, upcasters(), clock).unwrap()),
            Self::Database(address) => {
                let address = address.parse().unwrap();
                let opening = PostgresLedger::open_with_upcasters(&address, views, upcasters(), clock);
                Arc::new(opening.await.unwrap())
            }
        }
    }
}

/// Does the same to a ledger in memory and to one at `place`.
async fn compare(acts: Vec<Act>, place: Place) {
    let clock = ManualClock::new();
    let memory = MemoryLedger::with_upcasters(views(), upcasters(), Arc::new(clock.clone())).unwrap();
    let store = place.open(views(), &clock).await;
    let mut sent: Vec<Append> = Vec::new();
    for act in acts {
        clock.advance(std::time::Duration::from_millis(10));
        let append = match act {
            Act::Append {
                subjects,
                behind,
                facts,
            } => {
                let read_at = memory.head().await.unwrap().saturating_sub(behind);
                Append::after(
                    read_at,
                    subjects.iter().map(|number| thing(&named(*number))).collect(),
                    facts,
                )
            }
            Act::Again(ago) if sent.len() > ago => sent[sent.len() - 1 - ago].clone(),
            Act::Again(_) => continue,
            Act::Rebuild => {
                assert_eq!(
                    memory.rebuild(&|_| {}).await.unwrap(),
                    store.rebuild(&|_| {}).await.unwrap()
                );
                continue;
            }
        };
        sent.push(append.clone());
        assert_eq!(
            seen(memory.append(append.clone()).await),
            seen(store.append(append).await)
        );
    }
    let exported = memory.export(0, usize::MAX).await.unwrap();
    assert_eq!(exported, store.export(0, usize::MAX).await.unwrap());
    let verification = memory.verify(None, &|_| {}).await.unwrap();
    assert!(verification.is_good());
    assert_eq!(verification, store.verify(None, &|_| {}).await.unwrap());
    let inline = rows(&memory).await;
    assert_eq!(inline, rows(&*store).await);
    // Folded again: beside the ones in use, and at opening, after the views were forgotten.
    assert!(!memory.rebuild(&|_| {}).await.unwrap().differed());
    assert!(!store.rebuild(&|_| {}).await.unwrap().differed());
    drop(store);
    drop(place.open(vec![Arc::new(Things { version: 9 })], &clock).await);
    let again: Vec<Arc<dyn View>> = vec![Arc::new(Journal), Arc::new(Things { version: 1 })];
    assert_eq!(inline, rows(&*place.open(again, &clock).await).await);
}

/// Tries `cases` histories on the places that `place` gives.
fn try_histories(cases: u32, place: impl Fn(u32) -> Place) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let number = std::cell::Cell::new(0);
    let tried = TestRunner::new(config).run(&proptest::collection::vec(act(), 1..25), |acts| {
        number.set(number.get() + 1);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(compare(acts, place(number.get())));
        Ok(())
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
}

#[test]
fn sqlite_cannot_be_told_from_memory_and_views_folded_again_are_the_same() {
    let folder = testkit::folder();
    try_histories(48, |number| {
        Place::File(folder.path().join(format!("ledger{number}.db")))
    });
}

#[test]
fn postgresql_cannot_be_told_from_memory_and_views_folded_again_are_the_same() {
    if let Some(database) = Postgres::start() {
        let address = database.address();
        try_histories(24, |number| Place::Database(format!("{address}&schema=case{number}")));
    }
}
