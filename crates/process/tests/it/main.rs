//! Real processes.

#![allow(clippy::unwrap_used, missing_docs)]

mod masking;
mod running;
mod starting;
mod trees;
