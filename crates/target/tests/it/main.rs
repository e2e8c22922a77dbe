//! Targets before real processes.
//!
//! The test binary is also the service that is deployed, the keeper of a placement, a caller that can
//! be killed, and the user's commands: [`role`] says how.

mod command;
mod conformance;
mod crash;
mod load;
mod process;
mod role;
mod support;
mod traffic;
