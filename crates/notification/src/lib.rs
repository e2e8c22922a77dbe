//! Who is told what, and how.
//!
//! [`settings`] reads and checks the file that says it, [`event`] names what can be told, [`rule`]
//! decides who hears of it, [`message`] says it in words and as a document, [`schedule`] says when
//! something is tried again. Those are pure. [`webhook`] and [`mail`] send, to addresses that
//! [`guard`] lets through, over connections of [`connection`]; a webhook is signed as [`signature`] says.
//!
//! Nothing here knows where events come from, keeps anything, or decides when to send: the server
//! does.

pub mod connection;
pub mod event;
pub mod format;
pub mod guard;
pub mod mail;
pub mod message;
pub mod rule;
pub mod schedule;
pub mod settings;
pub mod signature;
pub mod webhook;

pub use connection::Connections;
pub use event::{Event, Happening};
pub use format::Format;
pub use guard::{Network, Reach};
pub use message::{Message, Notification};
pub use rule::{Recipient, Rule, Told};
pub use settings::{Notifications, SettingsError};

/// Why something could not be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unsent {
    /// Why, for people. It holds no secret.
    pub reason: String,
    /// Whether it would be the same another time.
    pub for_good: bool,
}

impl Unsent {
    /// It may work another time.
    pub fn yet(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            for_good: false,
        }
    }

    /// It would not work another time.
    pub fn for_good(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            for_good: true,
        }
    }
}

/// The certificates of a file (PEM), as DER.
///
/// # Errors
/// When there is none in it, or one that is none.
pub fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut all = Vec::new();
    for item in ureq::tls::parse_pem(pem) {
        if let ureq::tls::PemItem::Certificate(certificate) = item.map_err(|error| error.to_string())? {
            all.push(certificate.der().to_vec());
        }
    }
    if all.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    Ok(all)
}
