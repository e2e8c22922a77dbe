//! What the server was told, and who may do what.

use facts::{Digest, Timestamp};
use serde::Serialize;

/// The page of settings. What the viewer may not see is not there.
#[derive(Debug, Clone, Serialize)]
pub struct SettingsPage {
    /// Who looks, as facts name them.
    pub actor: String,
    /// The roles they hold.
    pub roles: Vec<String>,
    /// The version of the server.
    pub version: String,
    /// The settings of the server, in the order of the documentation.
    pub settings: Option<Vec<SettingLine>>,
    /// The policy in force: its digest and its text.
    pub policy: Option<(Digest, String)>,
    /// The access tokens.
    pub tokens: Option<Vec<TokenLine>>,
}

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingLine {
    /// Its name.
    pub name: String,
    /// What it is set to.
    pub value: String,
    /// Where that was said; nothing where the default holds.
    pub source: Option<String>,
}

/// An access token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenLine {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// Whether it was revoked.
    pub revoked: bool,
}
