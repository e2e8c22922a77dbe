//! The data folder: private, on a disk that can be relied on, and of one server at a time, or of all those
//! that share a database.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::house::OpenError;

/// Makes a folder that only this user may enter.
pub(crate) fn private_folder(path: &Path) -> Result<(), OpenError> {
    let wrong = |source| OpenError::File {
        path: path.to_owned(),
        source,
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(wrong)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(wrong)
}

/// For how long a folder may be held by what a server that died has left.
const LET_GO: Duration = Duration::from_secs(3);

/// Who else may work on a data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Company {
    /// Nobody.
    Alone,
    /// Servers that share the database of its facts.
    Sharing,
}

/// Takes the data folder for this process; the kernel lets go when the process ends. A process that the
/// last server was about to start holds it too, until it is another program: it is waited for, since
/// nothing tells of its end.
pub(crate) async fn lock(folder: &Path, company: Company) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let wrong = |source| OpenError::File {
        path: path.clone(),
        source,
    };
    let file = lock_file(&path).map_err(wrong)?;
    let until = Instant::now() + LET_GO;
    loop {
        let locked = match company {
            Company::Alone => file.try_lock(),
            Company::Sharing => file.try_lock_shared(),
        };
        match locked {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) if Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(std::fs::TryLockError::WouldBlock) => return Err(OpenError::Used(folder.to_owned())),
            Err(std::fs::TryLockError::Error(source)) => return Err(wrong(source)),
        }
    }
}

/// A file that is there to be locked.
fn lock_file(path: &Path) -> std::io::Result<File> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
}

/// Waits until no other server opens the data folder, and keeps others waiting as long as what is answered
/// is open: what is made at the first start is made once.
pub(crate) async fn opening(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("opening.lock");
    let opened = {
        let path = path.clone();
        tokio::task::spawn_blocking(move || {
            let file = lock_file(&path)?;
            file.lock()?;
            Ok(file)
        })
    };
    let opened = opened.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    opened.map_err(|source| OpenError::File { path, source })
}

/// Why somebody asks that nothing in the data folder goes, or that nobody counts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// A backup counts on everything being kept.
    Counting,
    /// What was kept long enough is removed.
    Sweeping,
}

/// Waits until nobody on this data folder is at the other thing, and keeps them waiting as long as what is
/// answered is open. It blocks.
pub(crate) fn keeping(folder: &Path, why: Keeping) -> std::io::Result<File> {
    let file = lock_file(&folder.join("keeping.lock"))?;
    match why {
        Keeping::Counting => file.lock_shared()?,
        Keeping::Sweeping => file.lock()?,
    }
    Ok(file)
}

/// Refuses file systems on which locks and durable writes cannot be relied on.
pub(crate) fn refuse_network(folder: &Path) -> Result<(), OpenError> {
    let status = rustix::fs::statfs(folder).map_err(|error| OpenError::File {
        path: folder.to_owned(),
        source: error.into(),
    })?;
    // The magic numbers of statfs(2).
    let kind = match status.f_type as u64 & 0xffff_ffff {
        0x6969 => "NFS",
        0xff53_4d42 | 0xfe53_4d42 | 0x517b => "SMB",
        0x5346_544e => return Ok(()),
        0x0102_1997 => "9P",
        0x00c3_6400 => "Ceph",
        _ => return Ok(()),
    };
    Err(OpenError::Network {
        folder: folder.to_owned(),
        kind,
    })
}

/// Writes a file that only this user may read, whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    let draft = PathBuf::from(draft);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
