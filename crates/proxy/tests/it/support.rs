//! Instances, clients and a proxy between them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use facts::{Digest, InstanceId, SystemClock, SystemEntropy};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use proxy::access_log::Limits;
use proxy::{Backend, Proxy, Settings, Stamp, Table, TableGroup};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A proxy that listens.
pub struct Running {
    pub proxy: Arc<Proxy>,
    pub address: SocketAddr,
}

pub fn proxy_in(folder: &Path) -> Arc<Proxy> {
    let settings = Settings {
        folder: folder.to_owned(),
        limits: Limits::default(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    };
    Proxy::new(&settings).unwrap()
}

pub async fn running(folder: &Path, groups: Vec<TableGroup>) -> Running {
    let proxy = proxy_in(folder);
    let listener = proxy::listen(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    proxy.accept_on(listener).unwrap();
    proxy.set(&table(1, groups)).await.unwrap();
    Running { proxy, address }
}

pub fn table(generation: u64, groups: Vec<TableGroup>) -> Table {
    Table {
        stamp: Stamp { generation, phase: 0 },
        groups,
    }
}

pub fn group(name: &str, package: &str, weight: u32, addresses: &[SocketAddr]) -> TableGroup {
    TableGroup {
        name: name.to_owned(),
        package: Digest::of(package),
        configuration: Digest::of("configuration"),
        weight,
        backends: addresses
            .iter()
            .map(|address| Backend {
                instance: instance(*address),
                address: *address,
                healthy: true,
            })
            .collect(),
    }
}

pub fn instance(address: SocketAddr) -> InstanceId {
    InstanceId::of_key(&address.to_string())
}

/// An instance whose every request is answered by `answer`.
pub async fn serve<F, A>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Full<Bytes>>> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let answer = answer.clone();
                    async move { Ok::<_, Infallible>(answer(request).await) }
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades()
                    .await;
            });
        }
    });
    address
}

/// An instance that answers every request with `text`.
pub async fn says(text: &'static str) -> SocketAddr {
    serve(move |_| async move { Response::new(Full::from(text)) }).await
}

/// An instance that is spoken to by hand: `talk` gets each connection and its number.
pub async fn by_hand<F, A>(talk: F) -> SocketAddr
where
    F: Fn(TcpStream, usize) -> A + Send + Sync + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = AtomicUsize::new(0);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, count.fetch_add(1, Ordering::SeqCst)));
        }
    });
    address
}

/// Reads one head of a request.
pub async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// An address on which nobody listens.
pub async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// One connection of a client.
pub struct Client {
    sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
}

pub struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection.with_upgrades());
        Self { sender }
    }

    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Answered {
        self.sender.ready().await.unwrap();
        let response = self.sender.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answered {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    pub async fn get(&mut self, path: &str) -> Answered {
        self.send(
            Request::get(path)
                .header("host", "shop.example")
                .body(Full::default())
                .unwrap(),
        )
        .await
    }

    pub async fn post(&mut self, path: &str, body: &str) -> Answered {
        let body = Full::from(body.to_owned());
        self.send(Request::post(path).header("host", "shop.example").body(body).unwrap())
            .await
    }
}

pub async fn get(address: SocketAddr, path: &str) -> Answered {
    Client::connect(address).await.get(path).await
}

/// Sends bytes as they are and reads until the other side closes.
pub async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}
