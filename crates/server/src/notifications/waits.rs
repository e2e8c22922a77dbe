//! Packages that stand before an environment: no fact says so, the gates do.

use std::collections::BTreeSet;
use std::time::Duration;

use delivery::{GateVerdict, Requirement, State, WaitsFor};
use facts::published::Judgement;
use facts::{EnvironmentName, Timestamp};
use notification::{Event, Happening};

use crate::changes::Component;
use crate::house::House;
use crate::way::{has_come_so_far, stands_since};

/// What waits in one component, and when more is to be told of it.
pub(super) struct Waits {
    /// What is to be told now.
    pub now: Vec<Happening>,
    /// When the next of `after` is reached.
    pub next: Option<Timestamp>,
}

/// Looks at what waits in a component. `after` are the times after which rules tell of it.
pub(super) fn look(house: &House, component: &Component, after: &BTreeSet<Duration>, now: Timestamp) -> Waits {
    let mut waits = Waits {
        now: Vec::new(),
        next: None,
    };
    let state = house.delivery.state(component.id);
    let path = house.delivery.path();
    for (environment, gates) in house.delivery.waiting(component.id) {
        // Of several that stand there the newest will enter; the others it passes over.
        let Some((digest, verdict)) = gates.iter().rev().find(|(_, gate)| has_come_so_far(gate)) else {
            continue;
        };
        let (Some(package), Some(policy)) = (state.packages.get(digest), path.get(&environment)) else {
            continue;
        };
        let since = stands_since(&state, policy, package);
        let one = Happening {
            event: Event::GateWaits,
            key: key(&state, component, &environment, package, ""),
            fact: None,
            at: since,
            component: component.name.clone(),
            environment: Some(environment.clone()),
            line: Some(package.line.clone()),
            run: None,
            commit: Some(package.commit.clone()),
            package: Some(*digest),
            before: state.environment(&environment).current.package,
            role: None,
            waited: None,
            reasons: reasons(verdict),
        };
        for requirement in &verdict.requirements {
            if let Some(WaitsFor::Approval { role, .. }) = &requirement.waits_for {
                waits.now.push(Happening {
                    event: Event::ApprovalWaits,
                    key: key(&state, component, &environment, package, &format!("approval by {role}")),
                    role: Some(role.clone()),
                    reasons: vec![sentence(requirement)],
                    ..one.clone()
                });
            }
        }
        for time in after {
            let Ok(reached) = since.checked_add(*time) else {
                continue;
            };
            if reached > now {
                waits.next = Some(waits.next.map_or(reached, |next| next.min(reached)));
                continue;
            }
            waits.now.push(Happening {
                key: key(
                    &state,
                    component,
                    &environment,
                    package,
                    &format!("{} s", time.as_secs()),
                ),
                waited: Some(*time),
                ..one.clone()
            });
        }
    }
    waits
}

/// What makes a wait this one: another deployment there in between makes it another.
fn key(
    state: &State,
    component: &Component,
    environment: &EnvironmentName,
    package: &delivery::Package,
    what: &str,
) -> String {
    let generation = state.environment(environment).generation;
    format!(
        "waits/{}/{environment}/{}/{generation}/{what}",
        component.id, package.digest
    )
}

fn reasons(gate: &GateVerdict) -> Vec<String> {
    let unmet = gate.requirements.iter().filter(|one| one.judgement != Judgement::Pass);
    unmet.map(sentence).collect()
}

fn sentence(requirement: &Requirement) -> String {
    format!("{}: {}", requirement.name, requirement.reason)
}
