//! What may go: pure decisions over what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use facts::{Digest, RunId, Timestamp};

/// How long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Logs of steps.
    pub logs: Duration,
    /// The folders of runs that did not succeed.
    pub workspaces: Duration,
    /// Folders kept from run to run, since they were last used.
    pub caches: Duration,
    /// The most bytes that these have together.
    pub caches_size: u64,
}

impl Default for Keep {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self {
            logs: Duration::from_secs(90 * DAY),
            workspaces: Duration::from_secs(7 * DAY),
            caches: Duration::from_secs(30 * DAY),
            caches_size: 20 << 30,
        }
    }
}

/// What is younger than this is never taken for forgotten: it may be on its way into a fact.
pub const YOUNG: Duration = Duration::from_secs(86_400);

/// Whether `then` is longer ago than `age`.
pub fn is_older(now: Timestamp, then: Timestamp, age: Duration) -> bool {
    Duration::try_from(now.duration_since(then)).is_ok_and(|passed| passed > age)
}

/// A run that has a folder.
#[derive(Debug, Clone, Copy)]
pub struct EndedRun {
    /// Which.
    pub run: RunId,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Whether it did so well: then nobody comes back to its folder.
    pub succeeded: bool,
}

/// Whether the folder of a run may go, with workspace and attempts.
pub fn may_go(now: Timestamp, keep: &Keep, run: &EndedRun) -> bool {
    let age = if run.succeeded {
        keep.workspaces.min(YOUNG)
    } else {
        keep.workspaces
    };
    is_older(now, run.ended_at, age)
}

/// The log of an attempt, as facts tell of it.
#[derive(Debug, Clone, Copy)]
pub struct Log {
    /// Its blob.
    pub digest: Digest,
    /// The attempt's run.
    pub run: RunId,
    /// When the attempt ended.
    pub ended_at: Timestamp,
}

/// The logs that may go: older than the rule, not of a run in `newest`, and no blob that something
/// else needs. The same log may be that of several attempts; then the youngest decides.
pub fn logs(
    now: Timestamp,
    keep: &Keep,
    all: &[Log],
    newest: &BTreeSet<RunId>,
    needed: &BTreeSet<Digest>,
) -> BTreeSet<Digest> {
    let stays = |log: &&Log| newest.contains(&log.run) || !is_older(now, log.ended_at, keep.logs);
    let staying: BTreeSet<Digest> = all.iter().filter(stays).map(|log| log.digest).collect();
    let going = all.iter().map(|log| log.digest);
    going
        .filter(|digest| !staying.contains(digest) && !needed.contains(digest))
        .collect()
}

/// A folder kept from run to run.
#[derive(Debug, Clone)]
pub struct Cache {
    /// Where it is.
    pub path: PathBuf,
    /// When a run last gave it back.
    pub used_at: Timestamp,
    /// How large it is.
    pub bytes: u64,
}

/// How much is kept of the results of steps: as much as of kept folders, and as long.
pub fn results(keep: &Keep) -> cache::Limits {
    cache::Limits {
        most_bytes: keep.caches_size,
        unused_for: keep.caches,
    }
}

/// The kept folders that may go: unused for too long, and of the others those used longest ago until
/// the rest is small enough.
pub fn caches(now: Timestamp, keep: &Keep, mut all: Vec<Cache>) -> Vec<Cache> {
    all.sort_by(|one, other| other.used_at.cmp(&one.used_at).then_with(|| one.path.cmp(&other.path)));
    let mut room = keep.caches_size;
    let mut going = Vec::new();
    for cache in all {
        if is_older(now, cache.used_at, keep.caches) || cache.bytes > room {
            going.push(cache);
        } else {
            room -= cache.bytes;
        }
    }
    going
}

/// A blob that is there.
#[derive(Debug, Clone)]
pub struct Blob {
    /// Its digest.
    pub digest: Digest,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// The blobs that it names: the parts of a package, what a document is about.
    pub names: Vec<Digest>,
    /// The blob that it is about, such as the package that a signature vouches for.
    pub about: Option<Digest>,
}

/// What is needed by whoever needs `roots`: they, what they name, and so on, and what is about them.
pub fn needed(roots: &BTreeSet<Digest>, blobs: &[Blob]) -> BTreeSet<Digest> {
    let by_digest: BTreeMap<&Digest, &Blob> = blobs.iter().map(|blob| (&blob.digest, blob)).collect();
    let mut about: BTreeMap<Digest, Vec<Digest>> = BTreeMap::new();
    for blob in blobs {
        if let Some(subject) = blob.about {
            about.entry(subject).or_default().push(blob.digest);
        }
    }
    let mut needed = BTreeSet::new();
    let mut open: Vec<Digest> = roots.iter().copied().collect();
    while let Some(digest) = open.pop() {
        if !needed.insert(digest) {
            continue;
        }
        let named = by_digest.get(&digest).into_iter().flat_map(|blob| blob.names.iter());
        open.extend(named.chain(about.get(&digest).into_iter().flatten()));
    }
    needed
}

/// The blobs that nobody needs and that have been there for a while.
pub fn forgotten(now: Timestamp, blobs: &[Blob], needed: &BTreeSet<Digest>) -> Vec<Digest> {
    let is_old = |blob: &&Blob| is_older(now, blob.stored_at, YOUNG);
    let going = blobs.iter().filter(is_old).map(|blob| blob.digest);
    going.filter(|digest| !needed.contains(digest)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 86_400;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + day * DAY).unwrap()
    }

    fn digest(number: usize) -> Digest {
        Digest::of(number.to_string().as_bytes())
    }

    fn run(number: u8) -> RunId {
        RunId::new(at(i64::from(number)), &testkit::SeededEntropy::new(number.into()))
    }

    #[test]
    fn folders_of_runs_go_after_a_day_when_they_succeeded_and_after_the_rule_otherwise() {
        let keep = Keep::default();
        let ended = |succeeded, day| EndedRun {
            run: run(1),
            ended_at: at(day),
            succeeded,
        };
        let goes = |succeeded, day| may_go(at(10), &keep, &ended(succeeded, day));
        assert_eq!(
            [goes(true, 8), goes(true, 10), goes(false, 8), goes(false, 2)],
            [true, false, false, true]
        );
        // What ended in the future, by a clock that was set back, stays.
        assert!(!goes(true, 20));
    }

    #[test]
    fn old_logs_go_but_for_those_of_the_newest_runs_and_those_that_are_something_else_too() {
        let log = |blob, of, day| Log {
            digest: digest(blob),
            run: run(of),
            ended_at: at(day),
        };
        let all = [
            log(1, 1, 0),
            log(2, 2, 0),
            log(3, 3, 0),
            log(4, 1, 0),
            log(4, 3, 95),
            log(5, 3, 60),
        ];
        let going = logs(at(100), &Keep::default(), &all, &[run(2)].into(), &[digest(3)].into());
        assert_eq!(going, [digest(1)].into());
    }

    #[test]
    fn caches_go_when_they_are_unused_and_when_there_are_too_many() {
        let cache = |name: &str, day, bytes| Cache {
            path: name.into(),
            used_at: at(day),
            bytes,
        };
        let keep = Keep {
            caches_size: 10,
            ..Keep::default()
        };
        let all = vec![
            cache("old", 0, 1),
            cache("small", 20, 1),
            cache("new", 39, 6),
            cache("large", 30, 5),
        ];
        let going: Vec<_> = caches(at(40), &keep, all).into_iter().map(|cache| cache.path).collect();
        assert_eq!(going, [PathBuf::from("large"), PathBuf::from("old")]);
    }

    proptest! {
        #[test]
        fn what_facts_need_directly_or_through_others_never_goes(
            edges in proptest::collection::vec((0_usize..30, 0_usize..30), 0..60),
            about in proptest::collection::vec((0_usize..30, 0_usize..30), 0..10),
            roots in proptest::collection::btree_set(0_usize..30, 0..5),
            days in proptest::collection::vec(0_i64..10, 30),
        ) {
            let mut blobs: Vec<Blob> = (0..30)
                .map(|number| Blob { digest: digest(number), stored_at: at(days[number]), names: Vec::new(), about: None })
                .collect();
            for (from, to) in &edges {
                blobs[*from].names.push(digest(*to));
            }
            for (from, to) in &about {
                blobs[*from].about = Some(digest(*to));
            }
            let roots: BTreeSet<Digest> = roots.into_iter().map(digest).collect();
            let needed = needed(&roots, &blobs);
            let gone: BTreeSet<Digest> = forgotten(at(8), &blobs, &needed).into_iter().collect();
            // The plain definition, step by step until nothing is added.
            let mut kept = roots.clone();
            loop {
                let before = kept.len();
                for blob in &blobs {
                    if kept.contains(&blob.digest) {
                        kept.extend(blob.names.iter().copied());
                    }
                    if blob.about.is_some_and(|subject| kept.contains(&subject)) {
                        kept.insert(blob.digest);
                    }
                }
                if kept.len() == before {
                    break;
                }
            }
            for (number, blob) in blobs.iter().enumerate() {
                prop_assert_eq!(gone.contains(&blob.digest), !kept.contains(&blob.digest) && days[number] < 7);
            }
        }
    }
}
