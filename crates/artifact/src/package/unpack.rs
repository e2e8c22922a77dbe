//! Unpacking a package so that nothing leaves the target folder and nothing in it can be changed.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::layer::{self, CheckedKind};
use super::{Package, PackageError};
use crate::beneath::{Folder, RelativePath};
use crate::blob::BlobStore;

/// Unpacks a package into `folder`, which must be empty or absent. Files become 0444 or 0555, folders
/// 0555; `folder` itself stays writable. Layers are verified on the way.
///
/// # Errors
/// When the folder holds something, a layer is damaged or holds something that must not be unpacked,
/// or the disk fails. What was unpacked until then stays: the caller removes the folder.
pub fn unpack(store: &BlobStore, package: &Package, folder: &Path) -> Result<(), PackageError> {
    let wrong = |source| PackageError::Write {
        path: folder.to_owned(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(wrong)?;
    if std::fs::read_dir(folder).map_err(wrong)?.next().is_some() {
        return Err(wrong(io::Error::new(
            io::ErrorKind::DirectoryNotEmpty,
            "the folder is not empty",
        )));
    }
    let root = Folder::open(folder).map_err(wrong)?;
    let mut folders = Vec::new();
    layer::walk(store, package, |entry| {
        let path = entry.path;
        let wrong = |source| PackageError::Write {
            path: folder.join(path.as_str()),
            source,
        };
        let above = path
            .ancestors()
            .last()
            .map_or(Ok(RelativePath::root()), RelativePath::new);
        match entry.kind {
            CheckedKind::Folder => {
                root.make_folders(&path).map_err(wrong)?;
                folders.push(path);
            }
            CheckedKind::Link { target } => {
                make_above(&root, above, folder)?;
                root.make_link(&path, &target).map_err(wrong)?;
            }
            CheckedKind::File {
                size,
                executable,
                bytes,
            } => {
                make_above(&root, above, folder)?;
                let mut file = root.create(&path).map_err(wrong)?;
                let written = io::copy(bytes, &mut file).map_err(wrong)?;
                if written != size {
                    return Err(wrong(io::ErrorKind::UnexpectedEof.into()));
                }
                seal(&file, if executable { 0o555 } else { 0o444 }).map_err(wrong)?;
            }
        }
        Ok(())
    })?;
    // The innermost first: a sealed folder takes nothing new.
    folders.sort_by_key(|path| std::cmp::Reverse(path.depth()));
    for path in &folders {
        let wrong = |source| PackageError::Write {
            path: folder.join(path.as_str()),
            source,
        };
        let (handle, _) = root.read(path, crate::beneath::Links::Refuse).map_err(wrong)?;
        seal(&File::from(handle), 0o555).map_err(wrong)?;
    }
    Ok(())
}

fn make_above(
    root: &Folder,
    above: Result<RelativePath, crate::beneath::PathError>,
    folder: &Path,
) -> Result<(), PackageError> {
    let wrong = |source| PackageError::Write {
        path: folder.to_owned(),
        source,
    };
    let above = above.map_err(|e| wrong(io::Error::other(e)))?;
    root.make_folders(&above).map_err(wrong)
}

fn seal(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
}
