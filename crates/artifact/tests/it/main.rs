//! The crate's tests, in one binary.

mod building;
mod fixture;
mod malicious;
mod outside;
mod serving;
mod unpacking;
