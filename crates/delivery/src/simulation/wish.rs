//! What people ask for in a history.

use facts::{Actor, ComponentId, Digest, EnvironmentName, Timestamp};

use crate::decide::{self, AskError};
use crate::kinds::{DeliveryFact, Dependency, PackageAccepted, Purpose};
use crate::path::Path;
use crate::state::State;

/// A wish.
#[derive(Debug, Clone)]
pub(super) enum Wish {
    Accept(PackageAccepted, Vec<Dependency>),
    Approve(EnvironmentName, Digest, Actor),
    Promote(EnvironmentName, Digest, Actor),
    RollBack(EnvironmentName, Option<Digest>),
    Unbar(Digest),
}

impl Wish {
    /// What it comes to.
    pub(super) fn decide(
        &self,
        component: ComponentId,
        state: &State,
        path: &Path,
        now: Timestamp,
    ) -> Result<Vec<DeliveryFact>, AskError> {
        Ok(match self {
            Self::Accept(body, on) => decide::accept(state, body, on),
            Self::Approve(place, package, by) => {
                vec![decide::approve(state, path, place, *package, "operations", *by)?]
            }
            Self::Promote(place, package, by) => vec![decide::promote(state, path, place, *package, *by, now)?],
            Self::RollBack(place, to) => decide::roll_back(component, state, path, place, *to, "a wish", now)?,
            Self::Unbar(package) => vec![decide::unbar(state, *package, "a cause")?],
        })
    }

    /// Whether this fact is what the wish comes to.
    pub(super) fn is_met_by(&self, fact: &DeliveryFact) -> bool {
        match (self, fact) {
            (Self::Accept(wish, _), DeliveryFact::Accepted(body)) => wish.package == body.package,
            (Self::Approve(place, package, by), DeliveryFact::Approved(body)) => {
                (place, package, by) == (&body.environment, &body.package, &body.by)
            }
            (Self::Promote(place, package, by), DeliveryFact::Requested(body)) => {
                (place, package, by) == (&body.environment, &body.package, &body.by)
            }
            (Self::RollBack(place, _), DeliveryFact::Intended(body)) => {
                *place == body.environment && body.purpose == Purpose::Rollback
            }
            (Self::Unbar(package), DeliveryFact::Unbarred(body)) => *package == body.package,
            _ => false,
        }
    }
}
