//! Real processes, real kills.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod containers;
mod crashes;
mod isolation;
mod secrecy;
mod services;
mod socket;
mod speed;
mod support;

use support::local;

executor::executor_conformance!(local_processes, local());
executor::executor_conformance!(local_containers, containers::contained().await);
