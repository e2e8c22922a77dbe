//! The fact envelope, its stored bytes and its hash chain.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::actor::{Actor, Trust};
use crate::clock::Timestamp;
use crate::digest::Digest;
use crate::id::FactId;

/// A place in the ledger: the sequence number of a fact, or 0 before the first.
pub type Position = u64;

/// A line of facts about one subject, `kind/key`; versions within it are dense from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stream(String);

impl Stream {
    /// The stream of the subject `key` of the given kind.
    pub fn new(kind: &str, key: impl fmt::Display) -> Self {
        Self(format!("{kind}/{key}"))
    }

    /// The stream as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first slash.
    pub fn kind(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(kind, _)| kind)
    }

    /// What stands after the first slash.
    pub fn key(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, key)| key)
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Stream {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// A fact that somebody wants to append. The ledger adds the place, the time of recording and the
/// hashes.
#[derive(Debug, Clone)]
pub struct NewFact {
    /// The line of facts it belongs to.
    pub stream: Stream,
    /// Its id: a second append with the same id is a repetition and changes nothing.
    pub id: FactId,
    /// What kind of fact it is, such as `run.finished`.
    pub kind: String,
    /// The version of the shape of `body`.
    pub kind_version: u16,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Who made it come about.
    pub actor: Actor,
    /// For whom, when somebody acts for another.
    pub on_behalf_of: Option<Actor>,
    /// How far the event behind it is trusted.
    pub trust: Trust,
    /// The fact that led to this one.
    pub cause: Option<FactId>,
    /// What ties together all facts of one story, such as a run's id.
    pub correlation: Option<String>,
    /// A claim: no two facts carry the same key. `None` claims nothing.
    pub external_key: Option<String>,
    /// The body, a JSON document.
    pub body: serde_json::Value,
}

/// A recorded fact.
#[derive(Debug, Clone)]
pub struct Fact {
    /// Its place in the ledger, dense from 1.
    pub seq: Position,
    /// Its place in its stream, dense from 1.
    pub stream_version: u64,
    /// When the ledger recorded it.
    pub recorded_at: Timestamp,
    /// What was appended.
    pub new: NewFact,
    /// The hash of the fact before it; all zeros for the first.
    pub previous: Digest,
    /// The SHA-256 of the stored bytes that [`NewFact::seal`] returns.
    pub hash: Digest,
}

/// The stored form: one JSON object, fields in this order. The hash covers exactly these bytes.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    seq: Position,
    #[serde(borrow)]
    stream: std::borrow::Cow<'a, str>,
    version: u64,
    id: FactId,
    #[serde(borrow)]
    kind: std::borrow::Cow<'a, str>,
    kind_version: u16,
    occurred_at: Timestamp,
    recorded_at: Timestamp,
    actor: Actor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_behalf_of: Option<Actor>,
    trust: Trust,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<FactId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    external_key: Option<String>,
    previous: Digest,
    body: std::borrow::Cow<'a, serde_json::Value>,
}

/// Stored bytes that are no fact.
#[derive(Debug, thiserror::Error)]
#[error("the stored bytes are no fact: {0}")]
pub struct EnvelopeError(#[from] serde_json::Error);

impl NewFact {
    /// Gives the fact its place and seals it: returns the fact and its stored bytes.
    pub fn seal(self, seq: Position, stream_version: u64, recorded_at: Timestamp, previous: Digest) -> (Fact, Vec<u8>) {
        let stored = Stored {
            seq,
            stream: self.stream.as_str().into(),
            version: stream_version,
            id: self.id,
            kind: self.kind.as_str().into(),
            kind_version: self.kind_version,
            occurred_at: self.occurred_at,
            recorded_at,
            actor: self.actor,
            on_behalf_of: self.on_behalf_of,
            trust: self.trust,
            cause: self.cause,
            correlation: self.correlation.clone(),
            external_key: self.external_key.clone(),
            previous,
            body: std::borrow::Cow::Borrowed(&self.body),
        };
        #[allow(clippy::expect_used)] // a tree of plain values always serialises
        let bytes = serde_json::to_vec(&stored).expect("a fact is plain data");
        let hash = Digest::of(&bytes);
        (
            Fact {
                seq,
                stream_version,
                recorded_at,
                new: self,
                previous,
                hash,
            },
            bytes,
        )
    }
}

impl Fact {
    /// Reads a fact from its stored bytes; the hash is computed from them.
    ///
    /// # Errors
    /// When the bytes are not a fact.
    pub fn from_stored(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let stored: Stored<'_> = serde_json::from_slice(bytes)?;
        Ok(Self {
            seq: stored.seq,
            stream_version: stored.version,
            recorded_at: stored.recorded_at,
            previous: stored.previous,
            hash: Digest::of(bytes),
            new: NewFact {
                stream: Stream(stored.stream.into_owned()),
                id: stored.id,
                kind: stored.kind.into_owned(),
                kind_version: stored.kind_version,
                occurred_at: stored.occurred_at,
                actor: stored.actor,
                on_behalf_of: stored.on_behalf_of,
                trust: stored.trust,
                cause: stored.cause,
                correlation: stored.correlation,
                external_key: stored.external_key,
                body: stored.body.into_owned(),
            },
        })
    }

    /// The kind of fact.
    pub fn kind(&self) -> &str {
        &self.new.kind
    }

    /// The line of facts it belongs to.
    pub fn stream(&self) -> &Stream {
        &self.new.stream
    }

    /// Reads the body as `T`.
    ///
    /// # Errors
    /// When the body does not have `T`'s shape.
    pub fn body<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.new.body)
    }
}

/// The hash that stands before the first fact.
pub const GENESIS: Digest = Digest::from_bytes([0; 32]);

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> NewFact {
        NewFact {
            stream: Stream::new("run", "a"),
            id: FactId::of_key("one"),
            kind: "run.requested".into(),
            kind_version: 1,
            occurred_at: "2026-01-02T03:04:05.000006Z".parse().unwrap(),
            actor: Actor::System,
            on_behalf_of: None,
            trust: Trust::Trusted,
            cause: None,
            correlation: Some("run_x".into()),
            external_key: None,
            body: serde_json::json!({"b": 1, "a": [1.5, "ü"]}),
        }
    }

    #[test]
    fn a_fact_reads_back_from_its_stored_bytes_with_the_same_hash() {
        let at = "2026-01-02T03:04:06Z".parse().unwrap();
        let (fact, bytes) = sample().seal(7, 2, at, GENESIS);
        let back = Fact::from_stored(&bytes).unwrap();
        assert_eq!(back.hash, fact.hash);
        assert_eq!(back.new.body, fact.new.body);
        assert_eq!((back.seq, back.stream_version), (7, 2));
        let (_, again) = back.new.seal(7, 2, at, GENESIS);
        assert_eq!(again, bytes);
    }

    #[test]
    fn the_stored_form_is_what_old_ledgers_hold() {
        let at = "2026-01-02T03:04:06Z".parse().unwrap();
        let (_, bytes) = sample().seal(1, 1, at, GENESIS);
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            format!(
                "{{\"seq\":1,\"stream\":\"run/a\",\"version\":1,\"id\":\"{}\",\"kind\":\"run.requested\",\"kind_version\":1,\
                 \"occurred_at\":\"2026-01-02T03:04:05.000006Z\",\"recorded_at\":\"2026-01-02T03:04:06Z\",\"actor\":\"system\",\
                 \"trust\":\"trusted\",\"correlation\":\"run_x\",\"previous\":\"sha256:{}\",\"body\":{{\"b\":1,\"a\":[1.5,\"ü\"]}}}}",
                FactId::of_key("one"),
                "0".repeat(64)
            )
        );
    }
}
