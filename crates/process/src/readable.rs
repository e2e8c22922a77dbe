//! Waiting for any file descriptor.

#![allow(unsafe_code)] // reason: tokio leaves it to the caller that the file stays the same one

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A file of which tokio says when it can be read: a handle of a process, a watch of a folder.
///
/// # Errors
/// When tokio cannot wait for such a file, or outside a runtime.
pub fn readable(file: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` answers with the same open file for as long as it lives.
    let watched = unsafe { AsyncFd::register_with_interest(file, Interest::READABLE) };
    watched.map_err(io::Error::from)
}
