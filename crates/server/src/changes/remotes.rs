//! Followed repositories: looked at now and then, and at once when somebody says so.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use access::{Access, Credentials, SecretName};
use facts::{Actor, Clock, ComponentId, Timestamp};
use source::remote::Credential;
use tokio::sync::mpsc;

use super::intake::Intake;
use super::register::{Component, Register};
use super::repositories::Repositories;
use crate::duties::{Duties, Duty};
use crate::ports::open_secret;

/// Why a remote cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Why the last look failed.
    pub told: String,
    /// When looks began to fail.
    pub since: Timestamp,
}

/// The remotes whose last look failed, by component.
type Troubles = Arc<Mutex<BTreeMap<ComponentId, Trouble>>>;

/// Asks for a look at a followed repository.
#[derive(Debug, Clone)]
pub struct Remotes {
    ask: mpsc::UnboundedSender<ComponentId>,
    troubles: Troubles,
}

/// What following works with.
pub struct RemoteParts {
    /// The components.
    pub register: Register,
    /// Their repositories.
    pub repositories: Arc<Repositories>,
    /// Where pushes go in, and what somebody asked to be looked at.
    pub intake: Intake,
    /// Where goes in what the looks bring that nobody asked for.
    pub own_intake: Intake,
    /// The credentials.
    pub access: Arc<Access>,
    /// The pause between two looks.
    pub interval: Duration,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Which server looks now and then.
    pub(crate) duties: Arc<Duties>,
}

impl Remotes {
    /// Begins to follow. Ends when every handle is gone.
    pub fn start(parts: RemoteParts) -> Self {
        let (ask, asked) = mpsc::unbounded_channel();
        let troubles = Troubles::default();
        tokio::spawn(follow(Arc::new(parts), asked, troubles.clone()));
        Self { ask, troubles }
    }

    /// Looks at the component's remote now.
    pub fn look(&self, component: ComponentId) {
        let _ = self.ask.send(component);
    }

    /// Why the last look at the component's remote failed, if it did.
    pub fn trouble(&self, component: ComponentId) -> Option<Trouble> {
        let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.get(&component).cloned()
    }
}

async fn follow(parts: Arc<RemoteParts>, mut asked: mpsc::UnboundedReceiver<ComponentId>, troubles: Troubles) {
    // A remote without a webhook gives no event: it is asked at an interval.
    let mut ticks = tokio::time::interval(parts.interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let leads = parts.duties.leads(Duty::Sources);
        let only = tokio::select! {
            _ = ticks.tick(), if leads => None,
            () = parts.duties.led(Duty::Sources), if !leads => {
                ticks.reset_immediately();
                continue;
            }
            () = parts.duties.lost(Duty::Sources), if leads => continue,
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
            if component.place.is_none() && component.remote.is_some() && only.is_none_or(|only| only == component.id) {
                let looked = look(&parts, &component, only.is_some()).await;
                let mut troubles = troubles.lock().unwrap_or_else(PoisonError::into_inner);
                match looked {
                    Ok(()) => {
                        troubles.remove(&component.id);
                    }
                    Err(told) => {
                        tracing::warn!(component = %component.name, trouble = told, "a remote cannot be followed");
                        let since = troubles
                            .get(&component.id)
                            .map_or_else(|| parts.clock.now(), |before| before.since);
                        troubles.insert(component.id, Trouble { told, since });
                    }
                }
            }
        }
    }
}

/// Makes the repository what its remote is, and takes in what is new.
async fn look(parts: &RemoteParts, component: &Component, asked: bool) -> Result<(), String> {
    let Some(url) = &component.remote else { return Ok(()) };
    let credential = credential(&parts.access, component)
        .map_err(|error| format!("the remote's credentials cannot be used: {error}"))?;
    let mirrored = parts.repositories.mirror(&component.name, url, &credential).await;
    mirrored.map_err(|error| {
        let told = essence(&format!("the remote cannot be fetched: {error}"));
        match error.hint() {
            Some(hint) => format!("{told}\nhint: {hint}"),
            None => told,
        }
    })?;
    let intake = if asked { &parts.intake } else { &parts.own_intake };
    let taken = intake.take_in(component, Actor::System).await;
    taken
        .map(drop)
        .map_err(|error| format!("what was fetched cannot be recorded: {error}"))
}

/// What git and ssh say without what says nothing to whoever reads it here.
fn essence(complaint: &str) -> String {
    const NOISE: [&str; 12] = [
        "@",
        "Warning: Permanently added",
        "IT IS POSSIBLE",
        "Someone could be eavesdropping",
        "It is also possible that",
        "Please contact your system",
        "Add correct host key in",
        "remove with:",
        "ssh-keygen -f",
        "fatal: Could not read from remote",
        "Please make sure you have",
        "and the repository exists.",
    ];
    let lines = complaint
        .lines()
        .map(|line| line.trim().trim_end_matches('@').trim_end());
    let said = lines.filter(|line| !line.is_empty() && !NOISE.iter().any(|noise| line.starts_with(noise)));
    said.collect::<Vec<_>>().join("\n")
}

/// The credentials of a remote: a stored pair, a key, or a plain token.
pub(super) fn credential(access: &Access, component: &Component) -> Result<Credential, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_says_of_a_changed_host_is_told_without_its_walls() {
        let said = "the remote cannot be fetched: git fetch failed: @@@@@@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n@@@@@@@@\r\n\
            IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\r\nThe fingerprint for the ED25519 key sent by the remote host is\nSHA256:abc.\r\n\
            Host key verification failed.\r\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.";
        assert_eq!(
            essence(said),
            "the remote cannot be fetched: git fetch failed:\nThe fingerprint for the ED25519 key sent by the remote host is\nSHA256:abc.\nHost key verification failed."
        );
        assert_eq!(essence("fatal: no such place"), "fatal: no such place");
    }
}
