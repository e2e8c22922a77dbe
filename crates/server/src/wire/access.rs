//! Who one is, tokens, secrets and repositories.

use facts::{Timestamp, TokenId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who one is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Whoami {
    /// `whoami/1`.
    pub schema: String,
    /// The actor, as facts name it.
    pub actor: String,
    /// The name in the directory.
    pub name: String,
    /// The roles held, such as `admin`.
    pub roles: Vec<String>,
    /// The roles and where they are held.
    #[serde(default)]
    pub grants: Vec<Grant>,
    /// What one is asked for where environments want approvals, such as `operations`.
    #[serde(default)]
    pub duties: Vec<String>,
    /// The server's version.
    pub version: String,
}

/// A role, and where it is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Grant {
    /// `viewer`, `developer`, `operator` or `admin`.
    pub role: String,
    /// For which components: `*`, `team/*` or `team/name`.
    pub components: String,
    /// In which environment: its name, or `*`.
    pub environment: String,
}

/// A token to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// What it is for.
    pub name: String,
    /// `viewer`, `developer`, `operator` or `admin`.
    pub role: String,
    /// For which components: `team/name`, or `team/*` for all of a team; for all where none is listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    /// In which environments; in all where none is listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
    /// As what it may approve, such as `operations`: the roles that the policy's `approvals` name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duties: Vec<String>,
    /// For how long, in seconds; for good where absent.
    pub lifetime_seconds: Option<u64>,
}

/// A token that was just made: the only time its secret is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MadeToken {
    /// `token/1`.
    pub schema: String,
    /// Its id.
    #[schema(value_type = String)]
    pub id: TokenId,
    /// Its secret.
    pub token: String,
}

/// All tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tokens {
    /// `tokens/1`.
    pub schema: String,
    /// The tokens.
    pub tokens: Vec<TokenLine>,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenLine {
    /// Its id.
    #[schema(value_type = String)]
    pub id: TokenId,
    /// What it is for.
    pub name: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// Its roles and where they are held.
    #[serde(default)]
    pub grants: Vec<Grant>,
    /// As what it may approve.
    #[serde(default)]
    pub duties: Vec<String>,
    /// When it was made.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// When it ends.
    #[schema(value_type = Option<String>)]
    pub expires_at: Option<Timestamp>,
    /// When it was last used.
    #[schema(value_type = Option<String>)]
    pub last_used_at: Option<Timestamp>,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// A secret's new value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewSecret {
    /// The value.
    pub value: String,
}

impl std::fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewSecret")
    }
}

/// All secrets, without their values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Secrets {
    /// `secrets/1`.
    pub schema: String,
    /// The secrets.
    pub secrets: Vec<SecretLine>,
}

/// A secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretLine {
    /// Its name.
    pub name: String,
    /// How often it was set.
    pub version: u64,
    /// When it was last set.
    #[schema(value_type = String)]
    pub set_at: Timestamp,
}

/// A remote repository to follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewRepository {
    /// The component's name, `team/name`.
    pub component: String,
    /// Where it is fetched from.
    pub url: String,
    /// The name of the secret with a token or an ssh key; it begins with `git/`.
    pub credentials: Option<String>,
}

/// All repositories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Repositories {
    /// `repositories/1`.
    pub schema: String,
    /// The repositories.
    pub repositories: Vec<RepositoryLine>,
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RepositoryLine {
    /// The component's name.
    pub component: String,
    /// Where it is pushed to.
    pub push_url: String,
    /// Where it is fetched from, for a followed one.
    pub remote: Option<String>,
    /// Why the last look at the remote failed, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Since when looks at the remote fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub trouble_since: Option<Timestamp>,
    /// Since when.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
}

/// A link that logs a browser in, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginLink {
    /// `login-link/1`.
    pub schema: String,
    /// The address to open.
    pub url: String,
    /// Until when it works.
    #[schema(value_type = String)]
    pub expires_at: Timestamp,
}

/// Whether services stop with the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Down {
    /// Stops the instances of all environments and their proxies too.
    #[serde(default)]
    pub everything: bool,
}

/// A person's answer about a step whose end nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Resolve {
    /// Whether it was done.
    pub done: bool,
}
