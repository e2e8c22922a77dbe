//! When followed repositories are looked at: decided without looking.
//!
//! Each is looked at at an interval, and at once when somebody asks. Where its host says by webhook what moves, the
//! interval is longer: webhooks get lost, so the look stays, as a net. Asked for again and again while it is being
//! looked at, a repository is looked at once more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use facts::ComponentId;

/// How many repositories are looked at at a time: one that does not answer holds up no other.
const AT_ONCE: usize = 4;
/// How many times longer the interval is where a webhook works.
const LONGER: u32 = 20;

/// Why a repository is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// It was time to.
    Regular,
    /// Somebody asked for it.
    Asked,
}

/// What is being looked at, what waits for it, and when was what looked at.
#[derive(Debug)]
pub(super) struct Looks {
    interval: Duration,
    wanted: BTreeMap<ComponentId, Why>,
    busy: BTreeSet<ComponentId>,
    last: BTreeMap<ComponentId, Instant>,
    /// Those whose webhook is not believed until the next look.
    doubted: BTreeSet<ComponentId>,
}

impl Looks {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            wanted: BTreeMap::new(),
            busy: BTreeSet::new(),
            last: BTreeMap::new(),
            doubted: BTreeSet::new(),
        }
    }

    /// Somebody asks for a look.
    pub(super) fn ask(&mut self, component: ComponentId) {
        self.wanted.insert(component, Why::Asked);
    }

    /// The next look comes after the usual interval, webhook or not.
    pub(super) fn doubt(&mut self, component: ComponentId) {
        self.doubted.insert(component);
    }

    /// Everything is due at the next tick: nobody knows what happened meanwhile.
    pub(super) fn forget(&mut self) {
        self.last.clear();
    }

    /// An interval has passed: which of the `followed` are due. `heard_of` are those whose webhook works.
    pub(super) fn tick(&mut self, followed: &BTreeSet<ComponentId>, heard_of: &BTreeSet<ComponentId>, now: Instant) {
        self.last.retain(|component, _| followed.contains(component));
        self.doubted.retain(|component| followed.contains(component));
        for component in followed {
            let longer = heard_of.contains(component) && !self.doubted.contains(component);
            let pause = if longer { self.interval * LONGER } else { self.interval };
            // A tick comes a little early or late.
            let pause = pause.saturating_sub(self.interval / 2);
            let due = self
                .last
                .get(component)
                .is_none_or(|last| now.duration_since(*last) >= pause);
            if due && !self.busy.contains(component) {
                self.wanted.entry(*component).or_insert(Why::Regular);
            }
        }
    }

    /// The next one to look at now; nothing while enough are being looked at.
    pub(super) fn next(&mut self, now: Instant) -> Option<(ComponentId, Why)> {
        if self.busy.len() >= AT_ONCE {
            return None;
        }
        let mut free = self
            .wanted
            .iter()
            .filter(|(component, _)| !self.busy.contains(component));
        // Whoever asked goes first.
        let component = *free
            .clone()
            .find(|(_, why)| **why == Why::Asked)
            .or_else(|| free.next())?
            .0;
        let why = self.wanted.remove(&component)?;
        self.busy.insert(component);
        self.last.insert(component, now);
        self.doubted.remove(&component);
        Some((component, why))
    }

    /// A look has ended. After one that failed the next comes after the usual interval.
    pub(super) fn ended(&mut self, component: ComponentId, well: bool) {
        self.busy.remove(&component);
        if !well {
            self.doubted.insert(component);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    fn id(name: &str) -> ComponentId {
        ComponentId::of_key(name)
    }

    fn set(names: &[&str]) -> BTreeSet<ComponentId> {
        names.iter().map(|name| id(name)).collect()
    }

    /// Looks at whatever is due after so many intervals.
    fn looked(looks: &mut Looks, start: Instant, ticks: u32, heard_of: &[&str]) -> Vec<ComponentId> {
        let now = start + INTERVAL * ticks;
        looks.tick(&set(&["a", "b"]), &set(heard_of), now);
        let mut all = Vec::new();
        while let Some((component, _)) = looks.next(now) {
            looks.ended(component, true);
            all.push(component);
        }
        all
    }

    #[test]
    fn all_are_looked_at_at_the_start_and_those_with_a_webhook_seldom_but_for_good() {
        let (mut looks, start) = (Looks::new(INTERVAL), Instant::now());
        assert_eq!(looked(&mut looks, start, 0, &["a"]).len(), 2);
        for tick in 1..LONGER {
            assert_eq!(looked(&mut looks, start, tick, &["a"]), [id("b")], "{tick}");
        }
        assert_eq!(looked(&mut looks, start, LONGER, &["a"]).len(), 2);
        assert_eq!(looked(&mut looks, start, LONGER + 1, &["a"]), [id("b")]);
        // It works no more.
        assert_eq!(looked(&mut looks, start, LONGER + 2, &[]).len(), 2);
        looks.forget();
        assert_eq!(looked(&mut looks, start, LONGER + 2, &["a", "b"]).len(), 2);
    }

    #[test]
    fn what_is_in_doubt_or_failed_is_looked_at_as_if_there_were_no_webhook_and_no_sooner() {
        let (mut looks, start) = (Looks::new(INTERVAL), Instant::now());
        let both = ["a", "b"];
        looked(&mut looks, start, 0, &both);
        for _ in 0..100 {
            looks.doubt(id("a"));
        }
        assert_eq!(looks.next(start), None, "repeating makes nobody look at once");
        assert_eq!(looked(&mut looks, start, 1, &both), [id("a")]);
        assert_eq!(looked(&mut looks, start, 2, &both), []);
        looks.ask(id("b"));
        let (component, why) = looks.next(start + INTERVAL * 2).unwrap();
        assert_eq!((component, why), (id("b"), Why::Asked));
        looks.ended(component, false);
        assert_eq!(looked(&mut looks, start, 3, &both), [id("b")]);
        assert_eq!(looked(&mut looks, start, 4, &both), []);
    }

    #[test]
    fn a_burst_of_wishes_is_one_look_and_one_more_for_what_came_meanwhile() {
        let (mut looks, now) = (Looks::new(INTERVAL), Instant::now());
        (0..100).for_each(|_| looks.ask(id("a")));
        assert_eq!(looks.next(now), Some((id("a"), Why::Asked)));
        (0..100).for_each(|_| looks.ask(id("a")));
        assert_eq!(looks.next(now), None, "it is being looked at");
        looks.ended(id("a"), true);
        assert_eq!(looks.next(now), Some((id("a"), Why::Asked)));
        looks.ended(id("a"), true);
        assert_eq!(looks.next(now), None);
    }

    #[test]
    fn what_does_not_answer_holds_up_no_other_and_whoever_asks_goes_first() {
        let (mut looks, now) = (Looks::new(INTERVAL), Instant::now());
        let names = ["a", "b", "c", "d", "e", "f"];
        looks.tick(&set(&names), &set(&[]), now);
        looks.ask(id("f"));
        assert_eq!(looks.next(now), Some((id("f"), Why::Asked)));
        let taken: Vec<_> = std::iter::from_fn(|| looks.next(now)).collect();
        assert_eq!(taken.len(), AT_ONCE - 1);
        assert!(taken.iter().all(|(_, why)| *why == Why::Regular));
        // While it is busy a tick asks for it no second time.
        looks.tick(&set(&names), &set(&[]), now + INTERVAL);
        looks.ended(id("f"), true);
        let left: Vec<_> = std::iter::from_fn(|| {
            let next = looks.next(now + INTERVAL)?.0;
            looks.ended(next, true);
            Some(next)
        })
        .collect();
        assert_eq!(left.len(), names.len() - AT_ONCE);
    }
}
