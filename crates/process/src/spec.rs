//! What a process is started with.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;

use rustix::process::{Resource, Signal};

/// What one of the three standard streams is connected to.
#[derive(Debug, Default)]
pub enum Channel {
    /// `/dev/null`.
    #[default]
    Null,
    /// The stream of the starting process.
    Inherit,
    /// A pipe whose other end is in the [`Child`](crate::Child).
    Pipe,
    /// An open file, socket or pipe.
    File(OwnedFd),
}

/// Whose session and process group the process belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Group {
    /// A process group of its own in the starter's session: a Ctrl-C of the starter's terminal does
    /// not reach it, and it is killed as a whole.
    #[default]
    Own,
    /// A session of its own: it has no terminal and lives on when the starter's session ends.
    OwnSession,
    /// The starter's group: a Ctrl-C of the starter's terminal reaches it too.
    Inherit,
}

/// What a process is started with. All that is not stated here it does not get: its environment is
/// empty, its streams are `/dev/null`, it inherits no file descriptor and leaves no core dump.
#[derive(Debug)]
pub struct Spec {
    /// The program: a path, or a name that is looked up in the `PATH` of [`variables`](Self::variables).
    pub program: OsString,
    /// The arguments, without the program's name.
    pub arguments: Vec<OsString>,
    /// The whole environment.
    pub variables: BTreeMap<OsString, OsString>,
    /// The working folder; the starter's when absent.
    pub folder: Option<PathBuf>,
    /// Standard input.
    pub stdin: Channel,
    /// Standard output.
    pub stdout: Channel,
    /// Standard error.
    pub stderr: Channel,
    /// Session and process group.
    pub group: Group,
    /// The nice value, 0 (normal) to 19 (last); raising the priority is not offered.
    pub nice: i32,
    /// Resource limits, soft and hard alike. There is no core dump unless it is stated here.
    pub limits: Vec<(Resource, u64)>,
    /// Open files that the process inherits under the numbers that they have here.
    pub inherited: Vec<OwnedFd>,
    /// The signal that the kernel sends to the process when the thread that started it ends.
    pub with_parent: Option<Signal>,
}

impl Spec {
    /// A process of `program` with nothing else.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            variables: BTreeMap::new(),
            folder: None,
            stdin: Channel::Null,
            stdout: Channel::Null,
            stderr: Channel::Null,
            group: Group::Own,
            nice: 0,
            limits: Vec::new(),
            inherited: Vec::new(),
            with_parent: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments
            .extend(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn variable(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.variables
            .insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Sets variables.
    #[must_use]
    pub fn variables<N: AsRef<OsStr>, V: AsRef<OsStr>>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self {
        for (name, value) in variables {
            self.variables
                .insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        }
        self
    }

    /// Hands on the named variables of this process, where they are set.
    #[must_use]
    pub fn pass<N: AsRef<OsStr>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        for name in names {
            if let Some(value) = std::env::var_os(name.as_ref()) {
                self.variables.insert(name.as_ref().to_owned(), value);
            }
        }
        self
    }

    /// Sets the working folder.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Sets standard input.
    #[must_use]
    pub fn stdin(mut self, channel: Channel) -> Self {
        self.stdin = channel;
        self
    }

    /// Sets standard output.
    #[must_use]
    pub fn stdout(mut self, channel: Channel) -> Self {
        self.stdout = channel;
        self
    }

    /// Sets standard error.
    #[must_use]
    pub fn stderr(mut self, channel: Channel) -> Self {
        self.stderr = channel;
        self
    }

    /// Sets session and process group.
    #[must_use]
    pub fn group(mut self, group: Group) -> Self {
        self.group = group;
        self
    }

    /// Sets the nice value.
    #[must_use]
    pub fn nice(mut self, nice: i32) -> Self {
        self.nice = nice;
        self
    }

    /// Limits a resource.
    #[must_use]
    pub fn limit(mut self, resource: Resource, most: u64) -> Self {
        self.limits.push((resource, most));
        self
    }

    /// Hands an open file to the process; the answer is its number there, to be told to the process
    /// by an argument or a variable. [`take_inherited`](crate::take_inherited) takes it there.
    pub fn inherit(&mut self, file: OwnedFd) -> i32 {
        let number = file.as_raw_fd();
        self.inherited.push(file);
        number
    }

    /// Ends the process by `signal` when the thread that starts it ends.
    #[must_use]
    pub fn with_parent(mut self, signal: Signal) -> Self {
        self.with_parent = Some(signal);
        self
    }
}
