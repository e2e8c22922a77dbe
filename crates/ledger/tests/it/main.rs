//! The ledger from outside: one suite that every store passes, and what is particular to SQLite.

mod checkpoints;
mod conformance;
mod crash;
mod differential;
mod followed;
mod sample;
mod sqlite;
mod tampering;
