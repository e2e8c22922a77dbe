//! The databases of environments: where the policy says, or kept by the server.

use std::path::PathBuf;
use std::sync::PoisonError;

use delivery::ports::{DatabasePlace, Databases, PortError};
use facts::{ComponentName, EnvironmentName};
use pipeline::document::DatabaseEngine;

use crate::policy::Current;

/// The databases of the environments in force.
pub struct EnvironmentDatabases {
    folder: PathBuf,
    current: Current,
}

impl EnvironmentDatabases {
    /// Databases that the server keeps are below `folder`.
    pub fn new(folder: PathBuf, current: Current) -> Self {
        Self { folder, current }
    }
}

impl Databases for EnvironmentDatabases {
    fn location(
        &self,
        component: &ComponentName,
        environment: &EnvironmentName,
        engine: DatabaseEngine,
    ) -> Result<DatabasePlace, PortError> {
        let environments = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let place = environments
            .get(environment)
            .ok_or_else(|| PortError(format!("there is no environment `{environment}` any more")))?;
        let database = place.database.as_ref().ok_or_else(|| {
            PortError(format!(
                "{component} needs a database of kind {engine} and {environment} has none; \
                 add `database: {{ kind: {engine} }}` to it in environments.yaml"
            ))
        })?;
        if database.kind != engine {
            return Err(PortError(format!(
                "{component} needs a database of kind {engine} and {environment} has one of kind {}",
                database.kind
            )));
        }
        if let Some(url) = &database.url {
            let url = url
                .replace("{team}", component.team())
                .replace("{component}", component.short());
            return Ok(DatabasePlace {
                url,
                password: database.password.clone(),
            });
        }
        let folder = self.folder.join(environment.as_str()).join(component.team());
        std::fs::create_dir_all(&folder)
            .map_err(|error| PortError(format!("{} cannot be made: {error}", folder.display())))?;
        let file = folder.join(format!("{}.db", component.short()));
        Ok(DatabasePlace {
            url: format!("sqlite:{}", file.display()),
            password: None,
        })
    }
}
