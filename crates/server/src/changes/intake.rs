//! How pushes become changes: refs as they are, compared with refs as they are recorded.
//!
//! A push, a fetched remote and a restart all take this one way, so that a push whose server died
//! before it was recorded is found, and one that was recorded is not taken twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use facts::{Actor, Commit, ComponentId, NewFact};
use ledger::{Append, AppendError, Ledger, LedgerError, Op, RowError, Select};

use super::kinds::{
    CHANGE_ARRIVED, CHANGE_DESCRIBED, CHANGE_LINKED, ChangeArrived, ChangeDescribed, REF_UPDATED, RefUpdated, stream,
};
use super::links;
use super::register::{Component, Register, RegisterError};
use super::repositories::{Repositories, RepositoryError};
use super::sorting::Moved;
use super::view::REFS;

/// At most so many commits of one update become changes of their own: the newest.
const MOST_COMMITS: usize = 1_000;

/// At most so many letters of a commit's first line become part of its fact.
const LONGEST_SUBJECT: usize = 200;

/// Why a push could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The repository could not be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The ledger refused.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A row could not be read.
    #[error(transparent)]
    Row(#[from] RowError),
    /// The components could not be read.
    #[error(transparent)]
    Register(#[from] RegisterError),
}

/// Takes pushes in.
#[derive(Clone)]
pub struct Intake {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) register: Register,
    pub(super) repositories: Arc<Repositories>,
}

/// What one look at a repository brings: facts to be appended together.
#[derive(Default)]
pub(super) struct Brought {
    pub(super) facts: Vec<NewFact>,
    /// The commits that came, by the component whose change they are.
    pub(super) came: Vec<(ComponentId, Commit)>,
    /// The components that the facts make.
    pub(super) made: BTreeMap<String, ComponentId>,
}

/// What differs between recorded and actual refs, in the order of names.
fn differences(
    recorded: &BTreeMap<String, Commit>,
    actual: &BTreeMap<String, Commit>,
) -> Vec<(String, Option<Commit>, Option<Commit>)> {
    let mut names: Vec<&String> = recorded.keys().chain(actual.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter(|name| recorded.get(*name) != actual.get(*name))
        .map(|name| (name.clone(), recorded.get(name).cloned(), actual.get(name).cloned()))
        .collect()
}

impl Intake {
    /// Takes pushes in from `repositories`.
    pub fn new(ledger: Arc<dyn Ledger>, register: Register, repositories: Arc<Repositories>) -> Self {
        Self {
            ledger,
            register,
            repositories,
        }
    }

    /// Records whatever changed in the component's repository since it was recorded last. Returns
    /// whether anything did.
    ///
    /// # Errors
    /// When the repository cannot be read or the ledger refuses.
    pub async fn take_in(&self, component: &Component, actor: Actor) -> Result<bool, IntakeError> {
        if component.place.is_some() {
            return Ok(false); // It comes with the repository that it shares with others.
        }
        loop {
            let read_at = self.ledger.head().await?;
            let query = Select::from(REFS).filter("component", Op::Eq, component.id.to_string());
            let mut recorded = BTreeMap::new();
            for row in self.ledger.select(query).await?.rows {
                recorded.insert(row.text("name")?.to_owned(), row.parse("head")?);
            }
            let actual = self.repositories.refs(&component.name).await?;
            let mut brought = Brought::default();
            for (name, old, new) in differences(&recorded, &actual) {
                self.update(component, actor, (name, old, new), &recorded, &mut brought)
                    .await?;
            }
            if brought.facts.is_empty() {
                return Ok(false);
            }
            self.describe(component, actor, &mut brought).await?;
            crashpoint::reach("server.intake.before");
            let subjects = vec![stream(component.id)];
            match self
                .ledger
                .append(Append::after(read_at, subjects, brought.facts))
                .await
            {
                Err(AppendError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => {
                    crashpoint::reach("server.intake.after");
                    return Ok(true);
                }
            }
        }
    }

    async fn update(
        &self,
        component: &Component,
        actor: Actor,
        (name, old, new): (String, Option<Commit>, Option<Commit>),
        recorded: &BTreeMap<String, Commit>,
        brought: &mut Brought,
    ) -> Result<(), IntakeError> {
        let branch = name.strip_prefix("refs/heads/").map(str::to_owned);
        let forced = match (&old, &new) {
            (Some(old), Some(new)) => !self.repositories.is_ancestor(&component.name, old, new).await?,
            _ => false,
        };
        let body = RefUpdated {
            name,
            old: old.clone(),
            new: new.clone(),
            forced,
        };
        brought.facts.push(
            self.register
                .fact(stream(component.id), REF_UPDATED, &body, actor, None),
        );
        let (Some(branch), Some(tip)) = (branch, new) else {
            return Ok(());
        };
        // A branch that is new brings its tip; what it is made of was there before, or is history
        // from before Throughline. A branch that moves brings every commit in between.
        let mut commits = match &old {
            None => vec![tip.clone()],
            Some(old) => {
                self.repositories
                    .arrived(&component.name, old, &tip, MOST_COMMITS)
                    .await?
            }
        };
        if commits.last() != Some(&tip) {
            commits.push(tip.clone());
        }
        let cut = commits.len() >= MOST_COMMITS;
        let moved = Moved {
            branch,
            old,
            tip,
            forced,
            cut,
            commits,
        };
        self.arrive(component, actor, &moved, recorded, brought).await
    }

    /// A commit is a change of a component, unless it was here before and the branch came back to it.
    pub(super) async fn change(
        &self,
        component: ComponentId,
        actor: Actor,
        moved: &Moved,
        commit: &Commit,
        brought: &mut Brought,
    ) -> Result<(), IntakeError> {
        let claim = format!("change:{component}/{}/{commit}", moved.branch);
        let came_now = |fact: &NewFact| fact.external_key.as_ref() == Some(&claim);
        if self.ledger.find_claim(&claim).await?.is_some() || brought.facts.iter().any(came_now) {
            return Ok(());
        }
        brought.came.push((component, commit.clone()));
        let body = ChangeArrived {
            tip: *commit == moved.tip,
            commit: commit.clone(),
            branch: moved.branch.clone(),
        };
        brought.facts.push(
            self.register
                .fact(stream(component), CHANGE_ARRIVED, &body, actor, Some(claim)),
        );
        Ok(())
    }

    /// What commits say of themselves, where that is not recorded yet.
    async fn describe(&self, component: &Component, actor: Actor, brought: &mut Brought) -> Result<(), IntakeError> {
        let mut new: BTreeMap<String, (ComponentId, Commit)> = BTreeMap::new();
        for (owner, commit) in std::mem::take(&mut brought.came) {
            let claim = format!("described:{owner}/{commit}");
            if !new.contains_key(&claim) && self.ledger.find_claim(&claim).await?.is_none() {
                new.insert(claim, (owner, commit));
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        let commits: Vec<Commit> = new.values().map(|(_, commit)| commit.clone()).collect();
        let said = self
            .repositories
            .read(&component.name, move |repository| links::said(repository, &commits))
            .await?;
        for ((claim, (owner, commit)), said) in new.into_iter().zip(said) {
            let body = ChangeDescribed {
                commit,
                subject: said.subject.chars().take(LONGEST_SUBJECT).collect(),
            };
            let fact = self
                .register
                .fact(stream(owner), CHANGE_DESCRIBED, &body, actor, Some(claim));
            brought.facts.push(fact);
            let linked = said
                .links
                .map(|body| self.register.fact(stream(owner), CHANGE_LINKED, &body, actor, None));
            brought.facts.extend(linked);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(digit: char) -> Commit {
        Commit::new(digit.to_string().repeat(40)).unwrap()
    }

    #[test]
    fn new_moved_and_deleted_refs_are_found_and_the_rest_left_alone() {
        let refs = |pairs: &[(&str, char)]| {
            pairs
                .iter()
                .map(|(name, digit)| ((*name).to_owned(), commit(*digit)))
                .collect()
        };
        let recorded = refs(&[
            ("refs/heads/gone", 'a'),
            ("refs/heads/main", 'b'),
            ("refs/heads/same", 'c'),
        ]);
        let actual = refs(&[
            ("refs/heads/main", 'd'),
            ("refs/heads/new", 'e'),
            ("refs/heads/same", 'c'),
        ]);
        assert_eq!(
            differences(&recorded, &actual),
            [
                ("refs/heads/gone".to_owned(), Some(commit('a')), None),
                ("refs/heads/main".to_owned(), Some(commit('b')), Some(commit('d'))),
                ("refs/heads/new".to_owned(), None, Some(commit('e'))),
            ]
        );
    }
}
