//! Lengths of time as people write them: `500ms`, `10s`, `5m`, `2h`, `7d`, `1h30m`.

use std::time::Duration;

/// The longest length of time that a file may name: a year.
pub const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How a length of time is written, for hints.
pub const HINT: &str = "a length of time is written `500ms`, `10s`, `5m`, `2h`, `7d` or `1h30m`";

/// The same as a regular expression, for editors.
pub const PATTERN: &str = "^([0-9]{1,15}(ms|s|m|h|d))+$";

/// Units, longest first, with their milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// A text that is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It is not written as one.
    #[error("`{0}` is no length of time")]
    Malformed(String),
    /// It is longer than a year.
    #[error("`{0}` is longer than a year")]
    TooLong(String),
}

/// Reads a length of time: whole numbers, each with its unit, larger units first.
///
/// # Errors
/// When the text is none, or longer than a year.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let shown = || text.chars().take(40).collect::<String>();
    let malformed = || DurationError::Malformed(shown());
    let too_long = || DurationError::TooLong(shown());
    let (mut rest, mut total, mut units) = (text, 0u64, UNITS.iter());
    if text.is_empty() {
        return Err(malformed());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_lowercase).count();
        let (number, unit) = (&rest[..digits], &rest[digits..digits + letters]);
        if number.is_empty() {
            return Err(malformed());
        }
        let (_, milliseconds) = units.find(|(name, _)| *name == unit).ok_or_else(malformed)?;
        let number: u64 = number.parse().map_err(|_| too_long())?;
        total = number
            .checked_mul(*milliseconds)
            .and_then(|part| total.checked_add(part))
            .ok_or_else(too_long)?;
        rest = &rest[digits + letters..];
    }
    let total = Duration::from_millis(total);
    if total > LONGEST { Err(too_long()) } else { Ok(total) }
}

/// Writes a length of time in the form that [`parse`] reads; what is shorter than a millisecond is
/// left out.
pub fn format(length: Duration) -> String {
    let mut rest = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (name, milliseconds) in UNITS {
        let number = rest / milliseconds;
        rest %= milliseconds;
        if number > 0 {
            text.push_str(&format!("{number}{name}"));
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_of_time_are_whole_numbers_with_units() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
            ("1h30m", 5_400_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in [
            "",
            "10",
            "s",
            "1.5h",
            "-1s",
            "10 s",
            "10S",
            "30m1h",
            "1h1h",
            "10sec",
            "é",
            "99999999999999999999s",
            "366d",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(milliseconds in 0u64..31_536_000_000) {
            let length = Duration::from_millis(milliseconds);
            prop_assert_eq!(parse(&format(length)), Ok(length));
        }
    }
}
