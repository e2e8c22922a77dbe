//! Where a PostgreSQL database is, and how a connection to it is made.
//!
//! Two rooms talk to PostgreSQL: the ledger, which keeps facts in it, and the one that migrates the
//! databases of packages. What they have in common is here: how an address is written, checked, and shown
//! without its password ([`Address`]), and when a connection is encrypted, and by what ([`Encryption`]).
//! What is asked of a database is theirs.

mod address;
mod tls;

pub use address::{Address, AddressError};
pub use tls::{AuthoritiesError, Encrypted, Encryption};
