//! Starting a process.

#![allow(unsafe_code)] // reason: what a process sets for itself between fork and exec needs `pre_exec`

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit};

use crate::child::Child;
use crate::spec::{Channel, Group, Spec};

/// A process that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The program is not there.
    #[error("the program `{}` is not found (hint: install it, or name it by its full path)", .0.to_string_lossy())]
    NoProgram(OsString),
    /// The working folder is not there.
    #[error("the working folder `{}` is not a folder", .0.display())]
    NoFolder(PathBuf),
    /// Arguments and variables are longer than the kernel takes.
    #[error("arguments or variables of `{}` are too long (hint: one argument can have 128 KiB; put more into a file)", .0.to_string_lossy())]
    TooLong(OsString),
    /// Anything else.
    #[error("cannot start `{}`", program.to_string_lossy())]
    Other {
        /// The program.
        program: OsString,
        /// Why.
        source: io::Error,
    },
}

fn connect(channel: Channel) -> Stdio {
    match channel {
        Channel::Null => Stdio::null(),
        Channel::Inherit => Stdio::inherit(),
        Channel::Pipe => Stdio::piped(),
        Channel::File(file) => Stdio::from(file),
    }
}

/// Marks every file from `first` on to be closed at exec. Only raw system calls: this runs after fork.
pub(crate) fn close_at_exec(first: u32) -> io::Result<()> {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: a system call without pointers.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, CLOSE_RANGE_CLOEXEC) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The limit of a core dump that is none. At 0 the kernel still gives the memory of a process to a program
/// that collects dumps; at 1 it gives it neither to a file nor to a program.
pub(crate) const NO_CORE: u64 = 1;

/// Limits a resource of this process. Only system calls.
pub(crate) fn limit(resource: Resource, most: u64) -> rustix::io::Result<()> {
    let most = match (resource, rustix::process::getrlimit(resource).maximum) {
        // Whoever may have none at all may not have the one byte either.
        (Resource::Core, Some(allowed)) => most.min(allowed),
        _ => most,
    };
    rustix::process::setrlimit(
        resource,
        Rlimit {
            current: Some(most),
            maximum: Some(most),
        },
    )
}

/// What the new process sets for itself between fork and exec. Only system calls, no allocation.
fn prepare(
    group: Group,
    nice: i32,
    limits: &[(Resource, u64)],
    inherited: &[RawFd],
    with_parent: Option<rustix::process::Signal>,
    parent: Option<rustix::process::Pid>,
) -> io::Result<()> {
    match group {
        Group::Own => rustix::process::setpgid(None, None)?,
        Group::OwnSession => drop(rustix::process::setsid()?),
        Group::Inherit => {}
    }
    for (resource, most) in limits {
        limit(*resource, *most)?;
    }
    if nice != 0 {
        rustix::process::setpriority_process(None, nice)?;
    }
    close_at_exec(3)?;
    for number in inherited {
        // SAFETY: the file is open for the whole call, since the starter holds it.
        let file = unsafe { rustix::fd::BorrowedFd::borrow_raw(*number) };
        rustix::io::fcntl_setfd(file, rustix::io::FdFlags::empty())?;
    }
    if let Some(signal) = with_parent {
        rustix::process::set_parent_process_death_signal(Some(signal))?;
        // The parent may have ended before the request was made.
        if rustix::process::getppid() != parent {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
    }
    Ok(())
}

/// Starts a process. To be called within a tokio runtime.
///
/// # Errors
/// When it cannot be started; nothing runs then.
#[allow(clippy::disallowed_methods)] // the one place that starts processes
pub fn spawn(spec: Spec) -> Result<Child, SpawnError> {
    let Spec {
        program,
        arguments,
        variables,
        folder,
        stdin,
        stdout,
        stderr,
        group,
        nice,
        mut limits,
        inherited,
        with_parent,
    } = spec;
    if !limits.iter().any(|(resource, _)| *resource == Resource::Core) {
        limits.push((Resource::Core, NO_CORE));
    }
    let mut command = Command::new(&program);
    command.args(&arguments).env_clear().envs(&variables);
    command
        .stdin(connect(stdin))
        .stdout(connect(stdout))
        .stderr(connect(stderr));
    if let Some(folder) = &folder {
        command.current_dir(folder);
    }
    let numbers: Vec<RawFd> = inherited.iter().map(OwnedFd::as_raw_fd).collect();
    let parent = rustix::process::Pid::from_raw(std::process::id().cast_signed());
    // SAFETY: the closure makes system calls only and allocates nothing.
    unsafe {
        command.pre_exec(move || prepare(group, nice, &limits, &numbers, with_parent, parent));
    }
    let started = command.spawn();
    drop(inherited);
    match started {
        Ok(child) => Child::own(child, group).map_err(|source| SpawnError::Other { program, source }),
        Err(error) if folder.as_ref().is_some_and(|folder| !folder.is_dir()) => {
            drop(error);
            Err(SpawnError::NoFolder(folder.unwrap_or_default()))
        }
        Err(error) => Err(match error.kind() {
            io::ErrorKind::NotFound => SpawnError::NoProgram(program),
            io::ErrorKind::ArgumentListTooLong => SpawnError::TooLong(program),
            _ => SpawnError::Other { program, source: error },
        }),
    }
}
