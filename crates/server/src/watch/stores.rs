//! Watches what facts alone do not show: that views are what the facts say (I10), and that what the facts
//! name is in the store, byte for byte (I11).
//!
//! Once a day, in the background: the views are folded again beside the ones in use, compared and swapped in, so what
//! differed is mended by that; of the blobs that facts need, each is looked for, and a part of their bytes is read, from
//! where the last day ended. What is wrong is told as any broken rule is. When it was done is kept: a restart neither
//! forgets it nor does it anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use artifact::{BlobStore, Package};
use delivery::DeliveryFact;
use engine::invariants::Violation;
use engine::kinds::{ATTEMPT_FINISHED, AttemptFinished, REQUESTED, Requested};
use facts::{Digest, Fact, FactId, Position, Timestamp};
use ledger::{Ledger, Rebuilt};

use super::{blocking, tell};
use crate::duties::Duty;
use crate::error::ServerError;
use crate::house::House;
use crate::retention::kinds::{SWEPT, Swept};

/// The name under which the time of the last look is kept, in seconds.
const LOOKED: &str = "stores";
/// The name under which is kept how far the bytes of blobs were read: the beginning of a digest.
const READ_TO: &str = "stores-read";
/// How often.
const OFTEN: Duration = Duration::from_secs(86_400);
/// How many bytes of blobs are read in one look.
const MOST_BYTES: u64 = 8 << 30;
/// How many facts are read at a time.
const PAGE: usize = 1_000;

/// Looks once a day, until the server stops.
pub(crate) async fn keep_looking(house: Arc<House>) {
    loop {
        let wait = match until_due(&house).await {
            Ok(wait) if wait.is_zero() => {
                if let Err(error) = look(&house).await {
                    tracing::error!(%error, "views and blobs could not be checked; it is tried again in a day");
                }
                continue;
            }
            Ok(wait) => wait,
            Err(error) => {
                tracing::error!(%error, "it cannot be read when views and blobs were checked");
                OFTEN
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = house.stopping.cancelled() => return,
        }
    }
}

/// How long until the next look. The first one comes a day after the first start.
async fn until_due(house: &Arc<House>) -> Result<Duration, ServerError> {
    let now = seconds(house.clock.now());
    let access = house.access.clone();
    let last = blocking(move || match access.read_position(LOOKED)? {
        Some(last) => Ok(last),
        None => access.keep_read_position(LOOKED, now).map(|()| now),
    });
    Ok(left(last.await?, now))
}

/// How long from `now` until a day after `last`. A clock that was set back makes it a day.
fn left(last: u64, now: u64) -> Duration {
    OFTEN.saturating_sub(Duration::from_secs(now.saturating_sub(last)))
}

fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_second()).unwrap_or(0)
}

async fn look(house: &Arc<House>) -> Result<(), ServerError> {
    let now = house.clock.now();
    let access = house.access.clone();
    // Noted first: what takes the server down is not tried again at once.
    blocking(move || access.keep_read_position(LOOKED, seconds(now))).await?;
    let rebuilt = house.ledger.rebuild(&|_| {}).await?;
    if let Some(violation) = of_views(&rebuilt) {
        tell(house, Duty::Stores, &violation, None).await?;
    }
    let needed = needed(&*house.ledger, logs_since(house, now)).await?;
    let access = house.access.clone();
    let from = blocking(move || access.read_position(READ_TO)).await?.unwrap_or(0);
    let (store, stopping) = (house.store.clone(), house.stopping.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let is_ending = || stopping.is_cancelled();
        read(&store, &needed, from, MOST_BYTES, &is_ending)
    });
    let looked = looked.await.map_err(|panic| ServerError::Internal(panic.to_string()))?;
    for (violation, cause) in &looked.broken {
        tell(house, Duty::Stores, violation, Some(*cause)).await?;
    }
    tracing::info!(
        blobs = looked.there,
        bytes = looked.bytes,
        broken = looked.broken.len(),
        "views and blobs were checked"
    );
    let access = house.access.clone();
    blocking(move || access.keep_read_position(READ_TO, looked.read_to)).await
}

/// Logs of attempts that ended before may be gone, by the rule, or go while this looks.
fn logs_since(house: &House, now: Timestamp) -> Timestamp {
    let soon = house.settings.keep.logs.saturating_sub(Duration::from_secs(3_600));
    now.checked_sub(soon).unwrap_or(Timestamp::MIN)
}

/// What is wrong with views that were folded again.
fn of_views(rebuilt: &Rebuilt) -> Option<Violation> {
    let differing = rebuilt.views.iter().filter(|view| view.differed);
    let names: Vec<String> = differing.map(|view| format!("`{}`", view.name)).collect();
    (!names.is_empty()).then(|| Violation {
        rule: "I10",
        seq: rebuilt.position,
        stream: "views".to_owned(),
        text: format!(
            "the views {} were not what the facts say; they are again",
            names.join(", ")
        ),
    })
}

/// What a fact needs of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// These bytes.
    Blob(Digest),
    /// A package, with everything that it is made of.
    Package(Digest),
}

/// A fact that needs something.
#[derive(Debug, Clone)]
struct Needing {
    position: Position,
    id: FactId,
    stream: String,
    needs: Vec<Need>,
}

/// The facts that need something of the store: packages that were accepted, definitions of builds, and logs that are
/// kept by the rule.
async fn needed(ledger: &dyn Ledger, logs_since: Timestamp) -> Result<Vec<Needing>, ServerError> {
    let (mut found, mut since, mut position) = (Vec::new(), logs_since, 0);
    let mut logs: Vec<(Timestamp, Needing)> = Vec::new();
    loop {
        let facts = ledger.read(position, PAGE).await?;
        let Some(last) = facts.last() else { break };
        position = last.seq;
        for fact in &facts {
            let needing = |needs| Needing {
                position: fact.seq,
                id: fact.new.id,
                stream: fact.stream().to_string(),
                needs,
            };
            match fact.kind() {
                SWEPT => since = since.max(fact.body::<Swept>().map_or(since, |swept| swept.logs_before)),
                ATTEMPT_FINISHED => {
                    if let Some(log) = fact.body::<AttemptFinished>().ok().and_then(|body| body.log) {
                        logs.push((fact.recorded_at, needing(vec![Need::Blob(log)])));
                    }
                }
                _ => found.extend(need(fact).map(|need| needing(vec![need]))),
            }
        }
    }
    let kept = logs.into_iter().filter(|(at, _)| *at > since);
    found.extend(kept.map(|(_, needing)| needing));
    Ok(found)
}

fn need(fact: &Fact) -> Option<Need> {
    match fact.kind() {
        REQUESTED => {
            let body: Requested = fact.body().ok()?;
            (body.kind == "build" && body.broken.is_none()).then_some(Need::Blob(body.definition))
        }
        kind => match DeliveryFact::read(kind, &fact.new.body) {
            Ok(Some(DeliveryFact::Accepted(body))) => Some(Need::Package(body.package)),
            _ => None,
        },
    }
}

/// What a look at the blobs came to.
#[derive(Debug, Default)]
struct Looked {
    /// How many of them are there.
    there: u64,
    /// How many of their bytes were read.
    bytes: u64,
    /// Up to where the next look goes on.
    read_to: u64,
    broken: Vec<(Violation, FactId)>,
}

/// What is wrong, by the fact that needs it.
type Wrong<'a> = BTreeMap<Position, (&'a Needing, Vec<String>)>;

fn say<'a>(wrong: &mut Wrong<'a>, needing: &'a Needing, text: String) {
    wrong
        .entry(needing.position)
        .or_insert((needing, Vec::new()))
        .1
        .push(text);
}

/// Looks for each blob, and reads as many as `most_bytes` allow, in the order of their digests from `from` on.
fn read(store: &BlobStore, needed: &[Needing], from: u64, most_bytes: u64, is_ending: &dyn Fn() -> bool) -> Looked {
    let mut looked = Looked::default();
    let mut wrong = Wrong::new();
    let mut blobs: BTreeMap<Digest, &Needing> = BTreeMap::new();
    for needing in needed {
        for need in &needing.needs {
            match need {
                Need::Blob(digest) => _ = blobs.entry(*digest).or_insert(needing),
                Need::Package(digest) => match Package::read(store, digest) {
                    Ok(package) => package
                        .blobs()
                        .for_each(|digest| _ = blobs.entry(digest).or_insert(needing)),
                    Err(error) => say(&mut wrong, needing, format!("package {digest}: {error}")),
                },
            }
        }
    }
    let mut rest = Vec::new();
    for (digest, needing) in &blobs {
        match store.size(digest) {
            Ok(Some(size)) => {
                looked.there += 1;
                rest.push((*digest, *needing, size));
            }
            Ok(None) => say(&mut wrong, needing, format!("blob {digest} is missing")),
            Err(error) => say(&mut wrong, needing, error.to_string()),
        }
    }
    // Round and round: those after `from` first, then those before.
    let first = rest.partition_point(|(digest, _, _)| place(digest) < from);
    rest.rotate_left(first);
    for (digest, needing, size) in rest {
        looked.read_to = place(&digest);
        if looked.bytes.saturating_add(size) > most_bytes || is_ending() {
            break;
        }
        looked.bytes += size;
        if let Err(error) = store.verify(&digest) {
            say(&mut wrong, needing, error.to_string());
        }
    }
    let told = |(needing, texts): (&Needing, Vec<String>)| {
        let violation = Violation {
            rule: "I11",
            seq: needing.position,
            stream: needing.stream.clone(),
            text: texts.join("; "),
        };
        (violation, needing.id)
    };
    looked.broken = wrong.into_values().map(told).collect();
    looked
}

/// Where a digest stands among all: its first 60 bits.
fn place(digest: &Digest) -> u64 {
    let bytes = digest.as_bytes();
    let first = bytes
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    first >> 4
}

#[cfg(test)]
mod tests {
    use ledger::RebuiltView;

    use super::*;

    const DAY: u64 = 86_400;

    fn needing(position: Position, needs: Vec<Need>) -> Needing {
        Needing {
            position,
            id: FactId::of_key(&position.to_string()),
            stream: "run/it".to_owned(),
            needs,
        }
    }

    /// A store with these texts, and a fact for each that needs it.
    fn store(texts: &[&str]) -> (tempfile::TempDir, BlobStore, Vec<Needing>) {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).unwrap();
        let stored = texts.iter().zip(1..).map(|(text, position)| {
            let digest = store.put_bytes(text.as_bytes()).unwrap().digest;
            needing(position, vec![Need::Blob(digest)])
        });
        let needed = stored.collect();
        (folder, store, needed)
    }

    fn damage(store: &BlobStore, needing: &Needing, bytes: Option<&str>) {
        let Need::Blob(digest) = needing.needs[0] else { panic!() };
        std::fs::remove_file(store.path(&digest)).unwrap();
        if let Some(bytes) = bytes {
            std::fs::write(store.path(&digest), bytes).unwrap();
        }
    }

    #[test]
    fn the_next_look_comes_a_day_after_the_last_whatever_the_clock_does() {
        assert_eq!(left(10 * DAY, 10 * DAY + 100), Duration::from_secs(DAY - 100));
        assert!(left(10 * DAY, 11 * DAY).is_zero());
        assert!(left(0, 11 * DAY).is_zero());
        assert_eq!(left(10 * DAY, 5 * DAY), OFTEN);
    }

    #[test]
    fn a_view_that_differed_is_told_by_name() {
        let rebuilt = |differed| Rebuilt {
            position: 7,
            views: vec![
                RebuiltView { name: "runs", differed },
                RebuiltView {
                    name: "steps",
                    differed: false,
                },
            ],
        };
        assert!(of_views(&rebuilt(false)).is_none());
        let told = of_views(&rebuilt(true)).unwrap();
        assert_eq!((told.rule, told.seq), ("I10", 7));
        assert!(
            told.text.contains("`runs`") && !told.text.contains("steps"),
            "{}",
            told.text
        );
    }

    #[test]
    fn what_is_gone_or_damaged_is_told_with_the_fact_that_needs_it() {
        let (_folder, store, mut needed) = store(&["one", "two", "three"]);
        let missing = Digest::of("a package that was never there");
        needed.push(needing(9, vec![Need::Package(missing)]));
        damage(&store, &needed[0], None);
        damage(&store, &needed[2], Some("thre\u{e9}"));
        let looked = read(&store, &needed, 0, u64::MAX, &|| false);
        assert_eq!((looked.there, looked.bytes), (2, 3 + 6));
        let told: Vec<(u64, &str)> = looked
            .broken
            .iter()
            .map(|(violation, _)| (violation.seq, violation.text.as_str()))
            .collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].0 == 1 && told[0].1.contains("is missing"), "{told:?}");
        assert!(told[1].0 == 3 && told[1].1.contains("is damaged"), "{told:?}");
        assert!(told[2].0 == 9 && told[2].1.contains("not in the store"), "{told:?}");
        assert!(looked.broken.iter().all(|(violation, _)| violation.rule == "I11"));
    }

    #[test]
    fn a_part_is_read_each_day_until_all_was_read() {
        let texts: Vec<String> = (0..20).map(|number| format!("text {number:02}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let (_folder, store, needed) = store(&texts);
        damage(&store, &needed[13], Some("text 1x"));
        let (mut from, mut found, mut bytes) = (0, 0, 0);
        for _ in 0..7 {
            let looked = read(&store, &needed, from, 3 * 7, &|| false);
            assert_eq!(looked.bytes, 21, "as much as is allowed, and no more");
            (from, found, bytes) = (looked.read_to, found + looked.broken.len(), bytes + looked.bytes);
        }
        assert!(found >= 1 && bytes >= 20 * 7);
        let ended = read(&store, &needed, from, u64::MAX, &|| true);
        assert_eq!(
            (ended.bytes, ended.read_to),
            (0, from),
            "what ends the server ends it too"
        );
    }
}
