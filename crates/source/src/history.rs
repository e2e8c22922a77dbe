//! The commit graph behind a commit, loaded for versions.

use std::collections::{BTreeMap, HashSet};

use facts::{Commit, ReleaseLine, Version};

use crate::error::SourceError;
use crate::reading::{commit_of, id, timestamp};
use crate::repository::Repository;
use crate::version::{self, History, HistoryCommit, Scheme};

impl Repository {
    /// All commits that are `commit` or behind it, with the tags that stand on them.
    ///
    /// # Errors
    /// When the commit is not here.
    pub fn history(&self, commit: &Commit) -> Result<History, SourceError> {
        let mut tags: BTreeMap<Commit, Vec<String>> = BTreeMap::new();
        for (name, target) in self.refs()?.0 {
            if let (Some(tag), Some(commit)) = (name.tag(), target.commit) {
                tags.entry(commit).or_default().push(tag.to_owned());
            }
        }
        let reader = self.reader();
        self.find(&reader, commit)?;
        let mut waiting = vec![id(commit)?];
        let mut seen: HashSet<_> = waiting.iter().copied().collect();
        let mut commits = Vec::new();
        while let Some(id) = waiting.pop() {
            let Some(object) = reader.try_find_object(id).map_err(|e| self.wrong(e))? else {
                continue;
            };
            let found = object.try_into_commit().map_err(|e| self.wrong(e))?;
            let mut parents = Vec::new();
            for parent in found.parent_ids().map(gix::Id::detach) {
                parents.push(commit_of(&parent)?);
                if seen.insert(parent) {
                    waiting.push(parent);
                }
            }
            let data = found.decode().map_err(|e| self.wrong(e))?;
            let time = data.committer().map(|who| who.seconds()).unwrap_or_default();
            let message = data.message.to_string();
            let commit = commit_of(&id)?;
            let names = tags.get(&commit).into_iter().flatten().map(String::as_str);
            let read = HistoryCommit::new(parents, timestamp(time), &message, names);
            commits.push((commit, read));
        }
        Ok(commits.into_iter().collect())
    }

    /// The version of a commit on a line: [`version::version`] of its [`history`](Self::history).
    ///
    /// # Errors
    /// When the commit is not here.
    pub fn version(
        &self,
        commit: &Commit,
        scheme: Scheme,
        line: &ReleaseLine,
        main: &ReleaseLine,
    ) -> Result<Version, SourceError> {
        Ok(version::version(&self.history(commit)?, commit, scheme, line, main)?)
    }
}
