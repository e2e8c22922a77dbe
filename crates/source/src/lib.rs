//! Where changes come from: git repositories, and the versions that their graphs give.
//!
//! - [`Repositories`] and [`Repository`]: bare repositories in a folder; made, read, checked out.
//! - [`hosting`]: `git push` and `git fetch` over HTTP, by git's own `git http-backend`.
//! - [`remote`]: following a repository elsewhere.
//! - [`message`]: trailers of commits' messages, and what a change depends on by them.
//! - [`version`]: versions as pure functions of the commit graph.
//!
//! Reading goes through a library; everything that speaks a protocol or writes a working tree goes
//! through the system's git, with hooks, filters, helpers and system-wide settings off. What stands in
//! a repository is data: nothing in it is ever run here.

mod checkout;
mod error;
mod git;
mod history;
pub mod hosting;
pub mod message;
mod reading;
mod refs;
pub mod remote;
mod repository;
mod tag;
mod tree;
pub mod version;

pub use checkout::CheckoutLimits;
pub use error::SourceError;
pub use reading::{Abbreviated, CommitInfo, Person};
pub use refs::{RefName, RefTarget, RefUpdate, Refs};
pub use repository::{Repositories, Repository};
pub use tag::NewTag;
pub use tree::{ChangeKind, ChangedPath, Entry, EntryKind};
