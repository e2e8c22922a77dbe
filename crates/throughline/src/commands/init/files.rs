//! The files of a draft: all are written, or none.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use draft::Draft;
use pipeline::{Definition, Diagnostics};
use tempfile::NamedTempFile;

/// A file of a draft.
pub(super) struct DraftFile<'a> {
    /// Where it lies.
    pub path: PathBuf,
    /// What it is called for people.
    pub shown: PathBuf,
    /// What stands in it.
    pub text: &'a str,
}

/// The files of a draft for a folder, the one at the top first; `shown` is what the folder is called.
pub(super) fn of<'a>(draft: &'a Draft, root: &Path, shown: &Path) -> Vec<DraftFile<'a>> {
    let file = |folder: &str, text: &'a str| {
        let name = Path::new(folder).join(pipeline::definition::FILE);
        let shown = shown.join(&name);
        DraftFile {
            path: root.join(&name),
            shown: shown.strip_prefix(".").map(Path::to_owned).unwrap_or(shown),
            text,
        }
    };
    let inner = draft.components.iter();
    std::iter::once(file("", &draft.text))
        .chain(inner.map(|component| file(&component.folder, &component.text)))
        .collect()
}

/// Checks all files.
///
/// # Errors
/// What is wrong with the first that is not right.
pub(super) fn check(files: &[DraftFile<'_>]) -> Result<(), Diagnostics> {
    for file in files {
        Definition::parse_bytes(file.text.as_bytes(), &file.shown.display().to_string())?;
    }
    Ok(())
}

/// Writes all files, over others only where that is wanted.
///
/// # Errors
/// The file that could not be written, and why; none of them is there then that was not there before.
pub(super) fn write<'f>(files: &'f [DraftFile<'_>], force: bool) -> Result<(), (&'f DraftFile<'f>, std::io::Error)> {
    // All are whole beside their places before the first comes to its own.
    let mut ready: Vec<(&DraftFile<'_>, NamedTempFile)> = Vec::with_capacity(files.len());
    for file in files {
        ready.push((file, fresh(file).map_err(|error| (file, error))?));
    }
    let mut done: Vec<&Path> = Vec::new();
    for (file, fresh) in ready {
        let was_there = file.path.exists();
        let kept = if force {
            fresh.persist(&file.path)
        } else {
            fresh.persist_noclobber(&file.path)
        };
        if let Err(error) = kept {
            for path in done {
                let _ = std::fs::remove_file(path);
            }
            return Err((file, error.error));
        }
        if !was_there {
            done.push(&file.path);
        }
    }
    Ok(())
}

fn fresh(file: &DraftFile<'_>) -> std::io::Result<NamedTempFile> {
    let folder = file.path.parent().unwrap_or(Path::new("."));
    let mut fresh = tempfile::Builder::new()
        .prefix(".throughline-")
        .permissions(<std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(
            0o644,
        ))
        .tempfile_in(folder)?;
    fresh.write_all(file.text.as_bytes())?;
    Ok(fresh)
}
