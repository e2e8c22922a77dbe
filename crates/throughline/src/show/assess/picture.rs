//! Categories by levels: each practice a sign, and below it how far the category surely and possibly
//! reaches.

use maturity::document::{Assessment, ComponentAssessment};
use maturity::profile::CategoryProfile;
use maturity::{Level, Verdict};

use super::{filled, range, said, sign};
use crate::show::paint::{Tone, clean, cut, paint, width};

/// The widest that the names of categories get.
const NAMES: usize = 27;

/// The picture of all categories, with its legend.
pub(super) fn categories(assessment: &Assessment, columns: usize) -> String {
    let categories = &assessment.categories;
    let names = categories
        .iter()
        .map(|category| width(&category.name).max(width(&range(category.at_least, category.at_most)) + 2))
        .max()
        .unwrap_or(0)
        .min(NAMES)
        + 2;
    let needed = Level::ALL.map(|level| level.name().len().max(most(categories, level)) + 2);
    let spare = columns.saturating_sub(names + needed.iter().sum::<usize>()) / Level::ALL.len();
    let widths = if columns < names + needed.iter().sum::<usize>() {
        [(columns.saturating_sub(names) / Level::ALL.len()).max(7); 5]
    } else {
        needed.map(|needed| needed + spare.min(2))
    };
    let mut text = " ".repeat(names);
    for level in Level::ALL {
        let column = widths[level.number()];
        text.push_str(&filled(&paint(Tone::Quiet, &cut(level.name(), column - 1)), column));
    }
    text = text.trim_end().to_owned();
    text.push('\n');
    for category in categories {
        text.push_str(&row(category, names, &widths));
    }
    for left_out in &assessment.left_out {
        let line = format!(
            "{}  {}",
            filled(&clean(&left_out.name), names - 2),
            clean(&left_out.reason)
        );
        text.push_str(&paint(Tone::Quiet, &cut(&line, columns)));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&legend(categories, columns));
    text
}

/// The most practices that a category has at a level.
fn most(categories: &[CategoryProfile], level: Level) -> usize {
    let at = |category: &CategoryProfile| {
        category
            .practices
            .iter()
            .filter(|practice| practice.level == level)
            .count()
    };
    categories.iter().map(at).max().unwrap_or(0)
}

fn row(category: &CategoryProfile, names: usize, widths: &[usize; 5]) -> String {
    let mut signs = filled(&paint(Tone::Strong, &cut(&clean(&category.name), names - 2)), names);
    let reached = range(category.at_least, category.at_most);
    let mut bar = filled(&paint(Tone::Quiet, &format!("  {}", cut(&reached, names - 4))), names);
    for level in Level::ALL {
        let column = widths[level.number()];
        let mut cell = String::new();
        for practice in category.practices.iter().filter(|practice| practice.level == level) {
            let (sign, tone) = sign(practice.verdict);
            cell.push_str(&paint(tone, sign));
        }
        signs.push_str(&filled(&cell, column));
        // The last sign of a column is left out, so that one sees where a level ends.
        let part = |sign: &str, tone| format!("{} ", paint(tone, &sign.repeat(column - 1)));
        bar.push_str(&if Some(level) <= category.at_least {
            part("━", Tone::Good)
        } else if Some(level) <= category.at_most {
            part("┄", Tone::Quiet)
        } else {
            " ".repeat(column)
        });
    }
    format!("{}\n{}\n", signs.trim_end(), bar.trim_end())
}

fn legend(categories: &[CategoryProfile], columns: usize) -> String {
    let all = [
        Verdict::Met,
        Verdict::NotMet,
        Verdict::InsufficientEvidence,
        Verdict::Attested,
        Verdict::Declined,
    ];
    let mut parts: Vec<String> = all
        .into_iter()
        .filter_map(|verdict| {
            let count = categories
                .iter()
                .flat_map(|category| &category.practices)
                .filter(|practice| practice.verdict == verdict)
                .count();
            let always = matches!(verdict, Verdict::Met | Verdict::NotMet | Verdict::InsufficientEvidence);
            let (sign, tone) = sign(verdict);
            (always || count > 0).then(|| format!("{} {count} {}", paint(tone, sign), said(verdict)))
        })
        .collect();
    parts.push(format!("{} reached", paint(Tone::Good, "━━")));
    parts.push(format!("{} possible", paint(Tone::Quiet, "┄┄")));
    let mut lines = vec![String::new()];
    for part in parts {
        let last = lines.last().map_or(0, |line| width(line));
        if last > 0 && last + 3 + width(&part) > columns {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push_str("   ");
            }
            line.push_str(&part);
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A category in five signs, one for each level.
fn small(at_least: Option<Level>, at_most: Option<Level>) -> String {
    let part = |levels: usize, sign: &str, tone| paint(tone, &sign.repeat(levels));
    let reached = at_least.map_or(0, |level| level.number() + 1);
    let possible = at_most.map_or(0, |level| level.number() + 1).max(reached);
    format!(
        "{}{}{}",
        part(reached, "━", Tone::Good),
        part(possible - reached, "┄", Tone::Quiet),
        " ".repeat(Level::ALL.len() - possible)
    )
}

/// A table of small signs: one row each, one column a category.
fn table<'a>(
    headings: &[(String, String)],
    rows: impl Iterator<Item = (String, Vec<Option<String>>)> + 'a,
    columns: usize,
) -> String {
    let rows: Vec<_> = rows.collect();
    let widest = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let names = widest.min(columns / 3) + 2;
    let cells = rows
        .iter()
        .flat_map(|(_, cells)| cells)
        .flatten()
        .map(|cell| width(cell));
    let natural = headings
        .iter()
        .map(|(_, heading)| width(heading))
        .chain(cells)
        .max()
        .unwrap_or(0)
        + 2;
    let each = natural.min(columns.saturating_sub(names) / headings.len().max(1));
    let mut text = " ".repeat(names);
    for (_, heading) in headings {
        text.push_str(&filled(
            &paint(Tone::Quiet, &cut(heading, each.saturating_sub(1))),
            each,
        ));
    }
    text = format!("{}\n", text.trim_end());
    for (name, cells) in rows {
        let mut line = filled(&cut(&name, names - 2), names);
        for cell in cells {
            line.push_str(&filled(&cell.unwrap_or_default(), each));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The categories of all rows, by key, with a short heading.
fn headings<'a>(categories: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    let mut headings: Vec<(String, String)> = Vec::new();
    for (key, name) in categories {
        if !headings.iter().any(|(known, _)| known == key) {
            let first = name.split_whitespace().next().unwrap_or(name);
            headings.push((key.to_owned(), clean(first)));
        }
    }
    headings
}

pub(super) fn components(assessment: &Assessment, columns: usize) -> String {
    let all = assessment.components.iter().flat_map(|component| &component.categories);
    let headings = headings(all.map(|category| (category.key.as_str(), category.name.as_str())));
    let row = |component: &ComponentAssessment| {
        let cells = headings
            .iter()
            .map(|(key, _)| {
                let category = component.categories.iter().find(|category| category.key == *key)?;
                Some(small(category.at_least, category.at_most))
            })
            .collect();
        (clean(&component.name), cells)
    };
    table(&headings, assessment.components.iter().map(row), columns)
}

pub(super) fn history(assessment: &Assessment, columns: usize) -> String {
    let all = assessment.history.iter().flat_map(|month| &month.categories);
    let headings = headings(all.map(|category| (category.key.as_str(), category.name.as_str())));
    let rows = assessment.history.iter().map(|month| {
        let cells = headings
            .iter()
            .map(|(key, _)| {
                let then = month.categories.iter().find(|category| category.key == *key)?;
                let held = paint(Tone::Quiet, &format!("{:>2}", then.held));
                Some(format!("{} {held}", small(then.at_least, then.at_most)))
            })
            .collect();
        (month.at.strftime("%B %Y").to_string(), cells)
    });
    table(&headings, rows, columns)
}
