//! Where repositories live elsewhere: GitHub, GitLab, Gitea and Forgejo.
//!
//! - [`host`]: which of them there are, and how each says that a request is its own.
//! - [`signature`]: whether whoever sent a webhook knows its secret.
//! - [`webhook`]: what a webhook says happened, as a hint of where to look.
//!
//! All of it is pure: bytes in, a checked value out. What is said is never trusted as such: the repository itself
//! is asked what is there.

pub mod host;
pub mod signature;
pub mod webhook;

pub use host::{Headers, Host};
pub use signature::{Refusal, verify};
pub use webhook::{Event, Moved, Proposal, Unreadable};
