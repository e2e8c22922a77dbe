//! The ledger from outside: one suite that every store passes, and what is particular to each.

mod checkpoints;
mod conformance;
mod crash;
mod differential;
mod followed;
mod hostile;
mod postgres;
mod restore;
mod sample;
mod sqlite;
mod tampering;
