//! Secrets, from the encrypted store.

use std::sync::Arc;

use access::{Access, SecretName};
use async_trait::async_trait;
use delivery::ports::{PortError, Secrets};
use facts::{ComponentName, EnvironmentName};
use zeroize::Zeroizing;

/// The stored secrets.
pub struct StoredSecrets(Arc<Access>);

/// Opens a secret that is text.
///
/// # Errors
/// With a sentence when there is none of that name or it is no text.
pub fn open_secret(access: &Access, name: &str) -> Result<Zeroizing<String>, String> {
    let name = SecretName::new(name).map_err(|error| error.to_string())?;
    let value = access.secret(&name).map_err(|error| error.to_string())?;
    value.text().ok_or_else(|| format!("the secret `{name}` is no text"))
}

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
        let (access, wanted) = (self.0.clone(), name.to_owned());
        let opened = tokio::task::spawn_blocking(move || open_secret(&access, &wanted)).await;
        let opened = opened.map_err(|panic| PortError(panic.to_string()))?;
        opened.map(|value| value.to_string()).map_err(|error| {
            PortError(format!(
                "{component} cannot be given the secret `{name}` in {environment}: {error}"
            ))
        })
    }
}

impl build::Secrets for StoredSecrets {
    fn open(&self, name: &str) -> Result<Zeroizing<String>, String> {
        open_secret(&self.0, name)
    }
}
