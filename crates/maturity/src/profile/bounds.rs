//! The two levels that a category stands between.

use super::PracticeProfile;
use crate::level::{Class, Level, Verdict};

/// The highest level that is reached for sure, and the highest that may be.
///
/// A level is reached when nothing at it or below it stands in the way, and something at it is held. For
/// the first bound, what is not known stands in the way, except for practices that only an integration or
/// a statement can show; for the second, only what is not met does. What is declined or does not apply
/// stands in nobody's way. Surveys neither hold down nor lift.
pub(super) fn of(practices: &[PracticeProfile]) -> (Option<Level>, Option<Level>) {
    let at_least = reached(
        practices,
        |practice| match practice.verdict {
            Verdict::NotMet => true,
            Verdict::InsufficientEvidence => practice.class == Class::Automatic,
            _ => false,
        },
        |practice| practice.verdict.holds(),
    );
    let at_most = reached(
        practices,
        |practice| practice.verdict == Verdict::NotMet,
        |practice| practice.verdict.holds() || practice.verdict == Verdict::InsufficientEvidence,
    );
    (at_least, at_most)
}

fn reached(
    practices: &[PracticeProfile],
    stands_in_the_way: impl Fn(&PracticeProfile) -> bool,
    lifts: impl Fn(&PracticeProfile) -> bool,
) -> Option<Level> {
    let mut reached = None;
    for level in Level::ALL {
        let mut here = practices
            .iter()
            .filter(|practice| practice.level == level && practice.class != Class::Survey);
        if here.clone().any(&stands_in_the_way) {
            break;
        }
        if here.any(&lifts) {
            reached = Some(level);
        }
    }
    reached
}
