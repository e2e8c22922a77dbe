//! Reading commits, refs and ancestry. All of it only looks; none of it starts a process.
//!
//! These functions may take a while on large repositories and block: call them from threads that may.

use facts::{Commit, ReleaseLine, Timestamp};
use gix::ObjectId;
use serde::{Deserialize, Serialize};

use crate::error::SourceError;
use crate::refs::{RefName, RefTarget, Refs};
use crate::repository::Repository;

/// Who made a commit, as the commit says; nobody checked it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The mail address.
    pub email: String,
}

/// What a commit says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitInfo {
    /// The commit.
    pub commit: Commit,
    /// The commits it builds upon, the first parent first.
    pub parents: Vec<Commit>,
    /// Who wrote the change.
    pub author: Person,
    /// When the change was written.
    pub authored_at: Timestamp,
    /// Who made the commit.
    pub committer: Person,
    /// When the commit was made.
    pub committed_at: Timestamp,
    /// The message, whole.
    pub message: String,
}

impl CommitInfo {
    /// The first line of the message.
    pub fn title(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }
}

/// The commits whose ids begin in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Abbreviated {
    /// There is none.
    None,
    /// There is this one.
    One(Commit),
    /// There are several.
    Several,
}

pub(crate) fn id(commit: &Commit) -> Result<ObjectId, SourceError> {
    ObjectId::from_hex(commit.as_str().as_bytes()).map_err(|_| SourceError::NoCommit(commit.clone()))
}

pub(crate) fn commit_of(id: &gix::oid) -> Result<Commit, SourceError> {
    Commit::new(id.to_hex().to_string()).map_err(|e| SourceError::NoRevision(e.text))
}

impl Repository {
    pub(crate) fn wrong(&self, reason: impl std::fmt::Display) -> SourceError {
        SourceError::Read {
            path: self.path.clone(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn reader(&self) -> gix::Repository {
        let mut reader = self.objects.to_thread_local();
        reader.object_cache_size_if_unset(4 * 1024 * 1024);
        reader
    }

    pub(crate) fn find<'r>(
        &self,
        reader: &'r gix::Repository,
        commit: &Commit,
    ) -> Result<gix::Commit<'r>, SourceError> {
        let object = reader
            .try_find_object(id(commit)?)
            .map_err(|e| self.wrong(e))?
            .ok_or_else(|| SourceError::NoCommit(commit.clone()))?;
        object
            .try_into_commit()
            .map_err(|_| SourceError::NoCommit(commit.clone()))
    }

    /// All branches and tags and what they point at. Refs with names that are no text are left out.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn refs(&self) -> Result<Refs, SourceError> {
        let reader = self.reader();
        let platform = reader.references().map_err(|e| self.wrong(e))?;
        let mut refs = Refs::default();
        for reference in platform.all().map_err(|e| self.wrong(e))? {
            let reference = reference.map_err(|e| self.wrong(e))?;
            let Some(name) = std::str::from_utf8(reference.name().as_bstr())
                .ok()
                .and_then(RefName::new)
            else {
                continue;
            };
            // A symbolic ref among the branches repeats another one.
            let Some(object) = reference.try_id() else { continue };
            let commit = object
                .object()
                .ok()
                .and_then(|object| object.peel_to_kind(gix::object::Kind::Commit).ok())
                .map(|object| commit_of(&object.id))
                .transpose()?;
            refs.0.insert(
                name,
                RefTarget {
                    object: commit_of(&object)?,
                    commit,
                },
            );
        }
        Ok(refs)
    }

    /// The commit that a full commit id, a branch, a tag or the beginning of a commit id names.
    ///
    /// # Errors
    /// [`SourceError::NoRevision`] when it names none, or several.
    pub fn resolve(&self, text: &str) -> Result<Commit, SourceError> {
        let unknown = || SourceError::NoRevision(text.chars().take(200).collect());
        let reader = self.reader();
        if let Ok(commit) = Commit::new(text) {
            return self.find(&reader, &commit).map(|_| commit);
        }
        let refs = self.refs()?;
        for prefix in ["refs/heads/", "refs/tags/", ""] {
            let target = RefName::new(format!("{prefix}{text}")).and_then(|name| refs.0.get(&name).cloned());
            if let Some(target) = target {
                return target.commit.ok_or_else(unknown);
            }
        }
        if !(4..40).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(unknown());
        }
        let prefix = gix::hash::Prefix::from_hex(text).map_err(|_| unknown())?;
        match reader.objects.lookup_prefix(prefix, None) {
            Ok(Some(Ok(id))) => {
                let commit = commit_of(&id)?;
                self.find(&reader, &commit).map(|_| commit).map_err(|_| unknown())
            }
            _ => Err(unknown()),
        }
    }

    /// The commit whose id begins so.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn beginning_with(&self, digits: &str) -> Result<Abbreviated, SourceError> {
        let reader = self.reader();
        let Ok(prefix) = gix::hash::Prefix::from_hex(digits) else {
            return Ok(Abbreviated::None);
        };
        let mut candidates = std::collections::HashSet::new();
        let looked = reader.objects.lookup_prefix(prefix, Some(&mut candidates));
        looked.map_err(|error| self.wrong(error))?;
        let mut found = Abbreviated::None;
        for id in candidates {
            // Other objects may begin so too.
            let object = reader.find_object(id).map_err(|error| self.wrong(error))?;
            if object.kind == gix::object::Kind::Commit {
                found = match found {
                    Abbreviated::None => Abbreviated::One(commit_of(&id)?),
                    _ => return Ok(Abbreviated::Several),
                };
            }
        }
        Ok(found)
    }

    /// Whether a branch is at the commit, or has it behind it.
    ///
    /// # Errors
    /// When the repository cannot be read, or the commit is not here.
    pub fn on_a_branch(&self, commit: &Commit) -> Result<bool, SourceError> {
        let refs = self.refs()?;
        let tips = refs.0.iter().filter(|(name, _)| name.branch().is_some());
        for tip in tips.filter_map(|(_, target)| target.commit.as_ref()) {
            if self.is_ancestor(commit, tip)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The branch that `HEAD` names, whether or not it is there.
    pub fn head(&self) -> Option<ReleaseLine> {
        let name = self.reader().head_name().ok()??;
        RefName::new(name.as_bstr().to_string())?.branch()
    }

    /// What a commit says about itself. Bytes that are no text are replaced; dates out of range become
    /// 1970.
    ///
    /// # Errors
    /// [`SourceError::NoCommit`] when it is not here.
    pub fn commit(&self, commit: &Commit) -> Result<CommitInfo, SourceError> {
        let reader = self.reader();
        let found = self.find(&reader, commit)?;
        let parents = found.parent_ids().map(|id| commit_of(&id)).collect::<Result<_, _>>()?;
        let data = found.decode().map_err(|e| self.wrong(e))?;
        let author = data.author().map_err(|e| self.wrong(e))?;
        let committer = data.committer().map_err(|e| self.wrong(e))?;
        let person = |who: &gix::actor::SignatureRef<'_>| Person {
            name: who.name.to_string(),
            email: who.email.to_string(),
        };
        Ok(CommitInfo {
            commit: commit.clone(),
            parents,
            author: person(&author),
            authored_at: timestamp(author.seconds()),
            committer: person(&committer),
            committed_at: timestamp(committer.seconds()),
            message: data.message.to_string(),
        })
    }

    /// Whether the commit is here.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn has(&self, commit: &Commit) -> Result<bool, SourceError> {
        match self.find(&self.reader(), commit) {
            Ok(_) => Ok(true),
            Err(SourceError::NoCommit(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The best commit that both are, or have behind them; nothing when they share none.
    ///
    /// # Errors
    /// When one of them is not here.
    pub fn merge_base(&self, a: &Commit, b: &Commit) -> Result<Option<Commit>, SourceError> {
        let reader = self.reader();
        let (a, b) = (self.find(&reader, a)?.id, self.find(&reader, b)?.id);
        let base = reader.merge_base(a, b).map_err(|e| self.wrong(e))?;
        base.map(|base| commit_of(&base)).transpose()
    }

    /// Whether `ancestor` is `commit` or behind it.
    ///
    /// # Errors
    /// When one of them is not here.
    pub fn is_ancestor(&self, ancestor: &Commit, commit: &Commit) -> Result<bool, SourceError> {
        Ok(self.merge_base(ancestor, commit)?.as_ref() == Some(ancestor))
    }

    /// The commit, its first parent, that one's first parent, and so on, at most `limit`.
    ///
    /// # Errors
    /// When the commit is not here.
    pub fn first_parents(&self, commit: &Commit, limit: usize) -> Result<Vec<Commit>, SourceError> {
        let reader = self.reader();
        let mut at = Some(self.find(&reader, commit)?);
        let mut log = Vec::new();
        while let Some(commit) = at.take()
            && log.len() < limit
        {
            log.push(commit_of(&commit.id)?);
            let parent = commit.parent_ids().next().map(gix::Id::detach);
            at = match parent {
                Some(parent) => reader
                    .try_find_object(parent)
                    .map_err(|e| self.wrong(e))?
                    .map(gix::Object::into_commit),
                None => None,
            };
        }
        Ok(log)
    }

    /// The commits that came to a branch when it moved to `new`: the first parents of `new` down to
    /// where they meet what the `known` commits have behind them; oldest first, the newest `limit` of
    /// them. `known` is where the branch was before, and what else need not be told again.
    ///
    /// # Errors
    /// When one of them is not here.
    pub fn arrived<'a>(
        &self,
        known: impl IntoIterator<Item = &'a Commit>,
        new: &Commit,
        limit: usize,
    ) -> Result<Vec<Commit>, SourceError> {
        let reader = self.reader();
        let tip = self.find(&reader, new)?.id;
        let mut hidden = Vec::new();
        for known in known {
            hidden.push(self.find(&reader, known)?.id);
        }
        if hidden.is_empty() {
            let mut log = self.first_parents(new, limit)?;
            log.reverse();
            return Ok(log);
        }
        let walk = reader
            .rev_walk([tip])
            .with_hidden(hidden)
            .all()
            .map_err(|e| self.wrong(e))?;
        let mut fresh = std::collections::HashSet::new();
        for info in walk {
            fresh.insert(info.map_err(|e| self.wrong(e))?.id);
        }
        let mut log: Vec<Commit> = Vec::new();
        let mut at = Some(tip);
        while let Some(id) = at.take()
            && fresh.contains(&id)
            && log.len() < limit
        {
            log.push(commit_of(&id)?);
            let object = reader.find_object(id).map_err(|e| self.wrong(e))?;
            at = object.into_commit().parent_ids().next().map(gix::Id::detach);
        }
        log.reverse();
        Ok(log)
    }

    /// All commits that are `new` or behind it, but not `old` nor behind that: what a deployment from
    /// `old` to `new` brings. Newest first, at most `limit`.
    ///
    /// # Errors
    /// When one of them is not here.
    pub fn between(&self, old: Option<&Commit>, new: &Commit, limit: usize) -> Result<Vec<Commit>, SourceError> {
        use gix::revision::walk::Sorting;
        use gix::traverse::commit::simple::CommitTimeOrder;
        let reader = self.reader();
        let tip = self.find(&reader, new)?.id;
        let hidden = old
            .map(|old| self.find(&reader, old).map(|commit| commit.id))
            .transpose()?;
        let walk = reader
            .rev_walk([tip])
            .sorting(Sorting::ByCommitTime(CommitTimeOrder::NewestFirst))
            .with_hidden(hidden)
            .all()
            .map_err(|e| self.wrong(e))?;
        walk.take(limit)
            .map(|info| commit_of(&info.map_err(|e| self.wrong(e))?.id))
            .collect()
    }
}

/// A commit's seconds; what no calendar holds becomes 1970.
pub(crate) fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
