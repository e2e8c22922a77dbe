//! Reaping children whose handle is gone, so that none stays behind as a zombie.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

use crate::subreaper;

struct Reaper {
    wake: OwnedFd,
    arrived: Mutex<Vec<(u32, OwnedFd)>>,
}

static REAPER: OnceLock<Option<Reaper>> = OnceLock::new();

/// Reaps the child when its handle says that it has ended. One thread does this for all of them; it
/// sleeps until there is something to do.
pub(crate) fn reap_when_ended(pid: u32, handle: OwnedFd) {
    let reaper = REAPER.get_or_init(|| {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok()?;
        std::thread::Builder::new()
            .name("reaper".into())
            .stack_size(64 * 1024)
            .spawn(watch)
            .ok()?;
        Some(Reaper {
            wake,
            arrived: Mutex::new(Vec::new()),
        })
    });
    if let Some(reaper) = reaper {
        reaper
            .arrived
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((pid, handle));
        let _ = rustix::io::write(&reaper.wake, &1u64.to_ne_bytes());
    }
}

fn watch() {
    // The thread may run before the cell is filled; `wait` blocks until then.
    let Some(reaper) = REAPER.wait() else { return };
    let mut watched: Vec<(u32, OwnedFd)> = Vec::new();
    loop {
        {
            let mut files: Vec<PollFd<'_>> = vec![PollFd::new(&reaper.wake, PollFlags::IN)];
            files.extend(watched.iter().map(|(_, handle)| PollFd::new(handle, PollFlags::IN)));
            if poll(&mut files, None).is_err() {
                continue;
            }
        }
        let mut count = [0; 8];
        let _ = rustix::io::read(&reaper.wake, &mut count);
        // An error means that somebody else reaped it: there is nothing left to wait for.
        watched.retain(|(pid, _)| matches!(subreaper::reap(Some(*pid)), Ok(None)));
        watched.append(&mut reaper.arrived.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
