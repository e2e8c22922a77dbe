//! The moment that is looked at, and how much before it.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// As of when a repository is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// As it is now: the whole of trunk, whatever its dates say.
    Now(Timestamp),
    /// As it was when a day ended (UTC).
    EndOf(Date),
}

impl AsOf {
    /// The moment.
    pub fn timestamp(self) -> Timestamp {
        match self {
            Self::Now(now) => now,
            Self::EndOf(date) => end_of(date).unwrap_or(Timestamp::MAX),
        }
    }
}

fn end_of(date: Date) -> Option<Timestamp> {
    let next = date.checked_add(1.day()).ok()?;
    let start = next.to_zoned(TimeZone::UTC).ok()?.timestamp();
    start.checked_sub(1.second()).ok()
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// As of when.
    pub as_of: AsOf,
    /// The length of the window that ends there, in days.
    pub window_days: u32,
    /// The branch that is trunk; the default branch when absent.
    pub branch: Option<String>,
    /// How many files are listed at most; a limit says when there are more.
    pub most_files: usize,
}

impl Options {
    /// The window of the maturity model.
    pub const WINDOW_DAYS: u32 = 90;

    /// More files than large repositories have.
    pub const MOST_FILES: usize = 600_000;

    /// The default branch as it is now, with the usual window.
    pub fn now(now: Timestamp) -> Self {
        Self {
            as_of: AsOf::Now(now),
            window_days: Self::WINDOW_DAYS,
            branch: None,
            most_files: Self::MOST_FILES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_a_second_before_the_next_one() {
        let date = "2024-02-29".parse().unwrap();
        assert_eq!(AsOf::EndOf(date).timestamp().to_string(), "2024-02-29T23:59:59Z");
        assert!(AsOf::EndOf(Date::MAX).timestamp() <= Timestamp::MAX);
    }
}
