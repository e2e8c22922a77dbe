//! Files as the store and a folder that is shared treat them.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

/// A use is noted when the last one is at least so long ago. What is collected goes by days, not by minutes.
const NOTED_EVERY: Duration = Duration::from_secs(600);

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
    let file = File::open(path)?;
    let is = file.metadata()?;
    let mut bytes = Vec::with_capacity(usize::try_from(is.len()).unwrap_or_default());
    // Read so, the length is not asked for a second time.
    (&file).take(u64::MAX).read_to_end(&mut bytes)?;
    note_use(&file, &is);
    Ok(bytes)
}

/// Notes that a file was used.
pub(crate) fn touch(path: &Path) {
    if let Ok(file) = File::options().append(true).open(path)
        && let Ok(is) = file.metadata()
    {
        note_use(&file, &is);
    }
}

fn note_use(file: &File, is: &Metadata) {
    let noted = is.modified().ok().and_then(|time| time.elapsed().ok());
    if noted.is_some_and(|ago| ago < NOTED_EVERY) {
        return;
    }
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
