//! The server: the HTTP API, the pages, git hosting and the registry, and the wiring of all rooms.
//!
//! It is the only crate whose types cross the wire; they are in [`wire`].

pub mod wire;
