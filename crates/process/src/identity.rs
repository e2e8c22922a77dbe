//! Which process is meant.

use std::io;
use std::sync::OnceLock;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// One process, for good: the pid alone would name another process once it is reused, the start time
/// tells them apart, and the boot tells apart the same pair after a restart of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The process id.
    pub pid: u32,
    /// When it was started, in clock ticks since the machine's start (field 22 of `/proc/PID/stat`).
    pub start_time: u64,
    /// The first half of the machine's boot id.
    pub boot: u64,
}

/// What `/proc/PID/stat` says, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) state: u8,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) session: u32,
    pub(crate) start_time: u64,
}

impl Stat {
    pub(crate) fn read(pid: u32) -> Option<Self> {
        Self::parse(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The program's name stands in parentheses and may hold spaces and parentheses itself, so the
    /// fields are counted from the last closing one.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let end = text.iter().rposition(|b| *b == b')')?;
        let rest = std::str::from_utf8(text.get(end + 2..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let session = fields.next()?.parse().ok()?;
        let start_time = fields.nth(15)?.parse().ok()?;
        Some(Self {
            state,
            parent,
            group,
            session,
            start_time,
        })
    }

    /// Whether the process runs: a zombie has ended and only waits to be reaped.
    pub(crate) fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }
}

pub(crate) fn boot() -> u64 {
    static BOOT: OnceLock<u64> = OnceLock::new();
    *BOOT.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).take(16).collect();
        u64::from_str_radix(&digits, 16).unwrap_or(0)
    })
}

impl Identity {
    /// The process that has this pid now, a zombie included.
    pub fn of_pid(pid: u32) -> Option<Self> {
        Stat::read(pid).map(|stat| Self {
            pid,
            start_time: stat.start_time,
            boot: boot(),
        })
    }

    /// This process.
    ///
    /// # Errors
    /// When `/proc` is not there.
    pub fn of_this_process() -> io::Result<Self> {
        Self::of_pid(std::process::id()).ok_or_else(|| io::Error::other("/proc is not mounted"))
    }

    /// Whether the process still runs.
    pub fn is_alive(&self) -> bool {
        self.stat().is_some_and(|stat| stat.is_alive())
    }

    pub(crate) fn stat(&self) -> Option<Stat> {
        Stat::read(self.pid).filter(|stat| stat.start_time == self.start_time && boot() == self.boot)
    }

    /// A handle of exactly this process; `None` when it is gone.
    pub(crate) fn open(&self) -> io::Result<Option<std::os::fd::OwnedFd>> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return Ok(None);
        };
        match pidfd_open(pid, PidfdFlags::NONBLOCK) {
            // The handle is open, so the pid cannot change hands any more: now the start time decides.
            Ok(handle) => Ok(self.stat().map(|_| handle)),
            Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a signal to this process alone; `false` when it is gone already.
    ///
    /// # Errors
    /// When the process belongs to somebody else.
    pub fn signal(&self, signal: Signal) -> io::Result<bool> {
        let Some(handle) = self.open()? else { return Ok(false) };
        match pidfd_send_signal(&handle, signal) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until the process has ended, whosever child it is.
    ///
    /// # Errors
    /// When the kernel gives no handle of the process.
    pub async fn ended(&self) -> io::Result<()> {
        let Some(handle) = self.open()? else { return Ok(()) };
        let handle = crate::readable::readable(handle)?;
        handle.readable().await?.retain_ready();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let text = b"12 (a) b) (c) S 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 4242 23";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.state, stat.parent, stat.group, stat.session), (b'S', 3, 4, 5));
        assert_eq!(stat.start_time, 4242);
        assert_eq!(Stat::parse(b"garbage"), None);
    }

    #[test]
    fn another_process_with_the_same_pid_is_not_the_one_meant() {
        let this = Identity::of_this_process().unwrap();
        assert!(this.is_alive());
        let earlier = Identity {
            start_time: this.start_time - 1,
            ..this
        };
        assert!(!earlier.is_alive());
        assert!(!earlier.signal(Signal::KILL).unwrap());
        let before_restart = Identity {
            boot: this.boot ^ 1,
            ..this
        };
        assert!(!before_restart.is_alive());
    }
}
