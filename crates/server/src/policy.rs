//! The policy of environments in force.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use artifact::BlobStore;
use delivery::Path;
use facts::Actor;
use pipeline::Environments;
use pipeline::environments::DEFAULT;

use crate::changes::Register;
use crate::error::ServerError;
use crate::house::OpenError;
use crate::settings::Settings;

/// The name of the file.
pub const FILE: &str = pipeline::environments::FILE;

/// The largest text of a policy, in bytes.
const LARGEST: u64 = crate::api::LARGEST_BODY as u64;

/// The environments in force, shared with whoever asks.
pub type Current = Arc<RwLock<Arc<Environments>>>;

/// The policy in force, and where it is kept.
pub struct Policy {
    path: PathBuf,
    text: RwLock<String>,
    current: Current,
}

impl Policy {
    /// Reads the policy; a folder without one gets the default.
    ///
    /// # Errors
    /// When the file cannot be read or is wrong.
    pub async fn open(settings: &Settings, store: &BlobStore, register: &Register) -> Result<Self, OpenError> {
        let path = settings
            .environments
            .clone()
            .unwrap_or_else(|| settings.data.join(FILE));
        let wrong = |source| OpenError::File {
            path: path.clone(),
            source,
        };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && settings.environments.is_none() => {
                std::fs::write(&path, DEFAULT).map_err(wrong)?;
                DEFAULT.to_owned()
            }
            Err(error) => return Err(wrong(error)),
        };
        let name = path.display().to_string();
        let environments = Environments::parse(&text, &name).map_err(|errors| OpenError::Policy(errors.to_string()))?;
        let room = |error: &dyn std::fmt::Display| OpenError::Room {
            room: "the policy",
            reason: error.to_string(),
        };
        store.put_bytes(text.as_bytes()).map_err(|error| room(&error))?;
        register
            .policy_changed(environments.revision(), Actor::System)
            .await
            .map_err(|error| room(&error))?;
        Ok(Self {
            path,
            text: RwLock::new(text),
            current: Arc::new(RwLock::new(Arc::new(environments))),
        })
    }

    /// Takes in the policy that another server was told last. Whether it is another one.
    ///
    /// # Errors
    /// When it cannot be read or is wrong.
    pub async fn read_again(&self, store: &BlobStore, register: &Register) -> Result<bool, ServerError> {
        let Some(revision) = register.policy().await? else {
            return Ok(false);
        };
        if revision == self.environments().revision() {
            return Ok(false);
        }
        // Its file may not be written yet; the revision is in the store before it is recorded.
        let wrong = |error: &dyn std::fmt::Display| {
            ServerError::Internal(format!("the policy {} cannot be used: {error}", revision.short()))
        };
        let text = String::from_utf8(store.read(&revision, LARGEST)?).map_err(|error| wrong(&error))?;
        let environments = Environments::parse(&text, FILE).map_err(|errors| wrong(&errors))?;
        self.put(environments, text);
        Ok(true)
    }

    fn put(&self, environments: Environments, text: String) {
        *self.text.write().unwrap_or_else(PoisonError::into_inner) = text;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(environments);
    }

    /// The environments in force, for whoever follows their changes.
    pub fn current(&self) -> Current {
        self.current.clone()
    }

    /// The environments in force.
    pub fn environments(&self) -> Arc<Environments> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The path they make.
    pub fn path(&self) -> Path {
        Path::from(&*self.environments())
    }

    /// The text in force.
    pub fn text(&self) -> String {
        self.text.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another policy is in force: recorded first, then written, then used.
    ///
    /// # Errors
    /// When it cannot be recorded or written.
    pub async fn change(
        &self,
        environments: Environments,
        text: String,
        store: &BlobStore,
        register: &Register,
        actor: Actor,
    ) -> Result<(), ServerError> {
        store.put_bytes(text.as_bytes())?;
        register.policy_changed(environments.revision(), actor).await?;
        // The next start reads it: no power cut may leave a part of it.
        disk::replace(&disk::LocalDisk, &self.path, 0o644, text.as_bytes())
            .map_err(|error| ServerError::Internal(format!("{} cannot be written: {error}", self.path.display())))?;
        self.put(environments, text);
        Ok(())
    }
}
