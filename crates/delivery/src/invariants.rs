//! What must hold of a component's way through its environments, whatever crashes: checked fact by fact,
//! without the state that decisions use.
//!
//! This is deliberately a second, simpler reading of the facts than [`State`](crate::State): a fault of the
//! decisions cannot hide in it. It knows nothing but the facts of one component, so it can be asked about any
//! ledger; what needs the policy or the target as well, the simulation checks beside it.

use std::collections::{BTreeMap, BTreeSet};

use engine::invariants::Violation;
use facts::{Digest, EnvironmentName, Fact, Timestamp};

use crate::kinds::{
    DeliveryFact, DeploymentFinished, DeploymentIntended, DeploymentResult, EnvironmentProven, PackageAccepted,
};

/// What a rule is called, and what does not hold.
type Broken = (&'static str, String);

macro_rules! must {
    ($condition:expr, $rule:literal, $($text:tt)*) => {
        if !$condition {
            return Err(($rule, format!($($text)*)));
        }
    };
}

/// What is known of one environment.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub(crate) generation: u64,
    pub(crate) open: Option<DeploymentIntended>,
    pub(crate) last: Option<(DeploymentIntended, DeploymentResult)>,
    pub(crate) current: Option<Digest>,
    /// Since when `current` is there.
    pub(crate) since: Option<Timestamp>,
    pub(crate) proven: BTreeSet<Digest>,
}

/// Checks the facts of one component's delivery.
#[derive(Debug, Default)]
pub struct History {
    version: u64,
    pub(crate) packages: BTreeMap<Digest, PackageAccepted>,
    pub(crate) barred: BTreeSet<Digest>,
    pub(crate) places: BTreeMap<EnvironmentName, Place>,
}

impl History {
    /// Takes in the next fact of the component's stream.
    ///
    /// # Errors
    /// When a rule does not hold.
    pub fn check(&mut self, fact: &Fact) -> Result<(), Violation> {
        let violation = |(rule, text): Broken| Violation {
            rule,
            seq: fact.seq,
            stream: fact.stream().to_string(),
            text,
        };
        let expected = self.version + 1;
        self.version = fact.stream_version;
        if fact.stream_version != expected {
            let text = format!("version {} instead of {expected}", fact.stream_version);
            return Err(violation(("I1", text)));
        }
        match DeliveryFact::read(fact.kind(), &fact.new.body) {
            Ok(Some(read)) => self.rules(&read, fact.new.occurred_at).map_err(violation),
            Ok(None) => Ok(()),
            Err(error) => Err(violation(("shape", error.to_string()))),
        }
    }

    fn rules(&mut self, read: &DeliveryFact, at: Timestamp) -> Result<(), Broken> {
        match read {
            DeliveryFact::Joined(_) | DeliveryFact::Superseded(_) => {}
            DeliveryFact::Accepted(body) => {
                let before = self.packages.insert(body.package, body.clone());
                must!(before.is_none(), "I8", "{} is accepted twice", body.package);
            }
            DeliveryFact::Depends(body) => {
                let known = self.packages.contains_key(&body.package);
                must!(known, "I8", "{} depends on something and is unknown", body.package);
            }
            DeliveryFact::Intended(body) => return self.intended(body),
            DeliveryFact::Finished(body) => return self.ended(body, at),
            DeliveryFact::Proven(body) => return self.proven(body),
            DeliveryFact::Barred(body) => {
                self.barred.insert(body.package);
                let place = self.places.entry(body.environment.clone()).or_default();
                place.proven.remove(&body.package);
            }
            DeliveryFact::Unbarred(body) => {
                let was = self.barred.remove(&body.package);
                must!(was, "bar", "{} was never barred", body.package);
            }
            DeliveryFact::Approved(body) => {
                let package = self.packages.get(&body.package);
                let author = package.map(|package| package.author);
                must!(author.is_some(), "I9", "{} is approved and unknown", body.package);
                must!(
                    author != Some(body.by),
                    "I9",
                    "{} is approved by its author",
                    body.package
                );
            }
            DeliveryFact::Requested(body) => {
                let known = self.packages.contains_key(&body.package);
                must!(known, "I8", "{} is asked for and unknown", body.package);
            }
        }
        Ok(())
    }

    fn intended(&mut self, intent: &DeploymentIntended) -> Result<(), Broken> {
        let (package, environment) = (intent.package, &intent.environment);
        let known = self.packages.contains_key(&package);
        let barred = self.barred.contains(&package);
        let place = self.places.entry(environment.clone()).or_default();
        let before = (place.generation, place.current);
        let open = place.open.replace(intent.clone());
        place.generation = intent.generation;
        if let Some(open) = open {
            let other = open.deployment;
            return Err(("I7", format!("{other} is still under way in `{environment}`")));
        }
        let number = intent.generation;
        must!(
            number == before.0 + 1,
            "I7",
            "generation {number} of `{environment}` follows {}",
            before.0
        );
        must!(known, "I8", "{package} was never accepted");
        must!(!barred, "bar", "{package} is barred, and intended for `{environment}`");
        let from = intent.from.package;
        must!(
            from == before.1,
            "state",
            "`{environment}` is left from {from:?}, and held {:?}",
            before.1
        );
        Ok(())
    }

    fn ended(&mut self, body: &DeploymentFinished, at: Timestamp) -> Result<(), Broken> {
        let environment = &body.environment;
        let place = self.places.entry(environment.clone()).or_default();
        let before = place.current;
        let open = place.open.take();
        let has_come = body.result == DeploymentResult::Succeeded;
        place.current = body.state.package;
        if has_come {
            place.since = Some(at);
        }
        let Some(open) = open.filter(|open| open.deployment == body.deployment) else {
            let ended = body.deployment;
            return Err(("I7", format!("{ended} ended in `{environment}` and was not under way")));
        };
        let (package, bar) = (
            open.package,
            body.result == DeploymentResult::Rejected && !open.purpose.is_return(),
        );
        place.last = Some((open, body.result));
        // A rejection and its bar are one append: from here on nobody may intend it.
        if bar {
            self.barred.insert(package);
        }
        let (now, expected) = (body.state.package, if has_come { Some(package) } else { before });
        must!(
            now == expected,
            "state",
            "`{environment}` holds {now:?} instead of {expected:?}"
        );
        Ok(())
    }

    fn proven(&mut self, body: &EnvironmentProven) -> Result<(), Broken> {
        let (package, environment) = (body.package, &body.environment);
        let place = self.places.entry(environment.clone()).or_default();
        let (open, there) = (place.open.is_some(), place.current == Some(package));
        place.proven.insert(package);
        must!(
            !open,
            "proof",
            "{package} is proven in `{environment}` during a deployment"
        );
        must!(
            there,
            "proof",
            "{package} is proven in `{environment}`, and is not there"
        );
        let bad = self.barred.contains(&package);
        must!(!bad, "proof", "{package} is proven in `{environment}`, and barred");
        Ok(())
    }
}
