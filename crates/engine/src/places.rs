//! Places: how many steps may work at the same time on this machine, shared fairly between runs.
//!
//! A free place goes to the run that holds fewest, and among those to the one that has waited
//! longest. So a run of ten thousand steps does not keep a run of three waiting, and a run alone
//! gets everything.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use facts::RunId;
use tokio::sync::Notify;

use crate::open_run::Places;

/// All places of a machine.
#[derive(Debug)]
pub struct PlacePool {
    sharing: Mutex<Sharing>,
}

/// Which run holds how many places, and which want more.
#[derive(Debug, Default)]
struct Sharing {
    limit: usize,
    taken: usize,
    /// Counts up; says who has waited longest.
    turn: u64,
    shares: HashMap<RunId, Share>,
    /// Runs that want more: fewest places first, then longest waiting.
    queue: BTreeSet<(usize, u64, RunId)>,
}

#[derive(Debug)]
struct Share {
    /// Places given to the run, used or not.
    given: usize,
    /// How many of them the run had not been told of when it last asked.
    offered: usize,
    wanted: usize,
    since: u64,
    changed: Arc<Notify>,
}

impl PlacePool {
    /// A pool of `limit` places, at least one.
    pub fn new(limit: usize) -> Arc<Self> {
        let sharing = Sharing {
            limit: limit.max(1),
            ..Sharing::default()
        };
        Arc::new(Self {
            sharing: Mutex::new(sharing),
        })
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        self.lock().taken
    }

    /// The share of one run. It ends when it is dropped.
    pub fn share(self: &Arc<Self>, run: RunId) -> RunPlaces {
        let changed = Arc::new(Notify::new());
        let share = Share {
            given: 0,
            offered: 0,
            wanted: 0,
            since: 0,
            changed: Arc::clone(&changed),
        };
        self.lock().shares.insert(run, share);
        RunPlaces {
            pool: Arc::clone(self),
            run,
            changed,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sharing> {
        self.sharing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sharing {
    /// What `run` holds and wants is so now; the rest is shared out. Answers how many it may begin.
    fn settle(&mut self, run: RunId, held: usize, wanted: usize) -> usize {
        let turn = self.turn;
        self.turn += 1;
        let Some(share) = self.shares.get_mut(&run) else {
            return 0;
        };
        self.queue.remove(&(share.given, share.since, run));
        // What was offered since is kept, if it is still wanted; what became free is shared out.
        let kept = share.offered.min(wanted);
        let given = held + kept;
        self.taken = self.taken + given - share.given;
        // Whoever had a place until now has not been waiting.
        let waited = share.wanted > 0 && given >= share.given;
        if !waited {
            share.since = turn;
        }
        share.given = given;
        share.offered = 0;
        share.wanted = wanted - kept;
        if share.wanted > 0 {
            self.queue.insert((given, share.since, run));
        }
        while self.taken < self.limit {
            let Some((_, _, next)) = self.queue.pop_first() else {
                break;
            };
            let turn = self.turn;
            self.turn += 1;
            let Some(share) = self.shares.get_mut(&next) else {
                continue;
            };
            share.given += 1;
            share.wanted -= 1;
            share.since = turn;
            self.taken += 1;
            if share.wanted > 0 {
                self.queue.insert((share.given, share.since, next));
            }
            if next != run {
                share.offered += 1;
                share.changed.notify_one();
            }
        }
        self.shares.get(&run).map_or(0, |share| share.given - held)
    }

    fn leave(&mut self, run: RunId) {
        self.settle(run, 0, 0);
        self.shares.remove(&run);
    }
}

/// The places of one run.
#[derive(Debug)]
pub struct RunPlaces {
    pool: Arc<PlacePool>,
    run: RunId,
    changed: Arc<Notify>,
}

impl RunPlaces {
    /// Told whenever the run was given a place it had wanted before.
    pub fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }
}

impl Places for RunPlaces {
    fn settle(&mut self, held: usize, wanted: usize) -> usize {
        self.pool.lock().settle(self.run, held, wanted)
    }
}

impl Drop for RunPlaces {
    fn drop(&mut self) {
        self.pool.lock().leave(self.run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(n: u32) -> RunId {
        RunId::of_key(&n.to_string())
    }

    #[test]
    fn a_run_alone_gets_every_place() {
        let pool = PlacePool::new(4);
        let mut only = pool.share(run(1));
        assert_eq!(only.settle(0, 10), 4);
        assert_eq!(only.settle(4, 6), 0);
        assert_eq!(only.settle(2, 6), 2);
        assert_eq!(pool.taken(), 4);
        drop(only);
        assert_eq!(pool.taken(), 0);
    }

    #[test]
    fn a_large_run_gives_way_to_a_small_one() {
        let pool = PlacePool::new(4);
        let (mut large, mut small) = (pool.share(run(1)), pool.share(run(2)));
        assert_eq!(large.settle(0, 1_000), 4);
        assert_eq!(small.settle(0, 2), 0);
        // Each step that the large run finishes goes to the small run, until both hold the same.
        assert_eq!(large.settle(3, 996), 0);
        assert_eq!(small.settle(0, 2), 1);
        assert_eq!(large.settle(2, 996), 0);
        assert_eq!(small.settle(1, 1), 1);
        assert_eq!(large.settle(1, 996), 1);
    }

    #[test]
    fn runs_with_one_place_between_them_take_turns() {
        let pool = PlacePool::new(1);
        let (mut a, mut b) = (pool.share(run(1)), pool.share(run(2)));
        assert_eq!(a.settle(0, 5), 1);
        assert_eq!(b.settle(0, 5), 0);
        for _ in 0..3 {
            assert_eq!(a.settle(0, 4), 0);
            assert_eq!(b.settle(0, 5), 1);
            assert_eq!(b.settle(0, 4), 0);
            assert_eq!(a.settle(0, 4), 1);
        }
    }

    #[test]
    fn attempts_that_were_open_before_count_even_beyond_the_limit() {
        let pool = PlacePool::new(2);
        let (mut a, mut b) = (pool.share(run(1)), pool.share(run(2)));
        assert_eq!(a.settle(3, 1), 0);
        assert_eq!(b.settle(0, 1), 0);
        assert_eq!(a.settle(1, 1), 0);
        assert_eq!(b.settle(0, 1), 1);
    }
}
