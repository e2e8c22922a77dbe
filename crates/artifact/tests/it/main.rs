//! The crate's tests, in one binary.

mod building;
mod fixture;
mod hostile;
mod malicious;
mod outside;
mod serving;
mod unpacking;
