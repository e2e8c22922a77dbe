//! A folder on disk as a tree: the files that git does not ignore.

use std::path::{Path, PathBuf};

use evidence::{Entry, EntryKind, Tree, TreeError};

use crate::exit::Exit;
use crate::failure::Failure;

/// The files of a folder.
pub(super) struct Folder {
    root: PathBuf,
    entries: Vec<Entry>,
}

impl Folder {
    /// Walks a folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn look(root: &Path) -> Result<Self, Failure> {
        let unread = |error: &dyn std::fmt::Display| {
            Failure::new(Exit::NotFound, format!("{} cannot be read: {error}", root.display()))
        };
        let metadata = std::fs::metadata(root).map_err(|error| unread(&error))?;
        if !metadata.is_dir() {
            return Err(Failure::new(Exit::Usage, format!("{} is no folder", root.display())));
        }
        let files = cache::Tree::look(root).map_err(|error| unread(&error))?.into_files();
        let entries = files.into_iter().filter_map(|file| {
            let kind = kind(&root.join(&file.path))?;
            Some(Entry { path: file.path, kind })
        });
        let mut entries: Vec<Entry> = entries.collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self {
            root: root.to_owned(),
            entries,
        })
    }
}

fn kind(path: &Path) -> Option<EntryKind> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = std::fs::symlink_metadata(path).ok()?;
    if metadata.file_type().is_symlink() {
        Some(EntryKind::Link)
    } else if !metadata.is_file() {
        None
    } else if metadata.permissions().mode() & 0o111 != 0 {
        Some(EntryKind::Executable)
    } else {
        Some(EntryKind::File)
    }
}

impl Tree for Folder {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn read(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>, TreeError> {
        let is_file = self
            .entries
            .binary_search_by(|entry| entry.path.as_str().cmp(path))
            .is_ok_and(|at| matches!(self.entries[at].kind, EntryKind::File | EntryKind::Executable));
        if !is_file {
            return Ok(None);
        }
        let whole = self.root.join(path);
        let unreadable = |error: std::io::Error| TreeError::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let size = std::fs::metadata(&whole).map_err(unreadable)?.len();
        if size > most {
            return Err(TreeError::TooLong {
                path: path.to_owned(),
                size,
                most,
            });
        }
        std::fs::read(&whole).map(Some).map_err(unreadable)
    }
}
