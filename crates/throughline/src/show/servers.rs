//! The servers that work on the facts, where they are several or something is amiss.

use super::paint::{Tone, clean, paint};
use super::section;
use crate::printer::Sight;
use crate::wire::{Server, Servers};

/// The servers and what each leads; nothing for one that does everything alone.
pub fn servers(servers: &Servers, sight: &Sight) -> String {
    let alone = servers.servers.len() <= 1 && servers.unled.is_empty();
    if alone && servers.servers.iter().all(|one| one.at_work) {
        return String::new();
    }
    let mut text = String::from("\n");
    let mut lines = String::new();
    section(&mut lines, "Servers");
    let led: usize = servers.servers.iter().map(|one| one.leads.len()).sum();
    for one in &servers.servers {
        lines.push_str(&line(one, led + servers.unled.len(), sight));
    }
    if !servers.unled.is_empty() {
        lines.push_str(&format!(
            "  {} nobody leads {} now; a server takes over within 15 seconds\n",
            paint(Tone::Waiting, "!"),
            servers.unled.join(", ")
        ));
    }
    text.push_str(&lines);
    text
}

fn line(one: &Server, duties: usize, sight: &Sight) -> String {
    let place = match &one.url {
        Some(url) => clean(url),
        None => format!("process {} on {}", one.process, clean(&one.host)),
    };
    let (mark, does) = match (one.at_work, one.leads.as_slice()) {
        (false, _) => (
            paint(Tone::Bad, "✗"),
            format!("has not been at work since {}", sight.clock(one.heard_at)),
        ),
        (true, []) => (paint(Tone::Quiet, "○"), "stands by".to_owned()),
        (true, leads) => {
            let named: Vec<&str> = leads.iter().map(|led| led.duty.as_str()).collect();
            let named = match leads.len() == duties {
                true => "everything".to_owned(),
                false => clean(&named.join(", ")),
            };
            let since = leads.iter().map(|led| led.since).max();
            let since = since
                .map(|since| format!(", since {}", sight.clock(since)))
                .unwrap_or_default();
            (paint(Tone::Good, "●"), format!("leads {named}{since}"))
        }
    };
    let this = if one.this {
        paint(Tone::Quiet, "  answered this")
    } else {
        String::new()
    };
    format!("  {mark} {}  {does}{this}\n", paint(Tone::Strong, &place))
}
