//! The system calls that no safe wrapper offers, each as thin as can be. None of them allocates.

#![allow(unsafe_code)] // reason: clone3, mount_setattr and what a forked child may call have no safe wrapper

use std::ffi::CStr;
use std::io;
use std::os::fd::RawFd;

fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Forks, with new namespaces where `flags` asks for them. In the child every handler of a signal is
/// gone. The answer is 0 in the child.
///
/// # Safety
/// In a process of several threads the child may only make system calls.
pub(super) unsafe fn fork(flags: libc::c_int) -> io::Result<u32> {
    const CLEAR_HANDLERS: u64 = 0x1_0000_0000;
    // SAFETY: plain data for which all zeros is a value.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = CLEAR_HANDLERS | u64::from(flags.cast_unsigned());
    arguments.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    // SAFETY: the pointer is valid for the call; without a stack of its own the child goes on on a copy.
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>()) };
    checked(result).map(|pid| u32::try_from(pid).unwrap_or(0))
}

/// Puts this process into new namespaces.
pub(super) fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: a system call without pointers.
    checked(unsafe { libc::unshare(flags) }.into()).map(drop)
}

#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Attributes of a mount, as `mount_setattr` counts them.
pub(super) const READ_ONLY: u64 = 0x1;
pub(super) const NO_DEVICES: u64 = 0x4;

/// Adds attributes to a mount, and to those below it where `recursive`.
pub(super) fn add_attributes(at: RawFd, path: &CStr, set: u64, recursive: bool) -> io::Result<()> {
    let attributes = MountAttributes {
        set,
        clear: 0,
        propagation: 0,
        user_namespace: 0,
    };
    let below = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: both pointers are valid for the call, and the size is that of the structure.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            at,
            path.as_ptr(),
            libc::AT_EMPTY_PATH | below,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    };
    checked(result).map(drop)
}

/// Mounts a file system.
pub(super) fn mount(kind: &CStr, target: &CStr, flags: libc::c_ulong, options: Option<&CStr>) -> io::Result<()> {
    let options = options.map_or(std::ptr::null(), |options| options.as_ptr().cast());
    // SAFETY: all texts end with a zero and live through the call.
    checked(unsafe { libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, options) }.into()).map(drop)
}

/// Binds what is at `path` onto itself, as a mount of its own.
pub(super) fn bind_to_itself(path: &CStr) -> io::Result<()> {
    // SAFETY: the text ends with a zero and lives through the call; the rest is absent.
    let result = unsafe {
        libc::mount(
            path.as_ptr(),
            path.as_ptr(),
            std::ptr::null(),
            libc::MS_BIND,
            std::ptr::null(),
        )
    };
    checked(result.into()).map(drop)
}

/// Attaches a mount that is not attached yet.
pub(super) fn attach(mount: RawFd, target: &CStr) -> io::Result<()> {
    const FROM_EMPTY_PATH: libc::c_uint = 0x4;
    // SAFETY: both texts end with a zero and live through the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount,
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            FROM_EMPTY_PATH,
        )
    };
    checked(result).map(drop)
}

fn prctl(option: libc::c_int, argument: libc::c_ulong) -> io::Result<()> {
    // SAFETY: options that take numbers only.
    checked(unsafe { libc::prctl(option, argument, 0, 0, 0) }.into()).map(drop)
}

/// This process dies with the one that started it.
pub(super) fn die_with_parent() -> io::Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL.cast_unsigned().into())
}

/// No program started from here gains rights by its file.
pub(super) fn no_new_privileges() -> io::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapabilityWords {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// What is executed from here on, by this process or any below it, gets no capability whose bit is not set in
/// `kept`. This process keeps those that it has.
pub(super) fn bound_capabilities(kept: u64) -> io::Result<()> {
    for capability in 0..64 {
        if kept & (1 << capability) != 0 {
            continue;
        }
        match prctl(libc::PR_CAPBSET_DROP, capability) {
            // Beyond the last one that this kernel knows.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => return Ok(()),
            dropped => dropped?,
        }
    }
    Ok(())
}

/// Gives up every capability whose bit is not set in `kept`. That nothing gets them back is for
/// [`bound_capabilities`].
pub(super) fn keep_capabilities(kept: u64) -> io::Result<()> {
    const VERSION: u32 = 0x2008_0522;
    let mut header = CapabilityHeader {
        version: VERSION,
        pid: 0,
    };
    let mut words = [CapabilityWords::default(); 2];
    // SAFETY: both pointers are valid for the call; this version has two words of each kind.
    checked(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, words.as_mut_ptr()) })?;
    for (word, half) in words.iter_mut().zip([kept & 0xffff_ffff, kept >> 32]) {
        let half = u32::try_from(half).unwrap_or(0);
        word.effective &= half;
        word.permitted &= half;
        word.inheritable = 0;
    }
    // SAFETY: as above.
    checked(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, words.as_ptr()) }).map(drop)
}

/// Closes every file but `kept`.
pub(super) fn close_all_but(kept: RawFd) {
    let kept = kept.cast_unsigned();
    // SAFETY: system calls without pointers; nothing in this process uses the files any more.
    unsafe {
        if kept > 0 {
            libc::syscall(libc::SYS_close_range, 0, kept - 1, 0);
        }
        libc::syscall(libc::SYS_close_range, kept + 1, u32::MAX, 0);
    }
}

/// Puts `file` at the place of the standard stream `number`.
pub(super) fn place_stream(file: RawFd, number: RawFd) -> io::Result<()> {
    // SAFETY: a system call without pointers.
    checked(unsafe { libc::dup2(file, number) }.into()).map(drop)
}

/// Signals as a program expects them: none blocked, a broken pipe ends it.
pub(super) fn usual_signals() {
    // SAFETY: plain data, valid pointers; neither call can fail with these arguments.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}

/// Becomes another program; comes back only with an error. The lists end with a null pointer.
pub(super) fn execute(
    program: &CStr,
    arguments: &[*const libc::c_char],
    variables: &[*const libc::c_char],
) -> io::Error {
    // SAFETY: the lists end with null, and what they point to lives as long as this process.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), variables.as_ptr()) };
    io::Error::last_os_error()
}

/// Waits for any child to end: its pid and the kernel's word on how.
pub(super) fn wait_for_any() -> io::Result<(u32, i32)> {
    let mut status = 0;
    loop {
        // SAFETY: the pointer is valid for the call.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, 0) };
        if pid > 0 {
            return Ok((pid.cast_unsigned(), status));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Ends this process without running anything more of the program.
pub(super) fn end(code: i32) -> ! {
    // SAFETY: it does not return.
    unsafe { libc::_exit(code) }
}
