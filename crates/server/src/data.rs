//! The data folder: private, on a disk that can be relied on, and of one server at a time.

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

/// Takes the data folder for this process; the kernel lets go when the process ends. A process that the
/// last server was about to start holds it too, until it is another program: it is waited for, since
/// nothing tells of its end.
pub(crate) async fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let wrong = |source| OpenError::File {
        path: path.clone(),
        source,
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(wrong)?;
    let until = Instant::now() + LET_GO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) if Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(std::fs::TryLockError::WouldBlock) => return Err(OpenError::Used(folder.to_owned())),
            Err(std::fs::TryLockError::Error(source)) => return Err(wrong(source)),
        }
    }
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
