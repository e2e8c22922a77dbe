//! The commit graph behind a commit, loaded for versions.

use facts::{Commit, ReleaseLine, Version};

use crate::error::SourceError;
use crate::reading::{commit_of, id, timestamp};
use crate::refs::RefName;
use crate::repository::Repository;
use crate::version::{Graph, HistoryCommit, Numbers, Scheme, Weight, conventional};

impl Repository {
    /// Takes into `graph` what is new behind `commits`, and the tags as they are now. Commits that are
    /// not here any more are left out, but for the last, which is the one that is asked about.
    ///
    /// # Errors
    /// When the last commit is not here, or the repository cannot be read.
    pub fn grow<'a>(
        &self,
        graph: &mut Graph,
        commits: impl IntoIterator<Item = &'a Commit>,
    ) -> Result<(), SourceError> {
        self.grow_for(graph, commits, "", |_, _| Ok(Weight::Whole))
    }

    /// The same for one of several components: each commit counts as much as `weigh` says of it and its
    /// first parent, and of the tags those count that begin with `prefix`.
    ///
    /// # Errors
    /// As [`Repository::grow`], or as `weigh`.
    pub fn grow_for<'a>(
        &self,
        graph: &mut Graph,
        commits: impl IntoIterator<Item = &'a Commit>,
        prefix: &str,
        mut weigh: impl FnMut(&Commit, Option<&Commit>) -> Result<Weight, SourceError>,
    ) -> Result<(), SourceError> {
        let reader = self.reader();
        let mut read = |commit: &Commit| -> Result<Option<HistoryCommit>, SourceError> {
            let Some(object) = reader.try_find_object(id(commit)?).map_err(|e| self.wrong(e))? else {
                return Ok(None);
            };
            let found = object.try_into_commit().map_err(|e| self.wrong(e))?;
            let parents: Vec<Commit> = found.parent_ids().map(|id| commit_of(&id)).collect::<Result<_, _>>()?;
            let weight = weigh(commit, parents.first())?;
            let data = found.decode().map_err(|e| self.wrong(e))?;
            let time = data.committer().map(|who| who.seconds()).unwrap_or_default();
            let commit = HistoryCommit::new(parents, timestamp(time), &data.message.to_string());
            Ok(Some(commit.weighing(weight)))
        };
        let mut commits = commits.into_iter().peekable();
        while let Some(commit) = commits.next() {
            let is_last = commits.peek().is_none();
            match graph.grow(commit, &mut read) {
                Err(_) if is_last && !self.has(commit)? => return Err(SourceError::NoCommit(commit.clone())),
                Err(SourceError::Graph(_)) if !is_last => {}
                grown => grown?,
            }
        }
        let tags = self.version_tags(prefix)?;
        graph.set_tags(tags.iter().map(|(commit, numbers)| (commit, *numbers)));
        Ok(())
    }

    /// The tags whose names are plain versions after `prefix`, and the commits they are on.
    fn version_tags(&self, prefix: &str) -> Result<Vec<(Commit, Numbers)>, SourceError> {
        let reader = self.reader();
        let platform = reader.references().map_err(|e| self.wrong(e))?;
        let mut tags = Vec::new();
        for reference in platform.tags().map_err(|e| self.wrong(e))? {
            let mut reference = reference.map_err(|e| self.wrong(e))?;
            let name = std::str::from_utf8(reference.name().as_bstr())
                .ok()
                .and_then(RefName::new);
            let tag = name.as_ref().and_then(RefName::tag);
            let Some(numbers) = tag.and_then(|tag| conventional::plain(tag.strip_prefix(prefix)?)) else {
                continue;
            };
            // A tag of something else than a commit gives no version.
            if let Ok(commit) = reference.peel_to_commit() {
                tags.push((commit_of(&commit.id)?, numbers));
            }
        }
        Ok(tags)
    }

    /// The version of a commit on a line, from the whole history behind it; see [`Graph::version`].
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
        let mut graph = Graph::default();
        self.grow(&mut graph, [commit])?;
        Ok(graph.version(commit, scheme, line, main)?)
    }
}
