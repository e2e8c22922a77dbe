//! Migrations of real databases.

mod conformance;
mod engines;
mod mysql;
mod postgres;
mod runner;
mod support;
