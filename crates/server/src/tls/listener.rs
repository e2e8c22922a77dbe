//! Accepts connections and agrees on TLS with each, beside one another: one that says nothing holds
//! no other up.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Certificates;

/// How long agreeing on TLS may take.
const AGREEMENT: Duration = Duration::from_secs(10);

/// How many connections agree on TLS at the same time; further ones wait to be accepted.
const AGREEING: usize = 512;

/// What is answered to a request without TLS.
const NOT_ENCRYPTED: &str = r#"{"type":"about:blank","title":"Bad Request","status":400,"code":"not-encrypted","detail":"this address speaks TLS, and the request came without","hint":"use https:// instead of http://"}"#;

/// A listener whose connections are encrypted.
#[derive(Debug)]
pub(crate) struct TlsListener {
    address: SocketAddr,
    agreed: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    accepting: JoinHandle<()>,
}

impl TlsListener {
    /// Accepts what comes to `listener`.
    ///
    /// # Errors
    /// When TLS cannot be configured, or the listener has no address.
    pub fn new(listener: TcpListener, certificates: &Arc<Certificates>) -> io::Result<Self> {
        let configuration = certificates.configuration().map_err(io::Error::other)?;
        let acceptor = TlsAcceptor::from(Arc::new(configuration));
        let address = listener.local_addr()?;
        let (pass, agreed) = mpsc::channel(64);
        let accepting = tokio::spawn(accept(listener, acceptor, pass));
        Ok(Self {
            address,
            agreed,
            accepting,
        })
    }
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.agreed.recv().await {
            Some(agreed) => agreed,
            // The task that accepts ends with the listener alone.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

async fn accept(
    mut listener: TcpListener,
    acceptor: TlsAcceptor,
    pass: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    let places = Arc::new(Semaphore::new(AGREEING));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        // This one tells of errors and goes on, as it does without TLS.
        let (connection, address) = Listener::accept(&mut listener).await;
        let (acceptor, pass) = (acceptor.clone(), pass.clone());
        tokio::spawn(async move {
            let agreed = tokio::time::timeout(AGREEMENT, agree(connection, &acceptor)).await;
            drop(place);
            match agreed {
                Ok(Ok(Some(stream))) => {
                    let _ = pass.send((stream, address)).await;
                }
                Ok(Ok(None)) => {}
                Ok(Err(error)) => tracing::debug!(%address, %error, "a connection did not come to TLS"),
                Err(_) => tracing::debug!(%address, "a connection took too long to come to TLS"),
            }
        });
    }
}

/// Agrees on TLS; `None` where the other side speaks plain HTTP, and was told so.
async fn agree(mut connection: TcpStream, acceptor: &TlsAcceptor) -> io::Result<Option<TlsStream<TcpStream>>> {
    connection.set_nodelay(true)?;
    let mut first = [0];
    // Each record of TLS begins with its type, a control character; each request of HTTP with a letter.
    if connection.peek(&mut first).await? == 1 && first[0].is_ascii_alphabetic() {
        let mut request = [0; 8 << 10];
        let _ = connection.read(&mut request).await?;
        let answer = format!(
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{NOT_ENCRYPTED}",
            NOT_ENCRYPTED.len()
        );
        connection.write_all(answer.as_bytes()).await?;
        connection.shutdown().await?;
        return Ok(None);
    }
    acceptor.accept(connection).await.map(Some)
}
