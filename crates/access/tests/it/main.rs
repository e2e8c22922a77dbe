//! Access on real files.

mod answers;
mod directory;
mod hooks;
mod kinds;
mod outbox;
mod roles;
mod secrets;
mod sessions;
mod statuses;
mod store;
mod support;
mod tokens;
