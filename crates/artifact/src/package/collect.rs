//! Which files of a workspace go into a package, and where.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::FileType;

use super::{ENTRY_LIMIT, PackageError, RecipeFile};
use crate::beneath::{self, Folder, Links, RelativePath};

/// One entry of a package-to-be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// A folder.
    Folder,
    /// A file, by its path in the workspace.
    File(RelativePath),
    /// A symlink that stays in the package.
    Link(String),
}

/// Entries by their path in the package: sorted, and a folder before what is in it.
pub(super) type Entries = BTreeMap<String, (Entry, String)>;

/// Collects what the recipe names.
pub(super) fn collect(workspace: &Folder, files: &[RecipeFile]) -> Result<Entries, PackageError> {
    let mut entries = Entries::new();
    for file in files {
        let from = RelativePath::new(&file.from).map_err(|source| PackageError::Path { field: "from", source })?;
        let to = RelativePath::new(&file.to).map_err(|source| PackageError::Path { field: "to", source })?;
        let (handle, stat) = workspace
            .read(&from, Links::FollowBeneath)
            .map_err(|error| not_readable(&file.from, error))?;
        match beneath::file_type(&stat) {
            FileType::Directory => Walk {
                workspace,
                top: from.depth(),
            }
            .folder(&handle, &from, &to, &mut entries)?,
            _ => {
                let into_folder = to.is_root() || file.to.ends_with('/');
                let to = if into_folder { join(&to, from.name())? } else { to };
                add(&mut entries, &to, Entry::File(from.clone()), &file.from)?;
            }
        }
    }
    if !entries.values().any(|(entry, _)| !matches!(entry, Entry::Folder)) {
        return Err(PackageError::Empty);
    }
    Ok(entries)
}

struct Walk<'a> {
    workspace: &'a Folder,
    /// How deep the copied folder is in the workspace.
    top: usize,
}

impl Walk<'_> {
    fn folder(
        &self,
        handle: &OwnedFd,
        from: &RelativePath,
        to: &RelativePath,
        entries: &mut Entries,
    ) -> Result<(), PackageError> {
        if !to.is_root() {
            add(entries, to, Entry::Folder, from.as_str())?;
        }
        let listed = beneath::list(handle).map_err(|source| PackageError::Read {
            path: from.to_string(),
            source,
        })?;
        for item in listed {
            if from.is_root() && item.name == ".git" {
                continue;
            }
            let path = join(from, &item.name)?;
            let target_path = join(to, &item.name)?;
            match item.kind {
                FileType::RegularFile => {
                    let source = path.to_string();
                    add(entries, &target_path, Entry::File(path), &source)?;
                }
                FileType::Directory => {
                    let (handle, _) = self
                        .workspace
                        .read(&path, Links::Refuse)
                        .map_err(|error| not_readable(path.as_str(), error))?;
                    self.folder(&handle, &path, &target_path, entries)?;
                }
                FileType::Symlink => {
                    let entry = self.link(&path, item.target.unwrap_or_default())?;
                    add(entries, &target_path, entry, path.as_str())?;
                }
                other => {
                    return Err(PackageError::Special {
                        path: path.to_string(),
                        kind: kind_in_words(other),
                    });
                }
            }
        }
        Ok(())
    }

    /// A link within the copied folder stays a link; one to a file elsewhere in the workspace becomes
    /// that file; any other is refused.
    fn link(&self, path: &RelativePath, target: String) -> Result<Entry, PackageError> {
        let found = self.workspace.read(path, Links::FollowBeneath);
        let refuse = |reason| PackageError::Link {
            path: path.to_string(),
            target: target.clone(),
            reason,
        };
        let stat = match found {
            Ok((_, stat)) => stat,
            Err(error) if beneath::is_escape(&error) => {
                return Err(PackageError::Escapes {
                    path: path.to_string(),
                    target: Some(target),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(refuse("nothing is there")),
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                return Err(refuse("it leads back to itself"));
            }
            Err(_) => return Err(refuse("it does not lead to a readable file or folder")),
        };
        let depth = path.depth() - 1 - self.top;
        if beneath::link_stays_beneath(depth, &target) {
            return Ok(Entry::Link(target));
        }
        match beneath::file_type(&stat) {
            FileType::RegularFile => Ok(Entry::File(path.clone())),
            _ => Err(refuse("it leads to a folder outside the one that is packaged")),
        }
    }
}

fn add(entries: &mut Entries, to: &RelativePath, entry: Entry, from: &str) -> Result<(), PackageError> {
    if to.parts().any(|part| part.starts_with(".wh.")) {
        return Err(PackageError::Whiteout { path: to.to_string() });
    }
    for above in to.ancestors() {
        put(entries, above, Entry::Folder, from)?;
    }
    put(entries, to.as_str(), entry, from)?;
    if entries.len() > ENTRY_LIMIT {
        return Err(PackageError::TooLarge {
            limit: format!("{ENTRY_LIMIT} entries"),
        });
    }
    Ok(())
}

fn put(entries: &mut Entries, to: &str, entry: Entry, from: &str) -> Result<(), PackageError> {
    match entries.get(to) {
        None => {
            entries.insert(to.to_owned(), (entry, from.to_owned()));
            Ok(())
        }
        Some((Entry::Folder, _)) if entry == Entry::Folder => Ok(()),
        Some((_, first)) => Err(PackageError::Twice {
            to: to.to_owned(),
            first: first.clone(),
            second: from.to_owned(),
        }),
    }
}

fn join(path: &RelativePath, name: &str) -> Result<RelativePath, PackageError> {
    RelativePath::new(name)
        .and_then(|name| path.join(&name))
        .map_err(|source| PackageError::Path { field: "from", source })
}

fn not_readable(from: &str, error: io::Error) -> PackageError {
    let from = if from.is_empty() { "." } else { from }.to_owned();
    if beneath::is_escape(&error) {
        PackageError::Escapes {
            path: from,
            target: None,
        }
    } else if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
        PackageError::MissingFile { from }
    } else {
        PackageError::Read {
            path: from,
            source: error,
        }
    }
}

fn kind_in_words(kind: FileType) -> &'static str {
    match kind {
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "of an unknown kind",
    }
}
