//! What is removed after a while, so that nothing piles up: logs of steps, folders of runs, folders kept
//! from run to run, and blobs that nothing needs. Repositories are packed at the same time.
//!
//! A sweep runs when the server starts and once a day. What may go is decided in [`decide`], purely;
//! `sweep` does it, and records what it removed as one fact. Each thing is gone in one
//! step, so a sweep that dies leaves nothing half, and the next one goes on. Facts are never removed.

pub mod decide;
pub mod kinds;
mod survey;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

pub use decide::Keep;
pub(crate) use sweep::was_swept;

use crate::house::House;

/// How often.
const OFTEN: Duration = Duration::from_secs(86_400);

/// Sweeps now and every day, until the server stops.
pub(crate) async fn keep_tidy(house: Arc<House>) {
    loop {
        match sweep::sweep(&house).await {
            Ok(swept) if swept.is_something() => {
                tracing::info!(?swept, "removed what was kept long enough");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, "what was kept long enough could not be removed; it is tried again in a day")
            }
        }
        tokio::select! {
            () = tokio::time::sleep(OFTEN) => {}
            () = house.stopping.cancelled() => return,
        }
    }
}
