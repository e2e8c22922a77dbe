//! Followed repositories: looked at now and then, and at once when somebody says so.

use std::sync::{Arc, Weak};
use std::time::Duration;

use access::{Access, Credentials, SecretName};
use facts::{Actor, ComponentId};
use source::remote::Credential;
use tokio::sync::mpsc;

use super::intake::Intake;
use super::register::{Component, Register};
use super::repositories::Repositories;
use crate::ports::open_secret;

/// Asks for a look at a followed repository.
#[derive(Debug, Clone)]
pub struct Remotes(mpsc::UnboundedSender<ComponentId>);

/// What following works with.
pub struct RemoteParts {
    /// The components.
    pub register: Register,
    /// Their repositories.
    pub repositories: Arc<Repositories>,
    /// Where pushes go in.
    pub intake: Intake,
    /// The credentials.
    pub access: Arc<Access>,
    /// The pause between two looks.
    pub interval: Duration,
}

impl Remotes {
    /// Begins to follow. Ends when every handle is gone.
    pub fn start(parts: RemoteParts) -> Self {
        let (sender, asked) = mpsc::unbounded_channel();
        let parts = Arc::new(parts);
        tokio::spawn(follow(parts, asked));
        Self(sender)
    }

    /// Looks at the component's remote now.
    pub fn look(&self, component: ComponentId) {
        let _ = self.0.send(component);
    }
}

async fn follow(parts: Arc<RemoteParts>, mut asked: mpsc::UnboundedReceiver<ComponentId>) {
    // A remote without a webhook gives no event: it is asked at an interval.
    let mut ticks = tokio::time::interval(parts.interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let only = tokio::select! {
            _ = ticks.tick() => None,
            component = asked.recv() => match component {
                Some(component) => Some(component),
                None => return,
            },
        };
        let components = match parts.register.all().await {
            Ok(components) => components,
            Err(error) => {
                tracing::error!(%error, "followed repositories cannot be listed");
                continue;
            }
        };
        for component in components {
            if component.remote.is_some() && only.is_none_or(|only| only == component.id) {
                look(&Arc::downgrade(&parts), &component).await;
            }
        }
    }
}

async fn look(parts: &Weak<RemoteParts>, component: &Component) {
    let Some(parts) = parts.upgrade() else { return };
    let Some(url) = &component.remote else { return };
    let credential = match credential(&parts.access, component) {
        Ok(credential) => credential,
        Err(error) => {
            tracing::warn!(component = %component.name, %error, "the remote's credentials cannot be used");
            return;
        }
    };
    match parts.repositories.mirror(&component.name, url, &credential).await {
        Ok(()) => {
            if let Err(error) = parts.intake.take_in(component, Actor::System).await {
                tracing::error!(component = %component.name, %error, "what was fetched could not be recorded");
            }
        }
        Err(error) => tracing::warn!(component = %component.name, %error, "the remote cannot be fetched"),
    }
}

/// The credentials of a remote: a stored pair, a key, or a plain token.
fn credential(access: &Access, component: &Component) -> Result<Credential, String> {
    let Some(name) = &component.credentials else {
        return match access
            .remote_credentials(&component.name)
            .map_err(|error| error.to_string())?
        {
            None => Ok(Credential::None),
            Some(Credentials::Password { user, password }) => Ok(Credential::Token {
                user: Some(user),
                token: password,
            }),
            Some(Credentials::SshKey {
                private_key,
                known_hosts,
            }) => {
                let known_hosts = (!known_hosts.is_empty()).then_some(known_hosts);
                Ok(Credential::SshKey {
                    key: private_key,
                    known_hosts,
                })
            }
        };
    };
    SecretName::new(name).map_err(|error| error.to_string())?;
    let value = open_secret(access, name)?;
    if value.contains("PRIVATE KEY-----") {
        Ok(Credential::SshKey {
            key: value,
            known_hosts: None,
        })
    } else {
        Ok(Credential::Token {
            user: None,
            token: value,
        })
    }
}
