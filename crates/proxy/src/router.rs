//! The living form of a [`Table`]: which instance is asked next, and who is still being asked.
//!
//! The group is drawn at random by weight, so that no habit of a client can put all of one kind of
//! request into one group, which a rotation would allow and which would spoil the comparison of a
//! canary with its baseline. Inside a group the instance with the fewest open requests is asked, in
//! turn where several have as few.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use facts::{Digest, Entropy, InstanceId};
use hyper::header::HeaderValue;
use tokio::sync::Notify;

use crate::connection::Pool;
use crate::table::{Stamp, Table};

/// The first pause of an instance that could not be reached; each further one is twice as long.
const FIRST_EJECTION: Duration = Duration::from_millis(250);
const LONGEST_EJECTION: Duration = Duration::from_secs(20);

/// A group as requests see it.
#[derive(Debug)]
pub struct LiveGroup {
    /// The group's name.
    pub name: String,
    /// What it runs.
    pub package: Digest,
    /// With which configuration.
    pub configuration: Digest,
    /// The stamp since which it stands.
    pub since: Stamp,
    /// The digest of the package as the value of a header.
    pub package_header: HeaderValue,
    weight: u32,
    backends: Vec<Arc<LiveBackend>>,
    turn: AtomicUsize,
}

/// An instance as requests see it.
#[derive(Debug)]
pub struct LiveBackend {
    /// Which instance.
    pub instance: InstanceId,
    /// Where it listens.
    pub address: SocketAddr,
    /// Connections to it that wait for the next request.
    pub pool: Pool,
    healthy: AtomicBool,
    in_flight: AtomicUsize,
    drained: Notify,
    failures: AtomicU32,
    ejected_until: AtomicU64,
}

/// An instance that was chosen; it counts as being asked until this is dropped.
#[derive(Debug)]
pub struct Pick {
    /// The group it was chosen from.
    pub group: Arc<LiveGroup>,
    /// The instance.
    pub backend: Arc<LiveBackend>,
}

impl Drop for Pick {
    fn drop(&mut self) {
        if self.backend.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.backend.drained.notify_waiters();
        }
    }
}

#[derive(Debug, Default)]
struct Live {
    stamp: Stamp,
    groups: Vec<Arc<LiveGroup>>,
    /// Instances of earlier tables that are still asked.
    leaving: HashMap<InstanceId, Arc<LiveBackend>>,
}

/// Chooses instances.
#[derive(Debug)]
pub struct Router {
    live: RwLock<Live>,
    started: Instant,
    dice: AtomicU64,
    ejected: Mutex<Option<tokio::sync::mpsc::UnboundedSender<InstanceId>>>,
}

/// A table older than the one that is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the table of stamp {asked} is older than that of stamp {set}, which is set")]
pub struct Stale {
    /// The stamp of the refused table.
    pub asked: Stamp,
    /// The stamp of the table that stays.
    pub set: Stamp,
}

impl Router {
    /// A router without instances, its dice seeded from `entropy`.
    pub fn new(entropy: &dyn Entropy) -> Self {
        let mut seed = [0; 8];
        entropy.fill(&mut seed);
        Self {
            live: RwLock::default(),
            started: Instant::now(),
            dice: AtomicU64::new(u64::from_le_bytes(seed)),
            ejected: Mutex::new(None),
        }
    }

    /// Where to tell of instances that could not be reached, so that their owner looks at once.
    pub fn tell_ejected(&self, to: tokio::sync::mpsc::UnboundedSender<InstanceId>) {
        *self.ejected.lock().unwrap_or_else(PoisonError::into_inner) = Some(to);
    }

    /// The stamp of the table that is set.
    pub fn stamp(&self) -> Stamp {
        self.live.read().unwrap_or_else(PoisonError::into_inner).stamp
    }

    /// Sets `table`; `since` says for each of its groups since when it stands. When this returns, no
    /// request will be given to an instance that is not in it.
    ///
    /// # Errors
    /// When a newer table is set.
    pub fn set(&self, table: &Table, since: &[Stamp]) -> Result<(), Stale> {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if table.stamp < live.stamp {
            return Err(Stale {
                asked: table.stamp,
                set: live.stamp,
            });
        }
        let mut known = std::mem::take(&mut live.leaving);
        for group in live.groups.drain(..) {
            known.extend(group.backends.iter().map(|backend| (backend.instance, backend.clone())));
        }
        live.stamp = table.stamp;
        for (place, group) in table.groups.iter().enumerate() {
            let backends = group
                .backends
                .iter()
                .map(|wanted| {
                    let kept = known
                        .remove(&wanted.instance)
                        .filter(|kept| kept.address == wanted.address);
                    let backend = kept.unwrap_or_else(|| Arc::new(LiveBackend::new(wanted.instance, wanted.address)));
                    backend.pool.open();
                    backend.healthy.store(wanted.healthy, Ordering::Relaxed);
                    backend
                })
                .collect();
            let package_header = HeaderValue::from_str(&group.package.to_string());
            live.groups.push(Arc::new(LiveGroup {
                name: group.name.clone(),
                package: group.package,
                configuration: group.configuration,
                since: since.get(place).copied().unwrap_or(table.stamp),
                package_header: package_header.unwrap_or(HeaderValue::from_static("")),
                weight: group.weight,
                backends,
                turn: AtomicUsize::new(0),
            }));
        }
        for backend in known.values() {
            backend.pool.close();
        }
        known.retain(|_, backend| backend.in_flight.load(Ordering::Acquire) > 0);
        live.leaving = known;
        Ok(())
    }

    /// Notes whether the health check of an instance holds.
    pub fn set_health(&self, instance: InstanceId, healthy: bool) {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        for backend in live.groups.iter().flat_map(|group| &group.backends) {
            if backend.instance == instance {
                backend.healthy.store(healthy, Ordering::Relaxed);
                if healthy {
                    backend.reached();
                }
            }
        }
    }

    /// Chooses whom to ask: not one of `tried`, and from the group named `prefer` where that has
    /// somebody left. `None` when nobody is left at all.
    pub fn choose(&self, prefer: Option<&str>, tried: &[InstanceId]) -> Option<Pick> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        // The good ones first; then those that were not reached a moment ago; then anybody: an answer
        // of an instance that is believed to be ill is better than none.
        for least in [Fitness::Good, Fitness::Ejected, Fitness::Ill] {
            let fit = |group: &&Arc<LiveGroup>| {
                group.weight > 0
                    && group
                        .backends
                        .iter()
                        .any(|b| b.fitness(now) <= least && !tried.contains(&b.instance))
            };
            let preferred = live
                .groups
                .iter()
                .filter(fit)
                .find(|group| Some(group.name.as_str()) == prefer);
            let group = match preferred {
                Some(group) => group,
                None => {
                    let total: u64 = live
                        .groups
                        .iter()
                        .filter(fit)
                        .map(|group| u64::from(group.weight))
                        .sum();
                    if total == 0 {
                        continue;
                    }
                    let mut mark = self.roll() % total;
                    let drawn = live.groups.iter().filter(fit).find(|group| {
                        let weight = u64::from(group.weight);
                        let hit = mark < weight;
                        mark = mark.saturating_sub(weight);
                        hit
                    });
                    let Some(group) = drawn else { continue };
                    group
                }
            };
            let first = group.turn.fetch_add(1, Ordering::Relaxed);
            let count = group.backends.len();
            let least_loaded = (0..count)
                .filter_map(|step| group.backends.get((first + step) % count))
                .filter(|b| b.fitness(now) <= least && !tried.contains(&b.instance))
                .min_by_key(|b| b.in_flight.load(Ordering::Relaxed));
            if let Some(backend) = least_loaded {
                // Under the lock: whoever sets the next table sees this request.
                backend.in_flight.fetch_add(1, Ordering::AcqRel);
                return Some(Pick {
                    group: group.clone(),
                    backend: backend.clone(),
                });
            }
        }
        None
    }

    /// Notes that an instance could not be reached: it is passed over for a while.
    pub fn not_reached(&self, backend: &LiveBackend) {
        let failures = backend.failures.fetch_add(1, Ordering::Relaxed).min(16);
        let pause = FIRST_EJECTION.saturating_mul(1 << failures).min(LONGEST_EJECTION);
        backend
            .ejected_until
            .store(self.now() + pause.as_millis() as u64, Ordering::Relaxed);
        backend.pool.forget();
        if let Some(owner) = &*self.ejected.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = owner.send(backend.instance);
        }
    }

    /// Waits until nobody asks any of `instances`.
    pub async fn drained(&self, instances: &[InstanceId]) {
        let mut backends: Vec<Arc<LiveBackend>> = Vec::new();
        {
            let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
            let standing = live.groups.iter().flat_map(|group| &group.backends);
            backends.extend(
                standing
                    .chain(live.leaving.values())
                    .filter(|b| instances.contains(&b.instance))
                    .cloned(),
            );
        }
        for backend in backends {
            loop {
                let waiting = backend.drained.notified();
                if backend.in_flight.load(Ordering::Acquire) == 0 {
                    break;
                }
                waiting.await;
            }
        }
    }

    /// How many requests an instance is being asked right now.
    pub fn in_flight(&self, instance: InstanceId) -> usize {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        let standing = live.groups.iter().flat_map(|group| &group.backends);
        let found = standing.chain(live.leaving.values()).find(|b| b.instance == instance);
        found.map_or(0, |backend| backend.in_flight.load(Ordering::Acquire))
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// SplitMix64 over a shared counter: each caller gets a number of its own without a lock.
    fn roll(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.dice.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fitness {
    Good,
    Ejected,
    Ill,
}

impl LiveBackend {
    fn new(instance: InstanceId, address: SocketAddr) -> Self {
        Self {
            instance,
            address,
            pool: Pool::default(),
            healthy: AtomicBool::new(true),
            in_flight: AtomicUsize::new(0),
            drained: Notify::new(),
            failures: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
        }
    }

    /// Notes that the instance was reached: it is passed over no longer.
    pub fn reached(&self) {
        if self.failures.swap(0, Ordering::Relaxed) > 0 {
            self.ejected_until.store(0, Ordering::Relaxed);
        }
    }

    fn fitness(&self, now: u64) -> Fitness {
        if !self.healthy.load(Ordering::Relaxed) {
            Fitness::Ill
        } else if self.ejected_until.load(Ordering::Relaxed) > now {
            Fitness::Ejected
        } else {
            Fitness::Good
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Backend, TableGroup};

    struct Seed(u8);

    impl Entropy for Seed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    fn group(name: &str, weight: u32, instances: &[&str]) -> TableGroup {
        TableGroup {
            name: name.to_owned(),
            package: Digest::of(name),
            configuration: Digest::of("c"),
            weight,
            backends: instances
                .iter()
                .map(|key| Backend {
                    instance: InstanceId::of_key(key),
                    address: ([127, 0, 0, 1], 9).into(),
                    healthy: true,
                })
                .collect(),
        }
    }

    fn router(generation: u64, groups: Vec<TableGroup>) -> Router {
        let router = Router::new(&Seed(1));
        set(&router, generation, groups).unwrap();
        router
    }

    fn set(router: &Router, generation: u64, groups: Vec<TableGroup>) -> Result<(), Stale> {
        router.set(
            &Table {
                stamp: Stamp { generation, phase: 0 },
                groups,
            },
            &[],
        )
    }

    #[test]
    fn groups_get_their_share_and_instances_the_same_load() {
        let router = router(1, vec![group("stable", 80, &["a", "b"]), group("canary", 20, &["c"])]);
        let mut counts: HashMap<InstanceId, usize> = HashMap::new();
        let mut held = Vec::new();
        for _ in 0..10_000 {
            let pick = router.choose(None, &[]).unwrap();
            *counts.entry(pick.backend.instance).or_default() += 1;
            held.push(pick);
        }
        let of = |key: &str| counts[&InstanceId::of_key(key)];
        assert!((1_800..2_200).contains(&of("c")), "{counts:?}");
        assert!(of("a").abs_diff(of("b")) <= 1, "{counts:?}");
    }

    #[test]
    fn a_group_of_weight_zero_gets_nothing_and_nobody_is_left_when_all_were_tried() {
        let router = router(1, vec![group("stable", 1, &["a"]), group("next", 0, &["b"])]);
        for _ in 0..100 {
            assert_eq!(router.choose(None, &[]).unwrap().group.name, "stable");
        }
        assert!(router.choose(None, &[InstanceId::of_key("a")]).is_none());
    }

    #[test]
    fn an_older_table_is_refused_and_changes_nothing() {
        let router = router(5, vec![group("stable", 1, &["a"])]);
        let refused = set(&router, 4, vec![group("stable", 1, &["b"])]).unwrap_err();
        assert_eq!((refused.asked.generation, refused.set.generation), (4, 5));
        assert_eq!(
            router.choose(None, &[]).unwrap().backend.instance,
            InstanceId::of_key("a")
        );
    }

    #[test]
    fn who_was_not_reached_or_is_ill_is_asked_only_when_nobody_else_is_there() {
        let router = router(1, vec![group("stable", 1, &["a", "b"])]);
        let pick = router.choose(None, &[]).unwrap();
        router.not_reached(&pick.backend);
        for _ in 0..50 {
            assert_ne!(
                router.choose(None, &[]).unwrap().backend.instance,
                pick.backend.instance
            );
        }
        let other = router.choose(None, &[]).unwrap().backend.instance;
        router.set_health(other, false);
        assert_eq!(
            router.choose(None, &[]).unwrap().backend.instance,
            pick.backend.instance
        );
        assert_eq!(
            router.choose(None, &[pick.backend.instance]).unwrap().backend.instance,
            other
        );
    }

    #[tokio::test]
    async fn an_instance_is_drained_when_its_last_request_ends() {
        let router = router(1, vec![group("stable", 1, &["a"])]);
        let pick = router.choose(None, &[]).unwrap();
        let instance = pick.backend.instance;
        set(&router, 2, vec![group("stable", 1, &["b"])]).unwrap();
        assert_eq!(router.in_flight(instance), 1);
        assert!(
            tokio::time::timeout(Duration::from_millis(20), router.drained(&[instance]))
                .await
                .is_err()
        );
        let gone = [instance];
        tokio::join!(router.drained(&gone), async { drop(pick) });
        assert_eq!(router.in_flight(instance), 0);
    }
}
