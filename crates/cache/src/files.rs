//! Files as the store and a folder that is shared treat them.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Shares the bytes of a file where the file system can, else copies them.
pub(crate) fn clone_or_copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut source = File::open(from)?;
    let mut target = File::create(to)?;
    if rustix::fs::ioctl_ficlone(&target, &source).is_ok() {
        return Ok(());
    }
    std::io::copy(&mut source, &mut target).map(drop)
}

/// The bytes of a file, and notes that it was used.
pub(crate) fn read_used(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.read_to_end(&mut bytes)?;
    note_use(&file);
    Ok(bytes)
}

/// Notes that a file was used.
pub(crate) fn touch(path: &Path) {
    if let Ok(file) = File::options().append(true).open(path) {
        note_use(&file);
    }
}

fn note_use(file: &File) {
    let times = rustix::fs::Timestamps {
        last_access: now(),
        last_modification: now(),
    };
    // That it was used is not worth failing for.
    let _ = rustix::fs::futimens(file, &times);
}

fn now() -> rustix::fs::Timespec {
    rustix::fs::Timespec {
        tv_sec: 0,
        tv_nsec: rustix::fs::UTIME_NOW,
    }
}
