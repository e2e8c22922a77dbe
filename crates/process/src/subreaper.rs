//! Adopting and reaping: what the guardian of a tree of processes needs.
//!
//! When a process ends, the kernel gives its children to the nearest ancestor that is a subreaper. So
//! nothing that was started below a subreaper can get out from under it, by no number of forks.

#![allow(unsafe_code)] // reason: `wait4` is the one call that gives the resource usage of a reaped child

use std::io;

use crate::child::{Ending, Exit, Usage};

/// Makes this process the adopter of every process below it that loses its parent. It must then
/// [`reap`] whatever ends.
///
/// # Errors
/// When the kernel refuses.
pub fn become_subreaper() -> io::Result<()> {
    // The argument only counts as set or unset.
    rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1))?;
    Ok(())
}

/// Reaps one ended child without waiting: the one with this pid, or any. `None` when none has ended.
///
/// # Errors
/// `ECHILD` when there is no such child at all.
pub fn reap(pid: Option<u32>) -> io::Result<Option<(u32, Exit)>> {
    let which = pid.map_or(-1, u32::cast_signed);
    let mut status = 0;
    // SAFETY: plain data for which all zeros is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let reaped = loop {
        // SAFETY: both pointers are valid for the call.
        let reaped = unsafe { libc::wait4(which, &raw mut status, libc::WNOHANG, &raw mut usage) };
        if reaped >= 0 {
            break reaped;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    };
    if reaped == 0 {
        return Ok(None);
    }
    let ending = if libc::WIFSIGNALED(status) {
        Ending::Signal(libc::WTERMSIG(status))
    } else {
        Ending::Code(libc::WEXITSTATUS(status))
    };
    let microseconds = |time: libc::timeval| {
        u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_usec).unwrap_or(0)
    };
    let usage = Usage {
        cpu_ms: (microseconds(usage.ru_utime) + microseconds(usage.ru_stime)).div_ceil(1000),
        peak_memory_kib: u64::try_from(usage.ru_maxrss).unwrap_or(0),
    };
    Ok(Some((reaped.cast_unsigned(), Exit { ending, usage })))
}

/// Whether an error of [`reap`] says that there is no child left.
pub fn is_childless(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ECHILD)
}
