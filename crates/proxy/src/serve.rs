//! Sockets and connections: listening, accepting, leaving.
//!
//! A proxy that leaves (because a newer one has its sockets) accepts no more. It answers what comes on
//! the connections that it has, each with `connection: close`, so that no client loses a request it
//! was about to send, and closes what is left after a deadline.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use facts::{Clock, Entropy, InstanceId};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access_log::{Limits, Record};
use crate::evidence::Evidence;
use crate::forward;
use crate::recorder::{Closed, Recorder};
use crate::router::{Router, Stale};
use crate::table::{Stamp, Table};

/// How long a client may be silent, or take for the head of a request.
const SILENCE: Duration = Duration::from_secs(75);
/// The largest head of a request; a larger one is answered with 431.
const HEAD: usize = 64 << 10;
/// The largest number of headers of a request.
const HEADERS: usize = 100;
/// Connections served at the same time at most; further ones wait in the socket's queue.
const CONNECTIONS: usize = 16_384;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4_096;

/// What a proxy is made of.
pub struct Settings {
    /// Where evidence and access log are kept.
    pub folder: PathBuf,
    /// Sizes of the access log.
    pub limits: Limits,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Seeds the dice.
    pub entropy: Arc<dyn Entropy>,
}

/// What cannot be done with a proxy.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// A newer table is set.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// It was closed.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) router: Router,
    pub(crate) recorder: Recorder,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) leaving: AtomicBool,
}

/// A running proxy.
pub struct Proxy {
    shared: Arc<Shared>,
    listeners: Mutex<Vec<(TcpListener, CancellationToken)>>,
    closing: CancellationToken,
    connections: TaskTracker,
    room: Arc<Semaphore>,
    /// Sets come one after another.
    setting: tokio::sync::Mutex<()>,
}

/// Opens a listening socket. To be called within a tokio runtime.
///
/// # Errors
/// When the address is taken or not of this machine.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Lets this process open as many files as the machine allows it: each request in flight takes two.
pub fn allow_many_connections() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // With fewer files fewer connections are served at the same time; the others wait.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Connections served at the same time, given how many files may be open.
fn room() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let pairs = usize::try_from(files.saturating_sub(200) / 2).unwrap_or(usize::MAX);
    pairs.clamp(16, CONNECTIONS)
}

impl Proxy {
    /// A proxy that knows no instance and listens nowhere yet, with the evidence that an earlier one
    /// left in the folder.
    ///
    /// # Errors
    /// When the folder cannot be read and written.
    pub fn new(settings: &Settings) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            shared: Arc::new(Shared {
                router: Router::new(&*settings.entropy),
                recorder: Recorder::start(&settings.folder, settings.limits, settings.clock.clone())?,
                clock: settings.clock.clone(),
                leaving: AtomicBool::new(false),
            }),
            listeners: Mutex::default(),
            closing: CancellationToken::new(),
            connections: TaskTracker::new(),
            room: Arc::new(Semaphore::new(room())),
            setting: tokio::sync::Mutex::default(),
        }))
    }

    /// Accepts connections on `listener` from now on.
    ///
    /// # Errors
    /// When the socket is broken.
    pub fn accept_on(self: &Arc<Self>, listener: TcpListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let kept = listener.try_clone()?;
        let accepting = tokio::net::TcpListener::from_std(listener)?;
        let until = CancellationToken::new();
        self.listeners().push((kept, until.clone()));
        let proxy = self.clone();
        self.connections
            .spawn(async move { proxy.accept(accepting, until).await });
        Ok(())
    }

    /// The addresses it listens on.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners()
            .iter()
            .filter_map(|(listener, _)| listener.local_addr().ok())
            .collect()
    }

    /// Stops accepting connections on all addresses but `address`.
    pub fn listen_only_on(&self, address: SocketAddr) {
        self.listeners().retain(|(listener, until)| {
            let stays = listener.local_addr().is_ok_and(|own| own == address);
            if !stays {
                until.cancel();
            }
            stays
        });
    }

    /// Copies of the listening sockets, to be passed to another process.
    ///
    /// # Errors
    /// When no more files can be opened.
    pub fn sockets(&self) -> io::Result<Vec<TcpListener>> {
        self.listeners()
            .iter()
            .map(|(listener, _)| listener.try_clone())
            .collect()
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<(TcpListener, CancellationToken)>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets where requests go. When this returns, no request will be given to an instance that is not
    /// in `table`; the ones that are being answered go on, see [`drained`](Self::drained).
    ///
    /// # Errors
    /// When a table of a newer stamp is set, or the proxy was closed.
    pub async fn set(&self, table: &Table) -> Result<(), ProxyError> {
        let _one = self.setting.lock().await;
        let set = self.shared.router.stamp();
        if table.stamp < set {
            return Err(Stale {
                asked: table.stamp,
                set,
            }
            .into());
        }
        crashpoint::reach("proxy.table.before-set");
        let since = self.shared.recorder.install(table).await?;
        self.shared.router.set(table, &since)?;
        crashpoint::reach("proxy.table.after-set");
        Ok(())
    }

    /// The stamp of the table that is set.
    pub fn stamp(&self) -> Stamp {
        self.shared.router.stamp()
    }

    /// Notes whether the health check of an instance holds.
    pub fn set_health(&self, instance: InstanceId, healthy: bool) {
        self.shared.router.set_health(instance, healthy);
    }

    /// Where to tell of instances that could not be reached.
    pub fn tell_not_reached(&self, to: tokio::sync::mpsc::UnboundedSender<InstanceId>) {
        self.shared.router.tell_ejected(to);
    }

    /// Waits until no request is at any of `instances`.
    pub async fn drained(&self, instances: &[InstanceId]) {
        self.shared.router.drained(instances).await;
    }

    /// How many requests are at an instance.
    pub fn in_flight(&self, instance: InstanceId) -> usize {
        self.shared.router.in_flight(instance)
    }

    /// What was seen of each group so far.
    ///
    /// # Errors
    /// When the proxy was closed.
    pub async fn evidence(&self) -> Result<Evidence, Closed> {
        self.shared.recorder.read().await
    }

    /// Accepts no more, answers what comes on open connections with `connection: close`, and returns
    /// when none is left, at the latest after `deadline`.
    pub async fn leave(&self, deadline: Duration) {
        self.shared.leaving.store(true, Ordering::Relaxed);
        self.stop_listening();
        self.connections.close();
        if tokio::time::timeout(deadline, self.connections.wait()).await.is_err() {
            self.closing.cancel();
            // Idle connections close at once; an answer that is under way gets a last moment.
            let _ = tokio::time::timeout(Duration::from_secs(2), self.connections.wait()).await;
        }
    }

    /// Accepts no more connections.
    pub fn stop_listening(&self) {
        for (_, until) in self.listeners().drain(..) {
            until.cancel();
        }
    }

    /// Writes evidence and access log down, and gives what ends from now on to `heir`, who may open
    /// the folder; see [`take_back`](Self::take_back).
    ///
    /// # Errors
    /// When the proxy was closed.
    pub async fn yield_records(&self, heir: UnboundedSender<Record>) -> Result<(), Closed> {
        self.shared.recorder.yield_to(heir).await
    }

    /// Keeps evidence and access log itself again, when the heir did not come.
    ///
    /// # Errors
    /// When the folder cannot be read and written.
    pub async fn take_back(&self) -> io::Result<()> {
        self.shared.recorder.resume().await
    }

    /// Counts a request that ended at an earlier process.
    pub fn count(&self, record: Record) {
        self.shared.recorder.ended(record);
    }

    /// Writes evidence and access log down and lets go of the folder.
    pub async fn close(&self) {
        // Closed twice is closed.
        let _ = self.shared.recorder.close().await;
    }

    async fn accept(self: Arc<Self>, listener: tokio::net::TcpListener, until: CancellationToken) {
        let room = self.room.clone();
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                biased;
                () = until.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, client)) => {
                    let shared = self.shared.clone();
                    let closing = self.closing.clone();
                    self.connections.spawn(async move {
                        serve(shared, stream, client, closing).await;
                        drop(permit);
                    });
                }
                // Out of files or memory: the connection waits in the queue until something is freed.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

async fn serve(shared: Arc<Shared>, stream: TcpStream, client: SocketAddr, closing: CancellationToken) {
    // Without it answers are only slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| forward::answer(shared.clone(), client, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(SILENCE)
        .max_buf_size(HEAD)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        // How a client's connection ends concerns the client.
        _ = connection.as_mut() => return,
        () = closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
