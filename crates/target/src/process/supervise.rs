//! What happens without being asked: an instance that ends is started again, one that gives no answer
//! at all is ended, and the proxy is told who is well.

use std::time::{Duration, Instant};

use facts::InstanceId;
use process::Signal;
use proxy::{Backend, Table, TableGroup};

use super::control::Tell;
use super::health::Held;
use super::instance::{self, Start};
use super::keeper::{Event, Keeper, Live, Outcome};
use super::state::{Kept, Make, Role};
use crate::desired::Group;
use crate::error::Refused;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// An instance that was well for this long ended for another reason than the one before.
const PROVEN: Duration = Duration::from_secs(60);

/// How long to wait until an instance of a group is started again.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    last: Option<Instant>,
}

impl Backoff {
    fn next(&mut self) -> Duration {
        if self.last.is_some_and(|last| last.elapsed() > PROVEN) {
            self.failures = 0;
        }
        self.last = Some(Instant::now());
        let pause = FIRST_PAUSE
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST_PAUSE);
        self.failures += 1;
        pause
    }
}

impl Keeper {
    /// Starts an instance of `group`, written down before and after.
    ///
    /// # Errors
    /// When it cannot be started; nothing of it is left then.
    pub(super) fn start_instance(&mut self, group: &Group, role: Role) -> Result<InstanceId, Refused> {
        let could_not = |reason: String| Refused::CouldNotStart {
            group: group.name.clone(),
            reason,
        };
        let make = Make::of(group);
        let secrets = match self.vault.of(&make) {
            Some(secrets) => secrets.to_vec(),
            None if self.state.with_secrets.contains(&make) => {
                return Err(could_not(
                    "its secrets are not known here any more; apply again".to_owned(),
                ));
            }
            None => Vec::new(),
        };
        let id = InstanceId::new(self.clock.now(), &*self.entropy);
        let taken = |port| self.state.instances.iter().any(|kept| kept.port == port);
        let port = instance::free_port(&*self.entropy, taken).map_err(|error| could_not(error.to_string()))?;
        self.state.instances.push(Kept {
            id,
            group: group.name.clone(),
            make,
            role,
            port,
            process: None,
            health: group.launch.health.clone(),
            stop_grace_ms: group.launch.stop_grace_ms,
        });
        let started = self.save().and_then(|()| {
            crashpoint::reach("keeper.instance.before-spawn");
            let files = if secrets.is_empty() {
                None
            } else {
                Some(
                    self.vault
                        .lay_out(id, &secrets)
                        .map_err(|error| could_not(error.to_string()))?,
                )
            };
            let placement = self
                .state
                .applied
                .as_ref()
                .or(self.state.pending.as_ref())
                .map(|d| d.placement.clone());
            let placement = placement.ok_or_else(|| could_not("nothing is wanted".to_owned()))?;
            let start = Start {
                folder: &self.folder,
                placement: &placement,
                id,
                make,
                group: &group.name,
                port,
                secrets: (&secrets, files),
            };
            instance::start(&group.launch, &start).map_err(|error| could_not(error.to_string()))
        });
        let child = match started {
            Ok(child) => child,
            Err(refused) => {
                self.state.instances.retain(|kept| kept.id != id);
                self.vault.clear(id);
                self.save_or_say();
                return Err(refused);
            }
        };
        crashpoint::reach("keeper.instance.after-spawn");
        if let Some(kept) = self.state.instance_mut(id) {
            kept.process = Some(child.identity());
        }
        // If this is not written, the mark in its environment finds it.
        self.save_or_say();
        crashpoint::reach("keeper.instance.recorded");
        self.watch(id, Held::Own(Some(child)), false);
        Ok(id)
    }

    /// Tells the proxy where requests go.
    ///
    /// # Errors
    /// When the proxy is closed.
    pub(super) async fn show(&self) -> Result<(), Refused> {
        let Some(applied) = &self.state.applied else {
            return Ok(());
        };
        let serves = |kept: &&Kept, group: &Group| kept.role == Role::Serving && kept.group == group.name;
        let groups = applied.groups.iter().map(|group| TableGroup {
            name: group.name.clone(),
            package: group.package,
            configuration: group.configuration,
            weight: group.weight,
            backends: self
                .state
                .instances
                .iter()
                .filter(|kept| serves(kept, group))
                .map(|kept| Backend {
                    instance: kept.id,
                    address: ([127, 0, 0, 1], kept.port).into(),
                    healthy: self.live.get(&kept.id).is_none_or(|live| live.well),
                })
                .collect(),
        });
        let table = Table {
            stamp: applied.stamp,
            groups: groups.collect(),
        };
        self.proxy.set(&table).await.map_err(|error| Refused::State {
            reason: error.to_string(),
        })
    }

    /// The same where nothing can be done about it.
    pub(super) async fn show_or_say(&self) {
        if let Err(error) = self.show().await {
            eprintln!("{error}");
        }
    }

    /// Starts what is missing of the intention that holds.
    pub(super) fn fill(&mut self) {
        let Some(applied) = &self.state.applied else { return };
        let missing: Vec<String> = applied
            .groups
            .iter()
            .filter(|group| self.present(&group.name) < group.instances as usize)
            .map(|group| group.name.clone())
            .collect();
        for group in missing {
            // Whoever is gone takes it.
            let _ = self.events.send(Event::RestartDue(group));
        }
    }

    fn present(&self, group: &str) -> usize {
        let counts = |kept: &&Kept| kept.group == group && matches!(kept.role, Role::Serving | Role::Replacing);
        self.state.instances.iter().filter(counts).count()
    }

    fn restart_later(&mut self, group: &str) {
        let pause = self.backoffs.entry(group.to_owned()).or_default().next();
        self.send_later(pause, Event::RestartDue(group.to_owned()));
    }

    pub(super) fn send_later(&self, pause: Duration, event: Event) {
        let events = self.events.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            // A keeper that has ended misses nothing.
            let _ = events.send(event);
        });
    }

    /// An instance of the group is missing, and its pause is over.
    pub(super) async fn restart_due(&mut self, group: &str) {
        if self.stopping.is_some() {
            return;
        }
        let applied = self.state.applied.as_ref();
        let Some(group) = applied
            .and_then(|applied| applied.groups.iter().find(|g| g.name == group))
            .cloned()
        else {
            return;
        };
        if self.present(&group.name) >= group.instances as usize {
            return;
        }
        *self.state.restarts.entry(group.name.clone()).or_default() += 1;
        match self.start_instance(&group, Role::Replacing) {
            // One at a time: the next when its own pause is over.
            Ok(_) if self.present(&group.name) < group.instances as usize => self.restart_later(&group.name),
            Ok(_) => {}
            Err(error) => {
                eprintln!("{error}");
                self.restart_later(&group.name);
            }
        }
    }

    /// A new instance is well, or an ill one again.
    pub(super) async fn well(&mut self, id: InstanceId) {
        if let Some(live) = self.live.get_mut(&id) {
            live.well = true;
        }
        match self.state.instance(id).map(|kept| kept.role) {
            Some(Role::Serving) => self.proxy.set_health(id, true),
            Some(Role::Replacing) => {
                if let Some(kept) = self.state.instance_mut(id) {
                    kept.role = Role::Serving;
                }
                self.save_or_say();
                self.show_or_say().await;
            }
            Some(Role::Starting) => self.try_to_switch().await,
            Some(Role::Leaving) | None => {}
        }
    }

    /// An instance does not answer as it should.
    pub(super) fn ill(&mut self, id: InstanceId, reason: &str) {
        if let (Some(live), Some(kept)) = (self.live.get_mut(&id), self.state.instance(id)) {
            eprintln!("the instance {id} of group `{}` is ill: {reason}", kept.group);
            live.well = false;
            self.proxy.set_health(id, false);
        }
    }

    /// A new instance did not get well in time.
    pub(super) async fn overdue(&mut self, id: InstanceId, reason: String) {
        let Some(kept) = self.state.instance(id).cloned() else {
            return;
        };
        match kept.role {
            Role::Starting => self.fail_unhealthy(&kept, reason).await,
            Role::Replacing => {
                eprintln!(
                    "the instance {id} of group `{}` did not get healthy: {reason}",
                    kept.group
                );
                self.leave(id);
                self.restart_later(&kept.group);
            }
            Role::Serving | Role::Leaving => {}
        }
    }

    /// An instance gives no answer at all, for long: its process is of no use.
    pub(super) async fn silent(&mut self, id: InstanceId) {
        let Some(kept) = self.state.instance(id).cloned() else {
            return;
        };
        if kept.role == Role::Serving {
            eprintln!(
                "the instance {id} of group `{}` gives no answer and is started anew",
                kept.group
            );
            self.leave(id);
            self.save_or_say();
            self.show_or_say().await;
            self.restart_later(&kept.group);
        }
    }

    /// The process of an instance ended by itself.
    pub(super) async fn ended(&mut self, id: InstanceId, how: String) {
        let Some(kept) = self.state.instance(id).cloned() else {
            return;
        };
        if kept.role == Role::Leaving {
            return;
        }
        eprintln!("the instance {id} of group `{}`: {how}", kept.group);
        // What it started goes with it.
        self.leave(id);
        match kept.role {
            Role::Starting => self.start_again(&kept, how).await,
            Role::Serving | Role::Replacing => {
                self.save_or_say();
                if kept.role == Role::Serving {
                    self.show_or_say().await;
                }
                self.restart_later(&kept.group);
                self.try_to_switch().await;
            }
            Role::Leaving => {}
        }
    }

    /// Ends an instance once nobody asks it any more. The proxy must know of it no longer.
    pub(super) fn leave(&mut self, id: InstanceId) {
        let Some(kept) = self.state.instance_mut(id) else {
            return;
        };
        kept.role = Role::Leaving;
        let grace = Duration::from_millis(kept.stop_grace_ms);
        let identity = kept.process;
        let proxy = self.proxy.clone();
        let mut alone = self.alone.clone();
        let events = self.events.clone();
        let stopper = tokio::spawn(async move {
            if let Some(identity) = identity {
                if identity.is_alive() {
                    let drained = async {
                        // An old keeper may still ask it.
                        let _ = alone.wait_for(|alone| *alone).await;
                        proxy.drained(&[id]).await;
                    };
                    let _ = tokio::time::timeout(grace.max(Duration::from_secs(1)), drained).await;
                }
                crashpoint::reach("keeper.instance.before-stop");
                if !process::tree::stop(identity, Signal::TERM, grace).await {
                    eprintln!("the instance {id} does not end even when killed");
                }
            }
            // A keeper that has ended will find it gone.
            let _ = events.send(Event::Gone(id));
        });
        // Whoever watched it is let go.
        self.live.insert(id, Live::leaving(stopper.abort_handle()));
    }

    /// Nothing is left of an instance.
    pub(super) fn gone(&mut self, id: InstanceId) {
        self.state.instances.retain(|kept| kept.id != id);
        self.live.remove(&id);
        self.vault.clear(id);
        self.save_or_say();
        crashpoint::reach("keeper.instance.gone");
        let known = |id| self.state.instance(id).is_some();
        instance::forget_ended(&self.folder, known);
    }

    /// Tells those who wait for what leaves to be gone; true when the keeper itself is done.
    pub(super) async fn settle(&mut self) -> bool {
        if self.state.instances.iter().any(|kept| kept.role == Role::Leaving) {
            return false;
        }
        let observed = self.observed();
        for (asker, outcome) in self.settling.drain(..) {
            let answer = match outcome {
                Outcome::Applied => Tell::Observed(observed.clone()),
                Outcome::Refused(refused) => Tell::Refused(refused),
            };
            // What was asked for is done, whether anybody still wants to know or not.
            let _ = asker.send(answer);
        }
        let Some(askers) = &self.stopping else { return false };
        self.proxy.close().await;
        if self.state.applied.is_none() {
            self.vault.clear_all();
        }
        for asker in askers {
            let _ = asker.send(Tell::Stopped);
        }
        // The answers are written by tasks of their own.
        for asker in askers {
            asker.closed().await;
        }
        true
    }
}
