//! Where packages run.
//!
//! A [`Target`] is told what one component should look like in one environment (a [`Desired`]) and
//! makes it so: it starts and checks new instances before anything else changes, shifts the weights,
//! drains and stops what is not wanted any more, and leaves traffic where it was when something goes
//! wrong. Each intention has a [`Stamp`]; an older one never undoes a newer one.
//!
//! - [`process`]: instances as processes of this machine, behind the balancing proxy.
//! - [`command`]: the user's own commands for everything else.
//!
//! Nothing here knows of runs, pipelines or the ledger; strategies (canary, blue-green, rolling) are
//! sequences of desired states that others decide on.

pub mod command;
pub mod desired;
pub mod error;
pub mod observed;
pub mod process;
pub mod secret;

use async_trait::async_trait;

pub use crate::process::{ProcessSettings, ProcessTarget, proxy_main};
pub use command::{CommandSettings, CommandTarget, Turns};
pub use desired::{Desired, Group, HealthCheck, Launch, Placement};
pub use error::{Refused, TargetError};
pub use observed::{Observed, ObservedGroup};
pub use proxy::{Evidence, GroupEvidence, Histogram, RouteEvidence, Stamp};
pub use secret::{LaunchSecret, SecretValue};

/// Takes sentences about what is being done, for a log.
pub type Progress<'a> = &'a (dyn Fn(String) + Send + Sync);

/// Something that runs packages.
#[async_trait]
pub trait Target: Send + Sync {
    /// Makes the placement what `desired` says, and returns when it is: new instances are up and
    /// healthy, weights are shifted, what is not wanted is drained and stopped. Applying the same
    /// again changes nothing and completes what an interrupted application began.
    ///
    /// An instance that ended by itself before, while others of the same package still serve, is not
    /// waited for: it comes back on its own, and [`ObservedGroup::healthy`] tells.
    ///
    /// # Errors
    /// [`TargetError::Stale`] when a newer stamp was accepted before. After any error the traffic is
    /// where it was before the call, unless the error says otherwise.
    async fn apply(&self, desired: &Desired, progress: Progress<'_>) -> Result<Observed, TargetError>;

    /// What the placement is now. A placement that was never applied to is empty, without a stamp.
    ///
    /// # Errors
    /// When it cannot be said.
    async fn observe(&self, placement: &Placement) -> Result<Observed, TargetError>;

    /// What is there, also where this target's user has never applied anything: who comes with an older memory than
    /// the world has sees so.
    ///
    /// # Errors
    /// When it cannot be said.
    async fn found(&self, placement: &Placement) -> Result<Observed, TargetError> {
        self.observe(placement).await
    }

    /// The newest stamp that was accepted, where `generation` is not after it: somebody else has used that number, or
    /// whoever asks has forgotten that they did.
    ///
    /// # Errors
    /// When it cannot be said.
    async fn overtaken(&self, placement: &Placement, generation: u64) -> Result<Option<Stamp>, TargetError> {
        let found = self.observe(placement).await?;
        Ok(found.stamp.filter(|stamp| stamp.generation >= generation))
    }

    /// Ends everything that runs for the placement. Stopping what does not run is no error.
    ///
    /// # Errors
    /// When something may still run.
    async fn stop(&self, placement: &Placement) -> Result<(), TargetError>;

    /// What was seen of the requests so far; `None` where the target cannot say.
    ///
    /// # Errors
    /// When it could say, but something is in the way.
    async fn evidence(&self, placement: &Placement) -> Result<Option<Evidence>, TargetError>;
}
