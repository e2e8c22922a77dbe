//! Instances as processes of this machine, behind the balancing proxy.
//!
//! Each placement has a process of its own, the *keeper* (`throughline proxy --folder DIR`). It holds
//! the listening socket, runs the [`proxy`] and supervises the instances: it starts them, checks their
//! health, starts them again when they end, drains and stops them. So traffic goes on, and what dies
//! comes back, while no server runs. One keeper for each placement rather than for all: a crash or an
//! upgrade concerns one component in one environment, and each has its socket and files to itself.
//! Proxy and supervisor are one process because what the one learns the other needs at once, and a
//! call cannot be lost half-way as a message can.
//!
//! [`ProcessTarget`] is the other side: it starts keepers, and asks them over a unix socket. When its
//! program is newer than a keeper's, a new keeper takes over: it is given the listening sockets, so
//! no connection is refused, and the old one answers what it has accepted and ends.
//!
//! - `keeper`: the process. `converge`: how a desired state becomes true. `supervise`: what
//!   happens by itself. `handover`: from an old keeper to a new one.
//! - `instance`: one process of a package. `health`: watching it.
//! - `state`: the files. `vault`: secrets between two starts. `control`: the socket's language.

mod client;
mod control;
mod converge;
mod handover;
mod health;
mod instance;
mod keeper;
mod state;
mod supervise;
mod vault;

pub use client::{ProcessSettings, ProcessTarget};
pub use keeper::proxy_main;
