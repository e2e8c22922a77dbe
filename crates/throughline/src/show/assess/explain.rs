//! Practices one by one: the verdict, why, the evidence, and what would change it.

use maturity::profile::{CategoryProfile, PracticeProfile, Shown};

use super::{USUAL, WIDEST, place, range, said, sign, wrapped};
use crate::show::paint::{Tone, clean, cut, paint, width};

/// How many places are shown of each measure.
const MOST_PLACES: usize = 3;
const INDENT: &str = "      ";

/// The practices of a category that `wanted` accepts.
pub fn explain(
    category: &CategoryProfile,
    wanted: impl Fn(&PracticeProfile) -> bool,
    columns: Option<usize>,
) -> String {
    let columns = columns.unwrap_or(USUAL).min(WIDEST);
    let practices: Vec<&PracticeProfile> = category.practices.iter().filter(|each| wanted(each)).collect();
    if practices.is_empty() {
        return String::new();
    }
    let reached = range(category.at_least, category.at_most);
    let mut text = format!(
        "{}  {}\n",
        paint(Tone::Strong, &clean(&category.name)),
        paint(Tone::Quiet, &reached)
    );
    for practice in practices {
        text.push('\n');
        text.push_str(&one(practice, columns));
    }
    text
}

fn one(practice: &PracticeProfile, columns: usize) -> String {
    let (sign, tone) = sign(practice.verdict);
    let verdict = format!("{} {}", paint(tone, sign), said(practice.verdict));
    let about = paint(Tone::Quiet, practice.level.name());
    let id = format!("{:<6}", clean(&practice.id));
    let room = columns.saturating_sub(width(&id) + 4 + width(&about) + width(&verdict));
    let name = cut(&clean(&practice.name), room);
    let mut text = format!(
        "{}{}  {verdict}  {about}\n",
        paint(Tone::Strong, &id),
        paint(Tone::Strong, &name)
    );
    let mut line = |said: &str, tone| text.push_str(&wrapped(&clean(said), columns, INDENT, INDENT, tone));
    line(&practice.reason, Tone::Plain);
    if let Some(change) = &practice.would_change {
        line(&format!("what would change it: {change}"), Tone::Plain);
    }
    for tension in &practice.tensions {
        line(&format!("beside {}: {}", tension.with, tension.because), Tone::Quiet);
    }
    for shown in &practice.evidence {
        text.push_str(&evidence(shown, columns));
    }
    if !practice.beside.is_empty() {
        let beside: Vec<String> = practice
            .beside
            .iter()
            .map(|shown| format!("{} {}", shown.measure, shown.words))
            .collect();
        let line = format!("watch beside it: {}", beside.join(", "));
        text.push_str(&wrapped(&clean(&line), columns, INDENT, INDENT, Tone::Quiet));
    }
    text
}

fn evidence(shown: &Shown, columns: usize) -> String {
    let sample = shown.sample.map(|sample| format!(" of {sample}")).unwrap_or_default();
    let line = format!("{}  {}{sample}", shown.measure, clean(&shown.words));
    let mut text = wrapped(&line, columns, INDENT, "        ", Tone::Busy);
    let places = shown.places.iter().take(MOST_PLACES).map(|of| (" ", of));
    let against = shown.against.iter().take(MOST_PLACES).map(|of| ("but", of));
    for (before, of) in places.chain(against) {
        let (at, what) = place(of);
        let before = if before == " " {
            String::new()
        } else {
            format!("{before} ")
        };
        let line = cut(&format!("{before}{at}  {what}"), columns.saturating_sub(8));
        text.push_str(&format!("        {}\n", paint(Tone::Quiet, line.trim_end())));
    }
    if let Some(note) = &shown.note {
        text.push_str(&wrapped(&clean(note), columns, "        ", "        ", Tone::Quiet));
    }
    text
}
