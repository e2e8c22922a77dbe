//! A small web server for the browser: pages from memory, with the headers that the real one sends,
//! and event streams that a test speaks through.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use pages::assets;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

/// What the server holds.
#[derive(Default)]
struct Held {
    pages: BTreeMap<String, String>,
    posts: Vec<String>,
}

/// A server that lives as long as the test's runtime.
#[derive(Clone)]
pub struct Site {
    /// Where it answers, without a slash at the end.
    pub address: String,
    held: Arc<Mutex<Held>>,
    streams: broadcast::Sender<(String, String)>,
    listening: broadcast::Sender<String>,
}

impl Site {
    /// Starts it.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let site = Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            held: Arc::default(),
            streams: broadcast::channel(64).0,
            listening: broadcast::channel(64).0,
        };
        let server = site.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(server.clone().answer(connection));
            }
        });
        site
    }

    /// Puts a page at a path.
    pub fn put(&self, path: &str, html: String) {
        self.held.lock().unwrap().pages.insert(path.to_owned(), html);
    }

    /// The forms that were sent, as path, a space, and body.
    pub fn posts(&self) -> Vec<String> {
        self.held.lock().unwrap().posts.clone()
    }

    /// Says something to whoever listens to the stream at a path: raw lines of an event stream.
    pub fn say(&self, path: &str, lines: &str) {
        let _ = self.streams.send((path.to_owned(), lines.to_owned()));
    }

    /// Tells of each stream that is listened to, by its path.
    pub fn listeners(&self) -> broadcast::Receiver<String> {
        self.listening.subscribe()
    }

    async fn answer(self, connection: TcpStream) {
        let mut connection = BufReader::new(connection);
        let (mut head, mut length) = (String::new(), 0_usize);
        if connection.read_line(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
        loop {
            let mut line = String::new();
            if connection.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            if let Some(text) = line.to_lowercase().strip_prefix("content-length:") {
                length = text.trim().parse().unwrap_or(0);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut parts = head.split_whitespace();
        let (method, target) = (parts.next().unwrap_or(""), parts.next().unwrap_or("/"));
        let path = target.split('?').next().unwrap_or("/").to_owned();
        if method == "POST" {
            let mut body = vec![0; length];
            if connection.read_exact(&mut body).await.is_ok() {
                let post = format!("{path} {}", String::from_utf8_lossy(&body));
                self.held.lock().unwrap().posts.push(post);
            }
            let _ = connection
                .write_all(b"HTTP/1.1 303 See Other\r\nlocation: /\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .await;
        } else if path.starts_with("/api/v1/events") || path.ends_with("/live") {
            self.stream(connection, path).await;
        } else {
            let (status, kind, body) = self.find(&path);
            let policy = assets::CONTENT_SECURITY_POLICY;
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-security-policy: {policy}\r\n\
                 x-content-type-options: nosniff\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = connection.write_all(answer.as_bytes()).await;
        }
    }

    fn find(&self, path: &str) -> (&'static str, &'static str, String) {
        if let Some(asset) = assets::find(path) {
            return ("200 OK", asset.media_type, asset.body.to_owned());
        }
        match self.held.lock().unwrap().pages.get(path) {
            Some(page) => ("200 OK", "text/html; charset=utf-8", page.clone()),
            None => ("404 Not Found", "text/plain", "nothing here".to_owned()),
        }
    }

    async fn stream(&self, mut connection: BufReader<TcpStream>, path: String) {
        let mut said = self.streams.subscribe();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\nconnection: close\r\n\r\n:\n\n";
        if connection.write_all(head.as_bytes()).await.is_err() {
            return;
        }
        let _ = self.listening.send(path.clone());
        while let Ok((to, lines)) = said.recv().await {
            if to == path && connection.write_all(lines.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}
