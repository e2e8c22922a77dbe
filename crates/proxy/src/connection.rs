//! Connections to an instance: opened, kept for the next request, let go.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The body of a request on its way to an instance.
pub type RequestBody = UnsyncBoxBody<Bytes, hyper::Error>;

/// Connections kept for each instance.
const KEPT: usize = 64;
/// How long a connection is kept without a request.
const KEPT_FOR: Duration = Duration::from_secs(15);
/// How fresh a kept connection must be for a request that must not be sent twice: servers keep an
/// idle connection for longer than this, so it is not closed under the request.
const FRESH: Duration = Duration::from_millis(800);
/// How long an instance, which is on this machine, may take to accept.
const CONNECT: Duration = Duration::from_secs(3);
/// The largest head of an answer.
const HEAD: usize = 256 << 10;

/// One connection on which a request can be sent.
#[derive(Debug)]
pub struct Connection {
    /// Sends requests on it.
    pub sender: SendRequest<RequestBody>,
    /// Whether it has carried a request before.
    pub reused: bool,
}

#[derive(Debug, Default)]
struct Kept {
    closed: bool,
    idle: VecDeque<(SendRequest<RequestBody>, Instant)>,
}

/// The connections to one instance that wait for a request.
#[derive(Debug, Clone, Default)]
pub struct Pool(Arc<Mutex<Kept>>);

/// How a connection may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Any that is open.
    Any,
    /// One used a moment ago, or a new one.
    Fresh,
    /// A new one.
    New,
}

impl Pool {
    /// Takes a kept connection, or opens one.
    ///
    /// # Errors
    /// When the instance does not accept one.
    pub async fn connection(&self, address: SocketAddr, choice: Choice) -> io::Result<Connection> {
        if choice != Choice::New
            && let Some(sender) = self.kept(choice)
        {
            return Ok(Connection { sender, reused: true });
        }
        let stream = tokio::time::timeout(CONNECT, TcpStream::connect(address))
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the instance does not accept connections"))??;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(async move {
            // How a connection ends is seen by the request on it; without one nobody needs to know.
            let _ = connection.with_upgrades().await;
        });
        Ok(Connection { sender, reused: false })
    }

    fn kept(&self, choice: Choice) -> Option<SendRequest<RequestBody>> {
        let longest = if choice == Choice::Fresh { FRESH } else { KEPT_FOR };
        let mut kept = self.lock();
        // The last one kept is the freshest; what is older than allowed lies in front.
        while let Some((sender, since)) = kept.idle.pop_back() {
            if since.elapsed() > longest {
                if longest < KEPT_FOR {
                    kept.idle.push_back((sender, since));
                } else {
                    kept.idle.clear();
                }
                return None;
            }
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    /// Keeps a connection for the next request, once the last answer on it is through.
    pub fn keep(&self, mut sender: SendRequest<RequestBody>) {
        let pool = self.clone();
        tokio::spawn(async move {
            if sender.ready().await.is_ok() {
                let mut kept = pool.lock();
                if !kept.closed {
                    if kept.idle.len() >= KEPT {
                        kept.idle.pop_front();
                    }
                    kept.idle.push_back((sender, Instant::now()));
                }
            }
        });
    }

    /// Lets connections be kept again.
    pub fn open(&self) {
        self.lock().closed = false;
    }

    /// Closes what is kept and keeps no more.
    pub fn close(&self) {
        let mut kept = self.lock();
        kept.closed = true;
        kept.idle.clear();
    }

    /// Closes what is kept.
    pub fn forget(&self) {
        self.lock().idle.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
