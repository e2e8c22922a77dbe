//! Secrets, from the encrypted store.

use std::sync::Arc;

use access::Access;
use async_trait::async_trait;
use delivery::ports::{PortError, Secrets};
use facts::{ComponentName, EnvironmentName};

/// The stored secrets.
pub struct StoredSecrets(Arc<Access>);

impl StoredSecrets {
    /// The secrets in `access`.
    pub fn new(access: Arc<Access>) -> Self {
        Self(access)
    }
}

#[async_trait]
impl Secrets for StoredSecrets {
    async fn value(
        &self,
        name: &str,
        component: &ComponentName,
        environment: &EnvironmentName,
    ) -> Result<String, PortError> {
        let value = self.0.secret(name).map_err(|error| {
            PortError(format!("{component} cannot be given the secret `{name}` in {environment}: {error}"))
        })?;
        Ok(value.to_string())
    }
}
