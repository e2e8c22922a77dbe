//! What several moments of one repository have in common: contents are decoded once, and files that are the same at two
//! moments are looked into once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::files::Files;
use crate::rows::CommitId;

/// How many bytes of contents are kept.
const MOST_BYTES: usize = 128 * 1024 * 1024;

/// Contents longer than this are not kept: few readers want them, and they would crowd out what all want.
const LONGEST: usize = 512 * 1024;

/// Of how many trees what was found in them is kept.
const MOST_TREES: usize = 4;

/// Contents by the names of their objects.
#[derive(Default)]
pub(crate) struct Memory {
    contents: Mutex<Contents>,
    found: Mutex<Vec<(CommitId, Arc<Files>)>>,
}

#[derive(Default)]
struct Contents {
    by_name: HashMap<CommitId, Arc<[u8]>>,
    bytes: usize,
}

impl Memory {
    /// The bytes of an object, when they are kept.
    pub fn get(&self, id: &CommitId) -> Option<Arc<[u8]>> {
        self.contents.lock().ok()?.by_name.get(id).cloned()
    }

    /// Keeps the bytes of an object, as long as there is room.
    pub fn keep(&self, id: CommitId, bytes: &[u8]) {
        if bytes.len() > LONGEST {
            return;
        }
        let Ok(mut contents) = self.contents.lock() else { return };
        if contents.bytes + bytes.len() > MOST_BYTES {
            return;
        }
        contents.bytes += bytes.len();
        contents.by_name.insert(id, Arc::from(bytes));
    }

    /// What was found in a tree, when that is kept.
    pub fn found(&self, top: &CommitId) -> Option<Arc<Files>> {
        let found = self.found.lock().ok()?;
        found
            .iter()
            .find(|(known, _)| known == top)
            .map(|(_, files)| Arc::clone(files))
    }

    /// Keeps what was found in a tree; that of the oldest one goes.
    pub fn keep_found(&self, top: CommitId, files: &Arc<Files>) {
        let Ok(mut found) = self.found.lock() else { return };
        if found.len() == MOST_TREES {
            found.remove(0);
        }
        found.push((top, Arc::clone(files)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> CommitId {
        CommitId([byte; 20])
    }

    #[test]
    fn contents_are_kept_as_long_as_there_is_room() {
        let memory = Memory::default();
        memory.keep(id(1), b"one");
        assert_eq!(memory.get(&id(1)).as_deref(), Some(b"one".as_slice()));
        assert_eq!(memory.get(&id(2)), None);
        memory.keep(id(3), &vec![0; LONGEST + 1]);
        assert_eq!(memory.get(&id(3)), None);
    }
}
