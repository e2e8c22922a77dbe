//! The commit graph as versions see it.

use std::collections::{BinaryHeap, HashMap};

use facts::{Commit, Timestamp};

use super::Numbers;
use super::conventional::{self, Step};

/// Why a graph gives no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// The commit is not there.
    #[error("commit {0} is not in the history")]
    Unknown(Commit),
    /// A commit is behind itself, which git does not allow.
    #[error("commit {0} is behind itself")]
    Cycle(Commit),
}

/// What matters of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryCommit {
    /// The commits it builds upon, the first parent first.
    pub parents: Vec<Commit>,
    /// The committer's date.
    pub time: Timestamp,
    /// The step that its message asks for.
    pub step: Step,
    /// The version that a tag or its message gives it.
    pub fixed: Option<Numbers>,
}

impl HistoryCommit {
    /// Reads a commit's message and the names of its tags, without `refs/tags/`. Of several tags with
    /// versions the greatest counts.
    pub fn new<'a>(
        parents: Vec<Commit>,
        time: Timestamp,
        message: &str,
        tags: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let said = conventional::read(message);
        let tagged = tags.into_iter().filter_map(conventional::plain).max();
        Self {
            parents,
            time,
            step: said.step,
            fixed: tagged.max(said.release_as),
        }
    }
}

/// A commit graph.
#[derive(Debug, Clone, Default)]
pub struct History {
    commits: HashMap<Commit, HistoryCommit>,
}

impl FromIterator<(Commit, HistoryCommit)> for History {
    fn from_iter<I: IntoIterator<Item = (Commit, HistoryCommit)>>(commits: I) -> Self {
        Self {
            commits: commits.into_iter().collect(),
        }
    }
}

impl History {
    /// How many commits it has.
    pub fn len(&self) -> usize {
        self.commits.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    /// The commit and all behind it, parents before children.
    pub(super) fn behind(&self, commit: &Commit) -> Result<Behind, GraphError> {
        let (start, _) = self
            .commits
            .get_key_value(commit)
            .ok_or_else(|| GraphError::Unknown(commit.clone()))?;
        // Nothing: entered, not left. A number: left, with that place.
        let mut places: HashMap<&Commit, Option<usize>> = HashMap::new();
        let mut nodes: Vec<Node> = Vec::new();
        // Depth first without recursion: a commit is entered, then its parents, then it is left.
        let mut stack = vec![(start, false)];
        while let Some((commit, leave)) = stack.pop() {
            let Some(data) = self.commits.get(commit) else { continue };
            let parents = data
                .parents
                .iter()
                .filter_map(|parent| Some(self.commits.get_key_value(parent)?.0));
            if !leave {
                if !places.contains_key(commit) {
                    places.insert(commit, None);
                    stack.push((commit, true));
                    stack.extend(parents.map(|parent| (parent, false)));
                }
                continue;
            }
            let mut numbers: Vec<usize> = Vec::new();
            for parent in parents {
                match places.get(parent) {
                    Some(Some(place)) if numbers.contains(place) => {}
                    Some(Some(place)) => numbers.push(*place),
                    // Still entered: the way from it came back to it.
                    _ => return Err(GraphError::Cycle(commit.clone())),
                }
            }
            let height = numbers.iter().map(|place| nodes[*place].height + 1).max().unwrap_or(0);
            places.insert(commit, Some(nodes.len()));
            nodes.push(Node {
                parents: numbers,
                height,
                time: data.time,
                step: data.step,
                fixed: data.fixed,
            });
        }
        Ok(Behind { nodes })
    }
}

/// A commit by its place in [`Behind`].
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) parents: Vec<usize>,
    /// The longest way to a first commit.
    height: usize,
    pub(super) time: Timestamp,
    pub(super) step: Step,
    pub(super) fixed: Option<Numbers>,
}

/// A commit and all behind it, parents before children, so the commit itself is last.
#[derive(Debug)]
pub(super) struct Behind {
    pub(super) nodes: Vec<Node>,
}

impl Behind {
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The largest step among the commits that are `commit` or behind it, but are not `base` nor behind
    /// that. Looks only at what lies above their common ground.
    pub(super) fn step_between(&self, base: usize, commit: usize) -> Step {
        let node = &self.nodes[commit];
        if node.parents.as_slice() == [base] {
            return node.step;
        }
        const NEW: u8 = 1;
        const OLD: u8 = 2;
        let mut marks: HashMap<usize, u8> = HashMap::from([(commit, NEW)]);
        *marks.entry(base).or_default() |= OLD;
        // The highest first: when a commit is taken, all that lead to it were taken before.
        let mut queue: BinaryHeap<(usize, usize)> = marks.keys().map(|n| (self.nodes[*n].height, *n)).collect();
        let mut only_new = 1;
        let mut largest = Step::Patch;
        while only_new > 0 {
            let Some((_, number)) = queue.pop() else { break };
            let mark = marks.get(&number).copied().unwrap_or(OLD);
            let node = &self.nodes[number];
            if mark == NEW {
                only_new -= 1;
                largest = largest.max(node.step);
            }
            for parent in &node.parents {
                match marks.get_mut(parent) {
                    None => {
                        marks.insert(*parent, mark);
                        queue.push((self.nodes[*parent].height, *parent));
                        if mark == NEW {
                            only_new += 1;
                        }
                    }
                    Some(known) => {
                        if *known == NEW && mark & OLD != 0 {
                            only_new -= 1;
                        }
                        *known |= mark;
                    }
                }
            }
        }
        largest
    }
}
