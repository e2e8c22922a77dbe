//! The commit graph as versions see it: it grows by what is new, and keeps what it found out.

use std::collections::{BTreeMap, BinaryHeap, HashMap};

use facts::{Commit, Timestamp};
use gix::ObjectId;

use super::conventional::{self, Step};
use super::{Numbers, calendar, semantic};

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
    /// The version that its message gives it.
    pub fixed: Option<Numbers>,
}

impl HistoryCommit {
    /// Reads a commit's message.
    pub fn new(parents: Vec<Commit>, time: Timestamp, message: &str) -> Self {
        let said = conventional::read(message);
        Self {
            parents,
            time,
            step: said.step,
            fixed: said.release_as,
        }
    }
}

/// How much a commit counts for one of several components of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// It counts as its message says.
    Whole,
    /// It counts as a patch: it concerns what the component needs.
    Patch,
    /// It does not count.
    Nothing,
}

impl HistoryCommit {
    /// The same commit, as it counts for one component.
    #[must_use]
    pub fn weighing(mut self, weight: Weight) -> Self {
        match weight {
            Weight::Whole => {}
            Weight::Patch => (self.step, self.fixed) = (Step::Patch, None),
            Weight::Nothing => (self.step, self.fixed) = (Step::Nothing, None),
        }
        self
    }
}

/// By which rule a commit gets its three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Rule {
    Semantic(Option<semantic::Range>),
    Calendar,
}

/// A part of a commit graph that has all that is behind it. It only grows, parents before children, so
/// what was found out of a commit stays true; only tags may move.
#[derive(Debug, Default)]
pub struct Graph {
    places: HashMap<ObjectId, u32>,
    nodes: Vec<Node>,
    /// Versions that messages give, by place.
    fixed: BTreeMap<u32, Numbers>,
    /// Versions that tags give, by place.
    tags: BTreeMap<u32, Numbers>,
    /// The numbers of the first so many nodes, by rule.
    numbers: HashMap<Rule, Vec<Numbers>>,
}

/// A commit by its place in the graph.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) parents: Box<[u32]>,
    /// The longest way to a first commit.
    height: u32,
    seconds: i64,
    pub(super) step: Step,
}

impl Node {
    pub(super) fn time(&self) -> Timestamp {
        Timestamp::from_second(self.seconds).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

fn id(commit: &Commit) -> Option<ObjectId> {
    ObjectId::from_hex(commit.as_str().as_bytes()).ok()
}

fn place_of(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

impl Graph {
    /// How many commits it has.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Takes in the commit and all behind it that is not there yet. `read` gives what a commit says;
    /// what is behind but cannot be read (a shallow clone) counts as not there.
    ///
    /// # Errors
    /// When the commit is not there, or a commit is behind itself, or as `read`.
    pub fn grow<E: From<GraphError>>(
        &mut self,
        commit: &Commit,
        mut read: impl FnMut(&Commit) -> Result<Option<HistoryCommit>, E>,
    ) -> Result<(), E> {
        let start = id(commit).ok_or_else(|| GraphError::Unknown(commit.clone()))?;
        // What was entered and not left yet, and what is not there.
        let mut entered: HashMap<ObjectId, HistoryCommit> = HashMap::new();
        let mut absent: Vec<ObjectId> = Vec::new();
        // Depth first without recursion: a commit is entered, then its parents, then it is left.
        let mut stack = vec![(start, commit.clone(), false)];
        while let Some((id_here, commit, leave)) = stack.pop() {
            if leave {
                let Some(data) = entered.remove(&id_here) else { continue };
                let mut parents: Vec<u32> = Vec::with_capacity(data.parents.len());
                for parent in data.parents.iter().filter_map(id) {
                    match self.places.get(&parent) {
                        Some(place) if parents.contains(place) => {}
                        Some(place) => parents.push(*place),
                        None if absent.contains(&parent) => {}
                        // Still entered: the way from it came back to it.
                        None => return Err(GraphError::Cycle(commit).into()),
                    }
                }
                self.add(id_here, parents, &data);
                continue;
            }
            if self.places.contains_key(&id_here) || entered.contains_key(&id_here) {
                continue;
            }
            let Some(data) = read(&commit)? else {
                absent.push(id_here);
                continue;
            };
            stack.push((id_here, commit, true));
            let parents = data.parents.iter().filter_map(|parent| Some((id(parent)?, parent)));
            stack.extend(
                parents
                    .filter(|(id, _)| !self.places.contains_key(id))
                    .map(|(id, parent)| (id, parent.clone(), false)),
            );
            entered.insert(id_here, data);
        }
        match self.places.contains_key(&start) {
            true => Ok(()),
            false => Err(GraphError::Unknown(commit.clone()).into()),
        }
    }

    fn add(&mut self, id: ObjectId, parents: Vec<u32>, data: &HistoryCommit) {
        let place = place_of(self.nodes.len());
        let heights = parents.iter().map(|parent| self.nodes[*parent as usize].height + 1);
        let height = heights.max().unwrap_or(0);
        self.nodes.push(Node {
            parents: parents.into(),
            height,
            seconds: data.time.as_second(),
            step: data.step,
        });
        if let Some(numbers) = data.fixed {
            self.fixed.insert(place, numbers);
        }
        self.places.insert(id, place);
    }

    /// The versions that tags give to commits from now on; of several on one commit the greatest
    /// counts.
    pub fn set_tags<'a>(&mut self, tags: impl IntoIterator<Item = (&'a Commit, Numbers)>) {
        let mut now: BTreeMap<u32, Numbers> = BTreeMap::new();
        for (commit, numbers) in tags {
            if let Some(place) = id(commit).and_then(|id| self.places.get(&id)) {
                let known = now.entry(*place).or_insert(numbers);
                *known = (*known).max(numbers);
            }
        }
        let places = self.tags.keys().chain(now.keys());
        let moved = places
            .filter(|place| self.tags.get(place) != now.get(place))
            .copied()
            .collect::<Vec<_>>();
        let before = std::mem::replace(&mut self.tags, now);
        for (rule, numbers) in &mut self.numbers {
            let Rule::Semantic(range) = rule else { continue };
            // What stands before the first commit whose version changes by the moved tags stays.
            let changed = moved.iter().filter(|place| {
                let Some(known) = numbers.get(**place as usize) else {
                    return false;
                };
                let counts = |tags: &BTreeMap<u32, Numbers>| {
                    tags.get(place).copied().filter(|tag| semantic::is_within(*range, *tag))
                };
                // A tag that says what is known anyway, such as one made for that version, changes nothing, nor
                // does one that goes and did not count. A smaller one may: what it counts is what lies behind.
                match counts(&self.tags) {
                    Some(tag) => tag != *known,
                    None => counts(&before) == Some(*known),
                }
            });
            if let Some(first) = changed.min() {
                numbers.truncate(*first as usize);
            }
        }
    }

    /// The three numbers of a commit by a rule, and the commit's place counted along the longest way
    /// from a first commit, which is 1.
    pub(super) fn numbers(&mut self, commit: &Commit, rule: Rule) -> Result<(Numbers, u64), GraphError> {
        let place = id(commit)
            .and_then(|id| self.places.get(&id).copied())
            .ok_or_else(|| GraphError::Unknown(commit.clone()))? as usize;
        let mut numbers = self.numbers.remove(&rule).unwrap_or_default();
        for next in numbers.len()..=place {
            let found = match rule {
                Rule::Semantic(range) => semantic::numbers(self, next, &numbers, range),
                Rule::Calendar => calendar::numbers(&self.nodes[next], &numbers),
            };
            numbers.push(found);
        }
        let found = numbers[place];
        self.numbers.insert(rule, numbers);
        Ok((found, u64::from(self.nodes[place].height) + 1))
    }

    pub(super) fn node(&self, place: usize) -> &Node {
        &self.nodes[place]
    }

    /// The version that a tag or its message gives a commit.
    pub(super) fn fixed(&self, place: usize) -> impl Iterator<Item = Numbers> {
        let place = place_of(place);
        [self.fixed.get(&place), self.tags.get(&place)]
            .into_iter()
            .flatten()
            .copied()
    }

    /// The largest step among the commits that are `commit` or behind it, but are not `base` nor behind
    /// that. Looks only at what lies above their common ground.
    pub(super) fn step_between(&self, base: u32, commit: usize) -> Step {
        let node = &self.nodes[commit];
        if *node.parents == [base] {
            return node.step;
        }
        const NEW: u8 = 1;
        const OLD: u8 = 2;
        let mut marks: HashMap<u32, u8> = HashMap::from([(place_of(commit), NEW)]);
        *marks.entry(base).or_default() |= OLD;
        // The highest first: when a commit is taken, all that lead to it were taken before.
        let mut queue: BinaryHeap<(u32, u32)> = marks
            .keys()
            .map(|place| (self.nodes[*place as usize].height, *place))
            .collect();
        let mut only_new = 1;
        let mut largest = Step::Nothing;
        while only_new > 0 {
            let Some((_, place)) = queue.pop() else { break };
            let mark = marks.get(&place).copied().unwrap_or(OLD);
            let node = &self.nodes[place as usize];
            if mark == NEW {
                only_new -= 1;
                largest = largest.max(node.step);
            }
            for parent in &*node.parents {
                match marks.get_mut(parent) {
                    None => {
                        marks.insert(*parent, mark);
                        queue.push((self.nodes[*parent as usize].height, *parent));
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
