//! Attempts of steps, wherever they run.
//!
//! An [`Executor`] starts attempts, adopts those that were started by an earlier server, waits for
//! their end and cancels them. [`LocalExecutor`] runs them as processes of this machine, under one
//! resident *shim* per run ([`shim_main`]) that outlives the server:
//!
//! ```text
//! server ── socket ── shim (one a run; holds the run's lock)
//!                       └── keeper (one an attempt at a time; adopts whatever the attempt leaves)
//!                             └── the step's processes
//! ```
//!
//! The shim reads what a step says, takes the secrets out, and writes log and outcome as files. The
//! keeper ends the whole tree, and does so too when the shim is killed; the run's lock is free only
//! when all of them are gone. So a lock that is free means that nothing of the run is running.
//!
//! Each attempt is isolated where the kernel allows it ([`IsolationMode`]): it has a view of processes and
//! files in which there are no other attempts, no secrets of others and no stores of the server.
//!
//! The commands of an attempt may run in a container instead ([`Container`]); the shim starts it and listens to it.
//!
//! Nothing here knows what a step is for, or keeps a record of it: that is the engine's.

mod attempt;
mod children;
pub mod conformance;
mod container;
mod frame;
mod groups;
mod hold;
mod isolation;
mod job;
mod keeper;
mod limits;
mod local;
mod log_writer;
pub mod logs;
pub mod machine;
mod secrets;
mod services;
mod shim;
mod watch;
mod wire;

pub use container::{Contained, Container, ContainerChoice, Image, Pull};
pub use isolation::{Isolation, IsolationMode};
pub use job::{Adopted, AttemptKey, Ended, Executor, ExecutorError, Job, Outcome, SecretForStep};
pub use limits::{Held, Limits};
pub use local::{LocalExecutor, LocalOptions};
pub use services::{Served, Service, variable_prefix};
pub use shim::shim_main;

/// For a search that is guided by what code was reached.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing {
    /// Reads bytes as messages to the shim and from it, to the keeper and from it.
    pub fn read_as_every_side(bytes: &[u8]) {
        crate::frame::read_as_every_side(bytes);
    }
}
