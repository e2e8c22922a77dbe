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
enum Built {
    /// It ended well, with a package where its definition makes one.
    Well(Option<Digest>),
    /// Why it cannot be built upon yet.
    NotYet(String),
}

fn key(change: &Change) -> Held {
    (change.component, change.branch.clone(), change.commit.to_string())
}

impl Builds {
    /// What the build of a change needs of others.
    pub(super) async fn needs(&self, component: &Component, change: &Change) -> Result<Needs, ServerError> {
        let (mut beside, mut reasons) = (Vec::new(), Vec::new());
        for (name, other) in self.needed_members(component, &change.commit).await? {
            match self.built(&other, &change.commit, change.trust).await? {
                Built::Well(Some(package)) => beside.push(Beside {
                    name,
                    what: What::Package(package),
                }),
                Built::Well(None) => {}
                Built::NotYet(reason) => reasons.push(reason),
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

    /// The build of a component at a commit, or else of its newest change behind it.
    async fn built(&self, other: &Component, commit: &Commit, trust: Trust) -> Result<Built, ServerError> {
        let query = Select::from(CHANGES)
            .filter("component", Op::Eq, other.id.to_string())
            .order("position", Direction::Desc)
            .limit(LOOKED_THROUGH);
        let mut newest: Option<Commit> = None;
        for row in self.ledger.select(query).await?.rows {
            let head: Commit = row.parse("head")?;
            if head == *commit {
                newest = Some(head);
                break;
            }
            if newest.is_none() && self.repositories.is_ancestor(&other.name, &head, commit).await? {
                newest = Some(head);
            }
        }
        let Some(at) = newest else {
            return Ok(Built::NotYet(format!("{} has no change here yet", other.name)));
        };
        let Some(run) = self.build_of(other.id, &at, trust).await? else {
            return Ok(Built::NotYet(format!(
                "{} at {} is built first",
                other.name,
                at.short()
            )));
        };
        Ok(match (run.state, run.result) {
            (State::Finished, Some(RunResult::Succeeded)) => Built::Well(self.package_of(&run).await?),
            (State::Finished, _) => Built::NotYet(format!(
                "the build of {} at {} did not succeed; mend it, or retry it",
                other.name,
                at.short()
            )),
            _ => Built::NotYet(format!("{} at {} is built first", other.name, at.short())),
        })
    }

    /// The newest build of a commit with this trust.
    async fn build_of(
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

    pub(super) fn hold(&self, change: &Change, reasons: Vec<String>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(key(change), reasons);
    }

    pub(super) fn release(&self, change: &Change) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(&key(change));
    }

    /// What a change waits for before it is built.
    pub fn held_by(&self, change: &ChangeRow) -> Vec<String> {
        let key = (change.component, change.branch.clone(), change.commit.to_string());
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&key).cloned().unwrap_or_default()
    }

    /// A build has ended: what waited for it may go on. What cannot be looked at now is an error, and the follower
    /// looks at the end of the build again.
    pub(super) async fn consider_held(&self) -> Result<(), ServerError> {
        let held: Vec<Held> = {
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.keys().cloned().collect()
        };
        for (component, branch, commit) in held {
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
        }
        Ok(())
    }
}
