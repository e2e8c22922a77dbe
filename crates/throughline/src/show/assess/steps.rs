//! The next steps at a terminal.

use maturity::next::{Edit, NextStep};

use super::wrapped;
use crate::show::paint::{Tone, clean, cut, paint};

/// How many lines of a new file are shown; the others are in `--json` and `--html`.
const MOST_LINES: usize = 40;

pub(super) fn steps(next: &[NextStep], columns: usize) -> String {
    let mut text = String::new();
    for (n, step) in next.iter().enumerate() {
        let number = format!("{}. ", n + 1);
        text.push_str(&wrapped(
            &clean(&step.instruction),
            columns,
            &number,
            "   ",
            Tone::Strong,
        ));
        let ids: Vec<&str> = step.practices.iter().map(|wanted| wanted.id.as_str()).collect();
        let about = format!("{} · {}", ids.join(", "), clean(&step.why));
        text.push_str(&wrapped(&about, columns, "   ", "   ", Tone::Quiet));
        for edit in &step.edits {
            text.push_str(&edit_lines(edit, columns));
        }
        if step.edits.is_empty()
            && let Some(change) = &step.would_change
        {
            let line = format!("it is met by: {}", clean(change));
            text.push_str(&wrapped(&line, columns, "   ", "     ", Tone::Plain));
        }
        let moves: Vec<String> = step
            .moves
            .iter()
            .map(|moved| match &moved.now {
                Some(now) => format!("{} ({})", moved.metric, now),
                None => moved.metric.clone(),
            })
            .collect();
        if !moves.is_empty() {
            let line = format!("should move {}", clean(&moves.join(", ")));
            text.push_str(&wrapped(&line, columns, "   ", "   ", Tone::Quiet));
        }
        if n + 1 < next.len() {
            text.push('\n');
        }
    }
    text
}

fn edit_lines(edit: &Edit, columns: usize) -> String {
    let file = clean(&edit.file);
    let mut text = match (edit.after_line, &edit.after) {
        (Some(line), Some(after)) => {
            let place = format!("   in {file}, after line {line} ");
            let shown = cut(clean(after).trim(), columns.saturating_sub(place.len() + 3).max(10));
            format!("{place}{}\n", paint(Tone::Quiet, &format!("({shown})")))
        }
        (Some(line), None) => format!("   in {file}, after line {line}\n"),
        (None, _) => format!("   new file {file}\n"),
    };
    let lines: Vec<&str> = edit.lines.lines().collect();
    for line in lines.iter().take(MOST_LINES) {
        // Lines to be copied are never cut.
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        text.push_str(&format!("   {}\n", paint(Tone::Good, format!("+ {line}").trim_end())));
    }
    if lines.len() > MOST_LINES {
        let more = format!("   … {} more lines: see --json or --html", lines.len() - MOST_LINES);
        text.push_str(&paint(Tone::Quiet, &more));
        text.push('\n');
    }
    text
}
