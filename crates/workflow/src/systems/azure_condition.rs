//! Conditions of Azure Pipelines, which are written in functions.

use crate::occasion::{Condition, Filter, Occasion, Pattern};

/// A condition in functions: `and(succeeded(), eq(variables['Build.SourceBranch'], 'refs/heads/main'))`.
pub(super) fn condition(text: &str) -> Condition {
    if text.len() > 4_000 {
        return Condition::Unknown;
    }
    within(text, 0)
}

fn within(text: &str, depth: usize) -> Condition {
    if depth > 30 {
        return Condition::Unknown;
    }
    // A name in brackets is a variable; the rest is a call.
    let text = text.trim().trim_start_matches("${{").trim_end_matches("}}").trim();
    let Some((name, rest)) = text.split_once('(') else {
        return match text.to_ascii_lowercase().as_str() {
            "true" | "" => Condition::Fixed(true),
            "false" => Condition::Fixed(false),
            _ => Condition::Unknown,
        };
    };
    let inner = rest.strip_suffix(')').unwrap_or(rest);
    let arguments = split(inner);
    if arguments.len() > 50 {
        return Condition::Unknown;
    }
    match name.trim().to_ascii_lowercase().as_str() {
        "and" => Condition::All(arguments.iter().map(|text| within(text, depth + 1)).collect()),
        "or" => Condition::Any(arguments.iter().map(|text| within(text, depth + 1)).collect()),
        "not" => arguments
            .first()
            .map_or(Condition::Unknown, |text| within(text, depth + 1))
            .negated(),
        "succeeded" | "always" | "succeededorfailed" => Condition::Fixed(true),
        "failed" | "canceled" => Condition::Fixed(false),
        "eq" | "startswith" | "ne" | "in" => {
            let Some((first, others)) = arguments.split_first() else {
                return Condition::Unknown;
            };
            let starts = name.eq_ignore_ascii_case("startswith");
            let all = Condition::Any(others.iter().map(|other| compare(first, other, starts)).collect());
            if name.eq_ignore_ascii_case("ne") {
                all.negated()
            } else {
                all
            }
        }
        _ => Condition::Unknown,
    }
}

fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut from) = (0usize, false, 0);
    let mut parts = Vec::new();
    for (at, letter) in text.char_indices() {
        match letter {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                parts.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[from..].trim());
    parts
}

fn compare(left: &str, right: &str, starts: bool) -> Condition {
    let (variable, value) = if left.starts_with('\'') {
        (right, left)
    } else {
        (left, right)
    };
    let value = value.trim_matches('\'');
    let variable = variable.to_ascii_lowercase();
    let pattern = |text: &str| {
        if starts {
            Pattern::Glob(format!("{text}**"))
        } else {
            Pattern::glob(text)
        }
    };
    if variable.contains("build.sourcebranch") {
        if let Some(tag) = value.strip_prefix("refs/tags/") {
            return Condition::Tag(if tag.is_empty() {
                Filter::default()
            } else {
                Filter::one(pattern(tag))
            });
        }
        if value.starts_with("refs/pull") {
            return Condition::Started(vec![Occasion::Request]);
        }
        let branch = value.strip_prefix("refs/heads/").unwrap_or(value);
        return Condition::Branch(Filter::one(pattern(branch)));
    }
    if variable.contains("build.reason") {
        return Condition::Started(match value {
            "PullRequest" => vec![Occasion::Request],
            "Schedule" => vec![Occasion::Schedule],
            "Manual" => vec![Occasion::Manual],
            "IndividualCI" | "BatchedCI" => vec![Occasion::Trunk, Occasion::Branch, Occasion::Tag],
            _ => vec![Occasion::Other],
        });
    }
    Condition::Unknown
}
