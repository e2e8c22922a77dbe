//! What must hold after every fact, reckoned from the facts without the state that decisions use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use facts::published::{STATE_OBSERVED, StateObserved};
use facts::{Digest, EnvironmentName, Fact, RunId, Timestamp};

use super::runs::{ModelTarget, REQUESTED};
use crate::kinds::{
    ApprovalGiven, DeliveryFact, DeploymentFinished, DeploymentIntended, DeploymentResult, PackageAccepted, Purpose,
};
use crate::path::{Path, takes};

/// The shortest soak time that any policy of the simulation asks for in `staging`, in seconds.
pub(crate) const SHORTEST_SOAK: i64 = 20;

#[derive(Default)]
struct Place {
    generation: u64,
    open: Option<DeploymentIntended>,
    last: Option<(DeploymentIntended, DeploymentResult)>,
    current: Option<Digest>,
    since: Option<Timestamp>,
    proven: BTreeSet<Digest>,
    tried: BTreeSet<Digest>,
    stood: BTreeSet<Digest>,
    approvals: Vec<ApprovalGiven>,
}

#[derive(Default)]
pub(crate) struct Rules {
    pub(crate) paths: BTreeMap<Digest, Arc<Path>>,
    pub(crate) packages: BTreeMap<Digest, PackageAccepted>,
    pub(crate) barred: BTreeSet<Digest>,
    pub(crate) facts: Vec<DeliveryFact>,
    pub(crate) intents: usize,
    pub(crate) returns: usize,
    places: BTreeMap<EnvironmentName, Place>,
    asked: BTreeSet<RunId>,
    finished: Option<DeploymentFinished>,
}

macro_rules! must {
    ($condition:expr, $($text:tt)*) => {
        if !$condition {
            return Err(format!($($text)*));
        }
    };
}

impl Rules {
    pub(crate) fn check(&mut self, fact: &Fact, target: &ModelTarget) -> Result<(), String> {
        if fact.kind() == REQUESTED {
            self.asked.insert(fact.stream().key().parse().expect("a run"));
        }
        if let Some(finished) = self.finished.take() {
            must!(
                fact.kind() == STATE_OBSERVED,
                "the state after {finished:?} is not published"
            );
            let observed: StateObserved = fact.body().expect("a state");
            must!(observed.state == finished.state, "{observed:?} is not {finished:?}");
        }
        let read = DeliveryFact::read(fact.kind(), &fact.new.body).expect("a fact of delivery");
        let Some(read) = read else { return Ok(()) };
        let at = fact.new.occurred_at;
        match &read {
            // The simulation's packages each have one line.
            DeliveryFact::Joined(_) => {}
            DeliveryFact::Accepted(body) => {
                let before = self.packages.insert(body.package, body.clone());
                must!(before.is_none(), "accepted twice: {body:?}");
            }
            DeliveryFact::Intended(body) => self.intended(body, target)?,
            DeliveryFact::Finished(body) => self.ended(body, at, target)?,
            DeliveryFact::Proven(body) => {
                let place = self.places.entry(body.environment.clone()).or_default();
                must!(place.open.is_none(), "proven during a deployment: {body:?}");
                must!(place.current == Some(body.package), "proven, but not there: {body:?}");
                let since = place.since.ok_or("proven without ever being there")?;
                let soaked = at.duration_since(since).as_secs() >= SHORTEST_SOAK;
                must!(
                    soaked || body.environment.as_str() != "staging",
                    "proven too early: {body:?}"
                );
                must!(!self.barred.contains(&body.package), "found bad and proven: {body:?}");
                place.proven.insert(body.package);
            }
            DeliveryFact::Barred(body) => {
                self.barred.insert(body.package);
                let place = self.places.entry(body.environment.clone()).or_default();
                place.proven.remove(&body.package);
            }
            DeliveryFact::Unbarred(body) => {
                must!(self.barred.remove(&body.package), "never barred: {body:?}");
                for place in self.places.values_mut() {
                    place.tried.remove(&body.package);
                    place.stood.remove(&body.package);
                }
            }
            DeliveryFact::Superseded(body) => {
                let older = self.packages[&body.package].order < self.packages[&body.by].order;
                must!(older, "superseded by an older one: {body:?}");
            }
            DeliveryFact::Approved(body) => {
                let author = self
                    .packages
                    .get(&body.package)
                    .ok_or("approved an unknown package")?
                    .author;
                must!(author != body.by, "approved by the author: {body:?}");
                self.places
                    .entry(body.environment.clone())
                    .or_default()
                    .approvals
                    .push(body.clone());
            }
            DeliveryFact::Requested(body) => {
                must!(
                    self.packages.contains_key(&body.package),
                    "asked for an unknown package"
                );
            }
        }
        self.facts.push(read);
        Ok(())
    }

    fn intended(&mut self, intent: &DeploymentIntended, target: &ModelTarget) -> Result<(), String> {
        self.intents += 1;
        let package = self
            .packages
            .get(&intent.package)
            .ok_or("intended a package that was never accepted")?;
        let path = self
            .paths
            .get(&intent.policy)
            .ok_or("intended under an unknown policy")?;
        let policy = path
            .get(&intent.environment)
            .ok_or("intended for an unknown environment")?;
        must!(
            !self.barred.contains(&intent.package),
            "a barred package is intended: {intent:?}"
        );
        must!(
            self.asked.contains(&intent.run),
            "an intent without its run: {intent:?}"
        );
        let mut missing = policy.after.iter();
        let missing = missing.find(|earlier| {
            let there = self.places.get(*earlier);
            !there.is_some_and(|there| there.proven.contains(&intent.package))
        });
        let place = self.places.entry(intent.environment.clone()).or_default();
        must!(
            place.open.is_none(),
            "two open intents: {:?} and {intent:?}",
            place.open
        );
        must!(
            intent.generation == place.generation + 1,
            "generation {} after {}",
            intent.generation,
            place.generation
        );
        must!(
            intent.from.package == place.current,
            "{intent:?} starts from what is not there"
        );
        if intent.purpose.is_return() {
            self.returns += 1;
            let was_there = place.proven.contains(&intent.package) || place.current == Some(intent.package);
            must!(was_there, "goes back to what was neither proven nor there: {intent:?}");
            if intent.purpose == Purpose::Return {
                let bad = place
                    .last
                    .as_ref()
                    .is_some_and(|(last, result)| *result != DeploymentResult::Succeeded && !last.purpose.is_return());
                must!(bad, "a return without a failure: {intent:?}");
            }
        } else {
            must!(missing.is_none(), "not proven in {missing:?}: {intent:?}");
            must!(takes(policy, &package.line), "a line that is not delivered: {intent:?}");
            for rule in &policy.approvals {
                let valid = place.approvals.iter().filter(|approval| {
                    approval.package == intent.package
                        && approval.generation + 1 == intent.generation
                        && approval.role == rule.role
                });
                let people: BTreeSet<_> = valid.map(|approval| approval.by).collect();
                must!(people.len() >= rule.of as usize, "approvals are missing: {intent:?}");
            }
        }
        if intent.purpose == Purpose::Advance {
            must!(
                !place.tried.contains(&intent.package),
                "tried again by itself: {intent:?}"
            );
            let newer = place
                .stood
                .iter()
                .all(|stood| self.packages[stood].order < package.order);
            must!(newer, "older than what stood there: {intent:?}");
            let there = target.there.get(&intent.environment).map(|(_, package)| *package);
            let whole = place.current.is_none() || there == place.current;
            must!(whole, "over the traces of {there:?} without being asked: {intent:?}");
        }
        place.generation = intent.generation;
        place.tried.insert(intent.package);
        place.open = Some(intent.clone());
        Ok(())
    }

    fn ended(&mut self, body: &DeploymentFinished, at: Timestamp, target: &ModelTarget) -> Result<(), String> {
        let place = self.places.entry(body.environment.clone()).or_default();
        let open = place
            .open
            .take()
            .ok_or_else(|| format!("ended without being open: {body:?}"))?;
        must!(
            open.deployment == body.deployment,
            "another one ended: {body:?} for {open:?}"
        );
        if body.result == DeploymentResult::Succeeded {
            let there = target.there.get(&body.environment);
            must!(
                there == Some(&(open.generation, open.package)),
                "{there:?} is there instead of {open:?}"
            );
            must!(body.state.package == Some(open.package), "{body:?} is not {open:?}");
            place.current = Some(open.package);
            place.since = Some(at);
            place.stood.insert(open.package);
        } else {
            must!(body.state.package == place.current, "{body:?} says what is not there");
        }
        if body.result == DeploymentResult::Rejected && !open.purpose.is_return() {
            self.barred_soon(open.package);
        }
        place_last(&mut self.places, open, body.result);
        self.finished = Some(body.clone());
        Ok(())
    }

    /// A rejection and its bar are one commit: from here on nobody may intend it.
    fn barred_soon(&mut self, package: Digest) {
        self.barred.insert(package);
    }
}

fn place_last(places: &mut BTreeMap<EnvironmentName, Place>, open: DeploymentIntended, result: DeploymentResult) {
    if let Some(place) = places.get_mut(&open.environment.clone()) {
        place.last = Some((open, result));
    }
}
