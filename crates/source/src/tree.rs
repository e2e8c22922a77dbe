//! The files of a commit: read one, list a folder, compare two commits.

use std::collections::BTreeMap;

use facts::Commit;
use gix::ObjectId;
use gix::objs::tree::EntryKind as Kind;
use serde::{Deserialize, Serialize};

use crate::error::SourceError;
use crate::repository::Repository;

/// How deep folders may lie in one another.
const DEPTH_LIMIT: usize = 500;

/// What a path is in a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// A file.
    File,
    /// A file that may be executed.
    Executable,
    /// A symlink.
    Link,
    /// A folder.
    Folder,
    /// A commit of another repository.
    Submodule,
}

impl EntryKind {
    fn in_words(self) -> &'static str {
        match self {
            Self::File | Self::Executable => "a file",
            Self::Link => "a symlink",
            Self::Folder => "a folder",
            Self::Submodule => "a submodule",
        }
    }
}

impl From<Kind> for EntryKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Blob => Self::File,
            Kind::BlobExecutable => Self::Executable,
            Kind::Link => Self::Link,
            Kind::Tree => Self::Folder,
            Kind::Commit => Self::Submodule,
        }
    }
}

/// One name in a folder of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name, without the folder's path. Bytes that are no text are replaced.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// A path that differs between two commits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChangedPath {
    /// The path. Bytes that are no text are replaced.
    pub path: String,
    /// How it differs.
    pub change: ChangeKind,
}

/// How a path differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// It came.
    Added,
    /// Its bytes or its kind changed.
    Modified,
    /// It went.
    Removed,
}

/// The entries of a tree by name.
type Names = BTreeMap<Vec<u8>, (Kind, ObjectId)>;

impl Repository {
    /// The bytes of a file at a commit; nothing when no such path is there. `path` is relative to the
    /// repository's top, with `/`.
    ///
    /// # Errors
    /// [`SourceError::NotAFile`], [`SourceError::TooLarge`], [`SourceError::NoCommit`].
    pub fn file(&self, commit: &Commit, path: &str, limit: u64) -> Result<Option<Vec<u8>>, SourceError> {
        let reader = self.reader();
        let Some((kind, id)) = self.entry(&reader, commit, path)? else {
            return Ok(None);
        };
        if !matches!(kind, Kind::Blob | Kind::BlobExecutable) {
            let kind = EntryKind::from(kind).in_words();
            return Err(SourceError::NotAFile {
                commit: commit.clone(),
                path: path.to_owned(),
                kind,
            });
        }
        let size = reader.find_header(id).map_err(|e| self.wrong(e))?.size();
        if size > limit {
            return Err(SourceError::TooLarge {
                commit: commit.clone(),
                path: path.to_owned(),
                size,
                limit,
            });
        }
        let mut object = reader.find_object(id).map_err(|e| self.wrong(e))?;
        Ok(Some(std::mem::take(&mut object.data)))
    }

    /// The names in a folder at a commit, sorted; nothing when the path is no folder. The empty path is
    /// the top.
    ///
    /// # Errors
    /// When the commit is not here.
    pub fn folder(&self, commit: &Commit, path: &str) -> Result<Option<Vec<Entry>>, SourceError> {
        let reader = self.reader();
        let Some((Kind::Tree, id)) = self.entry(&reader, commit, path)? else {
            return Ok(None);
        };
        let entries = self
            .names(&reader, Some(id))?
            .into_iter()
            .map(|(name, (kind, _))| Entry {
                name: String::from_utf8_lossy(&name).into_owned(),
                kind: kind.into(),
            });
        Ok(Some(entries.collect()))
    }

    fn entry(
        &self,
        reader: &gix::Repository,
        commit: &Commit,
        path: &str,
    ) -> Result<Option<(Kind, ObjectId)>, SourceError> {
        let mut at = (Kind::Tree, self.top(reader, commit)?);
        for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
            if at.0 != Kind::Tree {
                return Ok(None);
            }
            match self.names(reader, Some(at.1))?.get(part.as_bytes()) {
                Some(entry) => at = *entry,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    pub(crate) fn top(&self, reader: &gix::Repository, commit: &Commit) -> Result<ObjectId, SourceError> {
        Ok(self
            .find(reader, commit)?
            .tree_id()
            .map_err(|e| self.wrong(e))?
            .detach())
    }

    pub(crate) fn names(&self, reader: &gix::Repository, tree: Option<ObjectId>) -> Result<Names, SourceError> {
        let Some(id) = tree else { return Ok(Names::new()) };
        let tree = reader.find_object(id).map_err(|e| self.wrong(e))?;
        let tree = tree.try_into_tree().map_err(|e| self.wrong(e))?;
        let mut names = Names::new();
        for entry in tree.iter() {
            let entry = entry.map_err(|e| self.wrong(e))?;
            names.insert(entry.filename().to_vec(), (entry.mode().kind(), entry.object_id()));
        }
        Ok(names)
    }

    /// The files that differ from `old` (or from nothing) to `new`, sorted by path. Renames are a path
    /// that went and a path that came.
    ///
    /// # Errors
    /// When one of the commits is not here.
    pub fn changed_paths(&self, old: Option<&Commit>, new: &Commit) -> Result<Vec<ChangedPath>, SourceError> {
        let reader = self.reader();
        let old = old.map(|old| self.top(&reader, old)).transpose()?;
        let new = self.top(&reader, new)?;
        let mut changes = Vec::new();
        let mut pairs = vec![(String::new(), old, Some(new))];
        while let Some((prefix, old, new)) = pairs.pop() {
            if prefix.matches('/').count() > DEPTH_LIMIT {
                return Err(self.wrong("its folders lie too deep in one another"));
            }
            let mut before = self.names(&reader, old)?;
            let after = self.names(&reader, new)?;
            let mut note = |name: &[u8], before: Option<(Kind, ObjectId)>, after: Option<(Kind, ObjectId)>| {
                if before == after {
                    return;
                }
                let path = format!("{prefix}{}", String::from_utf8_lossy(name));
                let tree = |entry: Option<(Kind, ObjectId)>| entry.filter(|e| e.0 == Kind::Tree).map(|e| e.1);
                let leaf = |entry: Option<(Kind, ObjectId)>| entry.filter(|e| e.0 != Kind::Tree);
                let change = match (leaf(before), leaf(after)) {
                    (None, Some(_)) => Some(ChangeKind::Added),
                    (Some(_), None) => Some(ChangeKind::Removed),
                    (Some(a), Some(b)) if a != b => Some(ChangeKind::Modified),
                    _ => None,
                };
                if tree(before).is_some() || tree(after).is_some() {
                    pairs.push((format!("{path}/"), tree(before), tree(after)));
                }
                changes.extend(change.map(|change| ChangedPath { path, change }));
            };
            for (name, entry) in after {
                let earlier = before.remove(&name);
                note(&name, earlier, Some(entry));
            }
            for (name, entry) in before {
                note(&name, Some(entry), None);
            }
        }
        changes.sort();
        Ok(changes)
    }
}
