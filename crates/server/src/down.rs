//! The end of everything that runs for a server: runs, their shims, and the processes of all environments.

use std::time::Duration;

use facts::Actor;

use crate::error::ServerError;
use crate::house::House;

/// How long a cancelled run may take to end before everything is stopped without it.
const CANCELLED: Duration = Duration::from_secs(15);

impl House {
    /// Ends every run and every process of every environment.
    ///
    /// # Errors
    /// When something may still run.
    pub async fn stop_everything(&self) -> Result<(), ServerError> {
        for run in engine::query::open_runs(&*self.ledger).await? {
            if let Err(error) = self.engine.cancel(run, Actor::System).await {
                tracing::warn!(%run, %error, "a run could not be cancelled");
            }
            // Its shim would wait an hour for another step; a run that does not end in time keeps it.
            if tokio::time::timeout(CANCELLED, self.engine.wait(run)).await.is_ok()
                && let Err(error) = self.executor.close(run).await
            {
                tracing::warn!(%run, %error, "the shim of a cancelled run could not be closed");
            }
        }
        // A run that has just ended may still have its shim.
        let standing_by = self.executor.standing_by().await;
        for run in standing_by.map_err(|error| ServerError::Internal(error.to_string()))? {
            let row = engine::query::run(&*self.ledger, run).await?;
            if row.is_some_and(|row| row.state == engine::State::Finished)
                && let Err(error) = self.executor.close(run).await
            {
                tracing::warn!(%run, %error, "the shim of a run that is over could not be closed");
            }
        }
        self.targets
            .stop_all()
            .await
            .map_err(|error| ServerError::Internal(error.to_string()))
    }
}
