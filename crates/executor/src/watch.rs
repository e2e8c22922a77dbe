//! Folders whose changes the kernel tells of.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify;
use tokio::io::unix::AsyncFd;

/// Watches folders.
#[derive(Debug)]
pub(crate) struct Watch(AsyncFd<OwnedFd>);

impl Watch {
    /// Watches these folders: files that are made, moved in and written in them. To be called within a tokio runtime.
    ///
    /// # Errors
    /// When a folder is not there, or the kernel watches enough for this user.
    pub(crate) fn of(folders: &[&Path]) -> io::Result<Self> {
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let what = inotify::WatchFlags::MODIFY
            | inotify::WatchFlags::CREATE
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::DELETE_SELF
            | inotify::WatchFlags::ONLYDIR;
        for folder in folders {
            inotify::add_watch(&watch, *folder, what)?;
        }
        Ok(Self(process::readable(watch)?))
    }

    /// Waits until something has changed since the last time. Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// When a folder was removed.
    pub(crate) async fn changed(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.0.readable().await?;
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut events = inotify::Reader::new(self.0.get_ref(), &mut buffer);
            let mut any = false;
            loop {
                match events.next() {
                    Ok(event) if event.events().contains(inotify::ReadFlags::DELETE_SELF) => {
                        return Err(io::Error::new(io::ErrorKind::NotFound, "the log was removed"));
                    }
                    Ok(_) => any = true,
                    Err(rustix::io::Errno::WOULDBLOCK) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            ready.clear_ready();
            if any {
                return Ok(());
            }
        }
    }
}
