//! Sends messages as mail.

use std::time::Duration;

use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{SmtpTransport, Transport as _};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::Unsent;
use crate::guard::Reach;
use crate::message::Message;

/// How long a server of mail may take for one answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Security {
    /// After STARTTLS; a server that does not offer it is refused.
    #[default]
    Starttls,
    /// From the first byte on.
    Tls,
    /// Not at all.
    None,
}

impl Security {
    /// The port where none is named.
    pub const fn usual_port(self) -> u16 {
        match self {
            Self::Starttls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starttls => "starttls",
            Self::Tls => "tls",
            Self::None => "none",
        }
    }
}

/// Through which server mail goes.
#[derive(Debug, Clone)]
pub struct Relay {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub security: Security,
    /// Who writes.
    pub from: Mailbox,
    /// The name by which this server introduces itself.
    pub hello: String,
    /// What it may reach.
    pub reach: Reach,
    /// Certificates (DER) that vouch for it instead of the public ones.
    pub authorities: Vec<Vec<u8>>,
}

/// Who logs in at a server of mail.
pub struct Login {
    /// The name.
    pub user: String,
    /// The password.
    pub password: Zeroizing<String>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Programs do not answer what was written by one (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Writes the mail.
///
/// # Errors
/// When the address is none.
fn write(relay: &Relay, to: &str, message: &Message) -> Result<lettre::Message, Unsent> {
    let to = to
        .parse()
        .map(|address| Mailbox::new(None, address))
        .map_err(|_| Unsent::for_good("it is no mail address"))?;
    // A mail that is sent again keeps its id, so that it can be seen to be the same.
    let id = format!("<{}@{}>", message.id(), relay.from.email.domain());
    lettre::Message::builder()
        .from(relay.from.clone())
        .to(to)
        .subject(message.subject())
        .message_id(Some(id))
        .header(AutoSubmitted)
        .singlepart(SinglePart::plain(message.text()))
        .map_err(|error| Unsent::for_good(format!("the mail could not be written: {error}")))
}

/// Sends one message. It blocks.
///
/// # Errors
/// When the server of mail cannot be reached or does not take it, with the reason.
pub fn send(relay: &Relay, login: Option<&Login>, to: &str, message: &Message) -> Result<(), Unsent> {
    let mail = write(relay, to, message)?;
    let addresses = relay.reach.resolve(&relay.host, relay.port)?;
    let mut last = Unsent::yet("it has no address");
    for address in addresses {
        let transport = transport(relay, login, address.ip().to_string())?;
        match transport.send(&mail) {
            Ok(_) => return Ok(()),
            // The server was reached and said no: its other addresses would say the same.
            Err(error) if error.status().is_some() => return Err(refused(&error)),
            Err(error) => last = refused(&error),
        }
    }
    Err(last)
}

/// A connection to one address, which was checked; the certificate is for the name.
fn transport(relay: &Relay, login: Option<&Login>, address: String) -> Result<SmtpTransport, Unsent> {
    let tls = match relay.security {
        Security::None => Tls::None,
        encrypted => {
            let mut parameters = TlsParameters::builder(relay.host.clone());
            if !relay.authorities.is_empty() {
                parameters = parameters.certificate_store(CertificateStore::None);
            }
            for der in &relay.authorities {
                let certificate = Certificate::from_der(der.clone());
                parameters =
                    parameters.add_root_certificate(certificate.map_err(|error| Unsent::for_good(error.to_string()))?);
            }
            let parameters = parameters
                .build_rustls()
                .map_err(|error| Unsent::for_good(format!("TLS cannot be used: {error}")))?;
            match encrypted {
                Security::Tls => Tls::Wrapper(parameters),
                _ => Tls::Required(parameters),
            }
        }
    };
    let mut builder = SmtpTransport::builder_dangerous(address)
        .port(relay.port)
        .tls(tls)
        .hello_name(ClientId::Domain(relay.hello.clone()))
        .timeout(Some(PATIENCE));
    if let Some(login) = login {
        builder = builder.credentials(Credentials::new(login.user.clone(), login.password.to_string()));
    }
    Ok(builder.build())
}

fn refused(error: &lettre::transport::smtp::Error) -> Unsent {
    use std::error::Error as _;
    let mut reason = error.to_string();
    if let Some(source) = error.source() {
        let source = source.to_string();
        if !reason.contains(&source) {
            reason = format!("{reason}: {source}");
        }
    }
    // Words for the two that people meet most.
    let reason = match error.status().map(|code| code.to_string()).as_deref() {
        Some("535") => format!("the server of mail does not take the user or the password: {reason}"),
        Some(_) => format!("the server of mail refused it: {reason}"),
        None => format!("the server of mail could not be used: {reason}"),
    };
    // A wrong password is mended without anybody touching the mail, so it is tried again.
    Unsent {
        for_good: error.is_permanent()
            && error
                .status()
                .is_some_and(|code| code.to_string() != "535" && code.to_string() != "530"),
        reason,
    }
}
