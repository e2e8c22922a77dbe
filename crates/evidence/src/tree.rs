//! The files of one commit, as those see them who look for evidence in them.

use std::collections::BTreeMap;

/// A tree of files. Reading never follows a link and never leaves the tree.
pub trait Tree: Sync {
    /// All entries but folders, sorted by path.
    fn entries(&self) -> &[Entry];

    /// The bytes of a file, when it is there, is a file, and is not longer than `most` bytes.
    ///
    /// # Errors
    /// [`TreeError`] when it is longer or cannot be read (a missing or corrupt object).
    fn read(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>, TreeError>;

    /// Whether there is an entry at this path.
    fn has(&self, path: &str) -> bool {
        self.entries()
            .binary_search_by(|entry| entry.path.as_str().cmp(path))
            .is_ok()
    }
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path from the root with `/` between its parts; bytes that are no UTF-8 stand as U+FFFD,
    /// so a path is a name for people and a key within this tree, not bytes to open a file with.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A file with the bit to execute it.
    Executable,
    /// A symbolic link.
    Link,
    /// Another repository's commit.
    Submodule,
}

/// Why a file of a tree could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Longer than asked for.
    #[error("`{path}` has {size} bytes, more than the {most} that are read")]
    TooLong {
        /// The file.
        path: String,
        /// Its length in bytes.
        size: u64,
        /// The limit in bytes.
        most: u64,
    },
    /// The object is missing or broken.
    #[error("`{path}` cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the store said.
        reason: String,
    },
}

/// A tree in memory, for tests and for trees that come from elsewhere.
#[derive(Debug, Clone, Default)]
pub struct MemoryTree {
    entries: Vec<Entry>,
    contents: BTreeMap<String, Vec<u8>>,
}

impl MemoryTree {
    /// A tree of plain files with texts.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::of_bytes(files.into_iter().map(|(path, text)| (path, text.as_bytes().to_vec())))
    }

    /// A tree of plain files with bytes.
    pub fn of_bytes<'a>(files: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> Self {
        let contents: BTreeMap<String, Vec<u8>> = files
            .into_iter()
            .map(|(path, bytes)| (path.to_owned(), bytes))
            .collect();
        let entries = contents
            .keys()
            .map(|path| Entry {
                path: path.clone(),
                kind: EntryKind::File,
            })
            .collect();
        Self { entries, contents }
    }
}

impl Tree for MemoryTree {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn read(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>, TreeError> {
        let Some(bytes) = self.contents.get(path) else {
            return Ok(None);
        };
        let size = bytes.len() as u64;
        if size > most {
            return Err(TreeError::TooLong {
                path: path.to_owned(),
                size,
                most,
            });
        }
        Ok(Some(bytes.clone()))
    }
}
