//! Processes that are kept apart from one another and from the files of whoever starts them.
//!
//! An isolated process has namespaces of its own: of pids, with its own `/proc`; of mounts, in which a
//! folder is covered up to what it is shown; of System V IPC and message queues, with its own
//! `/dev/shm`. It gains no rights by any file, and of root's rights it has those that builds need.
//! Files, the network, `/tmp` and the home folder are as they are outside.
//!
//! Root does this directly. Another user does it within a user namespace, in which it stays itself.
//! [`probe`] says whether the kernel lets this user; it needs Linux 5.12.
//!
//! ```text
//! starter ── in a mount namespace of its own, made once by Isolation::enter: what is hidden is covered
//!   └── first process, number 1 of the new pid namespace; when it ends all the others do
//!         └── the program
//! ```

#![allow(unsafe_code)] // reason: the forks into new namespaces

mod first;
mod prepare;
mod system;

use std::ffi::{CString, OsStr, OsString};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::OpenTreeFlags;
use rustix::process::{Resource, WaitId, WaitIdOptions};

use crate::child::{Ending, Exit};
use crate::identity::Identity;
use crate::spawn::SpawnError;
use crate::spec::{Channel, Group, Spec};
use first::{Mounting, Program, Texts};

const NAMESPACES: libc::c_int = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC;

/// What isolated processes are not to see.
#[derive(Debug, Clone, Default)]
pub struct Hidden {
    /// A folder of which they see only what each is shown.
    pub folder: PathBuf,
    /// Other files and folders that are empty for them; those that are not there are left out.
    pub others: Vec<PathBuf>,
}

/// Why processes cannot be isolated here.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct Unavailable {
    what: String,
    source: io::Error,
}

fn cannot(what: impl Into<String>) -> impl FnOnce(io::Error) -> Unavailable {
    let what = format!("cannot {}", what.into());
    move |source| Unavailable { what, source }
}

/// What one isolated process is shown in the hidden folder.
#[derive(Default)]
pub struct Shown<'a> {
    /// Folders, as paths relative to the hidden one.
    pub folders: Vec<PathBuf>,
    /// Files that are in memory, for its user alone and read-only, by name. They are in
    /// [`Isolation::private_files`], and gone with the process.
    pub files: Vec<(&'a str, &'a [u8])>,
}

/// This process, prepared to start isolated ones.
#[derive(Debug)]
pub struct Isolation {
    folder: PathBuf,
    /// The hidden folder as it is, and the cover that lies on it.
    real: OwnedFd,
    cover: OwnedFd,
    /// Whether the processes are root's, who may do more outside than other users.
    is_root: bool,
}

/// An isolated process that was started.
#[derive(Debug)]
pub struct Started {
    /// The first process of its namespaces, a child of this one: everything has ended when it has.
    pub identity: Identity,
    /// What says why the program could not be started; closed once it runs.
    failed: Option<std::fs::File>,
    failure: Option<[i32; 2]>,
    about: About,
    ended: std::fs::File,
}

/// What a failure is told with.
#[derive(Debug)]
struct About {
    program: OsString,
    folder: Option<PathBuf>,
    mountings: Vec<String>,
}

impl Started {
    /// Waits until the program runs, or could not be started, which takes no longer than it does.
    pub fn await_program(&mut self) {
        if let Some(mut failed) = self.failed.take() {
            self.failure = read_numbers(&mut failed).unwrap_or(Some([first::AT_REST, libc::EIO]));
        }
    }

    /// Why the program could not be started, if that is known.
    fn failure(&self) -> Option<SpawnError> {
        let [at, number] = self.failure?;
        let About {
            program,
            folder,
            mountings,
        } = &self.about;
        let error = io::Error::from_raw_os_error(number);
        let other = |source: io::Error| SpawnError::Other {
            program: program.clone(),
            source,
        };
        Some(match at {
            first::AT_FOLDER => SpawnError::NoFolder(folder.clone().unwrap_or_default()),
            first::AT_PROGRAM if number == libc::ENOENT => SpawnError::NoProgram(program.clone()),
            first::AT_PROGRAM if number == libc::E2BIG => SpawnError::TooLong(program.clone()),
            first::AT_PROGRAM | first::AT_REST => other(error),
            at => other(io::Error::new(error.kind(), failure(mountings, at, number).to_string())),
        })
    }

    /// How the program ended, from how the first process did.
    ///
    /// # Errors
    /// When it could not be started.
    pub fn exit(&mut self, first: Exit) -> Result<Exit, SpawnError> {
        self.await_program();
        if let Some(failure) = self.failure() {
            return Err(failure);
        }
        let ending = match read_numbers(&mut self.ended) {
            Ok(Some([_, status])) if libc::WIFSIGNALED(status) => Ending::Signal(libc::WTERMSIG(status)),
            Ok(Some([_, status])) => Ending::Code(libc::WEXITSTATUS(status)),
            _ => first.ending,
        };
        Ok(Exit { ending, ..first })
    }
}

/// Two numbers from a pipe; `None` when it was closed without.
fn read_numbers(pipe: &mut std::fs::File) -> io::Result<Option<[i32; 2]>> {
    let mut bytes = Vec::with_capacity(8);
    pipe.take(8).read_to_end(&mut bytes)?;
    let word = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(i32::from_ne_bytes);
    Ok(word(0).zip(word(4)).map(|(first, second)| [first, second]))
}

/// Whether processes can be isolated here: does it once, in a copy of this process.
///
/// To be called before the process starts a thread.
///
/// # Errors
/// What the kernel does not allow.
pub fn probe(hidden: &Hidden) -> Result<(), Unavailable> {
    let wrong = || cannot("try it");
    let (reading, writing) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|e| wrong()(e.into()))?;
    // SAFETY: this process has one thread, by the contract.
    let pid = unsafe { system::fork(0) }.map_err(cannot("fork"))?;
    if pid == 0 {
        let told = match Isolation::enter(hidden).and_then(|isolation| isolation.try_namespaces()) {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.to_string(),
        };
        let _ = rustix::io::write(&writing, told.as_bytes());
        system::end(0);
    }
    drop(writing);
    let mut told = String::new();
    let read = std::fs::File::from(reading).take(4096).read_to_string(&mut told);
    reap(pid);
    read.map_err(wrong())?;
    match told.as_str() {
        "ok" => Ok(()),
        "" => Err(wrong()(io::Error::other("it ended without a word"))),
        why => Err(Unavailable {
            what: "a trial ended".to_owned(),
            source: io::Error::other(why.to_owned()),
        }),
    }
}

/// Waits for exactly this child.
fn reap(pid: u32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid.cast_signed()) {
        let _ = rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED);
    }
}

fn text(bytes: &OsStr) -> io::Result<CString> {
    CString::new(bytes.as_bytes()).map_err(io::Error::from)
}

impl Isolation {
    /// Moves this process into a mount namespace of its own, in which what is hidden is covered. The
    /// process itself does not see it any more either.
    ///
    /// To be called before the process starts a thread, and before
    /// [`protect_memory`](crate::protect_memory). After an error it is of no use any more.
    ///
    /// # Errors
    /// What the kernel does not allow; [`probe`] tells that before.
    pub fn enter(hidden: &Hidden) -> Result<Self, Unavailable> {
        let is_root = prepare::own_mounts()?;
        let real = rustix::fs::open(
            &hidden.folder,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|error| cannot(format!("open {}", hidden.folder.display()))(error.into()))?;
        let cover = prepare::cover(&hidden.folder)?;
        for path in &hidden.others {
            prepare::hide(&hidden.folder, path)?;
        }
        if is_root {
            prepare::tame_root()?;
        } else {
            prepare::own_configuration_of_ssh(&hidden.folder)?;
        }
        prepare::close(&hidden.folder)?;
        // Once for all that it starts; it executes nothing itself.
        system::bound_capabilities(first::KEPT).map_err(cannot("give up rights"))?;
        Ok(Self {
            folder: hidden.folder.clone(),
            real,
            cover,
            is_root,
        })
    }

    /// The folder that is hidden.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where an isolated process finds the files that were made for it.
    pub fn private_files(&self) -> PathBuf {
        self.folder.join(prepare::PRIVATE)
    }

    fn usual(&self) -> Vec<Mounting> {
        let mut mountings = vec![Mounting::Processes];
        if self.is_root {
            mountings.push(Mounting::ReadOnly(c"/proc/sys"));
            if Path::new("/proc/sysrq-trigger").exists() {
                mountings.push(Mounting::ReadOnly(c"/proc/sysrq-trigger"));
            }
        }
        if Path::new("/dev/shm").is_dir() {
            mountings.push(Mounting::Memory(c"/dev/shm"));
        }
        if prepare::is_mount(c"/dev/mqueue") {
            mountings.push(Mounting::Queues);
        }
        mountings
    }

    fn try_namespaces(&self) -> Result<(), Unavailable> {
        let mountings = self.usual();
        let (reading, writing) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|e| cannot("try it")(e.into()))?;
        // SAFETY: the child makes system calls only.
        let pid = unsafe { system::fork(NAMESPACES) }.map_err(cannot("make namespaces of pids, mounts and ipc"))?;
        if pid == 0 {
            if let Err((at, error)) = first::set_up(&mountings) {
                first::tell(writing.as_raw_fd(), [at, error.raw_os_error().unwrap_or(libc::EIO)]);
            }
            system::end(0);
        }
        drop(writing);
        let failed = read_numbers(&mut reading.into());
        reap(pid);
        match failed.map_err(cannot("try it"))? {
            None => Ok(()),
            Some([at, error]) => {
                let what: Vec<_> = mountings.iter().map(Mounting::what).collect();
                Err(failure(&what, at, error))
            }
        }
    }

    /// Mounts for the folders and files that a process is shown.
    fn show(&self, shown: &Shown<'_>) -> io::Result<Vec<Mounting>> {
        let mut mountings = Vec::new();
        for folder in &shown.folders {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
            let tree = match rustix::mount::open_tree(&self.real, folder.as_path(), flags) {
                // Whoever needs it finds that out.
                Err(rustix::io::Errno::NOENT) => continue,
                tree => tree?,
            };
            prepare::make_folders(&self.cover, folder)?;
            mountings.push(Mounting::Attach(tree, text(self.folder.join(folder).as_os_str())?));
        }
        if !shown.files.is_empty() {
            let memory = prepare::memory(c"0700")?;
            for (name, bytes) in &shown.files {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
                let file = rustix::fs::openat(&memory, *name, flags, Mode::RUSR)?;
                std::fs::File::from(file).write_all(bytes)?;
            }
            system::add_attributes(memory.as_raw_fd(), c"", system::READ_ONLY, false)?;
            mountings.push(Mounting::Attach(memory, text(self.private_files().as_os_str())?));
        }
        Ok(mountings)
    }

    /// Starts an isolated process, in a process group or session of its own. Its streams are files or
    /// nothing; it inherits no other file. Returns when the program runs.
    ///
    /// To be called by a process of one thread; it reaps the child.
    ///
    /// # Errors
    /// When it cannot be started; nothing runs then.
    pub fn spawn(&self, spec: Spec, shown: &Shown<'_>) -> Result<Started, SpawnError> {
        let mut started = self.begin(spec, shown)?;
        started.await_program();
        match started.failure() {
            None => Ok(started),
            Some(failure) => {
                reap(started.identity.pid);
                Err(failure)
            }
        }
    }

    /// The same, without waiting for the program: whether it could be started is said by
    /// [`Started::exit`].
    ///
    /// # Errors
    /// When nothing could be begun.
    pub fn begin(&self, spec: Spec, shown: &Shown<'_>) -> Result<Started, SpawnError> {
        let name = spec.program.clone();
        let other = |source: io::Error| SpawnError::Other {
            program: name.clone(),
            source,
        };
        let folder = spec.folder.clone();
        let mut mountings = self.usual();
        let shown = self
            .show(shown)
            .map_err(|error| other(io::Error::new(error.kind(), format!("cannot isolate it: {error}"))))?;
        mountings.extend(shown);
        let program = program(spec).map_err(other)?;
        let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|error| other(error.into()));
        let (failed, failed_writing) = pipe()?;
        let (ended, ended_writing) = pipe()?;
        // SAFETY: the child makes system calls only.
        let pid = unsafe { system::fork(NAMESPACES) }.map_err(other)?;
        if pid == 0 {
            drop(failed);
            drop(ended);
            first::run(
                &mountings,
                &program,
                failed_writing.as_raw_fd(),
                ended_writing.as_raw_fd(),
            );
        }
        drop((failed_writing, ended_writing));
        let identity = Identity::of_pid(pid).ok_or_else(|| other(io::Error::other("/proc is not mounted")))?;
        Ok(Started {
            identity,
            failed: Some(failed.into()),
            failure: None,
            about: About {
                mountings: mountings.iter().map(Mounting::what).collect(),
                program: name,
                folder,
            },
            ended: ended.into(),
        })
    }
}

fn failure(mountings: &[String], at: i32, number: i32) -> Unavailable {
    let what = usize::try_from(at).ok().and_then(|at| mountings.get(at));
    let what = what.map_or("give up rights", String::as_str);
    cannot(what)(io::Error::from_raw_os_error(number))
}

/// The places at which a program is looked for.
fn places(program: &OsStr, path: Option<&OsString>) -> io::Result<Vec<CString>> {
    if program.as_bytes().contains(&b'/') {
        return Ok(vec![text(program)?]);
    }
    let path = path.map_or(OsStr::new("/bin:/usr/bin"), OsString::as_os_str);
    std::env::split_paths(path)
        .map(|folder| text(folder.join(program).as_os_str()))
        .collect()
}

fn stream(channel: Channel, write: bool) -> io::Result<OwnedFd> {
    match channel {
        Channel::File(file) => Ok(file),
        Channel::Null => {
            let how = if write { OFlags::WRONLY } else { OFlags::RDONLY };
            Ok(rustix::fs::openat(
                CWD,
                "/dev/null",
                how | OFlags::CLOEXEC,
                Mode::empty(),
            )?)
        }
        Channel::Inherit | Channel::Pipe => {
            let what = "the streams of an isolated process are files or nothing";
            Err(io::Error::new(io::ErrorKind::InvalidInput, what))
        }
    }
}

fn program(mut spec: Spec) -> io::Result<Program> {
    if !spec.limits.iter().any(|(resource, _)| *resource == Resource::Core) {
        spec.limits.push((Resource::Core, crate::spawn::NO_CORE));
    }
    let places = places(&spec.program, spec.variables.get(OsStr::new("PATH")))?;
    let mut arguments = vec![text(&spec.program)?];
    for argument in &spec.arguments {
        arguments.push(text(argument)?);
    }
    let mut variables = Vec::with_capacity(spec.variables.len());
    for (name, value) in &spec.variables {
        let mut pair = name.clone();
        pair.push("=");
        pair.push(value);
        variables.push(text(&pair)?);
    }
    Ok(Program {
        places,
        arguments: Texts::new(arguments),
        variables: Texts::new(variables),
        folder: spec
            .folder
            .as_ref()
            .map(|folder| text(folder.as_os_str()))
            .transpose()?,
        streams: [
            stream(spec.stdin, false)?,
            stream(spec.stdout, true)?,
            stream(spec.stderr, true)?,
        ],
        new_session: spec.group == Group::OwnSession,
        nice: spec.nice,
        limits: spec.limits,
    })
}
