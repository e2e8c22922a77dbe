//! Times and durations as people read them.

use std::time::Duration;

use facts::Timestamp;

use crate::printer::Sight;

/// How long, in the two largest units that matter: `0.4 s`, `42 s`, `3 min 5 s`, `2 h 13 min`.
pub fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let pair = |large: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {small_unit}"),
    };
    match seconds {
        0..10 => format!("{:.1} s", (duration.as_millis() / 100) as f64 / 10.0),
        10..60 => format!("{seconds} s"),
        60..3_600 => pair(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => pair(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => pair(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// How long, in one unit.
pub fn roughly(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", (seconds + 30) / 60),
        3_600..86_400 => format!("{} h", (seconds + 1_800) / 3_600),
        _ => format!("{} d", (seconds + 43_200) / 86_400),
    }
}

/// The time from `from` to `to`; nothing when `to` comes before.
pub fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

impl Sight {
    /// The words for a time seen from now: `3 min ago`, `in 2 h`; a date when it is long past.
    pub fn ago(&self, at: Timestamp) -> String {
        let (past, future) = (between(at, self.now).as_secs(), between(self.now, at).as_secs());
        if future >= 5 {
            return format!("in {}", roughly(future));
        }
        match past {
            0..5 => "just now".to_owned(),
            5..2_592_000 => format!("{} ago", roughly(past)),
            _ => at.to_zoned(self.zone.clone()).strftime("%-d %b %Y").to_string(),
        }
    }

    /// The time of the day, with the date where it is not today.
    pub fn clock(&self, at: Timestamp) -> String {
        let (then, today) = (at.to_zoned(self.zone.clone()), self.now.to_zoned(self.zone.clone()));
        let shape = if then.date() == today.date() {
            "%H:%M:%S"
        } else {
            "%-d %b %Y %H:%M:%S"
        };
        then.strftime(shape).to_string()
    }
}
