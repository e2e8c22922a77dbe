//! What delivery needs from the rooms around it.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use engine::{ActionOutcome, StepContext};
use facts::{Commit, ComponentName, Digest, EnvironmentName};
use pipeline::document::{DatabaseEngine, PackageDocument};
use target::Target;

use crate::kinds::Dependency;

/// Why a port could not answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct PortError(pub String);

/// The stored packages.
#[async_trait]
pub trait Packages: Send + Sync {
    /// What a deployment needs to know of the package.
    ///
    /// # Errors
    /// When the package is not there or damaged.
    async fn document(&self, package: Digest) -> Result<Arc<PackageDocument>, PortError>;

    /// Checks every byte of the package against its digests.
    ///
    /// # Errors
    /// When something is missing or differs.
    async fn verify(&self, package: Digest) -> Result<(), PortError>;

    /// A read-only folder with the package's files.
    ///
    /// # Errors
    /// When the package is not there, damaged, or cannot be unpacked.
    async fn folder(&self, package: Digest) -> Result<PathBuf, PortError>;
}

/// The commits of all components.
#[async_trait]
pub trait Commits: Send + Sync {
    /// Whether `commit` of the component that `on` belongs to is the change, or has it behind it. Once both
    /// are there, the answer never changes.
    ///
    /// # Errors
    /// When it cannot be told.
    async fn holds(&self, on: &Dependency, commit: &Commit) -> Result<bool, PortError>;
}

/// The stored secrets.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The value of a secret that this component may use in this environment.
    ///
    /// # Errors
    /// When there is no such secret or it is not granted.
    async fn value(
        &self,
        name: &str,
        component: &ComponentName,
        environment: &EnvironmentName,
    ) -> Result<String, PortError>;
}

/// Where packages run.
pub trait Targets: Send + Sync {
    /// The target of the given environment.
    ///
    /// # Errors
    /// When the environment is not known any more.
    fn of(&self, environment: &EnvironmentName) -> Result<Arc<dyn Target>, PortError>;
}

/// Runs a package's own checks.
#[async_trait]
pub trait Scripts: Send + Sync {
    /// Runs `script` in `folder` with `variables`, as the given step's attempt.
    async fn perform(
        &self,
        step: StepContext,
        script: &str,
        folder: PathBuf,
        variables: Vec<(String, String)>,
    ) -> ActionOutcome;
}

/// Where a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabasePlace {
    /// Its address, such as `sqlite:/srv/shop.db` or `postgres://shop@db.internal/shop`; without a password.
    pub url: String,
    /// The name of the secret that is its password.
    pub password: Option<String>,
}

/// The databases of the environments.
pub trait Databases: Send + Sync {
    /// Where the component's database in this environment is.
    ///
    /// # Errors
    /// When the environment has none of this kind.
    fn location(
        &self,
        component: &ComponentName,
        environment: &EnvironmentName,
        engine: DatabaseEngine,
    ) -> Result<DatabasePlace, PortError>;
}
