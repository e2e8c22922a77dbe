//! Connections that go only where they may.

use std::net::SocketAddr;
use std::time::Duration;

use ureq::http::{Uri, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, config::Config};

use crate::Unsent;
use crate::guard::Reach;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long all of it may take.
const ALL: Duration = Duration::from_secs(30);
/// How much of an answer is read for its reason, in bytes.
const ANSWER: u64 = 2_000;

/// Sends documents over connections that go only where they may.
#[derive(Debug)]
pub struct Connections(Agent);

/// What is answered, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The status in words.
    pub title: String,
    headers: Vec<(String, String)>,
    /// The beginning of the body; empty where it is no text.
    pub text: String,
}

impl Answer {
    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Resolves names to those addresses that may be reached.
#[derive(Debug)]
struct Guarded(Reach);

impl Resolver for Guarded {
    fn resolve(&self, uri: &Uri, _config: &Config, _timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let usual = if uri.scheme_str() == Some("http") { 80 } else { 443 };
        let found = self
            .0
            .resolve(host, uri.port_u16().unwrap_or(usual))
            .map_err(|refused| ureq::Error::Other(Box::new(refused)))?;
        let mut addresses = self.empty();
        found
            .into_iter()
            .take(16)
            .for_each(|address: SocketAddr| addresses.push(address));
        Ok(addresses)
    }
}

impl Connections {
    /// Sends within `reach`. `authorities` (DER) vouch for receivers instead of the public ones.
    pub fn new(reach: Reach, authorities: &[Vec<u8>]) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // Where a redirect leads nobody has checked, and what it was signed for is elsewhere.
            .max_redirects(0)
            .max_redirects_will_error(false)
            // A proxy would resolve names itself, out of the guard's sight.
            .proxy(None)
            .user_agent(concat!("throughline/", env!("CARGO_PKG_VERSION")))
            // Each delivery resolves and checks again.
            .max_idle_connections(0)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(ALL));
        if !authorities.is_empty() {
            let own: Vec<Certificate<'static>> = authorities
                .iter()
                .map(|der| Certificate::from_der(der).to_owned())
                .collect();
            config = config.tls_config(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&own)).build());
        }
        Self(Agent::with_parts(
            config.build(),
            DefaultConnector::default(),
            Guarded(reach),
        ))
    }

    /// Posts a JSON document. It blocks.
    ///
    /// # Errors
    /// When nothing is answered: with the reason, without the address.
    pub fn post(&self, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, Unsent> {
        let mut request = self.0.post(url).header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = request.send(body).map_err(|error| Unsent::yet(told(error)))?;
        let headers = answer.headers().iter().filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        });
        let headers = headers.collect();
        let text = answer.body_mut().with_config().limit(ANSWER).read_to_string();
        Ok(Answer {
            status: answer.status().as_u16(),
            title: answer.status().to_string(),
            headers,
            text: text.unwrap_or_default(),
        })
    }
}

/// Why nothing was answered.
fn told(error: ureq::Error) -> String {
    match error {
        ureq::Error::Other(other) => other.to_string(),
        ureq::Error::HostNotFound => "its name has no address".to_owned(),
        ureq::Error::Timeout(_) => format!("it did not answer within {} s", ALL.as_secs()),
        ureq::Error::Io(error) => format!("it could not be reached: {error}"),
        ureq::Error::BadUri(_) => "its address is no web address".to_owned(),
        other => format!("it could not be reached: {other}"),
    }
}
