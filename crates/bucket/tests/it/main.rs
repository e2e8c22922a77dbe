//! A bucket and a folder as shares: one suite for both, and what only a bucket can meet.

mod answers;
mod conformance;
mod server;
mod workshop;
