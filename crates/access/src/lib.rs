//! Who may do what: actors, roles, tokens, sessions and secrets.
//!
//! - [`authorize`](mod@authorize): the one function that decides; pure, default deny.
//! - [`role`]: roles and how far they reach.
//! - [`store`]: the file `operations.db`, in which everything below lives.
//! - [`directory`]: the names of people and machines, erasable; facts know only their ids.
//! - [`tokens`]: access tokens, of which only hashes are stored.
//! - [`sessions`]: one-time login links and browser sessions.
//! - [`secrets`]: secrets, encrypted at rest with a [`key`] that is kept elsewhere.
//! - [`hooks`]: the doors through which hosts of repositories say that something moved.
//! - [`outbox`]: what is to be told to people and machines outside, kept until it has been.
//! - [`statuses`]: what is said of commits to the hosts of their repositories, until it has been.
//! - [`readers`]: how far those have come who read all facts.
//! - [`kinds`]: the fact kinds that record changes here, without names and values.
//!
//! Nothing here reads the network or decides what a run may see; callers say who asks. All calls
//! block for as long as one small SQLite statement takes.

pub mod answers;
pub mod authorize;
pub mod directory;
pub mod error;
pub mod hooks;
pub mod key;
pub mod kinds;
pub mod outbox;
pub mod readers;
pub mod role;
pub mod secrets;
pub mod sessions;
pub mod statuses;
pub mod store;
pub mod tokens;

mod random;

pub use answers::{KeptAnswer, Repetition};
pub use authorize::{Action, Decision, Principal, Resource, authorize, may_grant};
pub use directory::Person;
pub use error::AccessError;
pub use hooks::{Delivery, Hook, HookId, MadeHook, NewDelivery, Verdict};
pub use key::MasterKey;
pub use outbox::{NewOut, Out};
pub use role::{ComponentScope, EnvironmentScope, Grant, Rights, Role};
pub use secrets::{Credentials, SecretInfo, SecretName, SecretValue};
pub use sessions::{LoginLink, Session};
pub use statuses::{KeptStatus, NewStatus, TargetState};
pub use store::Access;
pub use tokens::{Authenticated, MadeToken, NewToken, TokenInfo};
pub use zeroize::Zeroizing;
