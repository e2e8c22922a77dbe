//! Steady requests from several clients, each of which notes every answer and every failure.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

#[derive(Debug, Default, Clone)]
pub struct Tally {
    pub sent: u64,
    pub answered: u64,
    /// By package named in the answer.
    pub by_package: BTreeMap<String, u64>,
    pub failures: Vec<String>,
}

impl Tally {
    fn note(&mut self, answer: Result<String, String>) {
        match answer {
            Ok(package) => {
                self.answered += 1;
                *self.by_package.entry(package).or_default() += 1;
            }
            Err(failure) => self.failures.push(failure),
        }
    }
}

/// Load that goes on until it is ended.
pub struct Load {
    tally: Arc<Mutex<Tally>>,
    done: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

type Sender = SendRequest<Full<Bytes>>;

async fn connect(address: &str) -> Result<Sender, String> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| format!("connect: {error}"))?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    Ok(sender)
}

/// One request; the answer is the package named, or what went wrong.
async fn ask(sender: &mut Option<Sender>, address: &str, request: Request<Full<Bytes>>) -> Result<String, String> {
    // A connection that the other side has announced to close is not used again.
    let mut kept = sender.take();
    if let Some(old) = &mut kept
        && old.ready().await.is_err()
    {
        kept = None;
    }
    let mut current = match kept {
        Some(kept) => kept,
        None => connect(address).await?,
    };
    let answer = current
        .send_request(request)
        .await
        .map_err(|error| format!("send: {error}"))?;
    let status = answer.status();
    let package = answer
        .headers()
        .get("throughline-package")
        .map(|value| value.to_str().unwrap().to_owned());
    let closes = answer.headers().get("connection").is_some_and(|value| value == "close");
    let body = answer
        .into_body()
        .collect()
        .await
        .map_err(|error| format!("body: {error}"))?
        .to_bytes();
    if status != 200 {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&body)));
    }
    if !closes {
        *sender = Some(current);
    }
    package.ok_or_else(|| "no package is named".to_owned())
}

impl Load {
    /// Starts clients of every habit against `url`.
    pub fn start(url: &str) -> Self {
        let address = url.strip_prefix("http://").unwrap().to_owned();
        let tally: Arc<Mutex<Tally>> = Arc::default();
        let done: Arc<AtomicBool> = Arc::default();
        let clients = (0..6)
            .map(|number| {
                let (address, tally, done) = (address.clone(), tally.clone(), done.clone());
                tokio::spawn(async move {
                    let mut sender = None;
                    let mut round = 0;
                    while !done.load(Ordering::SeqCst) {
                        round += 1;
                        // Keeping and closing connections; GET and POST; quick and slow.
                        let request = match (number, round % 4) {
                            (5, _) => Request::get("/slow").body(Full::default()),
                            (_, 1) => Request::post("/echo").body(Full::from("some words")),
                            _ => Request::get("/").body(Full::default()),
                        };
                        let mut request = request.unwrap();
                        request.headers_mut().insert("host", "shop.example".parse().unwrap());
                        tally.lock().unwrap().sent += 1;
                        let answer = ask(&mut sender, &address, request).await;
                        tally.lock().unwrap().note(answer);
                        if number % 2 == 0 {
                            sender = None;
                        }
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                })
            })
            .collect();
        Self { tally, done, clients }
    }

    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap().clone()
    }

    /// Waits for that many more answers.
    pub async fn answers(&self, more: u64) {
        let until = self.tally().answered + more;
        while self.tally().answered < until {
            assert!(
                self.tally().failures.len() < 1_000,
                "{:?}",
                self.tally().failures.first()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub async fn end(self) -> Tally {
        self.done.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.await.unwrap();
        }
        self.tally.lock().unwrap().clone()
    }
}
