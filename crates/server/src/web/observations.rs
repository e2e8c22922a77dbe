//! What targets say, kept for a moment: many open pages look at once, and each look goes to another
//! process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use facts::{ComponentId, EnvironmentName, Timestamp};
use target::{Evidence, Observed, Placement};

use crate::house::House;

/// How long an answer is good enough.
const FRESH: Duration = Duration::from_millis(500);
/// How long a target may take to answer: the page must still come.
const PATIENCE: Duration = Duration::from_secs(1);

/// The last answers.
#[derive(Default)]
pub(super) struct Observations(Mutex<HashMap<(ComponentId, EnvironmentName), Seen>>);

/// When a place was looked at, and what was seen; nothing where it did not answer.
type Seen = (Timestamp, Option<Observed>);

impl Observations {
    /// What the target sees there; `None` when it does not say.
    pub async fn look(&self, house: &House, placement: Placement) -> Option<Observed> {
        let key = (placement.component, placement.environment.clone());
        let now = house.clock.now();
        {
            let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, observed)) = kept.get(&key)
                && Duration::try_from(now.duration_since(*at)).is_ok_and(|age| age < FRESH)
            {
                return observed.clone();
            }
        }
        let target = house.targets.target(&placement.environment)?;
        let observed = tokio::time::timeout(PATIENCE, target.observe(&placement)).await;
        let observed = observed.ok().and_then(Result::ok);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(key, (house.clock.now(), observed.clone()));
        observed
    }
}

/// What was seen of the requests there; `None` when nobody says.
pub(super) async fn evidence(house: &House, placement: &Placement) -> Option<Evidence> {
    let target = house.targets.target(&placement.environment)?;
    tokio::time::timeout(PATIENCE, target.evidence(placement))
        .await
        .ok()?
        .ok()?
}
