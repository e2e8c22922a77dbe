//! A clock that stands still until a test moves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use facts::{Clock, Timestamp};

/// A clock that is moved by hand. Clones show the same time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    microseconds: Arc<AtomicI64>,
}

impl ManualClock {
    /// A clock that stands at `2026-01-01T00:00:00Z`.
    pub fn new() -> Self {
        Self {
            microseconds: Arc::new(AtomicI64::new(1_767_225_600_000_000)),
        }
    }

    /// A clock that stands at `time`.
    pub fn at(time: Timestamp) -> Self {
        let clock = Self::new();
        clock.set(time);
        clock
    }

    /// Puts the clock to `time`, which may be earlier than what it showed.
    pub fn set(&self, time: Timestamp) {
        self.microseconds.store(time.as_microsecond(), Ordering::SeqCst);
    }

    /// Moves the clock on.
    ///
    /// # Panics
    /// When `by` is longer than a clock can show.
    #[allow(clippy::expect_used)] // a test that moves by 290,000 years is wrong
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_micros()).expect("a duration that fits the clock");
        self.microseconds.fetch_add(by, Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.microseconds.load(Ordering::SeqCst)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_stands_still_until_it_is_moved_and_clones_move_with_it() {
        let clock = ManualClock::new();
        let other = clock.clone();
        assert_eq!(clock.now().to_string(), "2026-01-01T00:00:00Z");
        other.advance(Duration::from_millis(1_500));
        assert_eq!(clock.now().to_string(), "2026-01-01T00:00:01.5Z");
        clock.set("2025-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(other.now().to_string(), "2025-01-01T00:00:00Z");
    }
}
