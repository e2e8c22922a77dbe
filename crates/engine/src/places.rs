//! Places: how many steps may work at the same time on this machine, shared fairly between runs.
//!
//! A step takes a place for each processor it says it needs, one where it says nothing, and the memory
//! it names. What is free goes to the run that holds least, and among those to the one that has waited
//! longest. So a run of ten thousand steps does not keep a run of three waiting, and a run alone
//! gets everything. Whose turn it is and does not fit yet is waited for, so that small steps do not
//! keep a large one from ever beginning.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use facts::RunId;
use pipeline::plan::Resources;
use tokio::sync::Notify;

use crate::groups::{CalledOff, GroupPool, Holding, Wanted};
use crate::open_run::Places;

/// A place in thousandths.
const PLACE: u64 = 1_000;

/// What steps take of a machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// How many steps.
    pub steps: usize,
    /// Their places, in thousandths.
    pub places_milli: u64,
    /// Their memory, in bytes.
    pub memory: u64,
}

impl Load {
    /// What one step takes.
    pub fn of(resources: Option<Resources>) -> Self {
        let cpus = resources.and_then(|resources| resources.cpus_milli);
        Self {
            steps: 1,
            places_milli: cpus.unwrap_or(PLACE),
            memory: resources.and_then(|resources| resources.memory_bytes).unwrap_or(0),
        }
    }

    /// What a machine has.
    pub fn machine(places: usize, memory: Option<u64>) -> Self {
        Self {
            steps: usize::MAX,
            places_milli: (places.max(1) as u64).saturating_mul(PLACE),
            memory: memory.unwrap_or(u64::MAX),
        }
    }

    /// How many whole places it is.
    pub fn places(self) -> usize {
        usize::try_from(self.places_milli / PLACE).unwrap_or(usize::MAX)
    }

    /// The memory, where it is counted.
    pub fn counted_memory(self) -> Option<u64> {
        (self.memory < u64::MAX).then_some(self.memory)
    }

    /// Whether this fits into `room`.
    pub fn fits(self, room: Self) -> bool {
        self.places_milli <= room.places_milli && self.memory <= room.memory
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            steps: self.steps.saturating_add(other.steps),
            places_milli: self.places_milli.saturating_add(other.places_milli),
            memory: self.memory.saturating_add(other.memory),
        }
    }

    /// This without `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self {
            steps: self.steps.saturating_sub(other.steps),
            places_milli: self.places_milli.saturating_sub(other.places_milli),
            memory: self.memory.saturating_sub(other.memory),
        }
    }
}

/// All places of a machine, and the groups of what works on it.
#[derive(Debug)]
pub struct PlacePool {
    sharing: Mutex<Sharing>,
    groups: GroupPool,
}

/// Which run holds how many places, and which want more.
#[derive(Debug, Default)]
struct Sharing {
    limit: Load,
    taken: Load,
    /// Counts up; says who has waited longest.
    turn: u64,
    shares: HashMap<RunId, Share>,
    /// Runs that want more: fewest places first, then longest waiting.
    queue: BTreeSet<(u64, u64, RunId)>,
}

#[derive(Debug)]
struct Share {
    /// What is given to the run, used or not.
    given: Load,
    /// What of it the run had not been told of when it last asked.
    offered: Vec<Load>,
    /// What the next steps want, in their order.
    wanted: VecDeque<Load>,
    since: u64,
    changed: Arc<Notify>,
}

impl PlacePool {
    /// A pool of `places`, at least one, and so much memory; `None` does not count memory.
    pub fn new(places: usize, memory: Option<u64>) -> Arc<Self> {
        let sharing = Sharing {
            limit: Load::machine(places, memory),
            ..Sharing::default()
        };
        Arc::new(Self {
            sharing: Mutex::new(sharing),
            groups: GroupPool::default(),
        })
    }

    /// How many steps work.
    pub fn taken(&self) -> usize {
        self.lock().taken.steps
    }

    /// All that there is.
    pub fn machine(&self) -> Load {
        self.lock().limit
    }

    /// The groups.
    pub fn groups(&self) -> &GroupPool {
        &self.groups
    }

    /// The share of one run. It ends when it is dropped.
    pub fn share(self: &Arc<Self>, run: RunId) -> RunPlaces {
        let changed = Arc::new(Notify::new());
        let share = Share {
            given: Load::default(),
            offered: Vec::new(),
            wanted: VecDeque::new(),
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
    /// What `run` holds and wants is so now; the rest is shared out. Answers how many of the wanted, from
    /// the first, it may begin.
    fn settle(&mut self, run: RunId, held: Load, wanted: &[Load]) -> usize {
        let turn = self.turn;
        self.turn += 1;
        let Some(share) = self.shares.get_mut(&run) else {
            return 0;
        };
        self.queue.remove(&(share.given.places_milli, share.since, run));
        // What was offered since is kept, if it is still wanted; what became free is shared out.
        let offered = share.offered.iter().fold(Load::default(), |sum, load| sum.and(*load));
        let (mut granted, mut kept) = (0, Load::default());
        for load in wanted.iter().take(share.offered.len()) {
            if !kept.and(*load).fits(offered) {
                break;
            }
            kept = kept.and(*load);
            granted += 1;
        }
        let given = held.and(kept);
        self.taken = self.taken.without(share.given).and(given);
        // Whoever had a place until now has not been waiting.
        let waited = !share.wanted.is_empty() && given.places_milli >= share.given.places_milli;
        if !waited {
            share.since = turn;
        }
        share.given = given;
        share.offered.clear();
        share.wanted = wanted[granted..].iter().copied().collect();
        if !share.wanted.is_empty() {
            self.queue.insert((given.places_milli, share.since, run));
        }
        while let Some(first) = self.queue.first().copied() {
            let (_, _, next) = first;
            let Some(load) = self.shares.get(&next).and_then(|share| share.wanted.front()).copied() else {
                self.queue.remove(&first);
                continue;
            };
            // What can never fit works alone, rather than never.
            if self.taken.steps > 0 && !self.taken.and(load).fits(self.limit) {
                break;
            }
            self.queue.remove(&first);
            let turn = self.turn;
            self.turn += 1;
            let Some(share) = self.shares.get_mut(&next) else {
                continue;
            };
            share.given = share.given.and(load);
            share.wanted.pop_front();
            share.since = turn;
            self.taken = self.taken.and(load);
            if !share.wanted.is_empty() {
                self.queue.insert((share.given.places_milli, share.since, next));
            }
            if next == run {
                granted += 1;
            } else {
                share.offered.push(load);
                share.changed.notify_one();
            }
        }
        granted
    }

    fn leave(&mut self, run: RunId) {
        self.settle(run, Load::default(), &[]);
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
    /// Told whenever the run was given a place or its turn in a group, or lost its turn.
    pub fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }
}

impl Places for RunPlaces {
    fn machine(&self) -> Load {
        self.pool.machine()
    }

    fn settle(&mut self, held: Load, wanted: &[Load]) -> usize {
        self.pool.lock().settle(self.run, held, wanted)
    }

    fn hold(&mut self, holding: &Holding<'_>) {
        self.pool.groups.hold(self.run, holding);
    }

    fn enter(&mut self, wanted: &[Wanted]) -> Vec<Option<u64>> {
        self.pool.groups.enter(self.run, &self.changed, wanted)
    }

    fn called_off(&mut self) -> Vec<CalledOff> {
        self.pool.groups.called_off(self.run)
    }
}

impl Drop for RunPlaces {
    fn drop(&mut self) {
        self.pool.lock().leave(self.run);
        self.pool.groups.leave(self.run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(n: u32) -> RunId {
        RunId::of_key(&n.to_string())
    }

    /// So many steps that say nothing of what they take.
    fn usual(steps: usize) -> Load {
        Load {
            steps,
            places_milli: steps as u64 * PLACE,
            memory: 0,
        }
    }

    impl RunPlaces {
        fn asks(&mut self, held: usize, wanted: usize) -> usize {
            self.settle(usual(held), &vec![usual(1); wanted.min(8)])
        }
    }

    #[test]
    fn a_run_alone_gets_every_place() {
        let pool = PlacePool::new(4, None);
        let mut only = pool.share(run(1));
        assert_eq!(only.asks(0, 10), 4);
        assert_eq!(only.asks(4, 6), 0);
        assert_eq!(only.asks(2, 6), 2);
        assert_eq!(pool.taken(), 4);
        drop(only);
        assert_eq!(pool.taken(), 0);
    }

    #[test]
    fn a_large_run_gives_way_to_a_small_one() {
        let pool = PlacePool::new(4, None);
        let (mut large, mut small) = (pool.share(run(1)), pool.share(run(2)));
        assert_eq!(large.asks(0, 1_000), 4);
        assert_eq!(small.asks(0, 2), 0);
        // Each step that the large run finishes goes to the small run, until both hold the same.
        assert_eq!(large.asks(3, 996), 0);
        assert_eq!(small.asks(0, 2), 1);
        assert_eq!(large.asks(2, 996), 0);
        assert_eq!(small.asks(1, 1), 1);
        assert_eq!(large.asks(1, 996), 1);
    }

    #[test]
    fn runs_with_one_place_between_them_take_turns() {
        let pool = PlacePool::new(1, None);
        let (mut a, mut b) = (pool.share(run(1)), pool.share(run(2)));
        assert_eq!(a.asks(0, 5), 1);
        assert_eq!(b.asks(0, 5), 0);
        for _ in 0..3 {
            assert_eq!(a.asks(0, 4), 0);
            assert_eq!(b.asks(0, 5), 1);
            assert_eq!(b.asks(0, 4), 0);
            assert_eq!(a.asks(0, 4), 1);
        }
    }

    #[test]
    fn attempts_that_were_open_before_count_even_beyond_the_limit() {
        let pool = PlacePool::new(2, None);
        let (mut a, mut b) = (pool.share(run(1)), pool.share(run(2)));
        assert_eq!(a.asks(3, 1), 0);
        assert_eq!(b.asks(0, 1), 0);
        assert_eq!(a.asks(1, 1), 0);
        assert_eq!(b.asks(0, 1), 1);
    }

    fn load(cpus_milli: u64, memory_bytes: u64) -> Load {
        Load::of(Some(Resources {
            cpus_milli: Some(cpus_milli),
            memory_bytes: Some(memory_bytes),
        }))
    }

    #[test]
    fn steps_take_what_they_say() {
        let pool = PlacePool::new(4, Some(10));
        let mut only = pool.share(run(1));
        assert_eq!(
            only.settle(
                Load::default(),
                &[load(2_000, 1), load(1_500, 1), load(500, 1), load(500, 1)]
            ),
            3
        );
        let mut other = pool.share(run(2));
        assert_eq!(other.settle(Load::default(), &[load(500, 1)]), 0);
        // Memory counts too.
        assert_eq!(only.settle(load(500, 9), &[load(500, 2)]), 0);
        assert_eq!(only.settle(Load::default(), &[load(500, 2)]), 1);
    }

    #[test]
    fn a_large_step_is_not_kept_waiting_by_small_ones_for_ever() {
        let pool = PlacePool::new(2, None);
        let (mut small, mut large) = (pool.share(run(1)), pool.share(run(2)));
        assert_eq!(small.asks(0, 5), 2);
        assert_eq!(large.settle(Load::default(), &[load(2_000, 0)]), 0);
        // What the small ones free is kept for it.
        assert_eq!(small.asks(1, 3), 0);
        assert_eq!(small.asks(0, 3), 0);
        assert_eq!(large.settle(Load::default(), &[load(2_000, 0)]), 1);
    }

    #[test]
    fn what_never_fits_works_alone() {
        let pool = PlacePool::new(2, None);
        let mut only = pool.share(run(1));
        assert_eq!(only.settle(Load::default(), &[load(9_000, 0), load(500, 0)]), 1);
    }

    #[test]
    fn who_has_waited_longest_goes_first_however_often_it_asks() {
        for (first, second) in [(run(2), run(3)), (run(3), run(2))] {
            let pool = PlacePool::new(1, None);
            let (mut holder, mut first, mut second) = (pool.share(run(1)), pool.share(first), pool.share(second));
            assert_eq!(holder.asks(0, 1), 1);
            assert_eq!((first.asks(0, 1), second.asks(0, 1), first.asks(0, 1)), (0, 0, 0));
            assert_eq!(holder.asks(0, 0), 0);
            assert_eq!((second.asks(0, 1), first.asks(0, 1)), (0, 1));
        }
    }

    #[test]
    fn of_those_that_hold_the_same_the_one_goes_first_whose_last_place_is_older() {
        for (first, second) in [(run(2), run(3)), (run(3), run(2))] {
            let pool = PlacePool::new(3, None);
            let (mut holder, mut first, mut second) = (pool.share(run(1)), pool.share(first), pool.share(second));
            assert_eq!(holder.asks(0, 2), 2);
            assert_eq!(first.asks(0, 2), 1);
            assert_eq!(second.asks(1, 1), 0, "an attempt of it was open before");
            assert_eq!(holder.asks(0, 0), 0);
            assert_eq!((second.asks(1, 1), first.asks(1, 1)), (0, 1));
        }
    }

    #[test]
    fn a_machine_says_what_it_has() {
        let pool = PlacePool::new(3, Some(10));
        let machine = pool.share(run(1)).machine();
        assert_eq!((machine.places(), machine.counted_memory()), (3, Some(10)));
        assert_eq!(Load::machine(2, None).counted_memory(), None);
        assert_eq!(load(2_500, 0).places(), 2);
    }

    #[test]
    fn a_run_hears_that_a_newer_one_took_its_turn() {
        let pool = PlacePool::new(3, None);
        let (mut older, mut newer) = (pool.share(run(1)), pool.share(run(2)));
        let wanted = |number: u32| Wanted {
            key: "k/deploy".to_owned(),
            name: "deploy".to_owned(),
            member: crate::groups::Member {
                since: facts::Timestamp::from_second(i64::from(number)).unwrap(),
                run: run(number),
                place: None,
                step: None,
            },
            rule: pipeline::plan::GroupRule::Newest,
        };
        assert_eq!(older.enter(&[wanted(1)]), [Some(1)]);
        assert_eq!(newer.enter(&[wanted(2)]), [Some(1)]);
        let off: Vec<RunId> = older.called_off().into_iter().map(|off| off.by).collect();
        assert_eq!(off, [run(2)]);
        assert!(older.called_off().is_empty());
    }

    /// A run of steps, as its driver asks for their places.
    struct Steps {
        places: RunPlaces,
        left: VecDeque<Load>,
        working: Vec<Load>,
        asked: bool,
    }

    impl Steps {
        fn heard(&self) -> bool {
            let changed = self.places.changed();
            let heard = std::pin::pin!(changed.notified());
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            heard.poll(&mut context).is_ready()
        }

        fn asks(&mut self) {
            let held = self.working.iter().fold(Load::default(), |sum, load| sum.and(*load));
            let wanted: Vec<Load> = self.left.iter().copied().collect();
            let granted = self.places.settle(held, &wanted);
            self.working.extend(self.left.drain(..granted));
            self.asked = true;
        }
    }

    /// Plays one schedule; says what is wrong with it.
    fn play(seed: u64) -> Result<(), String> {
        let mut random = crate::simulation::random::Random::new(seed);
        let places = 1 + random.below(3) as usize;
        let pool = PlacePool::new(places, Some(10));
        let mut runs: Vec<Steps> = (0..1 + random.below(4))
            .map(|number| Steps {
                places: pool.share(run(number as u32)),
                left: (0..random.below(6))
                    .map(|_| {
                        let cpus = *random.pick(&[500, 1_000, 1_000, 2_000, 9_000]).unwrap_or(&1_000);
                        load(cpus, random.below(7))
                    })
                    .collect(),
                working: Vec::new(),
                asked: false,
            })
            .collect();
        for _ in 0..5_000 {
            let open: Vec<usize> = (0..runs.len())
                .filter(|at| !runs[*at].left.is_empty() || !runs[*at].working.is_empty() || !runs[*at].asked)
                .collect();
            let Some(at) = random.pick(&open).copied() else {
                return match pool.taken() {
                    0 => Ok(()),
                    taken => Err(format!("{taken} places are taken when all is done")),
                };
            };
            let steps = &mut runs[at];
            if !steps.working.is_empty() && random.percent(30) {
                steps.working.pop();
                steps.asks();
            } else if !steps.asked || steps.heard() {
                steps.asks();
            }
            let working = runs.iter().flat_map(|steps| &steps.working);
            let all = working.fold(Load::default(), |sum, load| sum.and(*load));
            if all.steps > 1 && !all.fits(pool.machine()) {
                return Err(format!("{all:?} work at once on {:?}", pool.machine()));
            }
        }
        let left: Vec<_> = runs
            .iter()
            .map(|steps| (steps.left.len(), steps.working.len()))
            .collect();
        Err(format!("somebody waits for ever: {left:?}"))
    }

    #[test]
    fn in_any_order_no_place_is_given_twice_and_nobody_waits_for_ever() {
        for seed in 0..400 {
            play(seed).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
        }
    }
}
