//! An empty data folder filled from a backup.

use std::io::Read as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use artifact::BlobStore;
use facts::{Digest, Hasher};
use ledger::{Address, Checkpoint, Restoring};

use super::folder::{Backups, Named, Progress, damaged, files_of, is_empty};
use super::restored::{self, Mark};
use super::{BLOBS, BackupError, DATABASES, FACTS, OPERATIONS, POLICY, REPOSITORIES};
use crate::store;
use crate::wire::BackupFile;

/// The folders that git wants to see in a repository, also where no file is in them.
const OF_A_REPOSITORY: [&str; 4] = ["objects/info", "objects/pack", "refs/heads", "refs/tags"];

/// Where a backup is put back.
#[derive(Debug, Clone)]
pub struct Place {
    /// The data folder.
    pub data: PathBuf,
    /// The database for facts and views; a file in the data folder where there is none.
    pub database: Option<Address>,
    /// Whether the server that the backup is of has ended for good, so that this one may act in its place.
    pub take_over: bool,
}

/// Puts a backup back. Everything is checked on the way. Blocks until it is done.
///
/// # Errors
/// When the folder or the database is not empty, something is not as it was taken, or cannot be written. The folder is of
/// no use then.
pub fn restore(
    backups: &Backups,
    named: &Named,
    place: &Place,
    told: &mut dyn FnMut(&Progress),
) -> Result<Progress, BackupError> {
    let (backup, data) = (&named.backup, &place.data);
    if !is_empty(data)? {
        return Err(BackupError::NotEmpty(data.clone()));
    }
    make_folder(data)?;
    let mut mark = Mark::of(backup, place.take_over);
    restored::write(data, &mark)?;
    let mut progress = Progress::default();
    let blobs = BlobStore::open(&data.join(BLOBS))?;
    for file in backup.files.iter().filter(|file| !file.path.starts_with(FACTS)) {
        progress.room = file.path.split('/').next().unwrap_or_default().to_owned();
        put(backups, &blobs, data, file)?;
        progress.files += 1;
        progress.bytes += file.size;
        told(&progress);
    }
    for file in files_of(backup, REPOSITORIES).filter_map(|file| file.path.strip_suffix("/HEAD")) {
        for name in OF_A_REPOSITORY {
            make_folder(&data.join(file).join(name))?;
        }
    }
    // Last, so that a database is filled only where everything else is there.
    progress.room = FACTS.to_owned();
    let mut restoring = match &place.database {
        Some(address) => Restoring::in_database(address)?,
        None => Restoring::in_file(&data.join(store::FILE))?,
    };
    backups.facts(backup, &mut |line| {
        restoring.line(line)?;
        if restoring.position().is_multiple_of(1_000) {
            told(&progress);
        }
        Ok(true)
    })?;
    let last = Checkpoint {
        position: backup.facts,
        hash: backup.hash,
    };
    let first = restoring.finish(last)?;
    if let Some(address) = &place.database {
        store::belongs(data, address, first, &facts::SystemEntropy)
            .map_err(|error| BackupError::file(data, std::io::Error::other(error.to_string())))?;
    }
    for file in files_of(backup, FACTS) {
        progress.files += 1;
        progress.bytes += file.size;
    }
    // Everything before the word that it is whole.
    let synced = std::fs::File::open(data).and_then(|folder| Ok(rustix::fs::syncfs(folder)?));
    synced.map_err(|error| BackupError::file(data, error))?;
    mark.whole = true;
    restored::write(data, &mark)?;
    Ok(progress)
}

fn make_folder(path: &Path) -> Result<(), BackupError> {
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(path);
    made.map_err(|error| BackupError::file(path, error))
}

/// Puts one file in its place, and sees that it is what was taken.
fn put(backups: &Backups, blobs: &BlobStore, data: &Path, file: &BackupFile) -> Result<(), BackupError> {
    let path = inside(&file.path).ok_or_else(|| damaged(&file.path, "it does not belong into a backup"))?;
    let opened = backups.content().open_blob(&file.digest);
    let mut from = opened.map_err(|error| damaged(&file.path, error))?;
    if file.path.starts_with(BLOBS) {
        let stored = blobs.put(&mut from)?;
        return match format!("{BLOBS}/{}", stored.digest.hex()) == file.path {
            true => Ok(()),
            false => Err(damaged(&file.path, "its bytes are not what its name says")),
        };
    }
    let to = data.join(path);
    if let Some(folder) = to.parent() {
        make_folder(folder)?;
    }
    let wrong = |error| BackupError::file(&to, error);
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&to);
    let mut written = made.map_err(wrong)?;
    let found = copy(&mut from, &mut written).map_err(wrong)?;
    match found == file.digest {
        true => Ok(()),
        false => Err(damaged(&file.path, "its bytes are not those that were taken")),
    }
}

/// Copies a file, and says the digest of what was copied.
fn copy(from: &mut std::fs::File, to: &mut std::fs::File) -> std::io::Result<Digest> {
    use std::io::Write as _;
    let mut hasher = Hasher::new();
    let mut bytes = vec![0; 256 << 10];
    loop {
        match from.read(&mut bytes) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(count) => {
                hasher.update(&bytes[..count]);
                to.write_all(&bytes[..count])?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The path of a file, where it is one that a backup may hold.
fn inside(path: &str) -> Option<&Path> {
    let path = Path::new(path);
    let mut parts = path.components();
    let first = match parts.next()? {
        Component::Normal(first) => first.to_str()?,
        _ => return None,
    };
    let alone = parts.clone().next().is_none();
    let known = match first {
        OPERATIONS | POLICY => alone,
        BLOBS | DATABASES | REPOSITORIES => !alone,
        _ => false,
    };
    (known && parts.all(|part| matches!(part, Component::Normal(_)))).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_none_of_a_backup_is_put_nowhere() {
        for path in [
            "operations.db",
            "environments.yaml",
            "databases/staging/team/app.db",
            "repositories/team/app.git/refs/heads/main",
            "blobs/00",
        ] {
            assert!(inside(path).is_some(), "{path}");
        }
        for path in [
            "",
            "/etc/passwd",
            "../operations.db",
            "blobs/../../x",
            "repositories/./../../x",
            "secrets.key",
            "signing.key",
            "operations.db/x",
            "blobs",
            "lock",
        ] {
            assert!(inside(path).is_none(), "{path}");
        }
    }
}
