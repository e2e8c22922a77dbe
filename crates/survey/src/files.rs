//! What the files of a commit show: the readers of pipelines and of everything else, called on its tree.

use std::sync::atomic::{AtomicU64, Ordering};

use evidence::{Component, Entry, Measure, Measures, Tree, TreeError, Value};
use inventory::Inventory;
use workflow::Workflows;

use crate::progress::{Phase, Progress};
use crate::store::counted;
use crate::tree::GitTree;

/// How many files lie between two calls of progress.
const STRIDE: u64 = 64;

/// What the files show.
pub(crate) struct Files {
    pub workflows: Workflows,
    pub inventory: Inventory,
    /// How many files could not be read.
    unread: u64,
    /// Whether all files are listed.
    is_listed: bool,
}

impl Files {
    /// Reads the files of a commit. `trunk` is the name of the branch that everything is delivered from.
    pub fn read(tree: &GitTree, trunk: Option<&str>, progress: &dyn Progress) -> Self {
        let watched = Watched {
            tree,
            progress,
            read: AtomicU64::new(0),
            unread: AtomicU64::new(0),
        };
        let workflows = workflow::read(&watched, trunk);
        let inventory = inventory::read(&watched);
        let done = watched.read.into_inner();
        progress.at(Phase::Reading, done, Some(done));
        Self {
            workflows,
            inventory,
            unread: watched.unread.into_inner(),
            is_listed: tree.lacks().is_empty(),
        }
    }

    /// The measures of the repository, or of a component. Where files were not seen, that something is nowhere
    /// cannot be said, and is left out.
    pub fn measures(&self, component: Option<&Component>) -> Measures {
        let mut measures = workflow::measures(&self.workflows, component);
        measures.extend(inventory::measures(&self.inventory, component));
        if self.unread > 0 || !self.is_listed {
            measures.retain(|_, measure| !is_absence(measure));
        }
        measures
    }

    /// What was not seen, as a sentence.
    pub fn unread_limit(&self) -> Option<String> {
        (self.unread > 0).then(|| {
            let count = usize::try_from(self.unread).unwrap_or(usize::MAX);
            format!(
                "{} cannot be read; that something is nowhere is not said",
                counted(count, "file", "files")
            )
        })
    }
}

fn is_absence(measure: &Measure) -> bool {
    match &measure.value {
        Value::Boolean(yes) => !yes,
        Value::Integer(count) => *count == 0,
        Value::Number(number) => *number == 0.0,
        Value::Text(text) => text.is_empty(),
        Value::List(words) => words.is_empty(),
    }
}

/// A tree that tells how much of it was read.
struct Watched<'a> {
    tree: &'a GitTree,
    progress: &'a dyn Progress,
    read: AtomicU64,
    unread: AtomicU64,
}

impl Tree for Watched<'_> {
    fn entries(&self) -> &[Entry] {
        self.tree.entries()
    }

    fn read(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>, TreeError> {
        let result = self.tree.read(path, most);
        let done = self.read.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(STRIDE) {
            self.progress.at(Phase::Reading, done, None);
        }
        if matches!(result, Err(TreeError::Unreadable { .. })) && !self.tree.is_elsewhere(path) {
            self.unread.fetch_add(1, Ordering::Relaxed);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absence_is_no_zero_and_nothing() {
        for absent in [
            Measure::of(false),
            Measure::of(0usize),
            Measure::of(Vec::new()),
            Measure::of(0.0),
        ] {
            assert!(is_absence(&absent));
        }
        for present in [
            Measure::of(true),
            Measure::of(2usize),
            Measure::of("x"),
            Measure::of(0.5),
        ] {
            assert!(!is_absence(&present));
        }
    }
}
