//! The numbers of a canary under way, as the log of its judgement tells them.

use crate::show::paint::Tone;
use crate::show::screen::Line;

/// How wide the picture is, in columns.
const PICTURE: usize = 41;

/// Errors of both groups, and what may be said of their difference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Numbers {
    /// Failed requests and all requests of the canary.
    pub canary: (u64, u64),
    /// Failed requests and all requests of the baseline.
    pub baseline: (u64, u64),
    /// Between which percentage points the difference lies, and the margin; nothing while there are
    /// too few requests.
    pub interval: Option<(f64, f64, f64)>,
}

/// Reads a number after `before` and `text` goes on behind it.
fn number<T: std::str::FromStr>(text: &mut &str, before: &str) -> Option<T> {
    let rest = text.split_once(before)?.1;
    let end = rest
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-')))
        .unwrap_or(rest.len());
    let read = rest[..end].trim_end_matches('.').parse().ok()?;
    *text = &rest[end..];
    Some(read)
}

impl Numbers {
    /// Reads a line of the log; nothing where it says something else.
    pub fn read(line: &str) -> Option<Self> {
        let at = line.find(" requests to the canary failed")?;
        let counts = &line[..at];
        let start = counts.rfind(|c: char| !(c.is_ascii_digit() || c == ' ' || c == 'o' || c == 'f'))?;
        let counts = counts[start + 1..].trim();
        let (failed, all) = counts.split_once(" of ")?;
        let canary = (failed.trim().parse().ok()?, all.trim().parse().ok()?);
        let mut rest = &line[at..];
        let baseline = (number(&mut rest, "failed, ")?, number(&mut rest, " of ")?);
        let mut interval = || {
            let low = number(&mut rest, "the difference lies between ")?;
            let high = number(&mut rest, " and ")?;
            Some((low, high, number(&mut rest, "percentage points, the margin is ")?))
        };
        Some(Self {
            canary,
            baseline,
            interval: interval(),
        })
    }

    /// The lines that show them.
    pub fn lines(&self, indent: usize) -> Vec<Line> {
        let group = |(failed, all): (u64, u64)| format!("{failed} of {all} failed");
        let tone = if self.canary.0 > self.baseline.0 {
            Tone::Bad
        } else {
            Tone::Good
        };
        let mut lines = vec![
            Line::indented(indent)
                .with(Tone::Quiet, "canary ")
                .with(tone, group(self.canary))
                .with(Tone::Quiet, "   baseline ")
                .with(Tone::Plain, group(self.baseline)),
        ];
        if let Some((low, high, margin)) = self.interval {
            let numbers = format!("  {low:+.1} to {high:+.1} points, margin {margin:.1}");
            let line = picture(low, high, margin);
            lines.push(
                line.into_iter()
                    .fold(Line::indented(indent), |line, (tone, text)| line.with(tone, text))
                    .with(Tone::Quiet, numbers),
            );
        }
        lines
    }
}

/// The interval on a scale from -10 to +10 percentage points, with zero and the margin.
fn picture(low: f64, high: f64, margin: f64) -> Vec<(Tone, String)> {
    const REACH: f64 = 10.0;
    let column = |points: f64| {
        let share = (points.clamp(-REACH, REACH) + REACH) / (2.0 * REACH);
        (share * (PICTURE - 1) as f64).round() as usize
    };
    let (from, to, zero, bound) = (column(low), column(high), column(0.0), column(margin));
    let inside = if low > margin {
        Tone::Bad
    } else if high < margin {
        Tone::Good
    } else {
        Tone::Busy
    };
    let mut parts: Vec<(Tone, String)> = Vec::new();
    for at in 0..PICTURE {
        let (tone, sign) = match at {
            _ if at == bound => (Tone::Waiting, '┃'),
            _ if at == from && low < -REACH => (inside, '‹'),
            _ if at == to && high > REACH => (inside, '›'),
            _ if (from..=to).contains(&at) => (inside, '━'),
            _ if at == zero => (Tone::Quiet, '┼'),
            _ => (Tone::Quiet, '─'),
        };
        match parts.last_mut() {
            Some((last, text)) if *last == tone => text.push(sign),
            _ => parts.push((tone, sign.to_string())),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_judgement_are_read_from_its_sentence() {
        let line = "not decided yet: 12 of 310 requests to the canary failed, 0 of 305 to the baseline; the difference lies between -1.25 and 9.10 percentage points, the margin is 1.00; not decided yet: the 50 % quantile is 1.0 ms";
        let numbers = Numbers::read(line).unwrap();
        assert_eq!((numbers.canary, numbers.baseline), ((12, 310), (0, 305)));
        assert_eq!(numbers.interval, Some((-1.25, 9.1, 1.0)));
        let early = "too few requests to compare with: the baseline has 12 of at least 50; 0 of 9 requests to the canary failed, 0 of 12 to the baseline";
        let numbers = Numbers::read(early).unwrap();
        assert_eq!(
            (numbers.canary, numbers.baseline, numbers.interval),
            ((0, 9), (0, 12), None)
        );
        assert_eq!(Numbers::read("something else"), None);
    }

    #[test]
    fn the_interval_is_drawn_against_zero_and_the_margin() {
        let drawn = |low, high| {
            picture(low, high, 1.0)
                .into_iter()
                .map(|(_, text)| text)
                .collect::<String>()
        };
        let expected = format!("{}{}┃{}", "─".repeat(14), "━".repeat(8), "─".repeat(18));
        assert_eq!(drawn(-3.0, 0.4), expected);
        assert_eq!(drawn(-20.0, 20.0).chars().next(), Some('‹'));
        assert_eq!(drawn(-20.0, 20.0).chars().last(), Some('›'));
        assert_eq!(drawn(-20.0, 20.0).chars().count(), PICTURE);
    }
}
