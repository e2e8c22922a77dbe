//! A history that was read whole, put in order once for all moments that are looked at.

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

use crate::change::Changes;
use crate::graph::{NEVER, Shape, first_release};
use crate::rows::{ById, CommitId, Index, Rows, Seconds};
use crate::version::{self, Version};

/// Rows in order.
pub(crate) struct History {
    pub rows: Rows,
    pub shape: Shape,
    /// The name of trunk.
    pub trunk: Option<String>,
    pub changes: Changes,
    /// Commits whose change could not be read.
    pub unread: BTreeSet<Index>,
    /// Whether branches beside trunk can be seen.
    pub sees_branches: bool,
    /// Whether each commit is behind a branch, and not only behind a tag.
    pub on_branch: Vec<bool>,
    /// The releases of the repository as a whole.
    pub releases: Releases,
    /// Commits by position on trunk: those of position `p` stand from `starts[p]` to `starts[p + 1]`.
    order: Vec<Index>,
    starts: Vec<u32>,
    /// The time of the oldest commit up to each position.
    oldest: Vec<Seconds>,
    by_id: OnceLock<ById<Index>>,
}

/// A release: a commit with a tag that is named like a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Release {
    /// The tag, as a place in [`Rows::tags`].
    pub tag: usize,
    pub commit: Index,
    /// When it was made; not before its commit.
    pub made: Seconds,
    pub version: Version,
}

/// Releases in the order of time, and what came with each.
#[derive(Debug, Default)]
pub(crate) struct Releases {
    /// All of them, of different commits.
    pub list: Vec<Release>,
    /// The same commits under all their names, pre-releases too.
    pub named: Vec<Release>,
    /// Commits by their first release, as [`History::order`] has them by position.
    order: Vec<Index>,
    starts: Vec<u32>,
    /// Pre-releases, in the order of time.
    pub pre: Vec<Release>,
}

impl History {
    /// Puts rows in order. Changes are added later, when it is known which ones are wanted.
    pub fn of(rows: Rows, tip: Option<Index>, trunk: Option<String>, sees_branches: bool) -> Self {
        let shape = Shape::of(&rows, tip);
        let (order, starts) = grouped(&shape.integrated, shape.trunk.len());
        let mut oldest = Vec::with_capacity(shape.trunk.len());
        let mut before = Seconds::MAX;
        for (position, time) in shape.times.iter().enumerate() {
            let own = &order[starts[position] as usize..starts[position + 1] as usize];
            let first = own.iter().map(|commit| shape.time(&rows, *commit));
            let first = first.filter(|time| *time >= crate::clock::FIRST).min().unwrap_or(*time);
            before = before.min(first);
            oldest.push(before);
        }
        let on_branch = behind(&rows, rows.branches.iter().map(|branch| branch.commit).chain(tip));
        let all: Vec<Release> = all_releases(&rows, &shape);
        let releases = Releases::of(&rows, all);
        Self {
            rows,
            shape,
            trunk,
            changes: Changes::default(),
            unread: BTreeSet::new(),
            sees_branches,
            on_branch,
            releases,
            order,
            starts,
            oldest,
            by_id: OnceLock::new(),
        }
    }

    /// The commits that came to trunk at a position: the one there, and those of the branch that it merged.
    pub fn own(&self, position: u32) -> &[Index] {
        slice(&self.order, &self.starts, position as usize)
    }

    /// How many commits are behind a position, itself included.
    pub fn count_until(&self, position: u32) -> u32 {
        self.starts[position as usize + 1]
    }

    /// The time of the oldest commit behind a position.
    pub fn oldest_until(&self, position: u32) -> Seconds {
        self.oldest[position as usize]
    }

    /// The row of a commit.
    pub fn find(&self, id: &CommitId) -> Option<Index> {
        let by_id = self.by_id.get_or_init(|| {
            let told = (0..self.rows.commits.len() as Index).filter(|commit| self.rows.told(*commit).is_some());
            told.map(|commit| (self.rows.commit(commit).id, commit)).collect()
        });
        by_id.get(id).copied()
    }

    /// The releases of a component: those that are tagged with one of its names; nothing when there are none.
    pub fn releases_of(&self, names: &[&str]) -> Option<Releases> {
        let all: Vec<Release> = self
            .releases
            .named
            .iter()
            .chain(&self.releases.pre)
            .filter(|release| release.version.of.as_deref().is_some_and(|of| names.contains(&of)))
            .cloned()
            .collect();
        (!all.is_empty()).then(|| Releases::of(&self.rows, all))
    }
}

/// Sorts places by a group number below `count`, in a stable way; gives also where each group starts.
fn grouped(group: &[u32], count: usize) -> (Vec<Index>, Vec<u32>) {
    let mut starts = vec![0u32; count + 1];
    for number in group.iter().filter(|number| **number != NEVER) {
        starts[*number as usize + 1] += 1;
    }
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut next = starts.clone();
    let mut order = vec![0; starts[count] as usize];
    for (place, number) in group.iter().enumerate().filter(|(_, number)| **number != NEVER) {
        let at = &mut next[*number as usize];
        order[*at as usize] = place as Index;
        *at += 1;
    }
    (order, starts)
}

fn slice<'a>(order: &'a [Index], starts: &[u32], group: usize) -> &'a [Index] {
    match (starts.get(group), starts.get(group + 1)) {
        (Some(start), Some(end)) => &order[*start as usize..*end as usize],
        _ => &[],
    }
}

/// What is behind some commits, themselves included.
fn behind(rows: &Rows, tips: impl Iterator<Item = Index>) -> Vec<bool> {
    let mut seen = vec![false; rows.commits.len()];
    let mut waiting: Vec<Index> = tips.collect();
    while let Some(commit) = waiting.pop() {
        if !std::mem::replace(&mut seen[commit as usize], true) {
            waiting.extend(rows.parents(commit));
        }
    }
    seen
}

/// Tags that are releases of this history: named like a version, not moving along, and on trunk or on what
/// went off from it.
fn all_releases(rows: &Rows, shape: &Shape) -> Vec<Release> {
    let mut connected = HashMap::new();
    let read: Vec<(usize, Version)> = rows
        .tags
        .iter()
        .enumerate()
        .filter_map(|(place, tag)| Some((place, version::read(&tag.name)?)))
        .filter(|(place, _)| is_connected(rows, shape, rows.tags[*place].commit, &mut connected))
        .collect();
    let versions: Vec<Version> = read.iter().map(|(_, version)| version.clone()).collect();
    let floating = version::floating(&versions);
    let released = |(at, (tag, version)): (usize, (usize, Version))| {
        let row = &rows.tags[tag];
        (!floating.contains(&at)).then(|| Release {
            tag,
            commit: row.commit,
            made: row.made.max(shape.time(rows, row.commit)),
            version,
        })
    };
    read.into_iter().enumerate().filter_map(released).collect()
}

/// Whether a commit is on trunk or went off from it.
fn is_connected(rows: &Rows, shape: &Shape, commit: Index, known: &mut HashMap<Index, bool>) -> bool {
    let mut line = Vec::new();
    let mut waiting = vec![commit];
    let mut result = false;
    while let Some(commit) = waiting.pop() {
        if shape.integrated[commit as usize] != NEVER || known.get(&commit) == Some(&true) {
            result = true;
            break;
        }
        if known.insert(commit, false).is_none() {
            line.push(commit);
            waiting.extend(rows.parents(commit));
        }
    }
    if result {
        // Those that were passed on the way may include ones beside it, which changes nothing for a tag.
        line.into_iter().for_each(|commit| {
            known.insert(commit, true);
        });
    }
    result
}

impl Releases {
    /// Puts releases in the order of time, one for each commit.
    pub fn of(rows: &Rows, mut all: Vec<Release>) -> Self {
        all.sort_by(|a, b| {
            (a.made, a.version.of.as_deref(), &a.version.numbers)
                .cmp(&(b.made, b.version.of.as_deref(), &b.version.numbers))
                .then_with(|| rows.tags[a.tag].name.cmp(&rows.tags[b.tag].name))
        });
        let (pre, named): (Vec<_>, Vec<_>) = all.into_iter().partition(|release| release.version.is_pre);
        // Where there are pre-releases only, they are what is released.
        let source = if named.is_empty() { &pre } else { &named };
        let mut seen = BTreeSet::new();
        let list: Vec<Release> = source
            .iter()
            .filter(|release| seen.insert(release.commit))
            .cloned()
            .collect();
        let first = first_release(rows, list.iter().map(|release| release.commit));
        let (order, starts) = grouped(&first, list.len());
        Self {
            list,
            named,
            order,
            starts,
            pre,
        }
    }

    /// The commits whose first release is the one at a place of the list.
    pub fn brought(&self, place: usize) -> &[Index] {
        slice(&self.order, &self.starts, place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Tag;
    use crate::rows::testing::made;

    fn tag(name: &str, commit: Index, made: Seconds) -> Tag {
        Tag {
            name: name.to_owned(),
            commit,
            made,
            tagger: None,
            annotated: false,
        }
    }

    #[test]
    fn releases_stand_in_the_order_of_time_and_each_brings_what_is_new() {
        let mut rows = made(&[(0, &[]), (10, &[0]), (20, &[1]), (30, &[2]), (5, &[])]);
        rows.tags = vec![
            tag("v1.1.0", 3, 31),
            tag("v1.0.0", 1, 11),
            tag("1.0.0", 1, 12),
            tag("v1.1.0-rc.1", 2, 20),
            tag("v1", 3, 31),
            tag("other-1.0", 4, 5),
            tag("latest", 3, 0),
        ];
        let history = History::of(rows, Some(3), None, true);
        let names: Vec<_> = history
            .releases
            .list
            .iter()
            .map(|release| history.rows.tags[release.tag].name.as_str())
            .collect();
        assert_eq!(
            names,
            ["v1.0.0", "v1.1.0"],
            "what moves along or is not connected is no release"
        );
        assert_eq!(history.releases.brought(0), [0, 1]);
        assert_eq!(history.releases.brought(1), [2, 3]);
        assert_eq!(history.releases.pre.len(), 1);
        assert_eq!(history.releases.named.len(), 3);
    }

    #[test]
    fn a_position_has_the_commits_of_the_branch_it_merged() {
        let rows = made(&[(0, &[]), (10, &[0]), (20, &[0]), (40, &[1, 2])]);
        let history = History::of(rows, Some(3), None, true);
        assert_eq!(history.own(2), [2, 3]);
        assert_eq!(history.own(1), [1]);
        assert_eq!(history.count_until(1), 2);
        assert_eq!(history.count_until(2), 4);
    }

    #[test]
    fn a_tag_is_not_older_than_its_commit() {
        let mut rows = made(&[(0, &[]), (50, &[0])]);
        rows.tags = vec![tag("v1.0.0", 1, 3)];
        let history = History::of(rows, Some(1), None, true);
        assert_eq!(history.releases.list[0].made, 50);
    }
}
