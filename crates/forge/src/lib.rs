//! Where repositories live elsewhere: GitHub, GitLab, Gitea and Forgejo.
//!
//! - [`host`]: which of them there are, and how each says that a request is its own.
//! - [`signature`]: whether whoever sent a webhook knows its secret.
//! - [`webhook`]: what a webhook says happened, as a hint of where to look.
//! - [`status`]: what is said to a host of a commit, and what its answers mean.
//!
//! All of it is pure: bytes in, a checked value out. What is said is never trusted as such: the repository itself
//! is asked what is there.

pub mod host;
pub mod signature;
pub mod status;
pub mod webhook;

pub use host::{Headers, Host};
pub use signature::{Refusal, verify};
pub use status::{Meaning, State, Status, Target, TargetError};
pub use webhook::{Event, Moved, Proposal, Unreadable};
