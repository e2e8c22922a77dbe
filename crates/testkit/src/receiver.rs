//! A small web server that takes requests and keeps them, for what calls out.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its path.
    pub path: String,
    /// Its headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Request {
    /// A header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map_or("", |(_, value)| value)
    }
}

#[derive(Debug, Default)]
struct Kept {
    state: Mutex<(Vec<Request>, VecDeque<String>)>,
    came: Condvar,
}

/// A web server on a port of its own. It answers `204` unless told otherwise.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    kept: Arc<Kept>,
}

#[allow(clippy::expect_used)] // a test cannot go on
impl Receiver {
    /// Starts one.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("the port's address");
        let kept = Arc::new(Kept::default());
        let keeps = kept.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = keeps.clone();
                // A client that breaks off is no trouble of the server.
                std::thread::spawn(move || drop(take(&kept, stream)));
            }
        });
        Self { address, kept }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next requests are answered so, each once: what stands after `HTTP/1.1 `, such as
    /// `503 Busy`, or with headers after a line end.
    pub fn answers(&self, heads: &[&str]) {
        let mut state = self.kept.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1.extend(heads.iter().map(|head| (*head).to_owned()));
    }

    /// The next requests are answered as usual.
    pub fn forget_answers(&self) {
        self.kept.state.lock().unwrap_or_else(PoisonError::into_inner).1.clear();
    }

    /// The requests that came so far.
    pub fn requests(&self) -> Vec<Request> {
        self.kept.state.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Waits until so many requests came, and gives all of them.
    ///
    /// # Panics
    /// When they do not come within 40 seconds.
    pub fn wait_for(&self, count: usize) -> Vec<Request> {
        let state = self.kept.state.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = Duration::from_secs(40);
        let waited = self
            .kept
            .came
            .wait_timeout_while(state, patience, |state| state.0.len() < count);
        let (state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "{count} requests did not come: {:#?}", state.0);
        state.0.clone()
    }
}

fn take(kept: &Kept, stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut answering = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request = Request {
        path: first.split(' ').nth(1).unwrap_or_default().to_owned(),
        headers,
        body,
    };
    let mut state = kept.state.lock().unwrap_or_else(PoisonError::into_inner);
    let head = state.1.pop_front().unwrap_or_else(|| "204 Taken".to_owned());
    state.0.push(request);
    kept.came.notify_all();
    drop(state);
    let length = if head.starts_with("204") {
        ""
    } else {
        "content-length: 0\r\n"
    };
    answering.write_all(format!("HTTP/1.1 {head}\r\n{length}connection: close\r\n\r\n").as_bytes())
}
