//! A weighed rule in words: what decided, and what it would take.

use evidence::Value as Measured;
use evidence::vocabulary;

use super::{FAMILIES, LIMIT, Limits, Piece, Truth, Weighed};
use crate::words;

/// A text without brackets around all of it.
fn without_outer(text: &str) -> &str {
    let Some(inner) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) else {
        return text;
    };
    let mut open = 0;
    for letter in inner.chars() {
        match letter {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        if open < 0 {
            return text;
        }
    }
    inner
}

/// A piece that compares one measure with a number.
struct Comparison {
    measure: &'static str,
    sign: &'static str,
    number: f64,
}

/// What a measure is known to be.
pub type Known<'a> = &'a dyn Fn(&str) -> Option<Measured>;

impl Weighed<'_> {
    /// The pieces that make the answer what it is, each in words with its value.
    pub fn deciding(&self, limits: &Limits, known: Known<'_>) -> Vec<String> {
        let mut told = Vec::new();
        self.decide(limits, known, &mut told);
        told
    }

    fn decide(&self, limits: &Limits, known: Known<'_>, told: &mut Vec<String>) {
        match self {
            Weighed::All(truth, parts) | Weighed::Any(truth, parts) => {
                for part in parts.iter().filter(|part| part.truth() == *truth) {
                    part.decide(limits, known, told);
                }
            }
            Weighed::Not(_, part) => part.decide(limits, known, told),
            Weighed::Piece(truth, piece, reason) => {
                let said = match (truth, reason) {
                    (Truth::Unknown, Some(reason)) => reason.clone(),
                    _ => piece.told(limits, known),
                };
                if !told.contains(&said) {
                    told.push(said);
                }
            }
        }
    }

    /// What is lacking for a yes, in words; nothing when it is one.
    pub fn lacking(&self, limits: &Limits, known: Known<'_>) -> Option<String> {
        let said = self.want(true, limits, known)?;
        Some(without_outer(&said).to_owned())
    }

    fn want(&self, wanted: bool, limits: &Limits, known: Known<'_>) -> Option<String> {
        if self.truth() == if wanted { Truth::Yes } else { Truth::No } {
            return None;
        }
        let join = |parts: &[Weighed<'_>], all: bool| {
            let parts: Vec<String> = parts
                .iter()
                .filter_map(|part| part.want(wanted, limits, known))
                .collect();
            let joined = parts.join(if all { " and " } else { " or " });
            if all || parts.len() == 1 {
                joined
            } else {
                format!("({joined})")
            }
        };
        Some(match self {
            Weighed::All(_, parts) => join(parts, wanted),
            Weighed::Any(_, parts) => join(parts, !wanted),
            Weighed::Not(_, part) => return part.want(!wanted, limits, known),
            Weighed::Piece(_, piece, _) => piece.wanted(wanted, limits, known),
        })
    }
}

impl Piece {
    /// What it says, with the value: `tests with code share is 31 % (asked for: at least 60 %)`.
    fn told(&self, limits: &Limits, known: Known<'_>) -> String {
        if let Some(comparison) = self.comparison(limits) {
            let now = known(comparison.measure)
                .map_or("not known".to_owned(), |value| words::value(comparison.measure, &value));
            if comparison.is_any() || comparison.is_none() {
                return format!("{}: {now}", name(comparison.measure));
            }
            return format!(
                "{}: {now} (asked for: {})",
                name(comparison.measure),
                comparison.asked()
            );
        }
        let values: Vec<String> = self
            .measures
            .iter()
            .map(|measure| {
                let value = known(measure).map_or("not known".to_owned(), |value| words::value(measure, &value));
                format!("{}: {value}", name(measure))
            })
            .collect();
        if values.is_empty() {
            self.text.clone()
        } else {
            values.join(", ")
        }
    }

    /// What it would have to be.
    fn wanted(&self, wanted: bool, limits: &Limits, known: Known<'_>) -> String {
        if let [measure] = self.measures.iter().collect::<Vec<_>>().as_slice()
            && self.text == **measure
        {
            return if wanted {
                name(measure)
            } else {
                format!("not {}", name(measure))
            };
        }
        if let Some(mut comparison) = self.comparison(limits) {
            if !wanted {
                comparison.turn();
            }
            if comparison.is_any() {
                return name(comparison.measure);
            }
            if comparison.is_none() {
                return format!("no {}", name(comparison.measure));
            }
            let now = known(comparison.measure)
                .map(|value| format!(" (now {})", words::value(comparison.measure, &value)))
                .unwrap_or_default();
            return format!("{} {}{now}", name(comparison.measure), comparison.asked());
        }
        if wanted {
            format!("`{}`", self.text)
        } else {
            format!("not `{}`", self.text)
        }
    }

    fn comparison(&self, limits: &Limits) -> Option<Comparison> {
        const SIGNS: [&str; 6] = [">=", "<=", "==", "!=", ">", "<"];
        let (at, sign) = SIGNS
            .iter()
            .filter_map(|sign| self.text.find(sign).map(|at| (at, *sign)))
            .min_by_key(|(at, sign)| (*at, 2 - sign.len()))?;
        let (left, right) = (self.text[..at].trim(), self.text[at + sign.len()..].trim());
        let left = left
            .strip_prefix("size(")
            .and_then(|left| left.strip_suffix(')'))
            .unwrap_or(left);
        let measure = *self.measures.iter().find(|measure| **measure == left)?;
        let number = match right.strip_prefix(LIMIT).and_then(|right| right.strip_prefix('.')) {
            Some(limit) => *limits.get(limit)?,
            None => right.parse().ok()?,
        };
        Some(Comparison { measure, sign, number })
    }
}

impl Comparison {
    /// Whether it asks only that there be something.
    fn is_any(&self) -> bool {
        self.number == 0.0 && self.sign == ">"
    }

    /// Whether it asks that there be nothing.
    fn is_none(&self) -> bool {
        self.number == 0.0 && matches!(self.sign, "==" | "<=")
    }

    /// The opposite question.
    fn turn(&mut self) {
        self.sign = match self.sign {
            ">=" => "<",
            "<=" => ">",
            "==" => "!=",
            "!=" => "==",
            ">" => "<=",
            _ => ">=",
        };
    }

    fn asked(&self) -> String {
        let number = words::number(
            self.number,
            vocabulary::find(self.measure).map(|declared| declared.kind),
        );
        match self.sign {
            ">=" => format!("at least {number}"),
            "<=" => format!("at most {number}"),
            ">" => format!("more than {number}"),
            "<" => format!("less than {number}"),
            "==" => number,
            _ => format!("not {number}"),
        }
    }
}

/// A measure's name as a person would say it: `tests with code`.
pub(crate) fn name(measure: &str) -> String {
    let short = FAMILIES
        .iter()
        .find_map(|family| measure.strip_prefix(family)?.strip_prefix('.'))
        .unwrap_or(measure);
    short
        .replace("_days_p50", " (median)")
        .replace("_days_p80", " (of four in five)")
        .replace("_days_p90", " (of nine in ten)")
        .trim_end_matches("_days")
        .trim_end_matches("_share")
        .replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::without_outer;

    #[test]
    fn only_brackets_around_all_of_it_are_taken_off() {
        for (text, expected) in [
            ("(a or b)", "a or b"),
            ("(a or b and (c or d))", "a or b and (c or d)"),
            ("(a or b) and (c or d)", "(a or b) and (c or d)"),
            ("a", "a"),
        ] {
            assert_eq!(without_outer(text), expected);
        }
    }
}
