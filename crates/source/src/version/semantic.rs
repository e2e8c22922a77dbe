//! Semantic versions: the recursion over the graph, and the ranges of release lines.

use facts::ReleaseLine;

use super::Numbers;
use super::conventional::Step;
use super::graph::Behind;

/// The version of a first commit that says nothing else.
const FIRST: Numbers = (0, 1, 0);

/// The versions that a release line keeps to: from the first number on, below the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    from: Numbers,
    below: Numbers,
}

impl Range {
    /// The range that a line's name ends in: `2.x` or `2.4.x`, with or without a `v`.
    pub(super) fn of_line(line: &ReleaseLine) -> Option<Self> {
        let name = line.as_str().rsplit('/').next()?;
        let numbers = name.strip_prefix('v').unwrap_or(name).strip_suffix(".x")?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse::<u64>().ok()).flatten()
        };
        match numbers.split_once('.') {
            None => {
                let major = number(numbers)?;
                Some(Self {
                    from: (major, 0, 0),
                    below: (major + 1, 0, 0),
                })
            }
            Some((major, minor)) => {
                let (major, minor) = (number(major)?, number(minor)?);
                Some(Self {
                    from: (major, minor, 0),
                    below: (major, minor + 1, 0),
                })
            }
        }
    }
}

/// The numbers of the last commit of `behind`: for each parent a step at least as large as all that is
/// new to it, and of these the greatest.
pub(super) fn numbers(behind: &Behind, range: Option<Range>) -> Numbers {
    let below = range.map(|range| range.below);
    let within = |numbers: &Numbers| below.is_none_or(|below| *numbers < below);
    let mut versions: Vec<Numbers> = Vec::with_capacity(behind.len());
    for (place, node) in behind.nodes.iter().enumerate() {
        let least = node
            .parents
            .iter()
            .map(|parent| raise(versions[*parent], behind.step_between(*parent, place), below))
            .max();
        let fixed = node.fixed.filter(within);
        let first = || {
            Some(FIRST)
                .filter(within)
                .or(range.map(|range| range.from))
                .unwrap_or(FIRST)
        };
        versions.push(match (least, fixed) {
            (None, fixed) => fixed.unwrap_or_else(first),
            (Some(least), Some(fixed)) => least.max(fixed),
            (Some(least), None) => least,
        });
    }
    let last = versions.last().copied().unwrap_or(FIRST);
    range.map_or(last, |range| last.max(range.from))
}

/// The next version by `step`, or by the largest smaller step that stays below `below`.
fn raise(version: Numbers, step: Step, below: Option<Numbers>) -> Numbers {
    let (major, minor, patch) = version;
    // SemVer leaves 0.x open; there the minor number is what breaks, as cargo and npm read it.
    let step = match step {
        Step::Major if major == 0 => Step::Minor,
        Step::Minor if major == 0 => Step::Patch,
        step => step,
    };
    let within = |numbers: Numbers| below.is_none_or(|below| numbers < below);
    let by_major = (major + 1, 0, 0);
    let by_minor = (major, minor + 1, 0);
    if step == Step::Major && within(by_major) {
        by_major
    } else if step >= Step::Minor && within(by_minor) {
        by_minor
    } else {
        (major, minor, patch + 1)
    }
}
