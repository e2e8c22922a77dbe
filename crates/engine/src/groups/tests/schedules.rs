//! Runs of two servers that enter and leave groups in any order: one at a time, and none is forgotten.

use std::task::{Context, Poll, Waker};

use super::*;
use crate::simulation::random::Random;

/// What the ledger says of one group.
#[derive(Default)]
struct Group {
    turn: u64,
    holder: Option<Member>,
}

/// A run that goes through a few steps, each in a group.
struct Run {
    server: usize,
    id: RunId,
    left: Vec<Wanted>,
    inside: bool,
    had: BTreeMap<String, u64>,
    changed: Arc<Notify>,
    /// It has not looked since something of its own happened.
    restless: bool,
}

impl Run {
    fn heard(&self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let heard = std::pin::pin!(self.changed.notified());
        heard.poll(&mut context) == Poll::Ready(())
    }

    fn hold(&self, pools: &[GroupPool]) {
        let now = match self.left.first().filter(|_| self.inside) {
            Some(wanted) => vec![(wanted.key.as_str(), wanted.member.clone())],
            None => Vec::new(),
        };
        pools[self.server].hold(self.id, &Holding { had: &self.had, now });
    }

    /// Asks for the turn of its next step, and claims it where it may.
    fn ask(&mut self, pools: &[GroupPool], ledger: &mut BTreeMap<String, Group>) -> Result<(), String> {
        let pool = &pools[self.server];
        let Some(wanted) = self.left.first().filter(|_| !self.inside) else {
            pool.enter(self.id, &self.changed, &[]);
            return Ok(());
        };
        let Some(turn) = pool.enter(self.id, &self.changed, std::slice::from_ref(wanted))[0] else {
            return Ok(());
        };
        let group = ledger.entry(wanted.key.clone()).or_default();
        if turn <= group.turn {
            // Somebody else has it: what the ledger says is learned.
            pool.learn(&wanted.key, group.turn, group.holder.clone());
            self.restless = true;
            return Ok(());
        }
        if let Some(other) = &group.holder {
            return Err(format!("{:?} entered beside {other:?}", wanted.member));
        }
        group.turn = turn;
        group.holder = Some(wanted.member.clone());
        self.had.insert(wanted.key.clone(), turn);
        self.inside = true;
        self.hold(pools);
        Ok(())
    }

    fn leave(&mut self, pools: &[GroupPool], ledger: &mut BTreeMap<String, Group>) {
        let wanted = self.left.remove(0);
        self.inside = false;
        if let Some(group) = ledger.get_mut(&wanted.key) {
            group.holder = None;
        }
        self.hold(pools);
        self.restless = true;
    }
}

fn run(random: &mut Random, number: u32) -> Run {
    let steps = 1 + random.below(3);
    let left = (0..steps).map(|place| Wanted {
        key: format!("k/{}", random.below(2)),
        ..wanted(number, place as usize, GroupRule::Queue)
    });
    Run {
        id: id(number),
        left: left.collect(),
        server: random.below(2) as usize,
        inside: false,
        had: BTreeMap::new(),
        changed: Arc::default(),
        restless: true,
    }
}

/// Plays one schedule; says what is wrong with it.
fn play(seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let pools = [GroupPool::default(), GroupPool::default()];
    let mut ledger: BTreeMap<String, Group> = BTreeMap::new();
    let mut runs: Vec<Run> = (0..2 + random.below(4))
        .map(|number| run(&mut random, number as u32))
        .collect();
    for _ in 0..10_000 {
        let open: Vec<usize> = (0..runs.len()).filter(|at| !runs[*at].left.is_empty()).collect();
        let Some(at) = random.pick(&open).copied() else {
            return Ok(());
        };
        let run = &mut runs[at];
        if run.inside && random.percent(40) {
            run.leave(&pools, &mut ledger);
            if run.left.is_empty() {
                pools[run.server].leave(run.id);
            }
        } else if run.restless || run.heard() {
            run.restless = false;
            run.ask(&pools, &mut ledger)?;
        } else if !run.inside && random.percent(10) {
            // From time to time it looks for those that another server drives; nothing else wakes it.
            for key in pools[run.server].held_elsewhere(run.id) {
                let group = ledger.entry(key.clone()).or_default();
                pools[run.server].learn(&key, group.turn, group.holder.clone());
            }
        }
    }
    let left: Vec<_> = runs
        .iter()
        .map(|run| (run.id, run.server, run.inside, run.left.len()))
        .collect();
    Err(format!("somebody waits for ever: {left:?}"))
}

#[test]
fn in_any_order_one_is_in_a_group_at_a_time_and_nobody_waits_for_ever() {
    for seed in 0..400 {
        play(seed).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
    }
}
