//! The runner on real SQLite files.

mod crash;
mod runner;
mod support;
