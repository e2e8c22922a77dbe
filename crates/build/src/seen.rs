//! What is known of the workspace of a run: its files, as long as no step may have changed them, what the tools and
//! images of its steps are, and what the steps that are done have left.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use cache::{Input, Memory, Tree, TreeError};
use facts::Digest;
use pipeline::Globs;

use crate::graph::Graph;

/// What is known of the workspace of a run.
pub(crate) struct Seen {
    pub memory: Arc<Memory>,
    pub graph: OnceLock<Graph>,
    looked: Mutex<LookedAt>,
    /// What tools say of their versions, by the image that they are in (empty for the machine itself) and
    /// the command.
    pub tools: Mutex<BTreeMap<(String, String), String>>,
    /// The digests of images, by the names that steps give them.
    pub images: Mutex<BTreeMap<String, String>>,
    /// Of the steps that are done, the digest of what each leaves and of what its needs leave.
    pub left: Mutex<HashMap<usize, Digest>>,
}

/// How far the files of a workspace are known that git does not ignore.
#[derive(Default)]
struct LookedAt {
    /// All of them, as long as no step may have changed any.
    all: Option<Arc<Files>>,
    /// How many entries the last look at all of them passed.
    size: Option<usize>,
    /// How many entries were passed since then by looks at parts.
    in_parts: usize,
}

/// The files of a workspace, or of a part of it, and which of them steps leave.
pub(crate) struct Files {
    pub tree: Tree,
    /// Those that some step leaves.
    pub left: HashSet<String>,
}

impl Seen {
    /// Nothing is known yet but digests of files.
    pub fn new(memory: Arc<Memory>) -> Self {
        Self {
            memory,
            graph: OnceLock::new(),
            looked: Mutex::default(),
            tools: Mutex::default(),
            images: Mutex::default(),
            left: Mutex::default(),
        }
    }

    /// The files of the workspace that `patterns` may mean, looked at where a step may have changed them.
    ///
    /// After a step has run, only the part is looked at that the next one asks for: where step after step runs, all
    /// files would be looked at for each. Once the parts have taken as long as the whole would, that is looked at.
    pub fn files(&self, graph: &Graph, workspace: &Path, patterns: &Globs) -> Result<Arc<Files>, TreeError> {
        let mut looked = lock(&self.looked);
        if let Some(all) = &looked.all {
            return Ok(all.clone());
        }
        let whole = looked.size.is_none_or(|size| looked.in_parts >= size) || patterns.places().any(str::is_empty);
        let tree = match whole {
            true => Tree::look(workspace)?,
            false => Tree::look_at(workspace, patterns.places())?,
        };
        let left = graph.left(&tree)?;
        let entries = tree.entries();
        let files = Arc::new(Files { tree, left });
        if whole {
            looked.size = Some(entries);
            looked.all = Some(files.clone());
        }
        looked.in_parts += entries;
        Ok(files)
    }

    /// The files are looked at again when they are asked for.
    pub fn changed(&self) {
        let mut looked = lock(&self.looked);
        (looked.all, looked.in_parts) = (None, 0);
    }

    /// Notes what a step has left.
    pub fn has_left(&self, graph: &Graph, place: usize, outputs: &[Input]) {
        let mut left = lock(&self.left);
        let needs: Vec<Digest> = graph
            .needs(place)
            .iter()
            .filter_map(|need| left.get(need).copied())
            .collect();
        // Strings, digests and booleans are always JSON.
        let text = serde_json::to_vec(&(outputs, needs)).unwrap_or_default();
        left.insert(place, Digest::of(text));
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use pipeline::{Plan, PlannedStep, plan};
    use serde_json::json;

    use super::*;

    /// A workspace with a file in a folder of its own for each step, and the plan of these.
    fn workspace(steps: usize) -> (tempfile::TempDir, Graph) {
        let folder = tempfile::tempdir().unwrap();
        let step = |n: usize| {
            std::fs::create_dir_all(folder.path().join(format!("{n}/in"))).unwrap();
            std::fs::write(folder.path().join(format!("{n}/in/file")), "").unwrap();
            let input = json!({ "kept": { "outputs": [format!("{n}/out")] } });
            PlannedStep::new(format!("s{n}").parse().unwrap(), plan::RUN, input)
        };
        let graph = Graph::of(&Plan::of((0..steps).map(step).collect()));
        (folder, graph)
    }

    /// How many entries are passed when the files of each of these steps are asked for, `changed` after each.
    fn passed(folder: &Path, graph: &Graph, steps: usize, changed: bool) -> usize {
        let seen = Seen::new(Arc::new(Memory::open(Path::new(""))));
        let (mut all, mut last) = (0, None);
        for n in 0..steps {
            let pattern = format!("{n}/in");
            let globs = Globs::new([pattern.as_str()]).unwrap();
            let files = seen.files(graph, folder, &globs).unwrap();
            let found = files.tree.matching(&[pattern], &globs).unwrap();
            assert_eq!(found.len(), 1, "{n}");
            if !last.is_some_and(|last| Arc::ptr_eq(&last, &files)) {
                all += files.tree.entries();
            }
            last = Some(files);
            if changed {
                seen.changed();
            }
        }
        all
    }

    #[test]
    fn steps_that_run_do_not_have_all_files_looked_at_for_each() {
        let (folder, graph) = workspace(60);
        let whole = Tree::look(folder.path()).unwrap().entries();
        assert!(whole >= 180);
        // The first look is at all; for each other step the top is passed, and the step's own folder.
        assert!(passed(folder.path(), &graph, 60, true) <= whole + 59 * (60 + 4));
    }

    #[test]
    fn steps_that_are_kept_have_the_files_looked_at_once_and_after_one_that_ran_about_twice() {
        let (folder, graph) = workspace(60);
        let whole = Tree::look(folder.path()).unwrap().entries();
        assert_eq!(passed(folder.path(), &graph, 60, false), whole);

        let seen = Seen::new(Arc::new(Memory::open(Path::new(""))));
        let ask = |n: usize| {
            let globs = Globs::new([format!("{n}/in").as_str()]).unwrap();
            seen.files(&graph, folder.path(), &globs).unwrap()
        };
        ask(0);
        seen.changed();
        let mut looks: Vec<Arc<Files>> = (1..60).map(ask).collect();
        looks.dedup_by(|a, b| Arc::ptr_eq(a, b));
        let sum: usize = looks.iter().map(|files| files.tree.entries()).sum();
        assert!(sum < 3 * whole, "{sum} of {whole}");
    }

    #[test]
    fn what_a_step_has_changed_is_seen_by_the_next() {
        let (folder, graph) = workspace(3);
        let seen = Seen::new(Arc::new(Memory::open(Path::new(""))));
        let paths = |pattern: &str| {
            let globs = Globs::new([pattern]).unwrap();
            let files = seen.files(&graph, folder.path(), &globs).unwrap();
            let found = files
                .tree
                .matching(&[], &globs)
                .unwrap()
                .into_iter()
                .map(|file| file.path);
            found.filter(|path| !files.left.contains(path)).collect::<Vec<_>>()
        };
        assert_eq!(paths("0"), ["0/in/file"]);
        for (path, expected) in [
            ("1/in/new", vec!["1/in/file", "1/in/new"]),
            ("1/out", vec!["1/in/file", "1/in/new"]),
        ] {
            std::fs::write(folder.path().join(path), "").unwrap();
            seen.changed();
            assert_eq!(paths("1"), expected);
        }
        assert_eq!(paths("**/file"), ["0/in/file", "1/in/file", "2/in/file"]);
    }
}
