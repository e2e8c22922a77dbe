//! A tree with a few files changed.

use std::collections::BTreeMap;

use evidence::{Entry, EntryKind, Tree, TreeError};

use super::text;
use crate::next::Edit;

/// A tree over another one.
pub(super) struct Overlay<'a> {
    base: &'a dyn Tree,
    entries: Vec<Entry>,
    changed: BTreeMap<String, String>,
}

impl<'a> Overlay<'a> {
    /// The tree `base` with `edits` applied; nothing where one of them does not fit.
    pub fn of(base: &'a dyn Tree, edits: &[Edit]) -> Option<Self> {
        let mut changed: BTreeMap<String, String> = BTreeMap::new();
        for edit in edits {
            let before = changed.get(&edit.file).cloned().or_else(|| text(base, &edit.file));
            changed.insert(edit.file.clone(), apply(edit, before.as_deref())?);
        }
        let mut entries = base.entries().to_vec();
        for path in changed.keys().filter(|path| !base.has(path)) {
            entries.push(Entry {
                path: path.clone(),
                kind: EntryKind::File,
            });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Some(Self { base, entries, changed })
    }
}

/// The text of the edited file.
fn apply(edit: &Edit, before: Option<&str>) -> Option<String> {
    let Some(line) = edit.after_line else {
        return before.is_none().then(|| edit.lines.clone());
    };
    let before = before?;
    let line = line as usize;
    let lines: Vec<&str> = before.split_inclusive('\n').collect();
    if line > lines.len() {
        return None;
    }
    let mut after: String = lines[..line].concat();
    if !after.is_empty() && !after.ends_with('\n') {
        after.push('\n');
    }
    after.push_str(&edit.lines);
    if !after.ends_with('\n') {
        after.push('\n');
    }
    after.push_str(&lines[line..].concat());
    Some(after)
}

impl Tree for Overlay<'_> {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn read(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>, TreeError> {
        match self.changed.get(path) {
            Some(text) if text.len() as u64 <= most => Ok(Some(text.clone().into_bytes())),
            Some(text) => Err(TreeError::TooLong {
                path: path.to_owned(),
                size: text.len() as u64,
                most,
            }),
            None => self.base.read(path, most),
        }
    }
}
