//! Measures in words for people.

use evidence::vocabulary::{self, Kind};
use evidence::{Place, Stream, Value};

/// What kind of value it is, with its article.
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "true or false",
        Kind::Count => "a count",
        Kind::Share => "a share between 0 and 1",
        Kind::Days => "a number of days",
        Kind::Number => "a number",
        Kind::Text => "a text",
        Kind::List => "a list",
    }
}

/// What a measure means: a clause without a full stop, in lower case.
pub fn meaning(name: &str) -> String {
    let Some(declared) = vocabulary::find(name) else {
        return String::new();
    };
    let text = declared.meaning.trim_end_matches('.');
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(text.chars().skip(1)).collect()
        }
        _ => text.to_owned(),
    }
}

/// Where records of this kind come from, in words.
pub fn stream(stream: Stream) -> &'static str {
    match stream {
        Stream::History => "the history",
        Stream::Files => "the files",
        Stream::Pipelines => "pipeline definitions",
        Stream::Runs => "records of runs",
        Stream::Deployments => "records of deployments",
        Stream::Tickets => "work items",
        Stream::Operations => "signals from production",
    }
}

/// The value of the measure `name`, with its unit.
pub fn value(name: &str, value: &Value) -> String {
    let kind = vocabulary::find(name).map(|declared| declared.kind);
    match value {
        Value::Boolean(true) => "yes".to_owned(),
        Value::Boolean(false) => "no".to_owned(),
        Value::Integer(count) => number(*count as f64, kind),
        Value::Number(of) => number(*of, kind),
        Value::Text(text) => text.clone(),
        Value::List(words) if words.is_empty() => "none".to_owned(),
        Value::List(words) => words.join(", "),
    }
}

/// A number in the unit of a kind.
pub fn number(of: f64, kind: Option<Kind>) -> String {
    match kind {
        Some(Kind::Share) => format!("{} %", rounded(of * 100.0)),
        Some(Kind::Days) if (rounded(of)) == "1" => "1 day".to_owned(),
        Some(Kind::Days) => format!("{} days", rounded(of)),
        _ => rounded(of),
    }
}

/// At most one digit after the point, none from 10 on.
fn rounded(of: f64) -> String {
    let text = if of.abs() >= 10.0 || of.fract() == 0.0 {
        format!("{of:.0}")
    } else if of.abs() >= 0.1 {
        format!("{of:.1}")
    } else {
        format!("{of:.2}")
    };
    match text.strip_suffix(".0") {
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

/// A place on one line, as `file:line`, a short commit id, or a ref.
pub fn place(place: &Place) -> String {
    match place {
        Place::File {
            file, line: Some(line), ..
        } => format!("{file}:{line}"),
        Place::File { file, .. } => file.clone(),
        Place::Commit { commit, .. } => commit.chars().take(10).collect(),
        Place::Ref { name, .. } => name.clone(),
    }
}

/// What is at a place, where that is said.
pub fn what(place: &Place) -> Option<&str> {
    match place {
        Place::File { what, .. } => what.as_deref(),
        Place::Commit { what, .. } | Place::Ref { what, .. } => Some(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_said_with_their_unit() {
        for (name, given, expected) in [
            ("history.revert_share", Value::Number(0.312), "31 %"),
            ("history.revert_share", Value::Number(0.004), "0.4 %"),
            ("history.lead_time_days_p50", Value::Number(1.0), "1 day"),
            ("history.lead_time_days_p50", Value::Number(3.26), "3.3 days"),
            ("history.commits", Value::Integer(1200), "1200"),
            ("pipelines.builds", Value::Boolean(false), "no"),
            ("files.stacks", Value::List(Vec::new()), "none"),
        ] {
            assert_eq!(value(name, &given), expected);
        }
    }
}
