//! Backups.

use pages::package::size;

use super::paint::{Table, Tone, paint};
use crate::printer::Sight;
use crate::wire::{BackupLine, BackupTaken, BackupVerified, Backups, ServerRestored};

/// What a backup holds, in a few words.
fn told(backup: &BackupLine) -> String {
    format!("{} facts, {} files, {}", backup.facts, backup.files, size(backup.bytes))
}

/// A backup that was taken.
pub fn taken(taken: &BackupTaken) -> String {
    format!(
        "{} backup {}: {}; {} of it new\n",
        paint(Tone::Good, "✓"),
        paint(Tone::Strong, &taken.backup.name),
        told(&taken.backup),
        size(taken.brought)
    )
}

/// The backups of a folder.
pub fn list(backups: &Backups, sight: &Sight) -> String {
    if backups.backups.is_empty() {
        return "No backup.\n".to_owned();
    }
    let mut table = Table::new(&["NAME", "TAKEN", "FACTS", "FILES", "SIZE", "VERSION"]);
    for backup in backups.backups.iter().rev() {
        table.row([
            (Tone::Strong, backup.name.clone()),
            (Tone::Plain, sight.ago(backup.taken_at)),
            (Tone::Plain, backup.facts.to_string()),
            (Tone::Plain, backup.files.to_string()),
            (Tone::Plain, size(backup.bytes)),
            (Tone::Quiet, backup.version.clone()),
        ]);
    }
    table.render(sight.width)
}

/// What came of checking a backup.
pub fn verified(verified: &BackupVerified, with_keys: bool) -> String {
    let name = paint(Tone::Strong, &verified.backup.name);
    match &verified.problem {
        None => format!(
            "{} backup {name} is as it was taken: {}{}\n",
            paint(Tone::Good, "✓"),
            told(&verified.backup),
            if with_keys { "; a trusted key signed it" } else { "" }
        ),
        Some(problem) => format!(
            "{} backup {name} is not as it was taken: {}\n",
            paint(Tone::Bad, "✗"),
            super::paint::clean(problem)
        ),
    }
}

/// A data folder that was filled.
pub fn restored(restored: &ServerRestored) -> String {
    format!(
        "{} {} holds what backup {} held: {}\n",
        paint(Tone::Good, "✓"),
        restored.data,
        paint(Tone::Strong, &restored.backup.name),
        told(&restored.backup)
    )
}
