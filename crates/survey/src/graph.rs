//! The shape of a history: trunk, what each commit on it integrated, and the release that came first.

use crate::clock::{Mended, mend};
use crate::rows::{Index, Rows, Seconds};

/// Trunk and what is behind it.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// The first-parent line, the oldest commit first.
    pub trunk: Vec<Index>,
    /// Mended times of the commits on trunk.
    pub times: Vec<Seconds>,
    /// How many of them were off by more than a day.
    pub wrong_times: usize,
    /// The position on trunk at which each commit got there; [`NEVER`] for those that did not.
    pub integrated: Vec<u32>,
}

/// The position of what is not on trunk, and the release of what was not released.
pub(crate) const NEVER: u32 = u32::MAX;

impl Shape {
    /// The shape of everything behind `tip`. Takes time in proportion to the number of commits and parents:
    /// each commit on trunk, from the oldest on, claims what no older one has claimed.
    pub fn of(rows: &Rows, tip: Option<Index>) -> Self {
        let mut trunk: Vec<Index> =
            std::iter::successors(tip, |commit| rows.parents(*commit).first().copied()).collect();
        trunk.reverse();
        let dates: Vec<Seconds> = trunk.iter().map(|commit| rows.commit(*commit).committed).collect();
        let Mended { times, wrong } = mend(&dates);
        let mut integrated = vec![NEVER; rows.commits.len()];
        let mut waiting = Vec::new();
        for (position, commit) in trunk.iter().enumerate() {
            claim(rows, &mut integrated, &mut waiting, *commit, position as u32);
        }
        Self {
            trunk,
            times,
            wrong_times: wrong,
            integrated,
        }
    }

    /// When a commit was made, as far as that can be true: not after it got to trunk.
    pub fn time(&self, rows: &Rows, commit: Index) -> Seconds {
        let said = rows.commit(commit).committed;
        match self.integrated[commit as usize] {
            NEVER => said,
            position if self.trunk[position as usize] == commit => self.times[position as usize],
            position => said.min(self.times[position as usize]),
        }
    }

    /// The newest position on trunk whose time is not after `at`.
    pub fn position_at(&self, at: Seconds) -> Option<u32> {
        let count = self.times.partition_point(|time| *time <= at);
        count.checked_sub(1).map(|position| position as u32)
    }
}

/// Marks what is behind a commit, and itself, with a number, where nothing is marked yet.
fn claim(rows: &Rows, marks: &mut [u32], waiting: &mut Vec<Index>, commit: Index, number: u32) {
    waiting.push(commit);
    while let Some(commit) = waiting.pop() {
        let mark = &mut marks[commit as usize];
        if *mark != NEVER {
            continue;
        }
        *mark = number;
        waiting.extend(rows.parents(commit));
    }
}

/// For each commit, the first of the releases (in the order given, which is that of time) that contains it.
/// Takes time in proportion to the number of commits and parents, however many releases there are.
pub(crate) fn first_release(rows: &Rows, releases: impl IntoIterator<Item = Index>) -> Vec<u32> {
    let mut first = vec![NEVER; rows.commits.len()];
    let mut waiting = Vec::new();
    for (number, commit) in releases.into_iter().enumerate() {
        claim(rows, &mut first, &mut waiting, commit, number as u32);
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::testing::made;

    #[test]
    fn a_merge_integrates_the_commits_of_its_branch() {
        // 0 - 1 ----- 4 - 5
        //      \ 2 - 3 /
        let rows = made(&[(0, &[]), (10, &[0]), (20, &[1]), (30, &[2]), (40, &[1, 3]), (50, &[4])]);
        let shape = Shape::of(&rows, Some(5));
        assert_eq!(shape.trunk, [0, 1, 4, 5]);
        assert_eq!(shape.integrated, [0, 1, 2, 2, 2, 3]);
        assert_eq!(shape.position_at(39), Some(1));
        assert_eq!(shape.position_at(40), Some(2));
        assert_eq!(shape.position_at(-1), None);
    }

    #[test]
    fn what_is_beside_trunk_is_never_integrated() {
        let rows = made(&[(0, &[]), (10, &[0]), (20, &[0])]);
        let shape = Shape::of(&rows, Some(1));
        assert_eq!(shape.integrated, [0, 1, NEVER]);
        assert_eq!(Shape::of(&rows, None).integrated, [NEVER; 3]);
    }

    #[test]
    fn a_commit_is_not_younger_than_its_integration() {
        let rows = made(&[(0, &[]), (99, &[0]), (40, &[0, 1])]);
        let shape = Shape::of(&rows, Some(2));
        assert_eq!(shape.time(&rows, 1), 40);
    }

    #[test]
    fn the_first_release_is_the_oldest_one_that_contains_a_commit() {
        // 0 - 1 - 2 - 3, and 4 on 1 beside.
        let rows = made(&[(0, &[]), (10, &[0]), (20, &[1]), (30, &[2]), (40, &[1])]);
        assert_eq!(first_release(&rows, [1, 4, 2]), [0, 0, 2, NEVER, 1]);
    }
}
