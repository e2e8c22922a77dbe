//! What a process does with what it was started with.

#![allow(unsafe_code)] // reason: a number handed over by the starter can only become an owner by assertion

use std::os::fd::{FromRawFd as _, OwnedFd};
use std::path::Path;

/// Takes the open file with this number, which the starter handed over by
/// [`Spec::inherit`](crate::Spec::inherit). From now on it is closed with its owner and not
/// inherited further. To be called once for a number, before the process opens files of its own.
///
/// Standard streams and numbers that are not open give nothing.
pub fn take_inherited(number: i32) -> Option<OwnedFd> {
    // The link itself is asked, since that of a pipe or a socket leads nowhere.
    if number < 3 || std::fs::symlink_metadata(Path::new("/proc/self/fd").join(number.to_string())).is_err() {
        return None;
    }
    // SAFETY: the number is open, and by this function's contract nobody else in this process owns it.
    let file = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::CLOEXEC).ok()?;
    Some(file)
}

/// Keeps this process's memory from others of the same user: no core dump, no ptrace, and
/// `/proc/PID/environ`, `mem` and `fd` are closed to them. For processes that hold secrets.
///
/// # Errors
/// When the kernel refuses.
pub fn protect_memory() -> std::io::Result<()> {
    crate::spawn::limit(rustix::process::Resource::Core, crate::spawn::NO_CORE)?;
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}
