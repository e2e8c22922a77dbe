//! A ledger of very many facts, in a copy of the data folder of the server whose story it tells.
//!
//! Stories of other components come first, over the two years before the sample; then the sample's own facts as they
//! were recorded, so that its component is the newest and has its repository, packages and logs.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use facts::{Clock, Fact, NewFact, Timestamp};
use ledger::{Append, Ledger, SqliteLedger};
use serde_json::{Value, json};

use crate::story::{Sample, Story};

/// The time over which the stories are spread.
const MICROSECONDS: i64 = 2 * 365 * 86_400 * 1_000_000;
/// About so many facts are appended together.
const TOGETHER: usize = 2_000;

/// A clock that says what it was set to.
struct Told(AtomicI64);

impl Clock for Told {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.load(Ordering::Relaxed)).unwrap_or_default()
    }
}

/// Writes the ledger of the data folder `target`, where none may be.
///
/// # Errors
/// When the sample cannot be read, or there is a ledger already.
pub async fn make(sample: &Path, target: &Path, count: usize) -> Result<Value, Box<dyn Error>> {
    let sample = Sample::read(sample).await?;
    let story = Story::of(&sample.story)?;
    let path = target.join("ledger.db");
    if path.exists() {
        return Err(format!("{} is there already", path.display()).into());
    }
    let end = sample
        .story
        .first()
        .ok_or("the sample is empty")?
        .recorded_at
        .as_microsecond();
    let stories = count
        .saturating_sub(sample.story.len() + sample.before.len())
        .div_ceil(story.len());
    let step = MICROSECONDS / i64::try_from(stories.max(1))?;
    let clock = Arc::new(Told(AtomicI64::new(end - MICROSECONDS - story.length)));
    let ledger = SqliteLedger::open(&path, server::views::all(), clock.clone())?;
    append(&ledger, &clock, again(&sample.before)).await?;
    for number in 0..stories {
        let begin = end - MICROSECONDS + step * i64::try_from(number)? - story.length;
        let told = story.told(number, Timestamp::from_microsecond(begin)?)?;
        append(&ledger, &clock, told).await?;
    }
    append(&ledger, &clock, again(&sample.story)).await?;
    let head = ledger.head().await?;
    ledger.follow_views().wait_for(|position| *position >= head).await?;
    Ok(json!({ "facts": head, "components": stories + 1, "each": story.len() }))
}

fn again(facts: &[Arc<Fact>]) -> Vec<NewFact> {
    facts.iter().map(|fact| fact.new.clone()).collect()
}

async fn append(ledger: &dyn Ledger, clock: &Told, facts: Vec<NewFact>) -> Result<(), Box<dyn Error>> {
    for some in facts.chunks(TOGETHER) {
        if let Some(last) = some.last() {
            clock.0.store(last.occurred_at.as_microsecond(), Ordering::Relaxed);
        }
        ledger.append(Append::unconditional(some.to_vec())).await?;
    }
    Ok(())
}
