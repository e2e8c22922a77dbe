//! The thread that hears of commits, also of those of others: by notifications, and by a slow look at the
//! database behind them, because a notification is lost with the connection it comes over.

use std::future::poll_fn;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use facts::Position;
use tokio::sync::{mpsc, watch};
use tokio_postgres::AsyncMessage;

use super::address::Address;
use super::failure::Failure;
use super::session::{connect, settings};
use super::writer::advance;

/// How often to look without having been told.
const LOOK: Duration = Duration::from_secs(5);

/// How long to wait before the next attempt to reach the database.
const PAUSE: Duration = Duration::from_millis(500);

/// Hears of commits while it lives.
pub(super) struct Listener {
    ending: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Starts the thread, which says in `head` how far the log has come.
    pub(super) fn start(address: Address, head: Arc<watch::Sender<Position>>) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (ending, mut ended) = watch::channel(false);
        let thread = std::thread::Builder::new()
            .name("ledger-listener".into())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = listen(&address, &head) => {}
                        _ = ended.wait_for(|ended| *ended) => {}
                    }
                });
            })?;
        Ok(Self {
            ending,
            thread: Some(thread),
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ending.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the listener of the ledger has panicked");
        }
    }
}

/// Listens, over one connection after the other.
async fn listen(address: &Address, head: &watch::Sender<Position>) {
    let mut told = false;
    loop {
        if let Err(failure) = listen_once(address, head, &mut told).await {
            if !told {
                tracing::warn!(?failure, "commits of others are not heard of for now");
            }
            told = true;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen_once(address: &Address, head: &watch::Sender<Position>, told: &mut bool) -> Result<(), Failure> {
    let (client, mut connection) = connect(address).await?;
    let (heard, mut notifications) = mpsc::unbounded_channel();
    // It ends with the client, or with the server's end of the connection.
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(notification) = message
                && let Ok(position) = notification.payload().parse::<Position>()
            {
                let _ = heard.send(position);
            }
        }
    });
    client.batch_execute(&settings(address)).await?;
    client
        .batch_execute(&format!("LISTEN \"{}\"", address.channel()))
        .await?;
    if std::mem::take(told) {
        tracing::info!("commits of others are heard of again");
    }
    loop {
        let row = client.query_one("SELECT position FROM ledger_head", &[]).await?;
        let position: i64 = row.try_get(0)?;
        advance(head, position as Position);
        let look = tokio::time::sleep(LOOK);
        tokio::pin!(look);
        loop {
            tokio::select! {
                () = &mut look => break,
                heard = notifications.recv() => match heard {
                    Some(position) => advance(head, position),
                    None => return Err(Failure::Lost("the connection to the database ended".into())),
                },
            }
        }
    }
}
