//! Followed repositories: looked at now and then, and at once when somebody says so.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use access::{Access, Credentials, SecretName};
use facts::{Actor, Clock, ComponentId, Timestamp};
use forge::Moved;
use ledger::{Op, Select};
use source::RefName;
use source::remote::Credential;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::intake::Intake;
use super::looks::{Looks, Why};
use super::register::{Component, Register};
use super::repositories::Repositories;
use super::view::REFS;
use crate::duties::{Duties, Duty};
use crate::hooks;
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

/// A wish for a look.
#[derive(Debug, Clone, Copy)]
enum Wish {
    /// Now.
    Now(ComponentId),
    /// After the usual interval, though there is a webhook.
    Sooner(ComponentId),
}

/// Asks for a look at a followed repository.
#[derive(Debug, Clone)]
pub struct Remotes {
    ask: mpsc::UnboundedSender<Wish>,
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
        let _ = self.ask.send(Wish::Now(component));
    }

    /// Looks at the component's remote as soon as if there were no webhook for it.
    pub(crate) fn look_sooner(&self, component: ComponentId) {
        let _ = self.ask.send(Wish::Sooner(component));
    }

    /// Why the last look at the component's remote failed, if it did.
    pub fn trouble(&self, component: ComponentId) -> Option<Trouble> {
        let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.get(&component).cloned()
    }
}

async fn follow(parts: Arc<RemoteParts>, mut asked: mpsc::UnboundedReceiver<Wish>, troubles: Troubles) {
    // What moves there is not always said by a webhook: it is asked at an interval.
    let mut ticks = tokio::time::interval(parts.interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut looks = Looks::new(parts.interval);
    let mut looking = JoinSet::new();
    let mut tasks = HashMap::new();
    loop {
        let leads = parts.duties.leads(Duty::Sources);
        tokio::select! {
            _ = ticks.tick(), if leads => match due(&parts).await {
                Ok((followed, heard_of)) => looks.tick(&followed, &heard_of, Instant::now()),
                Err(error) => tracing::error!(error, "followed repositories cannot be listed"),
            },
            () = parts.duties.led(Duty::Sources), if !leads => {
                looks.forget();
                ticks.reset_immediately();
            }
            () = parts.duties.lost(Duty::Sources), if leads => {}
            wish = asked.recv() => match wish {
                Some(Wish::Now(component)) => looks.ask(component),
                Some(Wish::Sooner(component)) => looks.doubt(component),
                None => return,
            },
            Some(ended) = looking.join_next_with_id(), if !looking.is_empty() => {
                let (task, well) = match ended {
                    Ok(ended) => ended,
                    Err(error) => {
                        tracing::error!(%error, "a look at a followed repository broke off");
                        (error.id(), false)
                    }
                };
                if let Some(component) = tasks.remove(&task) {
                    looks.ended(component, well);
                }
            }
        }
        while let Some((component, why)) = looks.next(Instant::now()) {
            let (parts, troubles) = (parts.clone(), troubles.clone());
            let task = looking.spawn(async move { look(&parts, component, why, &troubles).await });
            tasks.insert(task.id(), component);
        }
    }
}

/// The followed repositories, and those of them of which a webhook tells.
async fn due(parts: &RemoteParts) -> Result<(BTreeSet<ComponentId>, BTreeSet<ComponentId>), String> {
    let components = parts.register.all().await.map_err(|error| error.to_string())?;
    let followed = components.iter().filter(|component| is_followed(component));
    let followed = followed.map(|component| component.id).collect();
    let access = parts.access.clone();
    let hooks = tokio::task::spawn_blocking(move || access.hooks()).await;
    let hooks = hooks
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    let heard_of = hooks.into_iter().filter(|hook| hook.works).map(|hook| hook.component);
    Ok((followed, heard_of.collect()))
}

fn is_followed(component: &Component) -> bool {
    component.place.is_none() && component.remote.is_some()
}

/// Looks at one, and keeps whether that went well.
async fn look(parts: &RemoteParts, component: ComponentId, why: Why, troubles: &Troubles) -> bool {
    let found = match parts.register.by_id(component).await {
        Ok(found) => found.filter(is_followed),
        Err(error) => {
            tracing::error!(%error, "a followed repository cannot be looked up");
            return false;
        }
    };
    let Some(component) = found else { return true };
    let started = parts.clock.now();
    let looked = fetch(parts, &component, why).await;
    let kept = || troubles.lock().unwrap_or_else(PoisonError::into_inner);
    match looked {
        Ok(news) => {
            kept().remove(&component.id);
            if news && why == Why::Regular {
                let missed = missed(parts, &component, started).await;
                if let Err(error) = missed {
                    tracing::error!(error, "whether a webhook works could not be looked at");
                }
            }
            true
        }
        Err(told) => {
            tracing::warn!(component = %component.name, trouble = told, "a remote cannot be followed");
            let mut troubles = kept();
            let since = troubles
                .get(&component.id)
                .map_or_else(|| parts.clock.now(), |before| before.since);
            troubles.insert(component.id, Trouble { told, since });
            false
        }
    }
}

/// A regular look that began at `started` found something. Where no webhook had told of it, none is counted on until
/// one comes again.
async fn missed(parts: &RemoteParts, component: &Component, started: Timestamp) -> Result<(), String> {
    let query = Select::from(REFS)
        .filter("component", Op::Eq, component.id.to_string())
        .filter("updated_at", Op::Ge, started);
    let rows = parts
        .register
        .ledger()
        .select(query)
        .await
        .map_err(|error| error.to_string())?
        .rows;
    for row in rows {
        let (Ok(name), Ok(after)) = (row.text("name"), row.parse("head")) else {
            continue;
        };
        // What a tag points at may be named in two ways.
        let Some(name) = RefName::new(name).filter(|name| name.tag().is_none()) else {
            continue;
        };
        let after = Some(after);
        let claim = hooks::kinds::claim(component.id, &Moved { name, after });
        let told = parts
            .register
            .ledger()
            .find_claim(&claim)
            .await
            .map_err(|error| error.to_string())?;
        if told.is_some() {
            continue;
        }
        let (access, id) = (parts.access.clone(), component.id);
        let noted = tokio::task::spawn_blocking(move || access.hook_missed(id, started)).await;
        let worked = noted
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        if worked {
            tracing::warn!(component = %component.name, "something moved of which no webhook told; its repository is looked at as if there were none");
        }
        return Ok(());
    }
    Ok(())
}

/// Makes the repository what its remote is, and takes in what is new. Whether anything was.
async fn fetch(parts: &RemoteParts, component: &Component, why: Why) -> Result<bool, String> {
    let Some(url) = &component.remote else { return Ok(false) };
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
    let intake = match why {
        Why::Asked => &parts.intake,
        Why::Regular => &parts.own_intake,
    };
    let taken = intake.take_in(component, Actor::System).await;
    taken.map_err(|error| format!("what was fetched cannot be recorded: {error}"))
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
