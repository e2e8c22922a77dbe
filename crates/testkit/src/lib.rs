//! What tests share: time and chance that a test decides, places on the machine that no other test
//! uses, small servers that keep what they are sent, databases, a disk that loses power, the check of what stands in ledgers, and the word of
//! a test that the machine has not got what it needs.
//!
//! Only tests depend on this crate. What one room's tests alone need lives in that room.

mod authority;
mod clock;
mod disk;
mod entropy;
mod fixtures;
mod mail;
#[allow(clippy::disallowed_methods)] // plays the machine on which the database runs
mod mariadb;
mod needs;
mod places;
#[allow(clippy::disallowed_methods)] // plays the machine on which the database runs
mod postgres;
mod receiver;
#[allow(clippy::disallowed_methods)] // plays the machine on which databases run
mod servers;

pub use authority::{Authority, Certified};
pub use clock::ManualClock;
pub use disk::{Names, SimulatedDisk};
pub use entropy::SeededEntropy;
pub use fixtures::{check_fixture, check_fixture_with, fixtures};
pub use mail::{Encryption, Mail, MailServer};
pub use mariadb::Mariadb;
pub use needs::{Need, skip};
pub use places::{folder, free_port, tool};
pub use postgres::Postgres;
pub use receiver::{Receiver, Request};
