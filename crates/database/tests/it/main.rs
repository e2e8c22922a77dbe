//! Migrations of real databases.

mod conformance;
mod engines;
mod postgres;
mod runner;
mod support;
