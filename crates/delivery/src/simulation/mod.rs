//! Simulated histories of delivery: the driver's own code over a ledger in memory, with a model of
//! the engine and the target, in one thread, under faults, by seed.
//!
//! Servers crash between any two operations of the ledger, commits lose their acknowledgement, an old
//! server goes on beside a new one with an older policy; packages come late, people approve, promote
//! and roll back at any time, another component that some
//! packages depend on comes and goes, deployments succeed, are rejected, fail, are cancelled or end unknown.
//! After every fact the [`rules`] are checked; when faults stop, every environment must hold the
//! newest package that its gates allow, or say why not.
//!
//! `THROUGHLINE_SEEDS=n` runs n seeds, from `THROUGHLINE_FIRST_SEED` on; `THROUGHLINE_SEED=s` replays one and prints its
//! history.

mod ledger;
mod neighbour;
mod random;
mod rules;
mod runs;
mod wish;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::mutation::{self, Mutation};
use world::World;

/// How many seeds the normal test run takes.
const SEEDS: u64 = 700;
/// How many seeds a deliberate fault may survive.
const SEEDS_FOR_A_FAULT: u64 = 400;

/// What a history went through.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Met {
    pub(crate) facts: usize,
    pub(crate) intents: usize,
    pub(crate) returns: usize,
    pub(crate) bars: usize,
    pub(crate) crashes: usize,
    pub(crate) lost: usize,
    pub(crate) refused: usize,
    pub(crate) wishes: usize,
    pub(crate) stuck: usize,
    pub(crate) depended: usize,
}

impl std::ops::AddAssign for Met {
    fn add_assign(&mut self, other: Self) {
        self.facts += other.facts;
        self.intents += other.intents;
        self.returns += other.returns;
        self.bars += other.bars;
        self.crashes += other.crashes;
        self.lost += other.lost;
        self.refused += other.refused;
        self.wishes += other.wishes;
        self.stuck += other.stuck;
        self.depended += other.depended;
    }
}

/// Simulates the history of one seed; says what is wrong with it.
fn simulate(seed: u64, mutation: Option<Mutation>, print: bool) -> Result<Met, String> {
    let result = catch_unwind(AssertUnwindSafe(|| {
        mutation::with(mutation, || World::new(seed, print).run())
    }));
    result.unwrap_or_else(|panic| {
        mutation::with(None, || ());
        let text = panic.downcast_ref::<String>().cloned();
        Err(text
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default())
    })
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn every_history_keeps_the_rules_and_arrives_when_faults_stop() {
    if let Some(seed) = number("THROUGHLINE_SEED") {
        let met = simulate(seed, None, true).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
        println!("seed {seed}: {met:?}");
        return;
    }
    let seeds = number("THROUGHLINE_SEEDS").unwrap_or(SEEDS);
    let first = number("THROUGHLINE_FIRST_SEED").unwrap_or(0);
    let mut all = Met::default();
    for seed in first..first + seeds {
        match simulate(seed, None, false) {
            Ok(met) => all += met,
            Err(wrong) => panic!("seed {seed}: {wrong}\nreplay it with THROUGHLINE_SEED={seed}"),
        }
    }
    println!("{seeds} seeds from {first} on: {all:?}");
    println!("total: {seeds} histories, {} facts, {} crashes", all.facts, all.crashes);
    // A simulation that never meets what it is for proves nothing.
    let met = [
        all.intents,
        all.returns,
        all.bars,
        all.crashes,
        all.lost,
        all.refused,
        all.wishes,
        all.stuck,
        all.depended,
    ];
    assert!(seeds < SEEDS || met.iter().all(|count| *count >= 20), "{all:?}");
}

#[test]
fn a_seed_gives_the_same_history_each_time() {
    for seed in 0..10 {
        let digest = |seed| {
            let mut world = World::new(seed, false);
            world.run().unwrap();
            world.digest()
        };
        assert_eq!(digest(seed), digest(seed), "seed {seed}");
    }
}

#[test]
fn every_deliberate_fault_is_noticed() {
    // The panics of histories that break are expected.
    std::panic::set_hook(Box::new(|_| {}));
    let unnoticed: Vec<&Mutation> = Mutation::ALL
        .iter()
        .filter(|fault| {
            let noticed = (0..SEEDS_FOR_A_FAULT)
                .find_map(|seed| simulate(seed, Some(**fault), false).err().map(|wrong| (seed, wrong)));
            match &noticed {
                Some((seed, wrong)) => println!("{fault:?}: seed {seed}: {}", wrong.lines().next().unwrap_or_default()),
                None => println!("{fault:?}: not noticed"),
            }
            noticed.is_none()
        })
        .collect();
    let _ = std::panic::take_hook();
    assert!(
        unnoticed.is_empty(),
        "not noticed in {SEEDS_FOR_A_FAULT} seeds: {unnoticed:?}"
    );
}
