//! A started process, as its starter holds it.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use serde::{Deserialize, Serialize};

use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;

use crate::identity::Identity;
use crate::readable::readable;
use crate::spec::Group;
use crate::{reaper, subreaper, tree};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl Ending {
    /// Exit code 0.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// What a process and the children that it waited for used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time, user and system, in milliseconds.
    pub cpu_ms: u64,
    /// The largest resident memory that one process of them had, in KiB.
    pub peak_memory_kib: u64,
}

impl Usage {
    /// Both together: times add up, the larger peak stays.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            cpu_ms: self.cpu_ms.saturating_add(other.cpu_ms),
            peak_memory_kib: self.peak_memory_kib.max(other.peak_memory_kib),
        }
    }
}

/// How a process ended and what it used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// How it ended.
    pub ending: Ending,
    /// What it used.
    pub usage: Usage,
}

/// A started process. Dropping it kills the process and everything it started; see
/// [`detach`](Self::detach) for a process that is to live on.
#[derive(Debug)]
pub struct Child {
    identity: Identity,
    group: Group,
    handle: Option<AsyncFd<OwnedFd>>,
    exit: Option<Exit>,
    /// The writing end of its standard input, if it is a pipe. Drop it to end the input.
    pub stdin: Option<pipe::Sender>,
    /// The reading end of its standard output, if it is a pipe.
    pub stdout: Option<pipe::Receiver>,
    /// The reading end of its standard error, if it is a pipe.
    pub stderr: Option<pipe::Receiver>,
}

impl Child {
    /// Takes over a child that was just started. When something fails here it is killed.
    pub(crate) fn own(mut child: std::process::Child, group: Group) -> io::Result<Self> {
        let owned = Self::open(&mut child, group);
        if owned.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        owned
    }

    fn open(child: &mut std::process::Child, group: Group) -> io::Result<Self> {
        let pid = Pid::from_child(child);
        let handle = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
        let identity = Identity::of_pid(child.id()).ok_or_else(|| io::Error::other("/proc is not mounted"))?;
        let stdin = child
            .stdin
            .take()
            .map(|end| pipe::Sender::from_owned_fd(end.into()))
            .transpose()?;
        let stdout = child
            .stdout
            .take()
            .map(|end| pipe::Receiver::from_owned_fd(end.into()))
            .transpose()?;
        let stderr = child
            .stderr
            .take()
            .map(|end| pipe::Receiver::from_owned_fd(end.into()))
            .transpose()?;
        let handle = readable(handle)?;
        Ok(Self {
            identity,
            group,
            handle: Some(handle),
            exit: None,
            stdin,
            stdout,
            stderr,
        })
    }

    /// Which process this is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.identity.pid
    }

    /// When the process was started, in clock ticks since the machine's start.
    pub fn start_time(&self) -> u64 {
        self.identity.start_time
    }

    /// Waits until the process ends, and reaps it. It may be asked again. Cancelling the wait loses
    /// nothing.
    ///
    /// # Errors
    /// When somebody else reaped the process.
    pub async fn wait(&mut self) -> io::Result<Exit> {
        loop {
            if let Some(exit) = self.exit {
                return Ok(exit);
            }
            let Some(handle) = &self.handle else {
                return Err(io::Error::other("the process was handed on"));
            };
            let mut ready = handle.readable().await?;
            if let Some((_, exit)) = subreaper::reap(Some(self.identity.pid))? {
                self.exit = Some(exit);
            } else {
                ready.clear_ready();
            }
        }
    }

    /// Waits until the process ends, kills what is left of its group, and reaps it. Cheaper than
    /// [`kill_group`](Self::kill_group), and blind to what left the group.
    ///
    /// # Errors
    /// When somebody else reaped the process.
    pub async fn wait_and_clear_group(&mut self) -> io::Result<Exit> {
        if self.exit.is_none()
            && let Some(handle) = &self.handle
        {
            handle.readable().await?.retain_ready();
            if self.leads()
                && let Some(group) = Pid::from_raw(self.identity.pid.cast_signed())
            {
                // Not reaped yet, so the number still names this group and no other.
                let _ = rustix::process::kill_process_group(group, Signal::KILL);
            }
        }
        self.wait().await
    }

    /// The end, if it has come.
    ///
    /// # Errors
    /// When somebody else reaped the process.
    pub fn try_wait(&mut self) -> io::Result<Option<Exit>> {
        if self.exit.is_none()
            && self.handle.is_some()
            && let Some((_, exit)) = subreaper::reap(Some(self.identity.pid))?
        {
            self.exit = Some(exit);
        }
        Ok(self.exit)
    }

    /// Sends a signal to the process alone; `false` when it has ended.
    ///
    /// # Errors
    /// When the process changed its user.
    pub fn signal(&self, signal: Signal) -> io::Result<bool> {
        if self.exit.is_some() {
            Ok(false)
        } else {
            self.identity.signal(signal)
        }
    }

    /// Asks the whole tree to end by `signal`, waits at most `grace`, kills what is left, and reaps
    /// the process. With a grace of zero everything is killed at once.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub async fn kill_group(&mut self, signal: Signal, grace: Duration) -> io::Result<Exit> {
        let mut seen = tree::members(self.identity, self.leads());
        if !grace.is_zero() {
            tree::signal_all(&seen, signal);
            let _ = tokio::time::timeout(grace, async {
                let _ = self.wait().await;
                tree::ended_all(&seen).await;
            })
            .await;
        }
        // Again, for what was started or was re-parented in between.
        seen.extend(tree::members(self.identity, self.leads()));
        tree::kill_all(seen, self.identity, self.leads()).await;
        self.wait().await
    }

    fn leads(&self) -> bool {
        self.group != Group::Inherit
    }

    /// Lets the process live on without its starter: dropping no longer kills it. It is still reaped
    /// here when it ends while this process lives.
    pub fn detach(mut self) -> Identity {
        self.hand_on();
        self.identity
    }

    /// Leaves waiting to the caller, who reaps by [`subreaper::reap`].
    pub fn leave_to_subreaper(mut self) -> Identity {
        self.handle = None;
        self.identity
    }

    fn hand_on(&mut self) {
        if self.exit.is_none()
            && let Some(handle) = self.handle.take()
        {
            reaper::reap_when_ended(self.identity.pid, handle.into_inner());
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.exit.is_none() && self.handle.is_some() {
            tree::kill_now(self.identity, self.leads());
            self.hand_on();
        }
    }
}
