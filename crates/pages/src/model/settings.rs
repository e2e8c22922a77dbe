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
    /// The servers that work on the facts.
    pub servers: ServersView,
    /// The settings of the server, in the order of the documentation.
    pub settings: Option<Vec<SettingLine>>,
    /// The policy in force: its digest and its text.
    pub policy: Option<(Digest, String)>,
    /// The access tokens.
    pub tokens: Option<Vec<TokenLine>>,
    /// The people whom the server knows.
    pub people: Option<Vec<PersonLine>>,
    /// Who is told what, and what was told last.
    pub notifications: Option<NotificationsView>,
}

/// The servers that work on the same facts, and what nobody does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ServersView {
    /// The servers, the oldest first.
    pub lines: Vec<ServerLine>,
    /// Duties that no server leads now.
    pub unled: Vec<String>,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerLine {
    /// Where it answers, once it does.
    pub url: Option<String>,
    /// Whether it is the one that shows this page.
    pub this: bool,
    /// Whether it is at work; one that was stopped without having ended is not.
    pub at_work: bool,
    /// The duties that it leads, each with since when.
    pub leads: Vec<(String, Timestamp)>,
    /// The name of its machine.
    pub host: String,
    /// Its process.
    pub process: u32,
    /// Its version.
    pub version: String,
    /// Since when it is there.
    pub started_at: Timestamp,
    /// When it was at work last, as far as is known.
    pub heard_at: Timestamp,
}

/// A person whom the server knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonLine {
    /// What facts call them.
    pub id: String,
    /// Their name; nothing once erased.
    pub name: Option<String>,
    /// Their address.
    pub address: Option<String>,
    /// The roles of the tokens that act for them.
    pub roles: Vec<String>,
    /// Since when they are known.
    pub since: Timestamp,
}

/// Who is told what, and what was told last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotificationsView {
    /// Whether anything is told at all.
    pub on: bool,
    /// By what ways.
    pub channels: Vec<Channel>,
    /// The rules, each a sentence.
    pub rules: Vec<String>,
    /// What was told last or waits to be, the newest first.
    pub deliveries: Vec<DeliveryNote>,
}

/// A way by which people and machines are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Channel {
    /// Its name, such as `webhook:chat`.
    pub name: String,
    /// Where it goes and how, as far as that is no secret.
    pub how: String,
}

/// A notification on its way, or at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveryNote {
    /// To whom.
    pub to: String,
    /// What it says.
    pub title: String,
    /// The page about it, within these pages.
    pub link: Option<String>,
    /// What happened, such as `run-failed`.
    pub event: String,
    /// Where it is.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was to be told.
    pub at: Timestamp,
    /// Why it was not taken the last time.
    pub problem: Option<String>,
}

/// Where a notification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum DeliveryState {
    /// It waits for its time.
    Waiting,
    /// It was not taken, and is tried again then.
    Again(Option<Timestamp>),
    /// It was taken.
    Delivered,
    /// It was not taken, and is tried no more.
    GivenUp,
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
