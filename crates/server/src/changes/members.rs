//! Which components of its repository a commit concerns, read from the commit and what it builds upon.

use std::collections::HashMap;
use std::sync::Arc;

use facts::{Commit, ComponentName, Digest};
use pipeline::{Components, Concern, Concerned};
use source::version::Weight;
use source::{Repository, SourceError};

use super::builds::{DEFINITION, LARGEST_DEFINITION};

/// How many lists are kept in memory while commits are gone through.
const KEPT_LISTS: usize = 64;

/// The lists of components at commits; the same text is read once.
#[derive(Default)]
pub(super) struct Lists(HashMap<Digest, Option<Arc<Components>>>);

impl Lists {
    /// The list at a commit; `None` where it is broken. What has no list is one component, which its
    /// file builds itself.
    pub(super) fn at(
        &mut self,
        repository: &Repository,
        commit: &Commit,
    ) -> Result<Option<Arc<Components>>, SourceError> {
        let text = match repository.file(commit, DEFINITION, LARGEST_DEFINITION) {
            Ok(text) => text.unwrap_or_default(),
            Err(SourceError::NotAFile { .. } | SourceError::TooLarge { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        if text.is_empty() {
            return Ok(Some(Arc::default()));
        }
        let digest = Digest::of(&text);
        if let Some(known) = self.0.get(&digest) {
            return Ok(known.clone());
        }
        if self.0.len() >= KEPT_LISTS {
            self.0.clear();
        }
        let list = Components::parse_bytes(&text, DEFINITION).ok().map(Arc::new);
        self.0.insert(digest, list.clone());
        Ok(list)
    }

    /// What `commit` concerns, compared with `base`; `None` where its repository is one component, or its list
    /// cannot be read. Without a base, and after a list that could not be read, it concerns all.
    pub(super) fn concerned(
        &mut self,
        repository: &Repository,
        base: Option<&Commit>,
        commit: &Commit,
    ) -> Result<Option<Concerned>, SourceError> {
        let Some(list) = self.at(repository, commit)?.filter(|list| !list.is_empty()) else {
            return Ok(None);
        };
        let Some(base) = base
            .map(|base| repository.has(base).map(|there| there.then_some(base)))
            .transpose()?
            .flatten()
        else {
            return Ok(Some(list.all()));
        };
        let Some(before) = self.at(repository, base)? else {
            return Ok(Some(list.all()));
        };
        let changed = repository.changed_paths(Some(base), commit)?;
        let paths = changed.iter().map(|changed| changed.path.as_str());
        Ok(Some(list.concerned(Some(&before), paths)))
    }

    /// How much a commit counts for the version of a component.
    pub(super) fn weight(
        &mut self,
        repository: &Repository,
        member: &str,
        base: Option<&Commit>,
        commit: &Commit,
    ) -> Result<Weight, SourceError> {
        let concerned = self.concerned(repository, base, commit)?.unwrap_or_default();
        Ok(match concerned.members.get(member) {
            None => Weight::Nothing,
            Some(Concern::Needs(_)) => Weight::Patch,
            Some(_) => Weight::Whole,
        })
    }
}

/// What both concern, the reasons of the first before those of the second.
pub(super) fn either(first: Concerned, second: Concerned) -> Concerned {
    let mut members = second.members;
    members.extend(first.members);
    Concerned {
        own: first.own.or(second.own),
        members,
    }
}

/// The name of a component of a repository that holds several: `team/repository.component`.
pub(crate) fn name(repository: &ComponentName, member: &str) -> Option<ComponentName> {
    ComponentName::new(format!("{repository}.{member}")).ok()
}
