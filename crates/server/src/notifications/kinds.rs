//! The fact that tells what became of a notification.

use facts::{FactId, Stream};
use notification::Event;
use serde::{Deserialize, Serialize};

/// The kind of [`Ended`].
pub const ENDED: &str = "notification.ended";

/// The stream of notifications.
pub fn stream() -> Stream {
    Stream::new("notifications", "all")
}

/// What the fact claims: a notification ends once.
pub fn claim(notification: &str) -> String {
    format!("notification:{notification}")
}

/// What became of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The receiver took it.
    Delivered,
    /// It was not taken, and is tried no more.
    GivenUp,
}

/// A notification was delivered or given up. To whom by mail stands in no fact; a webhook is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Its id.
    pub notification: String,
    /// What it told.
    pub event: Event,
    /// The fact that it told, where it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<FactId>,
    /// How: `mail`, or `webhook:NAME`.
    pub channel: String,
    /// What became of it.
    pub outcome: Outcome,
    /// How often it was tried.
    pub attempts: u32,
}
