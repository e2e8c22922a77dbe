//! Sends messages to webhooks.

use std::net::SocketAddr;
use std::time::Duration;

use facts::Timestamp;
use ureq::http::{StatusCode, Uri, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, config::Config};

use crate::Unsent;
use crate::format::Format;
use crate::guard::Reach;
use crate::message::Message;
use crate::signature::sign;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long all of it may take.
const ALL: Duration = Duration::from_secs(30);
/// How much of an answer is read for its reason, in bytes.
const ANSWER: u64 = 2_000;

/// What is sent, and where to.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// The address; it may hold a secret and appears in no reason.
    pub url: &'a str,
    /// In which form.
    pub format: Format,
    /// What it is signed with.
    pub secret: Option<&'a str>,
    /// What is said.
    pub message: &'a Message,
    /// When it is sent.
    pub at: Timestamp,
}

/// Sends to webhooks, over connections that go only where they may.
#[derive(Debug)]
pub struct Webhooks(Agent);

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

impl Webhooks {
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

    /// Sends one message. It blocks.
    ///
    /// # Errors
    /// When it was not taken: with the reason, without the address.
    pub fn send(&self, delivery: Delivery<'_>) -> Result<(), Unsent> {
        let Delivery {
            url,
            format,
            secret,
            message,
            at,
        } = delivery;
        let body = serde_json::to_vec(&format.body(message)).map_err(|error| Unsent::for_good(error.to_string()))?;
        let mut request = self
            .0
            .post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", message.id())
            .header("webhook-timestamp", at.as_second().to_string());
        if let Some(secret) = secret {
            request = request.header("webhook-signature", sign(secret, message.id(), at.as_second(), &body));
        }
        let mut answer = request.send(&body[..]).map_err(|error| Unsent::yet(told(error)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let said = answer.body_mut().with_config().limit(ANSWER).read_to_string();
        let said: String = said
            .unwrap_or_default()
            .chars()
            .filter(|one| !one.is_control())
            .take(200)
            .collect();
        let mut reason = format!("it answered {status}");
        if status.is_redirection() {
            reason.push_str(", which is not followed; name the address it leads to");
        } else if !said.trim().is_empty() {
            reason.push_str(": ");
            reason.push_str(said.trim());
        }
        Err(match status {
            StatusCode::GONE => Unsent::for_good(reason),
            _ => Unsent::yet(reason),
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
