//! Time, as a value that is handed in.
//!
//! Decisions take `now` as an argument; whoever needs the time of day asks a [`Clock`].

pub use jiff::Timestamp;

/// Something that knows the time. Tests and the simulation bring their own.
pub trait Clock: Send + Sync {
    /// The time now, in UTC.
    fn now(&self) -> Timestamp;
}

/// The system's clock: the one place that reads it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place
    fn now(&self) -> Timestamp {
        // Microseconds are what facts store; a finer time would not survive a round trip.
        let now = Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}
