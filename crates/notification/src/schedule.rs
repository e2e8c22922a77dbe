//! When something that could not be sent is tried again, and when no more.

use std::time::Duration;

/// How long is waited after the first failed attempt, the second, and so on: about a day together.
const PAUSES: [Duration; 11] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(3 * 60 * 60),
    Duration::from_secs(4 * 60 * 60),
    Duration::from_secs(6 * 60 * 60),
    Duration::from_secs(8 * 60 * 60),
];

/// How long to wait after `attempts` that failed; `None` when it is given up.
pub fn again_after(attempts: u32) -> Option<Duration> {
    PAUSES.get(usize::try_from(attempts).ok()?.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_after_about_a_day_it_is_given_up() {
        let pauses: Vec<Duration> = (1..).map_while(again_after).collect();
        assert!(pauses.is_sorted());
        let together: Duration = pauses.iter().sum();
        assert!((24..=25).contains(&(together.as_secs() / 3_600)), "{together:?}");
        assert_eq!(again_after(12), None);
        assert_eq!(again_after(0), None);
    }
}
