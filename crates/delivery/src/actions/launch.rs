//! How an instance of a package is started in an environment: the same for every phase and every
//! generation, so that what runs can be recognised.

use facts::Digest;
use pipeline::Rendered;
use pipeline::document::PackageDocument;
use target::{HealthCheck, Launch, LaunchSecret, SecretValue};

use super::ActionParts;
use super::database::reach;
use crate::context::DeploymentContext;
use crate::ports::PortError;

/// The variable that names the environment to a service.
const ENVIRONMENT: &str = "THROUGHLINE_ENVIRONMENT";

/// A package made ready to be started.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) configuration: Digest,
    pub(super) launch: Launch,
}

/// Renders the package's configuration for the environment; a package without one has an empty one.
pub(super) fn configured(document: &PackageDocument, context: &DeploymentContext) -> Result<Rendered, PortError> {
    let configuration = document.configuration.clone().unwrap_or_default();
    configuration
        .render(context.environment())
        .map_err(|error| PortError(error.to_string()))
}

/// Makes a package ready for the environment.
pub(super) async fn prepare(
    parts: &ActionParts,
    context: &DeploymentContext,
    package: Digest,
) -> Result<Prepared, PortError> {
    let document = parts.packages.document(package).await?;
    let service = document
        .service
        .clone()
        .ok_or_else(|| PortError("the package holds no service".to_owned()))?;
    let configured = configured(&document, context)?;
    let mut variables = service.variables.clone();
    variables.extend(configured.variables);
    variables.insert(ENVIRONMENT.to_owned(), context.environment().to_string());
    let mut secrets = Vec::new();
    for (variable, name) in configured.secrets {
        let value = parts
            .secrets
            .value(&name, &context.component_name, context.environment())
            .await?;
        secrets.push(LaunchSecret {
            name,
            value: SecretValue::new(value),
            variable: Some(variable),
        });
    }
    if let Some(needs) = &document.database {
        let database = reach(parts, context, needs.engine).await?;
        database.tell(&mut variables, &mut secrets);
    }
    Ok(Prepared {
        configuration: configured.digest,
        launch: Launch {
            folder: parts.packages.folder(package).await?,
            command: service.command,
            variables,
            secrets,
            port_variable: service.port_variable,
            health: HealthCheck {
                path: service.health.path,
                interval_ms: service.health.interval_ms,
                timeout_ms: service.health.timeout_seconds * 1_000,
                deadline_ms: service.health.deadline_seconds * 1_000,
            },
            stop_grace_ms: service.stop_grace_seconds * 1_000,
        },
    })
}
