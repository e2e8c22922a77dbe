//! Sending open files, above all listening sockets, to another process over a unix socket
//! (`SCM_RIGHTS`).
//!
//! A socket that was passed on is the same socket: connections that wait in its queue are accepted by
//! whichever process asks next, so none is refused while one process takes over from another.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Sockets that are passed at most.
const MOST: usize = 8;

/// Sends `sockets` with one byte that carries them.
///
/// # Errors
/// When the other side is gone.
pub async fn send(stream: &UnixStream, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
    if sockets.len() > MOST {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many sockets to pass"));
    }
    stream
        .async_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !control.push(SendAncillaryMessage::ScmRights(sockets)) {
                return Err(io::Error::other("too many sockets to pass"));
            }
            sendmsg(stream.as_fd(), &[IoSlice::new(b"s")], &mut control, SendFlags::NOSIGNAL)?;
            Ok(())
        })
        .await
}

/// Receives what [`send`] sent; nothing but the one byte is read.
///
/// # Errors
/// When the other side is gone.
pub async fn receive(stream: &UnixStream) -> io::Result<Vec<OwnedFd>> {
    stream
        .async_io(Interest::READABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut byte = [0];
            let message = recvmsg(
                stream.as_fd(),
                &mut [IoSliceMut::new(&mut byte)],
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            )?;
            if message.bytes == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut sockets: Vec<OwnedFd> = Vec::new();
            for part in control.drain() {
                if let RecvAncillaryMessage::ScmRights(files) = part {
                    sockets.extend(files);
                }
            }
            Ok(sockets)
        })
        .await
}
