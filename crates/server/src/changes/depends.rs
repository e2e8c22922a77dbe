//! What a change depends on in other repositories, as its message says: its build waits until those changes are
//! here and built, has them beside it, and is refused where they can never be.
//!
//! As with what a build needs of its own repository, nothing records that a change waits: it follows from what is,
//! and is worked out again when something comes to the other repository, when a build ends, and after a restart.

use std::collections::BTreeSet;

use access::{Action, Principal, Resource, authorize};
use build::Beside;
use build::beside::What;
use delivery::Dependency;
use engine::BrokenDefinition;
use facts::{Actor, Commit, ComponentId, Trust};
use ledger::{Direction, Op, Select};
use source::message::{DependsError, DependsOn, Id};
use source::{Abbreviated, SourceError};

use super::builds::{Builds, Change};
use super::needs::Built;
use super::register::Component;
use super::repositories::RepositoryError;
use super::view::{CHANGE_IDS, CHANGES, CONCERNS, LINKS};
use crate::error::ServerError;

/// How many changes are gone through in search of a circle.
const LONGEST_CHAIN: usize = 200;
/// How many commits with one `Change-Id` are looked at for one that is on a branch.
const SAME_CHANGE: usize = 50;

/// What a change depends on.
pub(super) enum Depends {
    /// It is here and built.
    Met(Met),
    /// It is not there yet, and why, each a sentence.
    Wait(Vec<String>),
    /// It can never be, and why.
    Refused(BrokenDefinition),
}

/// What a build has because of what its change depends on.
#[derive(Default)]
pub(super) struct Met {
    /// What it has beside its own files.
    pub(super) beside: Vec<Beside>,
    /// What its package depends on.
    pub(super) on: Vec<Dependency>,
}

/// What a message says that its change depends on.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    /// The commit whose message says so, where a merge brings it.
    pub(crate) of: Option<Commit>,
    /// The line of the message, from 1.
    pub(crate) line: u32,
    /// What stands there.
    pub(crate) text: String,
}

/// A change that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The repository, by the component that has its name.
    pub(crate) repository: Component,
    /// The one component of it that is meant, where one is named.
    pub(crate) member: Option<Component>,
    /// The commit.
    pub(crate) commit: Commit,
    /// The `Change-Id` that named it.
    pub(crate) change: Option<String>,
}

/// What became of looking for a change.
pub(crate) enum Sought {
    /// It is here.
    Found(Box<Found>),
    /// It may come, and what is missing.
    NotYet(String),
    /// It can never come: what is wrong, and what to do.
    Never(String, String),
}

fn never(message: impl Into<String>, hint: impl Into<String>) -> Sought {
    Sought::Never(message.into(), hint.into())
}

impl Builds {
    /// What the messages say that a commit of a component depends on.
    pub(crate) async fn said(&self, component: ComponentId, commit: &Commit) -> Result<Vec<Said>, ServerError> {
        let query = Select::from(LINKS)
            .filter("component", Op::Eq, component.to_string())
            .filter("head", Op::Eq, commit.as_str())
            .order("place", Direction::Asc);
        let rows = self.ledger.select(query).await?.rows;
        let said = |row: &ledger::Row| {
            Ok(Said {
                of: row.optional_parse("of")?,
                line: u32::try_from(row.natural("line")?).unwrap_or(u32::MAX),
                text: row.text("said")?.to_owned(),
            })
        };
        rows.iter().map(said).collect()
    }

    /// What a change depends on in other repositories.
    pub(super) async fn depends(&self, component: &Component, change: &Change) -> Result<Depends, ServerError> {
        let said = self.said(change.component, &change.commit).await?;
        if said.is_empty() {
            return Ok(Depends::Met(Met::default()));
        }
        let own = self.register.repository(component).await?;
        let (mut found, mut reasons): (Vec<(Said, Found)>, _) = (Vec::new(), Vec::new());
        for said in said {
            let broken = |message: String, hint: String| {
                let of = said.of.as_ref().unwrap_or(&change.commit);
                Ok(Depends::Refused(BrokenDefinition {
                    file: format!("the message of {}", of.short()),
                    line: said.line,
                    column: 0,
                    message,
                    hint: Some(hint),
                }))
            };
            let named: DependsOn = match said.text.parse() {
                Ok(named) => named,
                Err(wrong) => {
                    let wrong: DependsError = wrong;
                    return broken(wrong.to_string(), wrong.hint().to_owned());
                }
            };
            if !self.may_name(change, &own, &named).await? {
                return broken(not_for(change, &named), who_may(change));
            }
            match self.seek(&named).await? {
                Sought::Never(message, hint) => return broken(message, hint),
                Sought::NotYet(reason) => reasons.push(reason),
                Sought::Found(one) if one.repository.id == own.id && one.commit == change.commit => {
                    return broken(
                        "a change cannot depend on itself".to_owned(),
                        "name the change in the other repository".to_owned(),
                    );
                }
                Sought::Found(one) if one.repository.id == own.id => {
                    return broken(
                        format!("{named} is in the same repository"),
                        "a commit has all that is behind it; what its components need of one another stands in the \
                         list at the repository's top"
                            .to_owned(),
                    );
                }
                Sought::Found(one) => found.push((said, *one)),
            }
        }
        if let Some((said, chain)) = self.circle(change, &own, &found).await? {
            let of = said.of.as_ref().unwrap_or(&change.commit);
            return Ok(Depends::Refused(BrokenDefinition {
                file: format!("the message of {}", of.short()),
                line: said.line,
                column: 0,
                message: format!("changes depend on one another in a circle: {chain}"),
                hint: Some("one of them has to do without the others: take its trailer away".to_owned()),
            }));
        }
        let found = found.into_iter().map(|(_, found)| found).collect();
        let found = match self.newest(found).await? {
            Ok(found) => found,
            Err(broken) => {
                return Ok(Depends::Refused(BrokenDefinition {
                    file: format!("the message of {}", change.commit.short()),
                    line: 0,
                    column: 0,
                    message: broken,
                    hint: Some("bring both onto one branch there, and name a commit that has both".to_owned()),
                }));
            }
        };
        let mut met = Met::default();
        for found in &found {
            self.bring(found, change.trust, &mut met, &mut reasons).await?;
        }
        if !reasons.is_empty() {
            return Ok(Depends::Wait(reasons));
        }
        Ok(Depends::Met(met))
    }

    /// Looks for the change that a trailer names.
    pub(crate) async fn seek(&self, named: &DependsOn) -> Result<Sought, ServerError> {
        let Some(component) = self.register.by_name(&named.on).await? else {
            return Ok(never(
                format!("there is no repository or component `{}` here", named.on),
                "push it first; or mend the name: `throughline status` lists those that are here",
            ));
        };
        let repository = self.register.repository(&component).await?;
        let found = |commit: Commit, change: Option<String>| {
            Sought::Found(Box::new(Found {
                member: component.place.is_some().then(|| component.clone()),
                repository: repository.clone(),
                commit,
                change,
            }))
        };
        match &named.id {
            Id::Commit(digits) => {
                let digits = digits.clone();
                let known = self.repositories.read(&repository.name, move |repository| {
                    let known = repository.beginning_with(&digits)?;
                    let on_a_branch = match &known {
                        Abbreviated::One(commit) => repository.on_a_branch(commit)?,
                        _ => false,
                    };
                    Ok((known, on_a_branch))
                });
                match known.await {
                    Ok((Abbreviated::One(commit), true)) => Ok(found(commit, None)),
                    Ok((Abbreviated::One(commit), false)) => {
                        // A commit that was a change and is on no branch was taken off it: a push that comes just
                        // now is on its branch before it is a change.
                        if self.was_a_change(&repository, &commit).await? {
                            return Ok(never(
                                format!("{} is on no branch of {} any more", commit.short(), repository.name),
                                "name the commit that took its place",
                            ));
                        }
                        Ok(Sought::NotYet(format!(
                            "{} is on no branch of {} yet",
                            commit.short(),
                            repository.name
                        )))
                    }
                    Ok((Abbreviated::Several, _)) => Ok(never(
                        format!("several commits of {} begin with {}", repository.name, named.id),
                        "name more of its digits",
                    )),
                    Ok((Abbreviated::None, _))
                    | Err(RepositoryError::Source(SourceError::NoRepository(_) | SourceError::NoCommit(_))) => Ok(
                        Sought::NotYet(format!("{} has no commit {} yet", repository.name, named.id)),
                    ),
                    Err(error) => Err(error.into()),
                }
            }
            Id::Change(id) => match self.with_change_id(&repository, id).await? {
                Some(commit) => Ok(found(commit, Some(id.clone()))),
                None => Ok(Sought::NotYet(format!(
                    "no commit on a branch of {} has the Change-Id {id} yet",
                    repository.name
                ))),
            },
        }
    }

    /// Whether a commit came to a branch of the repository at some time.
    async fn was_a_change(&self, repository: &Component, commit: &Commit) -> Result<bool, ServerError> {
        let query = Select::from(CHANGES).filter("head", Op::Eq, commit.as_str());
        for row in self.ledger.select(query).await?.rows {
            if self.lies_in(row.parse("component")?, repository).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn lies_in(&self, component: ComponentId, repository: &Component) -> Result<bool, ServerError> {
        let Some(component) = self.register.by_id(component).await? else {
            return Ok(false);
        };
        let place = component.place.as_ref().map_or(component.id, |place| place.repository);
        Ok(place == repository.id)
    }

    /// The newest commit of a repository that is on a branch and has a `Change-Id` of its own, or else brings it.
    async fn with_change_id(&self, repository: &Component, id: &str) -> Result<Option<Commit>, ServerError> {
        for own in [true, false] {
            let query = Select::from(CHANGE_IDS)
                .filter("change_id", Op::Eq, id)
                .filter("own", Op::Eq, own)
                .order("position", Direction::Desc)
                .limit(SAME_CHANGE);
            for row in self.ledger.select(query).await?.rows {
                if !self.lies_in(row.parse("component")?, repository).await? {
                    continue;
                }
                let commit: Commit = row.parse("head")?;
                let asked = commit.clone();
                let there = self.repositories.read(&repository.name, move |repository| {
                    Ok(repository.has(&asked)? && repository.on_a_branch(&asked)?)
                });
                if there.await? {
                    return Ok(Some(commit));
                }
            }
        }
        Ok(None)
    }

    /// Whether the change may name something of another repository: whoever brought it may fetch from there. A
    /// change that is not trusted names nothing, and one that nobody known brought names what is of its own team.
    async fn may_name(&self, change: &Change, own: &Component, named: &DependsOn) -> Result<bool, ServerError> {
        if change.trust != Trust::Trusted {
            return Ok(false);
        }
        let repository = match self.register.by_name(&named.on).await? {
            Some(component) => self.register.repository(&component).await?.name,
            None => named.on.clone(),
        };
        if matches!(change.actor, Actor::System | Actor::Run(_)) {
            return Ok(repository.team() == own.name.team());
        }
        let (access, now, actor) = (self.access.clone(), self.clock.now(), change.actor);
        let tokens = tokio::task::spawn_blocking(move || access.tokens()).await;
        let tokens = tokens.map_err(|panic| ServerError::Internal(panic.to_string()))?;
        let tokens = tokens.map_err(|error| ServerError::Internal(error.to_string()))?;
        let there = Resource::Component(repository);
        Ok(tokens
            .into_iter()
            .filter(|token| token.actor() == actor && token.is_valid(now))
            .any(|token| {
                let rights = token.rights;
                authorize(&Principal::Known { actor, rights }, Action::Fetch, &there).is_allowed()
            }))
    }

    /// Of several commits of one repository the one that has the others behind it; what is wrong where none has.
    async fn newest(&self, found: Vec<Found>) -> Result<Result<Vec<Found>, String>, ServerError> {
        let mut kept: Vec<Found> = Vec::new();
        for one in found {
            let same = kept
                .iter()
                .position(|other| other.repository.id == one.repository.id && other.member == one.member);
            let Some(place) = same else {
                kept.push(one);
                continue;
            };
            let name = &one.repository.name;
            let (old, new) = (&kept[place].commit, &one.commit);
            if self.repositories.is_ancestor(name, old, new).await? {
                kept[place] = one;
            } else if !self.repositories.is_ancestor(name, new, old).await? {
                return Ok(Err(format!(
                    "it depends on {} and on {} of {name}, and neither has the other behind it",
                    old.short(),
                    new.short()
                )));
            }
        }
        Ok(Ok(kept))
    }

    /// What a build has of a change that was found.
    async fn bring(
        &self,
        found: &Found,
        trust: Trust,
        met: &mut Met,
        reasons: &mut Vec<String>,
    ) -> Result<(), ServerError> {
        let repository = &found.repository;
        met.beside.push(Beside {
            name: repository.name.to_string(),
            what: What::Commit {
                repository: repository.name.clone(),
                commit: found.commit.clone(),
            },
        });
        for component in self.concerned(found).await? {
            // In a repository of several the component's newest change behind the commit stands for it.
            let at = if component.place.is_some() {
                self.newest_change(&component, &found.commit).await?
            } else {
                self.change_at(&component, &found.commit).await?
            };
            let Some(at) = at else {
                // From before its repository came here: nothing builds it.
                let delivered = !self.delivery.state(component.id).packages.is_empty();
                met.on.push(depends(found, &component, &found.commit, delivered));
                continue;
            };
            match self.built_at(&component, &at, trust).await? {
                Built::Well(package) => {
                    met.on.push(depends(found, &component, &at, package.is_some()));
                    met.beside.extend(package.map(|package| Beside {
                        name: component.name.to_string(),
                        what: What::Package(package),
                    }));
                }
                Built::Badly => reasons.push(format!(
                    "the build of {} at {} did not succeed; retry it, or depend on a commit that mends it",
                    component.name,
                    at.short()
                )),
                Built::NotYet => reasons.push(format!("{} at {} is built first", component.name, at.short())),
            }
        }
        Ok(())
    }

    /// The components that are meant: the one that is named, or those that the commit concerns.
    async fn concerned(&self, found: &Found) -> Result<Vec<Component>, ServerError> {
        if let Some(member) = &found.member {
            return Ok(vec![member.clone()]);
        }
        let query = Select::from(CONCERNS)
            .filter("repository", Op::Eq, found.repository.id.to_string())
            .filter("head", Op::Eq, found.commit.as_str());
        let rows = self.ledger.select(query).await?.rows;
        if rows.is_empty() {
            return Ok(vec![found.repository.clone()]);
        }
        let mut components = Vec::new();
        for row in rows {
            // A commit that concerns none has a row that names none.
            if let Ok(component) = row.parse("component") {
                components.extend(self.register.by_id(component).await?);
            }
        }
        components.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(components)
    }

    /// The way back to a change over what its dependencies depend on, where there is one.
    async fn circle(
        &self,
        change: &Change,
        own: &Component,
        found: &[(Said, Found)],
    ) -> Result<Option<(Said, String)>, ServerError> {
        let told = |name: &str, commit: &Commit| format!("{name} at {}", commit.short());
        let start = (own.id, change.commit.clone());
        let mut seen = BTreeSet::new();
        for (said, first) in found {
            let here = vec![told(own.name.as_str(), &change.commit)];
            let mut open = vec![(first.clone(), here, vec![start.clone()])];
            while let Some((at, mut chain, mut path)) = open.pop() {
                let key = (at.repository.id, at.commit.clone());
                chain.push(told(at.repository.name.as_str(), &at.commit));
                if path.contains(&key) {
                    return Ok(Some((said.clone(), chain.join(" → "))));
                }
                if !seen.insert(key.clone()) || seen.len() > LONGEST_CHAIN {
                    continue;
                }
                path.push(key);
                for component in self.concerned(&at).await? {
                    for said in self.said(component.id, &at.commit).await? {
                        let Ok(named) = said.text.parse::<DependsOn>() else {
                            continue;
                        };
                        if let Sought::Found(next) = self.seek(&named).await? {
                            open.push((*next, chain.clone(), path.clone()));
                        }
                    }
                }
            }
        }
        Ok(None)
    }

    /// What builds of commits behind this one depend on that never became a package: those that did are taken into
    /// account by the order of packages.
    pub(super) async fn inherited(&self, change: &Change) -> Result<Vec<Dependency>, ServerError> {
        let query = Select::from(LINKS)
            .filter("component", Op::Eq, change.component.to_string())
            .filter("place", Op::Eq, 0_u64);
        let rows = self.ledger.select(query).await?.rows;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let Some(component) = self.register.by_id(change.component).await? else {
            return Ok(Vec::new());
        };
        let state = self.delivery.state(change.component);
        let line = |package: &&delivery::Package| package.lines().any(|line| line.as_str() == change.branch);
        let before = state.packages.values().filter(line);
        let before = before.filter(|package| package.order < change.position);
        let before = before.max_by_key(|package| package.order);
        let mut inherited = Vec::new();
        for row in rows {
            let head: Commit = row.parse("head")?;
            if head == change.commit || state.packages.values().any(|package| package.commit == head) {
                continue;
            }
            let name = &component.name;
            // What the package before has behind it, that one has taken over.
            let taken_over = match before {
                Some(before) => self.repositories.is_ancestor(name, &head, &before.commit).await?,
                None => false,
            };
            if taken_over || !self.repositories.is_ancestor(name, &head, &change.commit).await? {
                continue;
            }
            let Some(run) = self.build_of(change.component, &head, change.trust).await? else {
                continue;
            };
            inherited.extend(dependencies(&run.context));
        }
        Ok(inherited)
    }
}

/// What a build's package depends on, as its request says.
pub(crate) fn dependencies(context: &serde_json::Value) -> Vec<Dependency> {
    let on = context.get("depends_on").cloned();
    on.and_then(|on| serde_json::from_value(on).ok()).unwrap_or_default()
}

fn depends(found: &Found, component: &Component, commit: &Commit, delivered: bool) -> Dependency {
    Dependency {
        component: component.id,
        component_name: component.name.clone(),
        commit: commit.clone(),
        change: found.change.clone(),
        delivered,
    }
}

/// What is told of a name that the change may not use. It does not say whether there is such a repository.
fn not_for(change: &Change, named: &DependsOn) -> String {
    if change.trust == Trust::Trusted {
        format!("whoever brought this change may not fetch from `{}`", named.on)
    } else {
        format!("a change that is not trusted may not name `{}`", named.on)
    }
}

fn who_may(change: &Change) -> String {
    match change.actor {
        _ if change.trust != Trust::Trusted => "somebody who is trusted has to bring the change",
        Actor::System | Actor::Run(_) => {
            "nobody known here brought this change: it may depend on repositories of its own team alone; \
             push it here, or take the trailer away"
        }
        Actor::User(_) | Actor::Token(_) => {
            "somebody who may fetch from there has to push it; or take the trailer away"
        }
    }
    .to_owned()
}
