//! Runs as the driver drives them, on real ledgers and a world of scripted actions.

mod bench;

mod cancelling;
mod claims;
mod groups;
mod kinds;
mod logs;
mod recovery;
mod refusals;
mod retries;
mod running;
mod sharing;
mod standby;
