//! Starting processes and ending them whole.
//!
//! This is the only crate that starts a process, and the only one with `unsafe` code: calls around
//! fork, namespaces and wait for which no safe wrapper exists. Here live:
//!
//! - [`Spec`] and [`spawn`]: a process with an exact environment, its own session or group, limits,
//!   and no file descriptor that was not handed to it;
//! - [`run`]: a short command with its input, its output and a deadline;
//! - [`Identity`]: which process is meant, so that a reused pid is never mistaken for it;
//! - [`tree`]: finding, signalling and ending a process with everything that it started;
//! - [`subreaper`]: for a process that must adopt and reap what its children leave behind;
//! - [`isolation`]: a process that sees no other one, and only the files that are meant for it;
//! - [`mask`]: taking secrets out of a stream of bytes.
//!
//! Nothing here knows of runs, steps or packages.

mod child;
mod identity;
mod inherited;
pub mod isolation;
pub mod mask;
mod readable;
mod reaper;
mod run;
mod spawn;
mod spec;
pub mod subreaper;
pub mod tree;

pub use child::{Child, Ending, Exit, Usage};
pub use identity::Identity;
pub use inherited::{protect_memory, take_inherited};
pub use readable::readable;
pub use run::{Output, RunError, run};
pub use rustix::process::{Resource, Signal};
pub use spawn::{SpawnError, spawn};
pub use spec::{Channel, Group, Spec};
