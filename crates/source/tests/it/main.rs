//! The crate's tests, in one binary. They use the machine's real git.

mod checking_out;
mod fixture;
mod following;
mod hosting;
mod messages;
mod reading;
