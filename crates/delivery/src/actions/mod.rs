//! The step actions of a deployment. Each is idempotent by its generation and phase, so that an
//! attempt lost in a crash is simply made again.

#![allow(clippy::result_large_err)] // an outcome is the answer either way, and is handed on once

mod admit;
mod analyze;
mod configure;
mod database;
mod launch;
mod migrate;
mod roll_out;
mod verify;

use std::sync::Arc;

use engine::{ActionOutcome, StepAction, StepContext};
use facts::Clock;
use serde_json::json;
use target::Placement;

use crate::context::DeploymentContext;
use crate::ports::{Databases, Packages, Scripts, Secrets, Targets};

/// What the actions work with.
#[derive(Clone)]
pub struct ActionParts {
    /// The stored packages.
    pub packages: Arc<dyn Packages>,
    /// Where packages run.
    pub targets: Arc<dyn Targets>,
    /// The databases of the environments.
    pub databases: Arc<dyn Databases>,
    /// The stored secrets.
    pub secrets: Arc<dyn Secrets>,
    /// Runs the packages' own checks.
    pub scripts: Arc<dyn Scripts>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// All actions of deployments, to be handed to the engine.
pub fn all(parts: &ActionParts) -> Vec<Arc<dyn StepAction>> {
    vec![
        Arc::new(admit::Admit(parts.clone())),
        Arc::new(migrate::Migrate(parts.clone())),
        Arc::new(configure::Configure(parts.clone())),
        Arc::new(roll_out::RollOut(parts.clone())),
        Arc::new(analyze::Analyze(parts.clone())),
        Arc::new(verify::Verify(parts.clone())),
    ]
}

/// Reads the deployment's context from the step's run.
fn context(step: &StepContext) -> Result<DeploymentContext, ActionOutcome> {
    serde_json::from_value(step.request.context.clone())
        .map_err(|error| ActionOutcome::failed(format!("the run carries no deployment: {error}")))
}

/// The place in the target.
fn placement(step: &StepContext, context: &DeploymentContext) -> Placement {
    Placement {
        component: step.request.component,
        component_name: context.component_name.clone(),
        environment: context.environment().clone(),
    }
}

/// A failure that says the package is bad, not just that something around it went wrong.
fn rejected(message: impl Into<String>) -> ActionOutcome {
    ActionOutcome {
        outputs: json!({ "rejected": true }),
        ..ActionOutcome::failed(message)
    }
}
