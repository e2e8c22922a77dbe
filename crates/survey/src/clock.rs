//! Times on trunk when some clocks were wrong.
//!
//! A commit cannot be older than the one it builds on, yet its date may say so: clocks are set wrongly and
//! dates are made up. The longest run of dates that does not fall is believed; those outside of it get the
//! time of the believed one before them. So one date in 1970 or 2090 misleads nobody. Dates from before
//! [`FIRST`] are not believed where there are others.

use crate::rows::{DAY, Seconds};

/// The beginning of 1980: no version control whose history came into git is older.
pub(crate) const FIRST: Seconds = 315_532_800;

/// Mended times, never falling, and how many were off by more than a day.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mended {
    pub times: Vec<Seconds>,
    pub wrong: usize,
}

/// Mends the dates of a line of commits, the oldest first. Takes time in proportion to n log n.
pub(crate) fn mend(dates: &[Seconds]) -> Mended {
    let believed = longest_rising(dates);
    let mut times = dates.to_vec();
    let mut wrong = 0;
    let first = dates
        .iter()
        .zip(&believed)
        .find(|(_, yes)| **yes)
        .map_or(0, |(date, _)| *date);
    let mut before = first;
    for (time, believed) in times.iter_mut().zip(&believed) {
        if *believed {
            before = *time;
        } else {
            wrong += usize::from(time.abs_diff(before) > DAY.unsigned_abs());
            *time = before;
        }
    }
    Mended { times, wrong }
}

/// Which elements are of the longest subsequence that does not fall (patience sorting).
fn longest_rising(dates: &[Seconds]) -> Vec<bool> {
    // The index of the smallest last element of a subsequence of each length.
    let mut last: Vec<usize> = Vec::new();
    let is_any_plausible = dates.iter().any(|date| *date >= FIRST);
    let mut before: Vec<Option<usize>> = Vec::with_capacity(dates.len());
    for (at, date) in dates.iter().enumerate() {
        if is_any_plausible && *date < FIRST {
            before.push(None);
            continue;
        }
        let length = last.partition_point(|earlier| dates[*earlier] <= *date);
        before.push(length.checked_sub(1).map(|shorter| last[shorter]));
        match last.get_mut(length) {
            Some(place) => *place = at,
            None => last.push(at),
        }
    }
    let mut believed = vec![false; dates.len()];
    let mut at = last.last().copied();
    while let Some(here) = at {
        believed[here] = true;
        at = before[here];
    }
    believed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_dates_stay() {
        let dates = [1, 2, 2, 5];
        let expected = Mended {
            times: dates.to_vec(),
            wrong: 0,
        };
        assert_eq!(mend(&dates), expected);
        assert_eq!(mend(&[]).times, Vec::<Seconds>::new());
    }

    /// Days after a day on which dates are believed.
    fn days<const N: usize>(days: [i64; N]) -> [Seconds; N] {
        days.map(|day| FIRST + day * DAY)
    }

    #[test]
    fn a_date_in_the_past_or_the_future_takes_its_neighbours_time() {
        let mended = mend(&days([9, 10, 0, 11, 90, 12]));
        assert_eq!(mended.times, days([9, 10, 10, 11, 11, 12]));
        assert_eq!(mended.wrong, 2);
    }

    #[test]
    fn a_wrong_first_or_last_date_does_not_move_the_others() {
        assert_eq!(mend(&days([90, 10, 11])).times, days([10, 10, 11]));
        assert_eq!(mend(&days([10, 11, 0])).times, days([10, 11, 11]));
        assert_eq!(mend(&[0, FIRST + DAY, FIRST + 2 * DAY]).times, days([1, 1, 2]));
    }

    proptest::proptest! {
        #[test]
        fn mended_times_never_fall(dates in proptest::collection::vec(-1000i64..1000, 0..200)) {
            let mended = mend(&dates);
            proptest::prop_assert!(mended.times.is_sorted());
            proptest::prop_assert_eq!(mended.times.len(), dates.len());
        }
    }
}
