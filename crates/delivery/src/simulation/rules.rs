//! What must hold after every fact beside the [invariants](crate::invariants): what only a simulation
//! knows, since it knows the policy in force, the target and all runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use facts::published::{STATE_OBSERVED, StateObserved};
use facts::{ComponentId, Digest, EnvironmentName, Fact, RunId, Timestamp};

use super::neighbour::{Seen, number};
use super::runs::{ModelTarget, REQUESTED};
use crate::invariants::History;
use crate::kinds::{
    ApprovalGiven, DeliveryFact, Dependency, DeploymentFinished, DeploymentIntended, DeploymentResult, PackageAccepted,
    Purpose, stream,
};
use crate::path::{Path, takes};

/// The shortest soak time that any policy of the simulation asks for in `staging`, in seconds.
pub(crate) const SHORTEST_SOAK: i64 = 20;

/// What the rules need of one environment beside what the invariants keep.
#[derive(Default)]
struct Stay {
    tried: BTreeSet<Digest>,
    stood: BTreeSet<Digest>,
    approvals: Vec<ApprovalGiven>,
}

#[derive(Default)]
pub(crate) struct Rules {
    pub(crate) paths: BTreeMap<Digest, Arc<Path>>,
    pub(crate) facts: Vec<DeliveryFact>,
    pub(crate) intents: usize,
    pub(crate) returns: usize,
    history: History,
    stays: BTreeMap<EnvironmentName, Stay>,
    pub(crate) other: Option<ComponentId>,
    pub(crate) depended: usize,
    numbers: BTreeMap<Digest, u64>,
    seen: BTreeMap<EnvironmentName, Seen>,
    depends: BTreeMap<Digest, Vec<Dependency>>,
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
    /// The packages that were accepted.
    pub(crate) fn packages(&self) -> &BTreeMap<Digest, PackageAccepted> {
        &self.history.packages
    }

    /// Those that are barred.
    pub(crate) fn barred(&self) -> &BTreeSet<Digest> {
        &self.history.barred
    }

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
        if self.other.is_some_and(|other| *fact.stream() == stream(other)) {
            self.of_the_other(&read);
            return Ok(());
        }
        if let DeliveryFact::Intended(body) = &read {
            // What stands before it is judged with what was known before it.
            self.intended(body, target)?;
        }
        self.history.check(fact).map_err(|broken| broken.to_string())?;
        let at = fact.new.occurred_at;
        match &read {
            DeliveryFact::Depends(body) => {
                self.depends.insert(body.package, body.on.clone());
            }
            DeliveryFact::Finished(body) => self.ended(body, target)?,
            DeliveryFact::Proven(body) => {
                let since = self.history.places[&body.environment].since;
                let since = since.ok_or("proven without ever being there")?;
                self.soaked(&body.environment, since, at)?;
            }
            DeliveryFact::Unbarred(body) => {
                for stay in self.stays.values_mut() {
                    stay.tried.remove(&body.package);
                    stay.stood.remove(&body.package);
                }
            }
            DeliveryFact::Superseded(body) => {
                let packages = self.packages();
                let older = packages[&body.package].order < packages[&body.by].order;
                must!(older, "superseded by an older one: {body:?}");
            }
            DeliveryFact::Approved(body) => {
                let stay = self.stays.entry(body.environment.clone()).or_default();
                stay.approvals.push(body.clone());
            }
            _ => {}
        }
        self.facts.push(read);
        Ok(())
    }

    fn soaked(&self, environment: &EnvironmentName, since: Timestamp, at: Timestamp) -> Result<(), String> {
        let soaked = at.duration_since(since).as_secs() >= SHORTEST_SOAK;
        must!(
            soaked || environment.as_str() != "staging",
            "proven too early in {environment}"
        );
        Ok(())
    }

    fn of_the_other(&mut self, fact: &DeliveryFact) {
        let environment = match fact {
            DeliveryFact::Accepted(body) => {
                self.numbers.insert(body.package, body.order);
                return;
            }
            DeliveryFact::Finished(body) => &body.environment,
            DeliveryFact::Proven(body) => &body.environment,
            _ => return,
        };
        let seen = self.seen.entry(environment.clone()).or_default();
        seen.takes_in(fact, &self.numbers);
    }

    /// What a package brings depends on must be there, proven: also what those depend on that it passes over.
    fn has_what_it_depends_on(&mut self, intent: &DeploymentIntended) -> Result<(), String> {
        let package = &self.history.packages[&intent.package];
        let current = self
            .history
            .places
            .get(&intent.environment)
            .and_then(|place| place.current);
        let from = current.map_or(0, |current| self.history.packages[&current].order);
        for (digest, on) in &self.depends {
            let other = &self.history.packages[digest];
            let between = other.line == package.line && (from..package.order).contains(&other.order);
            if *digest != intent.package && (!between || Some(*digest) == current) {
                continue;
            }
            for on in on.iter().filter(|on| on.delivered) {
                self.depended += 1;
                let there = self.seen.get(&intent.environment);
                let there = there.is_some_and(|seen| seen.has(number(&on.commit)));
                must!(there, "it depends on {on:?}, which is not there: {intent:?}");
            }
        }
        Ok(())
    }

    fn intended(&mut self, intent: &DeploymentIntended, target: &ModelTarget) -> Result<(), String> {
        self.intents += 1;
        if !intent.purpose.is_return() {
            self.has_what_it_depends_on(intent)?;
        }
        let packages = &self.history.packages;
        let package = packages
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
            self.asked.contains(&intent.run),
            "an intent without its run: {intent:?}"
        );
        let place = self.history.places.get(&intent.environment);
        let current = place.and_then(|place| place.current);
        let stay = self.stays.entry(intent.environment.clone()).or_default();
        if intent.purpose.is_return() {
            self.returns += 1;
            let was_proven = place.is_some_and(|place| place.proven.contains(&intent.package));
            let was_there = was_proven || current == Some(intent.package);
            must!(was_there, "goes back to what was neither proven nor there: {intent:?}");
            if intent.purpose == Purpose::Return {
                let bad = place
                    .and_then(|place| place.last.as_ref())
                    .is_some_and(|(last, result)| *result != DeploymentResult::Succeeded && !last.purpose.is_return());
                must!(bad, "a return without a failure: {intent:?}");
            }
        } else {
            let mut missing = policy.after.iter();
            let missing = missing.find(|earlier| {
                let there = self.history.places.get(*earlier);
                !there.is_some_and(|there| there.proven.contains(&intent.package))
            });
            must!(missing.is_none(), "not proven in {missing:?}: {intent:?}");
            must!(takes(policy, &package.line), "a line that is not delivered: {intent:?}");
            for rule in &policy.approvals {
                let valid = stay.approvals.iter().filter(|approval| {
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
                !stay.tried.contains(&intent.package),
                "tried again by itself: {intent:?}"
            );
            let newer = stay.stood.iter().all(|stood| packages[stood].order < package.order);
            must!(newer, "older than what stood there: {intent:?}");
            let there = target.there.get(&intent.environment).map(|(_, package)| *package);
            let whole = current.is_none() || there == current;
            must!(whole, "over the traces of {there:?} without being asked: {intent:?}");
        }
        stay.tried.insert(intent.package);
        Ok(())
    }

    fn ended(&mut self, body: &DeploymentFinished, target: &ModelTarget) -> Result<(), String> {
        if body.result == DeploymentResult::Succeeded {
            let last = self.history.places[&body.environment].last.as_ref();
            let (open, _) = last.ok_or_else(|| format!("ended without a beginning: {body:?}"))?;
            let there = target.there.get(&body.environment);
            must!(
                there == Some(&(open.generation, open.package)),
                "{there:?} is there instead of {open:?}"
            );
            let stay = self.stays.entry(body.environment.clone()).or_default();
            stay.stood.insert(open.package);
        }
        self.finished = Some(body.clone());
        Ok(())
    }
}
