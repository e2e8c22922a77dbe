//! The other components whose changes packages depend on: what is known of their ways, and which of their
//! packages hold those changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use facts::{Commit, ComponentId, Digest, Stream};

use super::DeliveryError;
use super::component::Loaded;
use super::runs::Reach;
use crate::decide;
use crate::depends::{self, Other, Others};
use crate::kinds::{Dependency, stream};
use crate::path::Path;
use crate::state::State;

/// How many of a component's newest packages are asked whether they hold a change, besides those that are, or
/// were lately, in environments.
const NEWEST: usize = 50;

/// What was read of other components.
#[derive(Default)]
pub(super) struct Neighbours {
    read: BTreeMap<ComponentId, (Loaded, Arc<State>)>,
    /// Whether a package holds a change: once both are there, that never changes.
    holds: BTreeMap<(Dependency, Digest), bool>,
}

impl Neighbours {
    /// Brings what is known of the changes that packages in the way depend on into `state`, and forgets the
    /// others.
    pub(super) async fn bring(&mut self, state: &mut State, reach: &Reach, path: &Path) -> Result<(), DeliveryError> {
        if state.depending.is_empty() {
            return Ok(());
        }
        let wanted = in_the_way(state, path);
        state.others = self.look(wanted, reach).await?;
        Ok(())
    }

    /// What is known of these changes now.
    pub(super) async fn look(&mut self, wanted: BTreeSet<Dependency>, reach: &Reach) -> Result<Others, DeliveryError> {
        let components: BTreeSet<ComponentId> = wanted.iter().map(|one| one.component).collect();
        for component in components {
            let (loaded, known) = self
                .read
                .entry(component)
                .or_insert_with(|| (Loaded::new(component), Arc::default()));
            let before = loaded.version();
            loaded.catch_up(reach).await?;
            if loaded.version() != before {
                *known = Arc::new(loaded.state.clone());
            }
        }
        let mut others = Others::new();
        for on in wanted {
            let Some((_, state)) = self.read.get(&on.component) else {
                continue;
            };
            let mut other = Other {
                state: state.clone(),
                holders: BTreeSet::new(),
            };
            for digest in that_matter(state) {
                let Some(package) = state.packages.get(&digest) else {
                    continue;
                };
                let asked = (on.clone(), digest);
                let holds = match self.holds.get(&asked) {
                    Some(known) => *known,
                    None => {
                        let holds = holds(reach, &on, &package.commit).await?;
                        self.holds.insert(asked, holds);
                        holds
                    }
                };
                if holds {
                    other.holders.insert(digest);
                }
            }
            others.insert((on.component, on.commit), other);
        }
        Ok(others)
    }
}

/// The streams that a decision rests on which let something in because of these.
pub(super) fn rests_on(others: &Others) -> Vec<Stream> {
    let components: BTreeSet<ComponentId> = others.keys().map(|(component, _)| *component).collect();
    components.into_iter().map(stream).collect()
}

async fn holds(reach: &Reach, on: &Dependency, commit: &Commit) -> Result<bool, DeliveryError> {
    if on.commit == *commit {
        return Ok(true);
    }
    let holds = reach.commits.holds(on, commit).await;
    holds.map_err(|error| DeliveryError::Dependency {
        component: on.component_name.clone(),
        commit: on.commit.clone(),
        reason: error.to_string(),
    })
}

/// What the packages depend on whose gates are judged in a decision.
fn in_the_way(state: &State, path: &Path) -> BTreeSet<Dependency> {
    let mut wanted = BTreeSet::new();
    for policy in path.environments() {
        let here = state.environment(&policy.name);
        let asked_for = here.requested.and_then(|(digest, _)| state.packages.get(&digest));
        for package in decide::candidates(state, policy, &here).into_iter().chain(asked_for) {
            wanted.extend(depends::of(state, &here, package).into_iter().cloned());
        }
    }
    wanted
}

/// The packages that say where a change is: what is and was in the environments, and the newest.
fn that_matter(state: &State) -> BTreeSet<Digest> {
    let mut found = BTreeSet::new();
    for environment in state.environments.values() {
        found.extend(environment.current.package);
        found.extend(environment.open.iter().map(|open| open.intent.package));
        let proven = environment.proven.iter().rev().take(NEWEST);
        found.extend(proven.map(|proven| proven.package));
    }
    let mut newest: Vec<_> = state.packages.values().collect();
    newest.sort_by_key(|package| std::cmp::Reverse(package.order));
    found.extend(newest.into_iter().take(NEWEST).map(|package| package.digest));
    found
}
