//! Calendar versions: year, month, place in the month.

use facts::Timestamp;
use jiff::tz::TimeZone;

use super::Numbers;
use super::conventional::Step;
use super::graph::Node;

/// The numbers of a commit, from those of all before it. A commit dated before one behind it counts as
/// of that one's month, so the versions rise whatever the clocks said.
pub(super) fn numbers(node: &Node, known: &[Numbers]) -> Numbers {
    let (year, month) = month(node.time());
    let latest = node.parents.iter().map(|parent| known[*parent as usize]).max();
    if node.step == Step::Nothing {
        return latest.unwrap_or_default();
    }
    match latest {
        Some((y, m, count)) if (y, m) >= (year, month) => (y, m, count + 1),
        _ => (year, month, 1),
    }
}

fn month(time: Timestamp) -> (u64, u64) {
    let date = time.to_zoned(TimeZone::UTC).date();
    (
        u64::from(date.year().max(0).unsigned_abs()),
        u64::from(date.month().unsigned_abs()),
    )
}
