//! Talking to a server over its HTTP API.

pub mod address;
pub mod events;
pub mod logins;
mod problem;

use std::io::{BufRead, BufReader, Read as _};
use std::sync::Arc;
use std::time::Duration;

use facts::Entropy;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, Response, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

pub use address::Address;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::value::Secret;

/// The largest document that is read.
const LARGEST: u64 = 256 << 20;

/// Whom a client talks to.
#[derive(Debug, Clone)]
pub struct Contact {
    /// The server's address, without a slash at its end.
    pub server: String,
    /// The token, where there is one.
    pub token: Option<Secret>,
    /// The certificates (PEM) that vouch for the server, instead of the public ones.
    pub roots: Option<Vec<u8>>,
}

impl Contact {
    /// Whether the server is on this machine, or at least named so.
    pub fn is_local(&self) -> bool {
        let host = host_of(&self.server);
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Whether a token would travel to another machine for everybody to read.
    pub fn is_in_the_clear(&self) -> bool {
        self.server.starts_with("http://") && !self.is_local()
    }
}

/// The host of a URL, without the port.
pub fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match authority.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

/// A document that a server answered.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// The document as this program understands it.
    pub document: T,
    /// The document as it came, with whatever a newer server says besides.
    pub raw: serde_json::Value,
}

/// A connection to a server. Clones share it.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    contact: Contact,
    entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("contact", &self.contact)
            .finish_non_exhaustive()
    }
}

enum Sent<'a> {
    Nothing,
    Json(Vec<u8>),
    Yaml(&'a [u8]),
}

impl Client {
    /// A client that has not connected yet.
    ///
    /// # Errors
    /// When the certificates are none.
    pub fn new(contact: Contact, entropy: Arc<dyn Entropy>) -> Result<Self, Failure> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // A redirect is told, not followed: the token is for the server that was named.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("throughline/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(Duration::from_secs(10)))
            .timeout_connect(Some(Duration::from_secs(10)));
        if contact.is_local() {
            config = config.proxy(None);
        }
        if let Some(pem) = &contact.roots {
            config = config.tls_config(TlsConfig::builder().root_certs(roots(pem)?).build());
        }
        Ok(Self {
            agent: Agent::new_with_config(config.build()),
            contact,
            entropy,
        })
    }

    /// Whom the client talks to.
    pub const fn contact(&self) -> &Contact {
        &self.contact
    }

    /// Reads a document.
    ///
    /// # Errors
    /// When no server answers, or it answers with a problem.
    pub fn get<T: DeserializeOwned>(&self, address: &Address) -> Result<Answer<T>, Failure> {
        self.document(self.send(&Method::GET, address, &Sent::Nothing)?)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn text(&self, address: &Address) -> Result<String, Failure> {
        self.whole(self.send(&Method::GET, address, &Sent::Nothing)?)
    }

    /// Reads an answer as it comes.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn stream(&self, address: &Address) -> Result<impl BufRead + Send + use<>, Failure> {
        let response = self.send(&Method::GET, address, &Sent::Nothing)?;
        Ok(BufReader::new(response.into_body().into_reader()))
    }

    /// Asks for something, and reads the answer as it comes. It is asked once, without a key by which the answer would be
    /// kept.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn post_stream(&self, address: &Address, body: &impl Serialize) -> Result<Box<dyn BufRead + Send>, Failure> {
        let response = self.send_once(&Method::POST, address, &Sent::Json(json(body)?), None);
        let response = response.map_err(|error| problem::unreachable(&self.contact, &error))?;
        let response = self.accepted(response)?;
        let reader = response.into_body().into_reader();
        Ok(Box::new(BufReader::with_capacity(256 << 10, reader)))
    }

    /// Asks for something to be done.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn post<T: DeserializeOwned>(&self, address: &Address, body: &impl Serialize) -> Result<Answer<T>, Failure> {
        self.document(self.send(&Method::POST, address, &Sent::Json(json(body)?))?)
    }

    /// Puts a document in its place.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn put<T: DeserializeOwned>(&self, address: &Address, body: &impl Serialize) -> Result<Answer<T>, Failure> {
        self.document(self.send(&Method::PUT, address, &Sent::Json(json(body)?))?)
    }

    /// Puts a YAML file in its place.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn put_yaml<T: DeserializeOwned>(&self, address: &Address, text: &[u8]) -> Result<Answer<T>, Failure> {
        self.document(self.send(&Method::PUT, address, &Sent::Yaml(text))?)
    }

    /// Takes something away.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn delete<T: DeserializeOwned>(&self, address: &Address) -> Result<Answer<T>, Failure> {
        self.document(self.send(&Method::DELETE, address, &Sent::Nothing)?)
    }

    fn send(&self, method: &Method, address: &Address, sent: &Sent<'_>) -> Result<Response<Body>, Failure> {
        // The same key with each try: a write that was done already is not done again.
        let key = (*method != Method::GET).then(|| {
            let mut bytes = [0; 16];
            self.entropy.fill(&mut bytes);
            bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        });
        let mut tries = 0;
        let response = loop {
            tries += 1;
            match self.send_once(method, address, sent, key.as_deref()) {
                Err(ureq::Error::Io(error)) if tries == 1 && broken(&error) => {}
                result => break result.map_err(|error| problem::unreachable(&self.contact, &error))?,
            }
        };
        self.accepted(response)
    }

    /// An answer that is no refusal.
    fn accepted(&self, response: Response<Body>) -> Result<Response<Body>, Failure> {
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let redirect = response
            .headers()
            .get(header::LOCATION)
            .and_then(|to| to.to_str().ok())
            .map(str::to_owned);
        let body = response
            .into_body()
            .into_with_config()
            .limit(1 << 20)
            .read_to_string()
            .unwrap_or_default();
        Err(problem::refused(&self.contact, status, redirect.as_deref(), &body))
    }

    fn send_once(
        &self,
        method: &Method,
        address: &Address,
        sent: &Sent<'_>,
        key: Option<&str>,
    ) -> Result<Response<Body>, ureq::Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{address}", self.contact.server));
        if let Some(token) = &self.contact.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.0));
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        match sent {
            Sent::Nothing => self.agent.run(request.body(())?),
            Sent::Json(bytes) => self.agent.run(
                request
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(bytes.as_slice())?,
            ),
            Sent::Yaml(bytes) => self
                .agent
                .run(request.header(header::CONTENT_TYPE, "text/yaml").body(*bytes)?),
        }
    }

    fn whole(&self, response: Response<Body>) -> Result<String, Failure> {
        let mut text = String::new();
        let read = response
            .into_body()
            .into_with_config()
            .limit(LARGEST)
            .reader()
            .read_to_string(&mut text);
        read.map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("the answer of {} broke off: {error}", self.contact.server),
            )
        })?;
        Ok(text)
    }

    fn document<T: DeserializeOwned>(&self, response: Response<Body>) -> Result<Answer<T>, Failure> {
        let text = self.whole(response)?;
        let raw: serde_json::Value = serde_json::from_str(&text).map_err(|_| {
            Failure::new(
                Exit::Failed,
                format!("{} does not answer as a Throughline server", self.contact.server),
            )
            .hint("check the address of the server")
        })?;
        let document = serde_json::from_value(raw.clone()).map_err(|error| {
            let schema = raw
                .get("schema")
                .and_then(serde_json::Value::as_str)
                .unwrap_or("a document without schema");
            Failure::new(
                Exit::Failed,
                format!("cannot read the server's answer ({schema}): {error}"),
            )
            .hint("the server may be newer or older than this program; see `throughline whoami`")
        })?;
        Ok(Answer { document, raw })
    }
}

/// Whether a connection broke in a way that a second try may mend.
fn broken(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
    )
}

fn json(body: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(body).map_err(|error| Failure::new(Exit::Failed, format!("cannot write the request: {error}")))
}

fn roots(pem: &[u8]) -> Result<RootCerts, Failure> {
    let wrong = |reason: String| {
        Failure::new(
            Exit::Usage,
            format!("the file of certificates cannot be used: {reason}"),
        )
    };
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| wrong(error.to_string()))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(wrong("it holds none".to_owned()));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}
