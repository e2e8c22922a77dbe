//! The fact kinds that record changes of access: ids, roles and versions, never names of people and
//! never values.

use facts::{ActorId, SecretId, Timestamp, TokenId};
use serde::{Deserialize, Serialize};

use crate::role::Rights;

/// The kind of [`TokenCreated`].
pub const TOKEN_CREATED: &str = "token.created";
/// The kind of [`TokenRevoked`].
pub const TOKEN_REVOKED: &str = "token.revoked";
/// The kind of [`ActorAdded`].
pub const ACTOR_ADDED: &str = "actor.added";
/// The kind of [`ActorErased`].
pub const ACTOR_ERASED: &str = "actor.erased";
/// The kind of [`SecretSet`].
pub const SECRET_SET: &str = "secret.set";
/// The kind of [`SecretRemoved`].
pub const SECRET_REMOVED: &str = "secret.removed";

/// A token was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCreated {
    /// The token.
    pub token: TokenId,
    /// The person it acts for, if it acts for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<ActorId>,
    /// What it holds.
    pub rights: Rights,
    /// When it ends; for good where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// A token was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRevoked {
    /// The token.
    pub token: TokenId,
}

/// A person came into the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorAdded {
    /// The person.
    pub actor: ActorId,
}

/// A person was erased from the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorErased {
    /// The person.
    pub actor: ActorId,
}

/// A secret got a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretSet {
    /// The secret.
    pub secret: SecretId,
    /// Its name.
    pub name: String,
    /// The version that this value is, from 1.
    pub version: u64,
}

/// A secret was removed with all its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRemoved {
    /// The secret.
    pub secret: SecretId,
    /// Its name.
    pub name: String,
}
