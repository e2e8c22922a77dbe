//! Semantic versions: the recursion over the graph, and the ranges of release lines.

use facts::ReleaseLine;

use super::Numbers;
use super::conventional::Step;
use super::graph::Graph;

/// The version of a first commit that says nothing else.
const FIRST: Numbers = (0, 1, 0);

/// The numbers before the first commit that counts.
const BEFORE: Numbers = (0, 0, 0);

/// The versions that a release line keeps to: from the first number on, below the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Range {
    from: Numbers,
    below: Numbers,
}

impl Range {
    /// What the line begins with, when it was cut before its range begins.
    pub(super) fn at_least(self, numbers: Numbers) -> Numbers {
        numbers.max(self.from)
    }

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

/// Whether a line that keeps to `range` may come to these numbers.
pub(super) fn is_within(range: Option<Range>, numbers: Numbers) -> bool {
    range.is_none_or(|range| numbers < range.below)
}

/// The numbers of the commit at `place`, from those of all before it: for each parent a step at least as
/// large as all that is new to it, and of these the greatest.
pub(super) fn numbers(graph: &Graph, place: usize, known: &[Numbers], range: Option<Range>) -> Numbers {
    let below = range.map(|range| range.below);
    let first = || {
        range
            .filter(|range| range.below <= FIRST)
            .map_or(FIRST, |range| range.from)
    };
    let parents = graph.node(place).parents.iter();
    let least = parents
        .map(
            |parent| match (known[*parent as usize], graph.step_between(*parent, place)) {
                (known, Step::Nothing) => known,
                (BEFORE, _) => first(),
                (known, step) => raise(known, step, below),
            },
        )
        .max();
    let fixed = graph.fixed(place).filter(|numbers| is_within(range, *numbers)).max();
    match (least, fixed) {
        (Some(least), fixed) => fixed.map_or(least, |fixed| least.max(fixed)),
        (None, Some(fixed)) => fixed,
        (None, None) if graph.node(place).step == Step::Nothing => BEFORE,
        (None, None) => first(),
    }
}

/// The next version by `step`, or by the largest smaller step that stays below `below`.
fn raise(version: Numbers, step: Step, below: Option<Numbers>) -> Numbers {
    let (major, minor, patch) = version;
    // SemVer leaves 0.x open. There a break raises the minor number, as cargo and npm read it, and only
    // people decide that 1.0.0 has come.
    let step = match step {
        Step::Major if major == 0 => Step::Minor,
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
