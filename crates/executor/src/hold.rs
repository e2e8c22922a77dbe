//! The shim's hold on one of its keepers.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use process::{Channel, Group, Identity, Spec};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf, pipe};
use tokio::sync::mpsc;

use crate::isolation::Wanted;
use crate::wire::{Order, Report};
use crate::{frame, isolation, keeper, logs};

/// A keeper, as the shim holds it. Dropping it makes the keeper end, and what it keeps.
pub(crate) struct Hold {
    pub(crate) identity: Identity,
    orders: OwnedWriteHalf,
    /// Closed when the keeper is gone.
    reports: mpsc::Receiver<Report>,
    output: pipe::Receiver,
    error: pipe::Receiver,
    output_bytes: Vec<u8>,
    error_bytes: Vec<u8>,
}

/// Something that came from a keeper.
pub(crate) enum Event<'a> {
    Report(Report),
    /// The keeper was killed.
    Gone,
    Said(logs::Channel, &'a [u8]),
}

async fn read_reports(mut stream: OwnedReadHalf, reports: mpsc::Sender<Report>) {
    while let Ok(Some(report)) = frame::read::<Report>(&mut stream).await {
        if reports.send(report).await.is_err() {
            return;
        }
    }
}

impl Hold {
    /// Starts a keeper: this program once more, with the same arguments and other variables.
    pub(crate) fn spawn(lock: &OwnedFd, isolate: Option<&Wanted>) -> io::Result<Self> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let mut spec = Spec::new("/proc/self/exe").args(std::env::args_os().skip(1));
        // The run's lock is held for as long as a keeper lives.
        spec.inherit(lock.try_clone()?);
        let control = spec.inherit(theirs.into());
        // In a session of its own: when the shim dies, the kernel has no orphaned group to hang up.
        let spec = spec
            .group(Group::OwnSession)
            .variable(keeper::VARIABLE, control.to_string())
            .stdout(Channel::Pipe)
            .stderr(Channel::Pipe);
        let spec = match isolate {
            Some(wanted) => spec.variable(isolation::VARIABLE, wanted.text()),
            None => spec,
        };
        let mut child = process::spawn(spec).map_err(io::Error::other)?;
        let missing = || io::Error::other("a keeper has two pipes");
        let output = child.stdout.take().ok_or_else(missing)?;
        let error = child.stderr.take().ok_or_else(missing)?;
        ours.set_nonblocking(true)?;
        let (reading, orders) = UnixStream::from_std(ours)?.into_split();
        let (sender, reports) = mpsc::channel(4);
        tokio::spawn(read_reports(reading, sender));
        Ok(Self {
            identity: child.leave_to_subreaper(),
            orders,
            reports,
            output,
            error,
            output_bytes: vec![0; 64 * 1024],
            error_bytes: vec![0; 64 * 1024],
        })
    }

    pub(crate) async fn order(&mut self, order: &Order) -> io::Result<()> {
        frame::write(&mut self.orders, order).await
    }

    /// The next thing that comes from the keeper. Cancelling the wait loses nothing.
    pub(crate) async fn event(&mut self) -> Event<'_> {
        tokio::select! {
            biased;
            report = self.reports.recv() => match report {
                Some(report) => Event::Report(report),
                None => Event::Gone,
            },
            read = self.output.read(&mut self.output_bytes) => match read {
                Ok(read) if read > 0 => Event::Said(logs::Channel::Output, &self.output_bytes[..read]),
                _ => Event::Gone,
            },
            read = self.error.read(&mut self.error_bytes) => match read {
                Ok(read) if read > 0 => Event::Said(logs::Channel::Error, &self.error_bytes[..read]),
                _ => Event::Gone,
            },
        }
    }

    /// Hands over what is in the pipes. Asks the kernel itself: what tokio knows of a pipe may be older
    /// than the report that came by another way.
    pub(crate) fn drain(&mut self, mut said: impl FnMut(logs::Channel, &[u8])) {
        read_all(&self.output, &mut self.output_bytes, |bytes| {
            said(logs::Channel::Output, bytes)
        });
        read_all(&self.error, &mut self.error_bytes, |bytes| {
            said(logs::Channel::Error, bytes)
        });
    }
}

pub(crate) fn read_all(pipe: impl AsFd, buffer: &mut [u8], mut said: impl FnMut(&[u8])) {
    loop {
        match rustix::io::read(&pipe, &mut *buffer) {
            Ok(read) if read > 0 => said(&buffer[..read]),
            Err(rustix::io::Errno::INTR) => {}
            _ => return,
        }
    }
}
