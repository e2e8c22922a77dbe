//! An assessment for people at a terminal.

mod explain;
mod picture;
mod report;
mod steps;

pub use explain::explain;
pub use report::report;

use evidence::{Finding, Place, Subject};
use maturity::document::Assessment;
use maturity::words;
use maturity::{Level, Verdict};

use super::paint::{Tone, clean, paint, width};
use super::section;

/// How wide the view is where nobody says how wide the terminal is.
const USUAL: usize = 100;
/// The view gets no narrower than this.
const NARROWEST: usize = 72;
/// The view gets no wider than this: longer lines are hard to read.
const WIDEST: usize = 120;

/// The sign of a verdict, and its colour.
const fn sign(verdict: Verdict) -> (&'static str, Tone) {
    match verdict {
        Verdict::Met => ("●", Tone::Good),
        Verdict::NotMet => ("○", Tone::Waiting),
        Verdict::InsufficientEvidence => ("·", Tone::Quiet),
        Verdict::Attested => ("◆", Tone::Busy),
        Verdict::Declined => ("–", Tone::Quiet),
    }
}

/// A verdict in words.
const fn said(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "met",
        Verdict::NotMet => "not met",
        Verdict::InsufficientEvidence => "not known",
        Verdict::Attested => "attested",
        Verdict::Declined => "declined",
    }
}

/// The whole view: where each category stands, the next steps, and what could not be read.
pub fn view(assessment: &Assessment, columns: Option<usize>) -> String {
    let columns = columns.unwrap_or(USUAL).clamp(NARROWEST, WIDEST);
    let mut text = head(&assessment.subject, columns);
    text.push('\n');
    text.push_str(&picture::categories(assessment, columns));
    if !assessment.components.is_empty() {
        section(&mut text, "Components");
        text.push_str(&picture::components(assessment, columns));
    }
    if !assessment.history.is_empty() {
        section(&mut text, "Month by month");
        text.push_str(&picture::history(assessment, columns));
    }
    if !assessment.next.is_empty() {
        section(&mut text, "Next steps");
        text.push_str(&steps::steps(&assessment.next, columns));
    }
    text.push_str(&unread(assessment, columns));
    text
}

/// What it is about: the name, the commit, the moment, the window.
fn head(subject: &Subject, columns: usize) -> String {
    let mut parts = Vec::new();
    if let Some(commit) = &subject.commit {
        parts.push(commit.chars().take(10).collect::<String>());
    }
    parts.push(subject.at.strftime("%-d %B %Y").to_string());
    parts.push(format!("the last {} days", subject.window_days));
    let name = match &subject.component {
        Some(component) => format!("{} / {}", subject.repository, component.name),
        None => subject.repository.clone(),
    };
    let name = super::paint::cut(&clean(&name), columns.saturating_sub(48).max(12));
    format!(
        "{}  {}\n",
        paint(Tone::Strong, &name),
        paint(Tone::Quiet, &parts.join(" · "))
    )
}

/// Findings that say the same of several places, together, each kind where it is first.
fn alike(findings: &[Finding]) -> Vec<Vec<&Finding>> {
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings {
        let same = |group: &&mut Vec<&Finding>| {
            group
                .first()
                .is_some_and(|first| first.problem == finding.problem && first.hint == finding.hint)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    groups
}

/// What could not be read, and what is left out.
fn unread(assessment: &Assessment, columns: usize) -> String {
    let mut text = String::new();
    if !assessment.findings.is_empty() {
        text.push('\n');
        text.push_str(&paint(Tone::Strong, "Not read"));
        text.push('\n');
        for alike in alike(&assessment.findings) {
            let Some(finding) = alike.first() else { continue };
            let places: Vec<String> = alike.iter().take(3).map(|one| words::place(&one.place)).collect();
            let more = match alike.len().saturating_sub(places.len()) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let line = format!("{}{more}: {}", places.join(", "), finding.problem);
            text.push_str(&wrapped(&clean(&line), columns, "  ", "    ", Tone::Plain));
            if let Some(hint) = &finding.hint {
                text.push_str(&wrapped(
                    &format!("hint: {}", clean(hint)),
                    columns,
                    "    ",
                    "    ",
                    Tone::Busy,
                ));
            }
        }
    }
    if !assessment.limits.is_empty() {
        text.push('\n');
        for limit in &assessment.limits {
            text.push_str(&wrapped(&clean(limit), columns, "", "", Tone::Quiet));
        }
    }
    text
}

/// Levels as a range: `base … intermediate`.
fn range(at_least: Option<Level>, at_most: Option<Level>) -> String {
    let name = |level: Option<Level>| level.map_or("below base", Level::name);
    if at_least == at_most {
        name(at_least).to_owned()
    } else {
        format!("{} … {}", name(at_least), name(at_most))
    }
}

/// A place with what is there, on one line.
fn place(of: &Place) -> (String, String) {
    (clean(&words::place(of)), clean(words::what(of).unwrap_or_default()))
}

/// `text` in lines of at most `columns` columns, each with its line end. The first begins with `first`,
/// the others with `further`.
fn wrapped(text: &str, columns: usize, first: &str, further: &str, tone: Tone) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let indent = if lines.is_empty() { first } else { further };
        let fits = width(indent) + width(&line) + 1 + width(word) <= columns;
        if !line.is_empty() && !fits {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
        .iter()
        .enumerate()
        .map(|(n, line)| format!("{}{}\n", if n == 0 { first } else { further }, paint(tone, line)))
        .collect()
}

/// `text` with spaces up to `columns`.
fn filled(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

#[cfg(test)]
mod tests;
