//! Runs of a definition in a folder of this machine, without a server.
//!
//! The definition, its plan, the engine and the actions are those of the server; what differs is that
//! the steps work in the folder itself, with whatever lies in it, and that the facts live in memory and
//! end with the command. Nothing is written into the folder but what the steps write: everything else
//! lies in a folder of the user's, see [`Folders`].

mod folders;
mod foresee;
mod here;
mod leftovers;
mod runs;

pub use folders::Folders;
pub use foresee::Foreseen;
pub use here::{Component, NO_COMMIT};
pub use runs::{Local, LocalError, Options};
