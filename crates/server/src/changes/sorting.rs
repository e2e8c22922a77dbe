//! How what came to a branch is sorted among the components of its repository.
//!
//! A repository of one component has every commit as its change. Where it holds several, each commit is a
//! change of those it concerns, in their own streams, in the same append as the move of the branch: so
//! builds, versions and the path know nothing of it, and a restart finds all of a push or nothing.
//!
//! A commit is compared with its first parent. What cannot be seen that way is compared further: the tip
//! of a rewritten branch also with where the branch was, the tip of a new branch with where it left the
//! main one. On a new branch, what its tip does not concern begins with the newest change behind it.

use std::collections::BTreeMap;

use facts::{Actor, Commit};
use ledger::{Direction, Op, Select};
use pipeline::Concerned;
use source::{Repository, SourceError};

use super::intake::{Brought, Intake, IntakeError};
use super::kinds::{CHANGE_SORTED, ChangeSorted, ConcernedComponent, stream};
use super::members::{self, Lists, either};
use super::register::{Component, Placed};
use super::view::CHANGES;

/// How many of a component's newest changes are looked through for one behind a new branch.
const LOOKED_THROUGH: usize = 500;

/// A branch that moved, and what came with it.
pub(super) struct Moved {
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// Where it was.
    pub old: Option<Commit>,
    /// Where it is.
    pub tip: Commit,
    /// Whether what it was is not behind what it is.
    pub forced: bool,
    /// Whether more came than is taken in.
    pub cut: bool,
    /// What came, oldest first, each the first parent of the next; the tip last.
    pub commits: Vec<Commit>,
}

/// What a commit concerns; `None` where its repository is one component.
type Sorted = Option<Concerned>;

impl Moved {
    /// What each commit that came concerns. `main` is where the main branch is.
    fn sort(&self, repository: &Repository, main: Option<&Commit>) -> Result<Vec<Sorted>, SourceError> {
        let mut lists = Lists::default();
        let mut all: Vec<Sorted> = Vec::with_capacity(self.commits.len());
        for (number, commit) in self.commits.iter().enumerate() {
            let base = match (number.checked_sub(1), &self.old) {
                (Some(before), _) => Some(self.commits[before].clone()),
                (None, Some(old)) if self.cut => Some(old.clone()),
                (None, Some(_)) => repository.commit(commit)?.parents.into_iter().next(),
                (None, None) => match main {
                    Some(main) => repository.merge_base(main, commit)?,
                    None => None,
                },
            };
            let mut sorted = lists.concerned(repository, base.as_ref(), commit)?;
            if self.forced && *commit == self.tip {
                let further = lists.concerned(repository, self.old.as_ref(), commit)?;
                sorted = sorted.zip(further).map(|(first, second)| either(first, second));
            }
            all.push(sorted);
        }
        Ok(all)
    }
}

impl Intake {
    /// Sorts what came with a branch, and records it with the components that it concerns.
    pub(super) async fn arrive(
        &self,
        repository: &Component,
        actor: Actor,
        moved: &Moved,
        recorded: &BTreeMap<String, Commit>,
        brought: &mut Brought,
    ) -> Result<(), IntakeError> {
        let main = ["refs/heads/main", "refs/heads/master"]
            .iter()
            .find_map(|name| recorded.get(*name).cloned());
        let (branch, old, tip) = (moved.branch.clone(), moved.old.clone(), moved.tip.clone());
        let given = Moved {
            branch,
            old,
            tip,
            commits: moved.commits.clone(),
            ..*moved
        };
        let sorted = self
            .repositories
            .read(&repository.name, move |repository| {
                given.sort(repository, main.as_ref())
            })
            .await?;
        for (commit, sorted) in moved.commits.iter().zip(sorted) {
            match sorted {
                None => self.change(repository.id, actor, moved, commit, brought).await?,
                Some(concerned) => {
                    self.concern(repository, actor, moved, commit, &concerned, brought)
                        .await?;
                }
            }
        }
        Ok(())
    }

    async fn concern(
        &self,
        repository: &Component,
        actor: Actor,
        moved: &Moved,
        commit: &Commit,
        concerned: &Concerned,
        brought: &mut Brought,
    ) -> Result<(), IntakeError> {
        let sorted_claim = format!("sorted:{}/{}/{commit}", repository.id, moved.branch);
        if self.ledger.find_claim(&sorted_claim).await?.is_some() {
            return Ok(());
        }
        let mut concerns = Vec::new();
        if let Some(why) = &concerned.own {
            concerns.push((repository.id, why.to_string()));
        }
        for (member, why) in &concerned.members {
            let Some(name) = members::name(&repository.name, member) else {
                tracing::error!(repository = %repository.name, member, "the name of a component is too long; it is not built");
                continue;
            };
            let known = self.register.by_name(&name).await?;
            let id = match (&known, brought.made.get(name.as_str())) {
                (None, Some(made)) => *made,
                (None, None) => {
                    let place = Placed {
                        repository: repository.id,
                        member: member.clone(),
                    };
                    let (id, facts) = self.register.placed(&name, &place, actor);
                    brought.facts.extend(facts);
                    brought.made.insert(name.to_string(), id);
                    self.repositories
                        .settle(name.clone(), repository.name.clone(), member.clone());
                    id
                }
                (Some(known), _)
                    if known
                        .place
                        .as_ref()
                        .is_some_and(|place| place.repository == repository.id) =>
                {
                    known.id
                }
                (Some(_), _) => {
                    tracing::error!(component = %name, "the name of a component is that of a repository; it is not built");
                    continue;
                }
            };
            concerns.push((id, why.to_string()));
        }
        let body = ChangeSorted {
            commit: commit.clone(),
            branch: moved.branch.clone(),
            concerns: concerns
                .iter()
                .map(|(component, why)| ConcernedComponent {
                    component: *component,
                    why: why.clone(),
                })
                .collect(),
        };
        brought.facts.push(
            self.register
                .fact(stream(repository.id), CHANGE_SORTED, &body, actor, Some(sorted_claim)),
        );
        if moved.old.is_none() {
            let concerned: Vec<_> = concerns.iter().map(|(id, _)| *id).collect();
            for component in self.register.all().await? {
                let here = component
                    .place
                    .as_ref()
                    .is_some_and(|place| place.repository == repository.id);
                if here && !concerned.contains(&component.id) {
                    self.begin_with(repository, &component, actor, moved, brought).await?;
                }
            }
        }
        for (id, _) in concerns {
            self.change(id, actor, moved, commit, brought).await?;
        }
        Ok(())
    }

    /// On a new branch a component begins with the newest of its changes that lies behind the tip.
    async fn begin_with(
        &self,
        repository: &Component,
        component: &Component,
        actor: Actor,
        moved: &Moved,
        brought: &mut Brought,
    ) -> Result<(), IntakeError> {
        let query = Select::from(CHANGES)
            .filter("component", Op::Eq, component.id.to_string())
            .order("position", Direction::Desc)
            .limit(LOOKED_THROUGH);
        for row in self.ledger.select(query).await?.rows {
            let commit: Commit = row.parse("head")?;
            let behind = self
                .repositories
                .is_ancestor(&repository.name, &commit, &moved.tip)
                .await?;
            if behind {
                return self.change(component.id, actor, moved, &commit, brought).await;
            }
        }
        Ok(())
    }
}
