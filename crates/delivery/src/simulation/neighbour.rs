//! Another component, whose changes packages depend on: it comes and goes in the environments by itself.

use std::collections::BTreeMap;

use async_trait::async_trait;
use facts::published::StateVector;
use facts::{
    Actor, Commit, ComponentId, ComponentName, DeploymentId, Digest, EnvironmentName, FactId, NewFact, ReleaseLine,
    RunId, Timestamp, Trust, Version,
};
use serde_json::json;

use super::random::Random;
use crate::kinds::{
    DeliveryFact, Dependency, DeploymentFinished, DeploymentIntended, DeploymentResult, EnvironmentProven,
    PackageAccepted, Purpose, stream,
};
use crate::ports::{Commits, PortError};

/// The digest of its package of this number.
pub(super) fn package(number: u64) -> Digest {
    Digest::of(format!("the other's package {number}"))
}

fn commit(number: u64) -> Commit {
    Commit::new(format!("{number:040}")).unwrap()
}

/// The number of its commit.
pub(super) fn number(commit: &Commit) -> u64 {
    commit.as_str().parse().unwrap()
}

/// Each of its commits has those of smaller numbers behind it.
pub(super) struct InOrder;

#[async_trait]
impl Commits for InOrder {
    async fn holds(&self, on: &Dependency, commit: &Commit) -> Result<bool, PortError> {
        Ok(number(commit) >= number(&on.commit))
    }
}

#[derive(Default)]
struct Place {
    generation: u64,
    current: Option<u64>,
    whole: bool,
    proven: bool,
}

/// The other component.
pub(super) struct Neighbour {
    pub(super) component: ComponentId,
    packages: u64,
    places: BTreeMap<EnvironmentName, Place>,
}

impl Neighbour {
    pub(super) fn new() -> Self {
        Self {
            component: ComponentId::of_key("shop/core"),
            packages: 0,
            places: BTreeMap::new(),
        }
    }

    /// A change of it that somebody may depend on; it may be one that comes later.
    pub(super) fn change(&self, random: &mut Random) -> Dependency {
        Dependency {
            component: self.component,
            component_name: ComponentName::new("shop/core").unwrap(),
            commit: commit(1 + random.below(self.packages + 2)),
            change: None,
            delivered: random.percent(90),
        }
    }

    /// What it does next, in one of these environments, or last, in all of them.
    pub(super) fn moves(
        &mut self,
        environments: &[EnvironmentName],
        rests: bool,
        random: &mut Random,
        now: Timestamp,
    ) -> Vec<NewFact> {
        let Some(name) = random.pick(environments).cloned() else {
            return Vec::new();
        };
        let facts = match random.below(10) {
            _ if rests => self.arrives(environments, now),
            0..=1 => vec![self.accept()],
            2..=4
                if self
                    .places
                    .get(&name)
                    .is_some_and(|place| place.current.is_some() && !place.proven) =>
            {
                self.proves(&name)
            }
            // Forward, or back to something older.
            _ if self.packages > 0 => {
                let number = if random.percent(70) {
                    self.packages
                } else {
                    1 + random.below(self.packages)
                };
                self.deploys(&name, number, random.percent(15), now)
            }
            _ => Vec::new(),
        };
        self.recorded(facts, random, now)
    }

    /// It comes to rest: its newest package is proven everywhere.
    fn arrives(&mut self, environments: &[EnvironmentName], now: Timestamp) -> Vec<DeliveryFact> {
        let mut facts = vec![self.accept(), self.accept()];
        for name in environments {
            facts.extend(self.deploys(name, self.packages, false, now));
            facts.extend(self.proves(name));
        }
        facts
    }

    fn accept(&mut self) -> DeliveryFact {
        self.packages += 1;
        let number = self.packages;
        PackageAccepted {
            package: package(number),
            version: Version::new(format!("1.{number}.0")).unwrap(),
            component_name: ComponentName::new("shop/core").unwrap(),
            commit: commit(number),
            line: ReleaseLine::new("main").unwrap(),
            order: number,
            run: RunId::of_key(&format!("other {number}")),
            author: Actor::System,
            definition: Digest::of("definition"),
            gates: Vec::new(),
        }
        .into()
    }

    fn proves(&mut self, name: &EnvironmentName) -> Vec<DeliveryFact> {
        let place = self.places.entry(name.clone()).or_default();
        let Some(current) = place.current.filter(|_| place.whole) else {
            return Vec::new();
        };
        place.proven = true;
        let proven = EnvironmentProven {
            environment: name.clone(),
            generation: place.generation,
            package: package(current),
        };
        vec![proven.into()]
    }

    fn deploys(&mut self, name: &EnvironmentName, number: u64, fails: bool, now: Timestamp) -> Vec<DeliveryFact> {
        let place = self.places.entry(name.clone()).or_default();
        place.generation += 1;
        let from = StateVector {
            package: place.current.map(package),
            ..StateVector::default()
        };
        let at = crate::kinds::state_stream(self.component, name);
        let back = place.current.is_some_and(|current| current > number);
        let intent = DeploymentIntended {
            deployment: DeploymentId::derived(now, &at, place.generation, 0),
            environment: name.clone(),
            generation: place.generation,
            purpose: if back { Purpose::Rollback } else { Purpose::Advance },
            package: package(number),
            from: from.clone(),
            run: RunId::derived(now, &at, place.generation, 1),
            policy: Digest::of("policy"),
            reasons: Vec::new(),
        };
        if !fails {
            place.current = Some(number);
            place.proven = false;
        }
        place.whole = !fails;
        let state = if fails {
            from
        } else {
            StateVector {
                package: Some(package(number)),
                ..StateVector::default()
            }
        };
        let finished = DeploymentFinished {
            deployment: intent.deployment,
            environment: name.clone(),
            generation: place.generation,
            result: if fails {
                DeploymentResult::Failed
            } else {
                DeploymentResult::Succeeded
            },
            state,
            disturbed: fails,
            reasons: Vec::new(),
        };
        vec![intent.into(), finished.into()]
    }

    fn recorded(&self, facts: Vec<DeliveryFact>, random: &mut Random, now: Timestamp) -> Vec<NewFact> {
        let envelope = |fact: DeliveryFact| NewFact {
            stream: stream(self.component),
            id: FactId::derived(now, &stream(self.component), random.next(), 0),
            kind: fact.kind().to_owned(),
            kind_version: 1,
            occurred_at: now,
            actor: Actor::System,
            on_behalf_of: None,
            trust: Trust::Trusted,
            cause: None,
            correlation: None,
            external_key: None,
            body: json!(fact),
        };
        facts.into_iter().map(envelope).collect()
    }
}

/// What the rules know of the other component in an environment.
#[derive(Default)]
pub(super) struct Seen {
    current: Option<u64>,
    proven: Vec<u64>,
    traces: bool,
}

impl Seen {
    /// Takes in what happened; `numbers` tells packages by their digests.
    pub(super) fn takes_in(&mut self, fact: &DeliveryFact, numbers: &BTreeMap<Digest, u64>) {
        match fact {
            DeliveryFact::Finished(body) => {
                self.traces = body.disturbed;
                self.current = body.state.package.map(|digest| numbers[&digest]);
            }
            DeliveryFact::Proven(body) => self.proven.push(numbers[&body.package]),
            _ => {}
        }
    }

    /// Whether the change of this number is there, and was proven there.
    pub(super) fn has(&self, number: u64) -> bool {
        let holds = |held: &u64| *held >= number;
        !self.traces && self.current.as_ref().is_some_and(holds) && self.proven.iter().any(holds)
    }
}
