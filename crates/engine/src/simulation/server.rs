//! A simulated server: what the engine's tasks do, without tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use facts::{Actor, Position, RunId};

use super::ledger::SimLedger;
use crate::attempt::Work;
use crate::decide::{Attempt, Input};
use crate::groups::{TurnSearch, turn_claim};
use crate::kinds::stream_of;
use crate::open_run::OpenRun;
use crate::places::{PlacePool, RunPlaces};
use crate::state::RunState;

/// Somebody's wish, handed back with its answer.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub run: RunId,
    pub kind: &'static str,
    pub actor: Actor,
}

/// A run that a server drives.
pub(crate) struct SimRun {
    pub open: OpenRun<Wish>,
    pub places: RunPlaces,
    pub live: BTreeSet<(Work, Attempt)>,
}

/// One server.
pub(crate) struct Server {
    pub id: u64,
    pub epoch: u32,
    pub pool: Arc<PlacePool>,
    pub runs: BTreeMap<RunId, SimRun>,
}

/// The kinds of actions that take no place.
pub(crate) fn free_kinds() -> Arc<BTreeSet<String>> {
    Arc::new(BTreeSet::from(["approve".to_owned()]))
}

/// Reads a run's state from the ledger.
pub(crate) fn load(ledger: &SimLedger, run: RunId) -> Option<(RunState, Position)> {
    let facts = ledger.stream(&stream_of(run));
    let (first, rest) = facts.split_first()?;
    let mut state = RunState::begin(&first.new, free_kinds()).expect("a run begins");
    for fact in rest {
        state.evolve(&fact.new).expect("what is recorded can follow");
    }
    Some((state, facts.last().map_or(0, |fact| fact.seq)))
}

/// Reads from the ledger which turn of a group was the last, and who is in it.
pub(crate) fn learn(ledger: &SimLedger, pool: &PlacePool, group: &str) {
    let mut search = TurnSearch::default();
    let mut last = None;
    while let Some(turn) = search.next() {
        let fact = ledger.claim(&turn_claim(group, turn));
        search.found(fact.is_some());
        last = fact.or(last);
    }
    let run: Option<RunId> = last.map(|fact| fact.stream().key().parse().expect("a run"));
    let holder = run.and_then(|run| load(ledger, run)?.0.holder(group));
    pool.groups().learn(group, search.last(), holder);
}

impl SimRun {
    /// The ledger says something else than was thought.
    pub(crate) fn conflicted(&mut self, state: RunState, read_at: Position) {
        let open = state.open_attempts().map(|(step, number)| Attempt {
            step: step.clone(),
            number,
        });
        let open: BTreeSet<Attempt> = open.collect();
        self.live
            .retain(|(work, attempt)| *work == Work::Observation || open.contains(attempt));
        self.open.conflicted(state, read_at);
    }
}

impl Server {
    pub(crate) fn new(id: u64, epoch: u32, places: usize) -> Self {
        Self {
            id,
            epoch,
            pool: PlacePool::new(places, None),
            runs: BTreeMap::new(),
        }
    }

    /// The run, read from the ledger if it is not driven yet; `None` when there is none.
    pub(crate) fn open(&mut self, ledger: &SimLedger, run: RunId) -> Option<&mut SimRun> {
        if !self.runs.contains_key(&run) {
            let (state, read_at) = load(ledger, run)?;
            let mut open = OpenRun::new(state, read_at, self.epoch);
            if open.state().result().is_none() {
                open.push(Input::Recover, None);
            }
            let sim = SimRun {
                open,
                places: self.pool.share(run),
                live: BTreeSet::new(),
            };
            self.runs.insert(run, sim);
        }
        self.runs.get_mut(&run)
    }
}
