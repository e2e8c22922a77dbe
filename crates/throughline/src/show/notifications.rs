//! What was told to people and machines outside.

use super::paint::{Table, Tone, clean, paint};
use crate::printer::Sight;
use crate::wire::{DeliveryLine, Notifications};

/// The deliveries, newest first, those that were not taken with the reason.
pub fn list(all: &Notifications, sight: &Sight) -> String {
    if !all.on && all.deliveries.is_empty() {
        return "This server tells nobody anything.\n".to_owned();
    }
    if all.deliveries.is_empty() {
        return "Nothing was told yet.\n".to_owned();
    }
    let mut table = Table::new(&["", "TO", "EVENT", "WHAT", "WHEN"]).flexible(3);
    for one in &all.deliveries {
        let (tone, state) = state(one);
        table.row([
            (tone, state),
            (Tone::Plain, clean(&one.to)),
            (Tone::Plain, clean(&one.event)),
            (Tone::Strong, clean(&one.title)),
            (Tone::Quiet, sight.ago(one.at)),
        ]);
    }
    let mut text = table.render(sight.width);
    let mut told: Vec<&str> = Vec::new();
    for one in &all.deliveries {
        let Some(problem) = one.problem.as_deref().filter(|_| one.state != "delivered") else {
            continue;
        };
        if told.contains(&one.to.as_str()) {
            continue;
        }
        if told.is_empty() {
            text.push('\n');
        }
        told.push(&one.to);
        let (problem, hint) = problem.split_once("\nhint: ").unwrap_or((problem, ""));
        text.push_str(&format!("{}: {}\n", clean(&one.to), clean(problem)));
        if !hint.is_empty() {
            text.push_str(&format!("  {} {}\n", paint(Tone::Busy, "hint:"), clean(hint)));
        }
    }
    text
}

fn state(one: &DeliveryLine) -> (Tone, String) {
    match (one.state.as_str(), one.attempts) {
        ("delivered", _) => (Tone::Good, "✓ delivered".to_owned()),
        ("given-up", _) => (Tone::Bad, "✗ given up".to_owned()),
        (_, 0) => (Tone::Quiet, "· waiting".to_owned()),
        (_, attempts) => (Tone::Waiting, format!("! tried {attempts}×")),
    }
}
