//! Where a step that is not isolated finds its secrets: a private folder with a file for each, gone when
//! the attempt is. An isolated one finds them in memory that nobody else sees.
//!
//! The folder is in memory (`/dev/shm`) where that can be used, else in the run's folder. Files are
//! for the user alone and read-only. The folder's name follows from the attempt, so that whatever a
//! crash leaves behind is found again.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use facts::RunId;

use zeroize::Zeroizing;

use crate::container::record;
use crate::wire::{Attempt, SecretMessage};

/// The variable that names the folder.
pub(crate) const VARIABLE: &str = "THROUGHLINE_SECRETS";

/// Where the folders of all attempts are: in memory, or for the lack of that in the run's folder.
fn homes(run_folder: &Path) -> [PathBuf; 2] {
    let user = rustix::process::geteuid().as_raw();
    [
        PathBuf::from(format!("/dev/shm/throughline-{user}")),
        run_folder.join("secrets"),
    ]
}

fn name(run: RunId, attempt: &Attempt) -> String {
    format!("{run}-{}", attempt.name())
}

/// A folder that belongs to this user and is closed to everybody else. In a place where everybody
/// writes, somebody may have made it first.
fn make_home(home: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(home) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = std::fs::symlink_metadata(home)?;
    if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("{} is not ours", home.display()),
        ));
    }
    if found.mode() & 0o077 != 0 {
        std::fs::set_permissions(home, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

fn write_in(home: &Path, name: &str, secrets: &[SecretMessage]) -> io::Result<PathBuf> {
    make_home(home)?;
    let folder = home.join(name);
    if folder.symlink_metadata().is_ok() {
        std::fs::remove_dir_all(&folder)?;
    }
    DirBuilder::new().mode(0o700).create(&folder)?;
    let written = secrets.iter().try_for_each(|secret| {
        let path = folder.join(&secret.name);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o400)
            .open(path)?
            .write_all(secret.value().as_bytes())
    });
    if let Err(error) = written {
        let _ = std::fs::remove_dir_all(&folder);
        return Err(error);
    }
    Ok(folder)
}

/// Writes the secrets of an attempt; the answer is their folder.
///
/// # Errors
/// When there is no place for them.
pub(crate) fn write(
    run_folder: &Path,
    run: RunId,
    attempt: &Attempt,
    secrets: &[SecretMessage],
) -> io::Result<PathBuf> {
    let name = name(run, attempt);
    let [memory, disk] = homes(run_folder);
    write_in(&memory, &name, secrets).or_else(|_| write_in(&disk, &name, secrets))
}

/// What the name of a folder ends with that holds what an attempt says, unmasked.
const SAID: &str = ".said";

/// The place beside a folder of secrets for what may repeat them.
pub(crate) fn place_for_said(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(SAID);
    folder.with_file_name(name)
}

/// Removes the secrets of an attempt of which nothing runs any more, and what it said beside them.
pub(crate) fn remove(run_folder: &Path, run: RunId, attempt: &Attempt) {
    for home in homes(run_folder) {
        let folder = home.join(name(run, attempt));
        // What stays behind is swept when the run is closed or its next shim starts.
        let _ = std::fs::remove_dir_all(place_for_said(&folder));
        let _ = std::fs::remove_dir_all(folder);
    }
}

/// Lets a user of a container read the secrets in this folder, which others of this machine do not reach.
pub(crate) fn open_to_container(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        std::fs::set_permissions(entry?.path(), Permissions::from_mode(0o444))?;
    }
    std::fs::set_permissions(folder, Permissions::from_mode(0o755))
}

/// The values of an attempt's secrets, as far as they are still there.
pub(crate) fn values(run_folder: &Path, run: RunId, attempt: &Attempt) -> Vec<Zeroizing<String>> {
    let homes = homes(run_folder).map(|home| home.join(name(run, attempt)));
    let entries = homes
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    entries
        .filter_map(|entry| std::fs::read_to_string(entry.path()).ok().map(Zeroizing::new))
        .collect()
}

/// Removes what is left of the secrets of a run that has no process any more. Containers may still have
/// theirs.
pub(crate) fn sweep(run_folder: &Path, run: RunId) {
    let beginning = format!("{run}-");
    let open: Vec<String> = record::of_run(run_folder)
        .iter()
        .filter(|(_, ended)| !ended)
        .map(|(record, _)| name(run, &record.attempt))
        .collect();
    for home in homes(run_folder) {
        for entry in std::fs::read_dir(home).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let of = name.strip_suffix(SAID).unwrap_or(&name);
            if name.starts_with(&beginning) && !open.iter().any(|open| open == of) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// Whether a secret of this name can be a file, and a variable if it is to be one.
///
/// # Errors
/// What is wrong with the name.
pub(crate) fn check_name(name: &str, as_variable: bool) -> Result<(), String> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let fits_file = !name.is_empty()
        && name.len() <= 128
        && !name.starts_with(['.', '-'])
        && name.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'));
    if !fits_file {
        return Err(format!(
            "`{name}` is no name for a secret: letters, digits and `_.-` are expected"
        ));
    }
    if as_variable && (!name.bytes().all(word) || name.starts_with(|c: char| c.is_ascii_digit())) {
        return Err(format!(
            "`{name}` is no name for a variable: letters, digits and `_` are expected"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_of_the_folder_are_refused() {
        for name in ["", "..", ".", "a/b", "/a", "-rf", "a\0b", "ä"] {
            assert!(check_name(name, false).is_err(), "{name:?}");
        }
        assert!(check_name("npm-token.txt", false).is_ok());
        assert!(check_name("npm-token.txt", true).is_err());
        assert!(check_name("NPM_TOKEN", true).is_ok());
        assert!(check_name("1ST", true).is_err());
    }
}
