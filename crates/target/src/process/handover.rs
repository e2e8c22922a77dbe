//! From an old keeper to a new one, without a refused connection and without a lost count.
//!
//! 1. The new one finds the folder locked and asks the old one to hand over.
//! 2. The old one stops supervising, writes everything down, and gives its listening sockets and the
//!    lock. It still accepts and answers; what ends from now on it holds ready for the new one.
//! 3. The new one reads the files, knows the instances, accepts on the same sockets, and says so.
//! 4. The old one accepts no more, answers what comes on the connections it has, tells of each request
//!    that ends, and is gone when the last connection is. Until then the new one ends no instance.
//!
//! A new one that dies before step 3 is complete has changed nothing: the old one goes on.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proxy::{Proxy, passing};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;

use super::control::{Ask, Line, Tell};
use super::keeper::Keeper;
use super::vault::Entry;
use crate::error::Refused;

/// How long the new keeper may take to accept connections.
const ACCEPTING: Duration = Duration::from_secs(30);
/// How long the old keeper answers on the connections that it has.
const LEAVING: Duration = Duration::from_secs(30);

/// What a keeper starts with.
pub struct Inherited {
    /// Held as long as the folder is kept.
    pub lock: OwnedFd,
    /// Sockets on which requests come in.
    pub listeners: Vec<TcpListener>,
    /// Secrets of instances.
    pub secrets: Vec<Entry>,
    /// The line to the old keeper, where there is one.
    pub line: Option<Line>,
}

impl Inherited {
    /// What a keeper starts with that follows on nobody.
    pub fn nothing(lock: OwnedFd) -> Self {
        Self {
            lock,
            listeners: Vec::new(),
            secrets: Vec::new(),
            line: None,
        }
    }
}

/// Asks the keeper of `folder` for everything.
///
/// # Errors
/// When it does not answer or does not hand over.
pub async fn take_over(folder: &Path) -> io::Result<Inherited> {
    let refused =
        |why: &str| io::Error::other(format!("the proxy that keeps this placement does not hand over: {why}"));
    let mut line = Line::connect(folder)
        .await
        .map_err(|error| refused(&error.to_string()))?;
    line.say(&Ask::HandOver).await?;
    let mut files = passing::receive(line.stream())
        .await
        .map_err(|error| refused(&error.to_string()))?;
    let lock = files.pop().ok_or_else(|| refused("it passes no sockets"))?;
    let Some(Tell::Yielded { secrets }) = line.hear().await? else {
        return Err(refused("it gives no account"));
    };
    let listeners = files.into_iter().map(TcpListener::from).collect();
    Ok(Inherited {
        lock,
        listeners,
        secrets,
        line: Some(line),
    })
}

/// Says that connections are accepted, and counts what ends at the old keeper until that is gone.
///
/// # Errors
/// When the old keeper is gone already.
pub async fn accept_records(mut line: Line, proxy: Arc<Proxy>, alone: watch::Sender<bool>) -> io::Result<()> {
    line.say(&Tell::Accepting).await?;
    tokio::spawn(async move {
        while let Ok(Some(told)) = line.hear::<Tell>().await {
            if let Tell::Ended(record) = told {
                proxy.count(*record);
            }
        }
        alone.send_replace(true);
    });
    Ok(())
}

impl Keeper {
    /// Gives everything to the keeper at the other end of `line`; true when this one is done.
    pub(super) async fn hand_over(&mut self, mut line: Line) -> bool {
        if self.stopping.is_some() {
            return false;
        }
        if let Some(applying) = self.applying.take() {
            applying.hand_over();
        }
        for (asker, _) in self.settling.drain(..) {
            let _ = asker.send(Tell::Refused(Refused::HandedOver));
        }
        // Whoever watches is let go; the processes live on.
        self.live.clear();
        let (heir, mut records) = unbounded_channel();
        if self.save().is_err() || self.proxy.yield_records(heir).await.is_err() {
            self.take_back().await;
            return false;
        }
        crashpoint::reach("keeper.handover.before-yield");
        if let Err(error) = self.yield_to(&mut line).await {
            eprintln!("the new proxy did not take over: {error}");
            if let Err(error) = self.proxy.take_back().await {
                eprintln!("cannot keep the evidence any more: {error}");
            }
            records.close();
            while let Ok(record) = records.try_recv() {
                self.proxy.count(record);
            }
            self.take_back().await;
            return false;
        }
        crashpoint::reach("keeper.handover.yielded");
        let telling = async {
            while let Some(record) = records.recv().await {
                if line.say(&Tell::Ended(Box::new(record))).await.is_err() {
                    return;
                }
            }
        };
        let mut alone = self.alone.clone();
        let leaving = async {
            // What the keeper before this one still tells goes to the heir, too.
            tokio::join!(self.proxy.leave(LEAVING), async {
                drop(alone.wait_for(|alone| *alone).await)
            });
            self.proxy.close().await;
        };
        tokio::join!(telling, leaving);
        true
    }

    async fn yield_to(&self, line: &mut Line) -> io::Result<()> {
        let listeners = self.proxy.sockets()?;
        let mut files: Vec<BorrowedFd<'_>> = listeners.iter().map(|listener| listener.as_fd()).collect();
        files.push(self.lock.as_fd());
        passing::send(line.stream(), &files).await?;
        line.say(&Tell::Yielded {
            secrets: self.vault.entries(),
        })
        .await?;
        match tokio::time::timeout(ACCEPTING, line.hear::<Tell>()).await?? {
            Some(Tell::Accepting) => Ok(()),
            _ => Err(io::Error::other("it ended before it accepted connections")),
        }
    }

    /// Goes on after a new keeper did not come.
    async fn take_back(&mut self) {
        self.adopt();
        // The intention under way begins again; its caller asks again.
        self.resume().await;
    }
}
