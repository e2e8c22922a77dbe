//! A home of one's own, and a server of answers.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Cursor, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use facts::Timestamp;
use serde::Serialize;
use tempfile::TempDir;
use testkit::ManualClock;
use throughline::{Exit, World};

/// The time that all tests are at.
pub fn now() -> Timestamp {
    "2026-03-01T14:05:00Z".parse().unwrap()
}

/// What a call gave.
#[derive(Debug)]
pub struct Called {
    pub exit: Exit,
    pub out: String,
    pub err: String,
}

impl Called {
    /// Everything that was printed, for a snapshot.
    pub fn shown(&self) -> String {
        let mut text = format!("exit: {}\n", self.exit.code());
        if !self.out.is_empty() {
            text.push_str(&format!("----- stdout\n{}", self.out));
        }
        if !self.err.is_empty() {
            text.push_str(&format!("----- stderr\n{}", self.err));
        }
        text
    }
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// A home in which calls are made.
pub struct Home {
    pub folder: TempDir,
    pub variables: BTreeMap<String, String>,
    pub current: PathBuf,
    pub input: String,
    pub terminal: Option<usize>,
    hidden: Vec<(String, String)>,
}

impl Home {
    /// A home where no server is known.
    pub fn new() -> Self {
        let folder = testkit::folder();
        let current = folder.path().join("work");
        std::fs::create_dir(&current).unwrap();
        let home = folder.path().display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        let variables = [
            ("HOME", home.as_str()),
            ("PATH", &path),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CEILING_DIRECTORIES", &home),
        ];
        let variables = variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let hidden = vec![(home, "HOME".to_owned())];
        Self {
            folder,
            variables,
            current,
            input: String::new(),
            terminal: None,
            hidden,
        }
    }

    /// A home whose calls go to `server`, with a token.
    pub fn at(server: &Server) -> Self {
        let mut home = Self::new()
            .with("THROUGHLINE_SERVER", &server.url)
            .with("THROUGHLINE_TOKEN", "tl_test");
        home.hidden.push((server.url.clone(), "http://SERVER".to_owned()));
        home
    }

    pub fn with(mut self, variable: &str, value: &str) -> Self {
        self.variables.insert(variable.to_owned(), value.to_owned());
        self
    }

    pub fn typing(mut self, input: &str) -> Self {
        self.input = input.to_owned();
        self
    }

    /// With a terminal of so many columns.
    pub fn on_terminal(mut self, columns: usize) -> Self {
        self.terminal = Some(columns);
        self
    }

    pub fn hide(&mut self, text: &str, name: &str) {
        self.hidden.push((text.to_owned(), name.to_owned()));
    }

    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join(".config/throughline")
    }

    pub fn file(&self, name: &str, text: &str) {
        let path = self.current.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn call(&self, arguments: &[&str]) -> Called {
        let (out, err) = (Shared::default(), Shared::default());
        let world = World {
            arguments: std::iter::once("throughline")
                .chain(arguments.iter().copied())
                .map(OsString::from)
                .collect(),
            variables: self.variables.clone(),
            folder: self.current.clone(),
            input: Box::new(Cursor::new(self.input.clone().into_bytes())),
            ask: None,
            output: (Box::new(out.clone()), self.terminal.is_some()),
            talk: (Box::new(err.clone()), self.terminal.is_some()),
            columns: self.terminal,
            screen: None,
            clock: Arc::new(ManualClock::at(now())),
            entropy: Arc::new(facts::SystemEntropy),
            zone: jiff::tz::TimeZone::UTC,
        };
        let exit = throughline::run(world);
        let tidy = |text: String| {
            self.hidden
                .iter()
                .fold(text, |text, (secret, name)| text.replace(secret, name))
        };
        Called {
            exit,
            out: tidy(out.text()),
            err: tidy(err.text()),
        }
    }

    /// Runs git in the current folder.
    pub fn git(&self, arguments: &[&str]) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let who = [
            ("GIT_AUTHOR_NAME", "Ada"),
            ("GIT_AUTHOR_EMAIL", "ada@example.org"),
            ("GIT_COMMITTER_NAME", "Ada"),
            ("GIT_COMMITTER_EMAIL", "ada@example.org"),
        ];
        let spec = process::Spec::new("git")
            .args(arguments)
            .folder(&self.current)
            .variables(&self.variables)
            .variables(who);
        let output = runtime
            .block_on(process::run(spec, b"", std::time::Duration::from_secs(120), 1 << 20))
            .unwrap();
        assert!(output.is_success(), "{}", output.complaint());
        output.text().trim().to_owned()
    }
}

/// A request that a server got.
#[derive(Debug, Clone)]
pub struct Asked {
    pub line: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

enum Reply {
    Whole(u16, &'static str, String),
    /// The connection stays open after the text.
    Open(String),
}

/// A server that answers each address with a fixed text.
pub struct Server {
    pub url: String,
    replies: Arc<Mutex<BTreeMap<String, Reply>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self {
            url,
            replies: Arc::default(),
            asked: Arc::default(),
        };
        let (replies, asked) = (server.replies.clone(), server.asked.clone());
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming().flatten() {
                open.extend(answer(stream, &replies, &asked));
            }
        });
        server
    }

    /// Answers `GET /api/v1/runs?limit=20` and the like with a document.
    pub fn on(self, request: &str, document: &impl Serialize) -> Self {
        self.reply(
            request,
            200,
            "application/json",
            &serde_json::to_string(document).unwrap(),
        )
    }

    pub fn reply(self, request: &str, status: u16, kind: &'static str, text: &str) -> Self {
        self.replies
            .lock()
            .unwrap()
            .insert(request.to_owned(), Reply::Whole(status, kind, text.to_owned()));
        self
    }

    pub fn problem(self, request: &str, status: u16, code: &str, detail: &str, hint: Option<&str>) -> Self {
        let problem = throughline::wire::Problem {
            kind: "about:blank".into(),
            title: "Problem".into(),
            status,
            detail: detail.into(),
            code: code.into(),
            hint: hint.map(Into::into),
        };
        self.reply(
            request,
            status,
            "application/problem+json",
            &serde_json::to_string(&problem).unwrap(),
        )
    }

    /// Answers with a stream that does not end.
    pub fn open(self, request: &str, text: &str) -> Self {
        self.replies
            .lock()
            .unwrap()
            .insert(request.to_owned(), Reply::Open(text.to_owned()));
        self
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The last request that changes something.
    pub fn wrote(&self) -> Asked {
        self.asked()
            .into_iter()
            .rfind(|asked| !asked.line.starts_with("GET "))
            .expect("a request that changes something")
    }
}

/// Answers one request; a connection that stays open is returned.
fn answer(stream: TcpStream, replies: &Mutex<BTreeMap<String, Reply>>, asked: &Mutex<Vec<Asked>>) -> Option<TcpStream> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut parts = line.split_whitespace();
    let request = format!("{} {}", parts.next()?, parts.next()?);
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers
        .get("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    asked.lock().unwrap().push(Asked {
        line: request.clone(),
        headers,
        body: String::from_utf8(body).ok()?,
    });
    let replies = replies.lock().unwrap();
    let mut stream = stream;
    match replies.get(&request) {
        Some(Reply::Open(text)) => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{text}"
            )
            .ok()?;
            return Some(stream);
        }
        Some(Reply::Whole(status, kind, text)) => {
            let length = text.len();
            write!(stream, "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}").ok()?;
        }
        None => {
            let text = format!(
                r#"{{"type":"about:blank","title":"Not Found","status":404,"code":"not-found","detail":"nothing answers {request}"}}"#
            );
            let length = text.len();
            write!(
                stream,
                "HTTP/1.1 404 X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
            )
            .ok()?;
        }
    }
    None
}
