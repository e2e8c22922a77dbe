//! The fact that tells of a webhook.

use facts::{Commit, ComponentId, Digest, Stream};
use forge::{Host, Moved};
use serde::{Deserialize, Serialize};
use source::RefName;

/// The kind of [`WebhookReceived`].
pub const WEBHOOK_RECEIVED: &str = "webhook.received";

/// The stream of the webhooks for a component's repository. It is not the repository's own, so that what comes in
/// is not held up by what is said meanwhile.
pub fn stream(component: ComponentId) -> Stream {
    Stream::new("webhook", component)
}

/// What the fact claims: the same is recorded once.
pub fn claim(component: ComponentId, moved: &Moved) -> String {
    let after = moved.after.as_ref().map_or("gone", Commit::as_str);
    // A branch may have a name that is longer than a key may be.
    let what = Digest::of(format!("{}\n{after}", moved.name));
    format!("webhook:{component}/{what}")
}

/// Somebody who knows the secret of a webhook said that a branch or tag moved. It is a hint: what is there is seen by
/// fetching, and recorded as `ref.updated`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookReceived {
    /// What the repository's host runs.
    pub host: Host,
    /// The branch or tag, by its full name.
    pub name: RefName,
    /// Where it is said to be; nothing where it is said to be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Commit>,
    /// What the host calls the delivery. It is not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
}
