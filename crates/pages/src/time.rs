//! Times and durations as people read them, always with the exact time at hand.

use std::time::Duration;

use facts::Timestamp;
use maud::{Markup, html};

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

/// How long, in one unit: for places where the exact length does not matter.
pub fn roughly(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The time from `from` to `to`; nothing when `to` comes before.
pub fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// The exact time: `2026-11-23 05:58:00 UTC`.
pub fn exact(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The words for a time seen from `now`: `3 min ago`, `in 2 h`; a date when it is long past.
pub fn words(now: Timestamp, at: Timestamp) -> String {
    let (past, future) = (between(at, now), between(now, at));
    if future.as_secs() >= 5 {
        return format!("in {}", roughly(future));
    }
    match past.as_secs() {
        0..5 => "just now".to_owned(),
        5..2_592_000 => format!("{} ago", roughly(past)),
        _ => at.strftime("%-d %b %Y").to_string(),
    }
}

/// A time seen from `now`, the exact one in its title. The script keeps it current.
pub fn ago(now: Timestamp, at: Timestamp) -> Markup {
    html! {
        time datetime=(at) title=(exact(at)) data-ago { (words(now, at)) }
    }
}

/// How long something has gone on at `now`. The script keeps it current.
pub fn so_far(now: Timestamp, since: Timestamp) -> Markup {
    html! {
        time datetime=(since) title={ "since " (exact(since)) } data-so-far { (length(between(since, now))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_two_units_at_most() {
        for (millis, text) in [
            (0, "0.0 s"),
            (449, "0.4 s"),
            (9_999, "9.9 s"),
            (42_000, "42 s"),
            (60_000, "1 min"),
            (185_000, "3 min 5 s"),
            (7_980_000, "2 h 13 min"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(length(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_time_is_told_from_now_and_becomes_a_date_when_long_past() {
        let now: Timestamp = "2026-11-23T06:00:00Z".parse().unwrap();
        for (at, text) in [
            ("2026-11-23T05:59:58Z", "just now"),
            ("2026-11-23T05:59:18Z", "42 s ago"),
            ("2026-11-23T03:59:00Z", "2 h ago"),
            ("2026-11-20T03:59:00Z", "3 d ago"),
            ("2026-03-09T03:59:00Z", "9 Mar 2026"),
            ("2026-11-23T06:05:00Z", "in 5 min"),
        ] {
            assert_eq!(words(now, at.parse().unwrap()), text);
        }
    }
}
