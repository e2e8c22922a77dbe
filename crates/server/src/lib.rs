//! The server: the HTTP API, the pages, git hosting and the registry, and the wiring of all rooms.
//!
//! It is the only crate whose types cross the wire; they are in [`wire`]. [`house`] opens and connects
//! the rooms, [`fn@serve`] is the server's life.

pub mod api;
pub mod auth;
pub mod backup;
pub mod changes;
pub mod checkpoints;
mod data;
mod down;
mod duties;
pub mod error;
mod follower;
mod git;
pub mod hooks;
pub mod house;
mod measurements;
pub mod notifications;
mod open_error;
pub mod policy;
pub mod ports;
pub mod problem;
mod recorded;
mod registry;
mod repeat;
pub mod retention;
mod search;
mod serve;
mod servers;
pub mod settings;
pub mod statuses;
mod store;
mod tls;
pub mod views;
pub mod watch;
pub mod way;
mod web;
pub mod wire;

pub use build::StepVariables;
pub use cache::Sharing;
pub use error::ServerError;
pub use executor::{ContainerChoice, IsolationMode};
pub use house::{House, OpenError};
pub use retention::Keep;
pub use serve::{Ready, ServeError, WHERE, router, serve};
pub use servers::{About, Living, living, wait_for};
pub use settings::{Settings, TlsFiles, Told};
pub use tls::TlsError;
