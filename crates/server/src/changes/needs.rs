//! What a build needs of other builds: it waits until they have ended well, and has their packages beside it.
//!
//! A component that needs another one is built with the other's package: of the same commit where that concerns the
//! other, or else of the newest change of it that lies behind. A change that waits has no run. Why it waits is not
//! recorded, for it follows from what is: it is worked out again when a build ends, and after a restart.

use std::sync::PoisonError;

use build::Beside;
use build::beside::What;
use engine::query::{RunFilter, RunRow};
use engine::{RunResult, State};
use facts::{Commit, ComponentId, Digest, Trust};
use ledger::{Direction, Op, Select};
use source::SourceError;

use super::builds::{BUILD, Builds, Change, change};
use super::members::{self, Lists};
use super::register::Component;
use super::repositories::RepositoryError;
use super::view::CHANGES;
use crate::error::ServerError;
use crate::way::ChangeRow;

/// How many of a component's newest changes are looked through for one behind a commit.
const LOOKED_THROUGH: usize = 500;

/// A change that waits: its component, branch and commit.
pub(super) type Held = (ComponentId, String, String);

/// What a build needs.
pub(super) enum Needs {
    /// It is there: what the build has beside its own files.
    Met(Vec<Beside>),
    /// It is not there yet, and why, each a sentence.
    Wait(Vec<String>),
}

/// What became of the build that another one needs.
pub(super) enum Built {
    /// It ended well, with a package where its definition makes one.
    Well(Option<Digest>),
    /// It ended otherwise.
    Badly,
    /// It has not ended.
    NotYet,
}

/// Why a change has no build yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Waits {
    /// Each a sentence.
    pub(super) reasons: Vec<String>,
    /// Whether it waits for a change of another repository, so that what builds upon it waits too.
    pub(super) for_another: bool,
}

fn key(change: &Change) -> Held {
    (change.component, change.branch.clone(), change.commit.to_string())
}

impl Builds {
    /// What the build of a change needs of others.
    pub(super) async fn needs(&self, component: &Component, change: &Change) -> Result<Needs, ServerError> {
        let (mut beside, mut reasons) = (Vec::new(), Vec::new());
        for (name, other) in self.needed_members(component, &change.commit).await? {
            let Some(at) = self.newest_change(&other, &change.commit).await? else {
                reasons.push(format!("{} has no change here yet", other.name));
                continue;
            };
            let (name_of, at_commit) = (&other.name, at.short());
            match self.built_at(&other, &at, change.trust).await? {
                Built::Well(package) => beside.extend(package.map(|package| Beside {
                    name,
                    what: What::Package(package),
                })),
                Built::Badly => reasons.push(format!(
                    "the build of {name_of} at {at_commit} did not succeed; mend it, or retry it"
                )),
                Built::NotYet => reasons.push(format!("{name_of} at {at_commit} is built first")),
            }
        }
        Ok(if reasons.is_empty() {
            Needs::Met(beside)
        } else {
            Needs::Wait(reasons)
        })
    }

    /// The components of its repository that one needs at a commit, with their names in the list.
    async fn needed_members(
        &self,
        component: &Component,
        commit: &Commit,
    ) -> Result<Vec<(String, Component)>, ServerError> {
        let Some(place) = component.place.clone() else {
            return Ok(Vec::new());
        };
        let at = commit.clone();
        let needs = self.repositories.read(&component.name, move |repository| {
            let list = Lists::default().at(repository, &at)?;
            let needs = list.and_then(|list| Some(list.member(&place.member)?.needs.clone()));
            Ok(needs.unwrap_or_default())
        });
        let repository = self.repositories.name_of(&component.name);
        let mut needed = Vec::new();
        for need in needs.await? {
            let Some(name) = members::name(&repository, &need) else {
                continue;
            };
            if let Some(other) = self.register.by_name(&name).await? {
                needed.push((need, other));
            }
        }
        Ok(needed)
    }

    /// The commit of a component's newest change that is `commit` or behind it.
    pub(super) async fn newest_change(
        &self,
        component: &Component,
        commit: &Commit,
    ) -> Result<Option<Commit>, ServerError> {
        let query = Select::from(CHANGES)
            .filter("component", Op::Eq, component.id.to_string())
            .order("position", Direction::Desc)
            .limit(LOOKED_THROUGH);
        let mut newest: Option<Commit> = None;
        for row in self.ledger.select(query).await?.rows {
            let head: Commit = row.parse("head")?;
            if head == *commit {
                return Ok(Some(head));
            }
            if newest.is_none() && self.repositories.is_ancestor(&component.name, &head, commit).await? {
                newest = Some(head);
            }
        }
        Ok(newest)
    }

    /// The commit, where it is a change of the component.
    pub(super) async fn change_at(
        &self,
        component: &Component,
        commit: &Commit,
    ) -> Result<Option<Commit>, ServerError> {
        let query = Select::from(CHANGES)
            .filter("component", Op::Eq, component.id.to_string())
            .filter("head", Op::Eq, commit.as_str())
            .limit(1);
        let rows = self.ledger.select(query).await?.rows;
        Ok((!rows.is_empty()).then(|| commit.clone()))
    }

    /// What became of the build of a component at one of its changes.
    pub(super) async fn built_at(
        &self,
        component: &Component,
        at: &Commit,
        trust: Trust,
    ) -> Result<Built, ServerError> {
        let Some(run) = self.build_of(component.id, at, trust).await? else {
            return Ok(Built::NotYet);
        };
        Ok(match (run.state, run.result) {
            (State::Finished, Some(RunResult::Succeeded)) => Built::Well(self.package_of(&run).await?),
            (State::Finished, _) => Built::Badly,
            _ => Built::NotYet,
        })
    }

    /// The newest build of a commit with this trust.
    pub(super) async fn build_of(
        &self,
        component: ComponentId,
        commit: &Commit,
        trust: Trust,
    ) -> Result<Option<RunRow>, ServerError> {
        let filter = RunFilter {
            component: Some(component),
            kind: Some(BUILD.to_owned()),
            commit: Some(commit.clone()),
            ..RunFilter::default()
        };
        let runs = engine::query::runs(&*self.ledger, &filter, 20, None).await?.rows;
        Ok(runs.into_iter().find(|run| run.trust == trust))
    }

    async fn package_of(&self, run: &RunRow) -> Result<Option<Digest>, ServerError> {
        let steps = engine::query::steps(&*self.ledger, run.id).await?.rows;
        Ok(steps
            .iter()
            .find_map(|step| step.outputs.as_ref()?.get("package")?.as_str()?.parse().ok()))
    }

    pub(super) fn hold(&self, change: &Change, waits: Waits) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(key(change), waits);
    }

    /// A change of the component that `change` builds upon and that waits for a change of another repository.
    pub(super) async fn held_behind(
        &self,
        component: &Component,
        change: &Change,
    ) -> Result<Option<String>, ServerError> {
        let waiting: Vec<(String, Waits)> = {
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let of_component = held.iter().filter(|((of, _, commit), waits)| {
                *of == change.component && waits.for_another && commit != change.commit.as_str()
            });
            of_component
                .map(|((_, _, commit), waits)| (commit.clone(), waits.clone()))
                .collect()
        };
        for (commit, waits) in waiting {
            let Ok(commit) = Commit::new(commit) else { continue };
            let behind = self.repositories.is_ancestor(&component.name, &commit, &change.commit);
            if behind.await? {
                let why = waits.reasons.first().map_or("", String::as_str);
                return Ok(Some(format!("it builds upon {}, which waits: {why}", commit.short())));
            }
        }
        Ok(None)
    }

    /// Whether the change waits.
    pub(super) fn is_held(&self, change: &Change) -> bool {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.contains_key(&key(change))
    }

    pub(super) fn release(&self, change: &Change) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(&key(change));
    }

    /// What a change waits for before it is built.
    pub fn held_by(&self, change: &ChangeRow) -> Vec<String> {
        let key = (change.component, change.branch.clone(), change.commit.to_string());
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&key).map(|waits| waits.reasons.clone()).unwrap_or_default()
    }

    /// A build has ended, or something came to a repository: what waited for it may go on. What cannot be looked
    /// at now is an error, and the follower looks again.
    pub(crate) async fn consider_held(&self) -> Result<(), ServerError> {
        loop {
            let held: Vec<Held> = {
                let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
                held.keys().cloned().collect()
            };
            let before = held.len();
            for held in held {
                self.consider_one(held).await?;
            }
            // What builds upon a change that goes on may go on after it.
            let after = self.held.lock().unwrap_or_else(PoisonError::into_inner).len();
            if after == 0 || after >= before {
                return Ok(());
            }
        }
    }

    async fn consider_one(&self, (component, branch, commit): Held) -> Result<(), ServerError> {
        let query = Select::from(CHANGES)
            .filter("component", Op::Eq, component.to_string())
            .filter("branch", Op::Eq, branch)
            .filter("head", Op::Eq, commit);
        for row in self.ledger.select(query).await?.rows {
            let change = change(&row)?;
            match self.consider(&change).await {
                // Asked for again, it would never be there: what else has ended is not to wait for it.
                Err(ServerError::Repository(RepositoryError::Source(SourceError::NoCommit(gone)))) => {
                    tracing::warn!(commit = %gone, "a change is gone from its repository and waits no more");
                    self.release(&change);
                }
                considered => considered?,
            }
        }
        Ok(())
    }
}
