//! What runs in the new namespaces: first a process that sets them up and lives for as long as they do,
//! and below it the program.
//!
//! The first process is number 1 of its pid namespace. When it ends, for whatever reason, the kernel
//! kills all the others there, however often they forked. It ends when the program does.
//!
//! Everything here was prepared before the fork: no allocation, no lock, system calls only.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd, RawFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::Resource;

use super::system;

/// What a root user keeps of its rights: enough to own, give away and install files, to become another
/// user and to listen. Not enough to mount, to look into other processes, to make or open devices, to
/// change the kernel, or to open files past their paths.
pub(super) const KEPT: u64 = 1 << 0 // chown
    | 1 << 1 // dac_override
    | 1 << 3 // fowner
    | 1 << 4 // fsetid
    | 1 << 5 // kill
    | 1 << 6 // setgid
    | 1 << 7 // setuid
    | 1 << 8 // setpcap
    | 1 << 10 // net_bind_service
    | 1 << 13 // net_raw
    | 1 << 18 // sys_chroot
    | 1 << 29 // audit_write
    | 1 << 31; // setfcap

/// One thing to be mounted before the program starts.
pub(super) enum Mounting {
    /// `/proc` of the new pid namespace.
    Processes,
    /// What is there becomes read-only.
    ReadOnly(&'static CStr),
    /// Empty memory for everybody.
    Memory(&'static CStr),
    /// The queues of the new ipc namespace.
    Queues,
    /// A mount made before.
    Attach(OwnedFd, CString),
}

impl Mounting {
    fn perform(&self) -> io::Result<()> {
        const PLAIN: libc::c_ulong = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        match self {
            Self::Processes => system::mount(c"proc", c"/proc", PLAIN, None),
            Self::ReadOnly(path) => {
                system::bind_to_itself(path)?;
                system::add_attributes(libc::AT_FDCWD, path, system::READ_ONLY, false)
            }
            Self::Memory(path) => {
                let flags = libc::MS_NOSUID | libc::MS_NODEV;
                system::mount(c"tmpfs", path, flags, Some(c"mode=1777"))
            }
            Self::Queues => system::mount(c"mqueue", c"/dev/mqueue", PLAIN, None),
            Self::Attach(mount, path) => system::attach(mount.as_raw_fd(), path),
        }
    }

    /// What was being done, for a message.
    pub(super) fn what(&self) -> String {
        match self {
            Self::Processes => "mount a /proc of its own".to_owned(),
            Self::ReadOnly(path) => format!("make {} read-only", path.to_string_lossy()),
            Self::Memory(path) => format!("mount memory of its own at {}", path.to_string_lossy()),
            Self::Queues => "mount queues of its own".to_owned(),
            Self::Attach(_, path) => format!("show {}", path.to_string_lossy()),
        }
    }
}

/// A list of texts as `execve` wants it.
pub(super) struct Texts {
    pointers: Vec<*const libc::c_char>,
    _texts: Vec<CString>,
}

impl Texts {
    pub(super) fn new(texts: Vec<CString>) -> Self {
        let mut pointers: Vec<_> = texts.iter().map(|text| text.as_ptr()).collect();
        pointers.push(std::ptr::null());
        Self {
            pointers,
            _texts: texts,
        }
    }
}

/// The program to be started.
pub(super) struct Program {
    /// Where it may be, the most likely place first.
    pub(super) places: Vec<CString>,
    pub(super) arguments: Texts,
    pub(super) variables: Texts,
    pub(super) folder: Option<CString>,
    pub(super) streams: [OwnedFd; 3],
    pub(super) new_session: bool,
    pub(super) nice: i32,
    pub(super) limits: Vec<(Resource, u64)>,
}

/// At which point a start failed: the number of a mounting, or one of these.
pub(super) const AT_FOLDER: i32 = -1;
pub(super) const AT_PROGRAM: i32 = -2;
pub(super) const AT_REST: i32 = -3;

/// Two numbers on a pipe.
pub(super) fn tell(pipe: RawFd, numbers: [i32; 2]) {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&numbers[0].to_ne_bytes());
    bytes[4..].copy_from_slice(&numbers[1].to_ne_bytes());
    let _ = rustix::io::write(borrowed(&pipe), &bytes);
}

#[allow(unsafe_code)] // reason: the number of a file that the caller's parent holds open in this copy
fn borrowed(file: &RawFd) -> BorrowedFd<'_> {
    // SAFETY: the files handed to this module stay open in the forked process until it closes them.
    unsafe { BorrowedFd::borrow_raw(*file) }
}

fn number(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// Sets the namespaces up, without starting anything.
pub(super) fn set_up(mountings: &[Mounting]) -> Result<(), (i32, io::Error)> {
    system::no_new_privileges().map_err(|error| (AT_REST, error))?;
    for (at, mounting) in mountings.iter().enumerate() {
        mounting
            .perform()
            .map_err(|error| (i32::try_from(at).unwrap_or(i32::MAX), error))?;
    }
    system::keep_capabilities(KEPT).map_err(|error| (AT_REST, error))
}

/// The first process. `failed` hears why nothing was started; `ended` hears how the program ended.
#[allow(unsafe_code)] // reason: the fork of a forked process
pub(super) fn run(mountings: &[Mounting], program: &Program, failed: RawFd, ended: RawFd) -> ! {
    let stop = |at: i32, error: &io::Error| -> ! {
        tell(failed, [at, number(error)]);
        system::end(1)
    };
    if let Err(error) = system::die_with_parent() {
        stop(AT_REST, &error);
    }
    // The starter may have died before that: then nobody reads what is told here.
    let listening = borrowed(&ended);
    let mut files = [PollFd::new(&listening, PollFlags::empty())];
    let none = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
    if poll(&mut files, Some(&none)).is_ok_and(|_| files[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)) {
        system::end(1);
    }
    if let Err((at, error)) = set_up(mountings) {
        stop(at, &error);
    }
    // SAFETY: the child makes system calls only.
    match unsafe { system::fork(0) } {
        Ok(0) => become_program(program, failed),
        Ok(pid) => keep(pid, ended),
        Err(error) => stop(AT_REST, &error),
    }
}

/// Reaps whatever ends, until the program does.
fn keep(program: u32, ended: RawFd) -> ! {
    system::close_all_but(ended);
    loop {
        match system::wait_for_any() {
            Ok((pid, status)) if pid == program => {
                tell(ended, [0, status]);
                system::end(0)
            }
            Ok(_) => {}
            Err(_) => system::end(1),
        }
    }
}

fn become_program(program: &Program, failed: RawFd) -> ! {
    let (at, error) = prepare(program).map_or_else(|failure| failure, |()| (AT_PROGRAM, execute(program)));
    tell(failed, [at, number(&error)]);
    system::end(1)
}

fn prepare(program: &Program) -> Result<(), (i32, io::Error)> {
    let rest = |error: rustix::io::Errno| (AT_REST, io::Error::from(error));
    if program.new_session {
        rustix::process::setsid().map_err(rest)?;
    } else {
        rustix::process::setpgid(None, None).map_err(rest)?;
    }
    for (resource, most) in &program.limits {
        crate::spawn::limit(*resource, *most).map_err(rest)?;
    }
    if program.nice != 0 {
        rustix::process::setpriority_process(None, program.nice).map_err(rest)?;
    }
    for (number, stream) in program.streams.iter().enumerate() {
        let number = i32::try_from(number).unwrap_or(0);
        system::place_stream(stream.as_raw_fd(), number).map_err(|error| (AT_REST, error))?;
    }
    crate::spawn::close_at_exec(3).map_err(|error| (AT_REST, error))?;
    system::usual_signals();
    match &program.folder {
        Some(folder) => rustix::process::chdir(folder.as_c_str()).map_err(|error| (AT_FOLDER, error.into())),
        None => Ok(()),
    }
}

/// Tries one place after the other, as a shell does. Where nothing is costs a look, which is cheaper than a try.
fn execute(program: &Program) -> io::Error {
    let mut last = io::Error::from_raw_os_error(libc::ENOENT);
    for place in &program.places {
        if rustix::fs::access(place.as_c_str(), rustix::fs::Access::EXISTS) == Err(rustix::io::Errno::NOENT) {
            continue;
        }
        let error = system::execute(place, &program.arguments.pointers, &program.variables.pointers);
        match number(&error) {
            libc::ENOENT | libc::ENOTDIR if number(&last) == libc::EACCES => {}
            libc::ENOENT | libc::ENOTDIR | libc::EACCES => last = error,
            _ => return error,
        }
    }
    last
}
