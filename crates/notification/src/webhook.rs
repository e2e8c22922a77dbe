//! Sends messages to webhooks.

use facts::Timestamp;

use crate::Unsent;
use crate::connection::Connections;
use crate::format::Format;
use crate::guard::Reach;
use crate::message::Message;
use crate::signature::sign;

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
pub struct Webhooks(Connections);

impl Webhooks {
    /// Sends within `reach`. `authorities` (DER) vouch for receivers instead of the public ones.
    pub fn new(reach: Reach, authorities: &[Vec<u8>]) -> Self {
        Self(Connections::new(reach, authorities))
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
        let at = at.as_second();
        let (time, signature) = (
            at.to_string(),
            secret.map(|secret| sign(secret, message.id(), at, &body)),
        );
        let mut headers = vec![("webhook-id", message.id()), ("webhook-timestamp", &time)];
        headers.extend(
            signature
                .as_ref()
                .map(|signature| ("webhook-signature", signature.as_str())),
        );
        let answer = self.0.post(url, &headers, &body)?;
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        let said: String = answer.text.chars().filter(|one| !one.is_control()).take(200).collect();
        let mut reason = format!("it answered {}", answer.title);
        if (300..400).contains(&answer.status) {
            reason.push_str(", which is not followed; name the address it leads to");
        } else if !said.trim().is_empty() {
            reason.push_str(": ");
            reason.push_str(said.trim());
        }
        Err(match answer.status {
            410 => Unsent::for_good(reason),
            _ => Unsent::yet(reason),
        })
    }
}
