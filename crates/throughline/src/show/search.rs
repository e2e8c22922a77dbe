//! What search finds, by kinds.

use super::paint::{Table, Tone, clean};
use crate::printer::Sight;
use crate::wire::{Search, SearchHit};

/// As much of an id as a command takes for it.
fn name(kind: &str, hit: &SearchHit) -> String {
    let bare = hit.id.strip_prefix("sha256:").unwrap_or(&hit.id);
    match kind {
        "change" | "package" => bare.chars().take(12).collect(),
        "component" | "environment" => String::new(),
        _ => bare.to_owned(),
    }
}

/// The hits, a table a kind.
pub fn search(found: &Search, sight: &Sight) -> String {
    if found.groups.is_empty() {
        return "Nothing begins like that.\n".to_owned();
    }
    let mut text = String::new();
    for group in &found.groups {
        let heading = match group.kind.as_str() {
            "component" => "Components",
            "environment" => "Environments",
            "change" => "Changes",
            "package" => "Packages",
            "run" => "Runs",
            "person" => "People",
            other => other,
        };
        super::section(&mut text, heading);
        let mut table = Table::new(&["", "", "", "", ""]).indented(2).flexible(1);
        for hit in &group.hits {
            table.row([
                (Tone::Quiet, name(&group.kind, hit)),
                (Tone::Strong, clean(&hit.title)),
                (Tone::Plain, clean(hit.component.as_deref().unwrap_or_default())),
                (Tone::Plain, clean(hit.note.as_deref().unwrap_or_default())),
                (Tone::Quiet, hit.at.map(|at| sight.ago(at)).unwrap_or_default()),
            ]);
        }
        text.push_str(&table.render(sight.width));
        if group.more {
            text.push_str("  … and more; --limit shows them, or another word makes it narrower\n");
        }
    }
    text
}
