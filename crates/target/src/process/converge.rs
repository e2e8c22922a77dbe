//! How a desired state becomes true: accept, start, wait until all is well, switch, let the rest go.
//!
//! Until the switch nothing changes for requests; what fails before it is taken back. The switch is
//! one write of the state and one table of the proxy. What happens after it is only that instances end.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use facts::InstanceId;
use proxy::Stamp;

use super::control::Tell;
use super::instance;
use super::keeper::{Asker, Event, Keeper, Outcome};
use super::state::{Kept, Make, Role, assign};
use super::vault::Entry;
use crate::desired::{Desired, Group};
use crate::error::Refused;

/// How often a new instance may end by itself before its group counts as broken.
const TRIES: u32 = 3;
/// How long open connections may last when everything ends.
const LEAVING: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(300);

/// An intention that is being applied.
pub struct Applying {
    desired: Desired,
    askers: Vec<Asker>,
    /// New instances that ended by themselves, of whichever group.
    ended: u32,
    /// New instances that will be tried again after a pause.
    due: u32,
}

/// Why everything is to end.
pub enum Stopping {
    /// Somebody wants nothing to run any more.
    Asked(Asker),
    /// A signal asks this process to end.
    Terminated,
}

impl Applying {
    /// Tells those who wait to ask the next keeper.
    pub(super) fn hand_over(self) {
        for asker in self.askers {
            let _ = asker.send(Tell::Refused(Refused::HandedOver));
        }
    }

    fn say(&self, text: impl Into<String>) {
        let text = text.into();
        for asker in &self.askers {
            // Nobody needs to listen.
            let _ = asker.send(Tell::Progress { text: text.clone() });
        }
    }
}

impl Keeper {
    /// Begins to make `desired` true; `asker` is told when it is.
    pub(super) async fn apply(&mut self, desired: Desired, asker: Option<Asker>) {
        if let Err(refused) = self.accept(&desired) {
            if let Some(asker) = asker {
                let _ = asker.send(Tell::Refused(refused));
            }
            return;
        }
        if let Some(applying) = &mut self.applying
            && applying.desired.stamp == desired.stamp
        {
            // The same again, from a caller that lost its line or its life.
            applying.say("going on with what was begun");
            applying.askers.extend(asker);
            return;
        }
        self.give_up(&format!("the intention {}", desired.stamp));
        self.applying = Some(Applying {
            desired,
            askers: asker.into_iter().collect(),
            ended: 0,
            due: 0,
        });
        match self.begin().await {
            Ok(()) => self.try_to_switch().await,
            Err(refused) => self.fail(refused).await,
        }
    }

    /// Goes on with an intention that an earlier keeper did not bring to its end, and starts what is
    /// missing of the one that holds.
    pub(super) async fn resume(&mut self) {
        match self.state.pending.take() {
            Some(pending) => self.apply(pending, None).await,
            None => {
                let left: Vec<InstanceId> = self
                    .state
                    .instances
                    .iter()
                    .filter(|kept| kept.role == Role::Starting)
                    .map(|kept| kept.id)
                    .collect();
                for id in left {
                    self.leave(id);
                }
            }
        }
        self.fill();
    }

    /// Whether `desired` may be applied now.
    fn accept(&self, desired: &Desired) -> Result<(), Refused> {
        if self.stopping.is_some() {
            return Err(Refused::Superseded {
                by: "the wish to stop".to_owned(),
            });
        }
        let Some(accepted) = self.state.accepted else {
            return Ok(());
        };
        if desired.stamp < accepted {
            return Err(Refused::Stale {
                asked: desired.stamp,
                accepted,
            });
        }
        let before = [&self.state.pending, &self.state.applied];
        let used = before
            .into_iter()
            .flatten()
            .find(|earlier| earlier.stamp == desired.stamp);
        match used {
            Some(used) if !used.wants_the_same(desired) => Err(Refused::Reused { stamp: desired.stamp }),
            _ => Ok(()),
        }
    }

    /// Ends an application that is under way for something newer.
    pub(super) fn give_up(&mut self, by: &str) {
        if let Some(given_up) = self.applying.take() {
            for asker in given_up.askers {
                let _ = asker.send(Tell::Refused(Refused::Superseded { by: by.to_owned() }));
            }
        }
    }

    async fn begin(&mut self) -> Result<(), Refused> {
        let Some(applying) = &self.applying else { return Ok(()) };
        let desired = applying.desired.clone();
        self.listen_for(&desired)?;
        let entries = desired.groups.iter().filter(|group| !group.launch.secrets.is_empty());
        let entries: Vec<Entry> = entries
            .map(|group| Entry {
                make: Make::of(group),
                secrets: group.launch.secrets.clone(),
            })
            .collect();
        for entry in &entries {
            if !self.state.with_secrets.contains(&entry.make) {
                self.state.with_secrets.push(entry.make);
            }
        }
        self.vault.learn(entries);
        crashpoint::reach("keeper.apply.before-accept");
        self.state.accepted = Some(desired.stamp);
        self.state.pending = Some(desired.clone());
        self.save()?;
        self.keep_secrets();
        crashpoint::reach("keeper.apply.accepted");
        let assigned = assign(&desired.groups, &self.state.instances);
        // Where nobody serves, those that are coming back are what this intention waits for.
        let served = |make: Make| {
            self.state
                .instances
                .iter()
                .any(|k| k.make == make && k.role == Role::Serving)
        };
        let coming_back: Vec<InstanceId> = self
            .state
            .instances
            .iter()
            .filter(|kept| kept.role == Role::Replacing && assigned.contains_key(&kept.id) && !served(kept.make))
            .map(|kept| kept.id)
            .collect();
        for id in coming_back {
            if let Some(kept) = self.state.instance_mut(id) {
                kept.role = Role::Starting;
            }
        }
        for group in &desired.groups {
            let there = assigned.values().filter(|name| **name == group.name).count() as u32;
            let missing = group.instances.saturating_sub(there);
            let lost = self.lost(group);
            if lost > 0 && missing > 0 {
                self.say(format!(
                    "{} of group `{}` ended and will be started again",
                    count(lost),
                    group.name
                ));
            }
            for _ in 0..missing.saturating_sub(lost) {
                self.say(format!(
                    "starting an instance of group `{}` ({})",
                    group.name,
                    group.package.short()
                ));
                self.start_instance(group, Role::Starting)?;
            }
        }
        Ok(())
    }

    /// How many instances of what `group` runs are missing only because they ended by themselves and
    /// are about to come back, while others still serve: an intention does not wait for these, or a
    /// bad canary could not be taken back while an instance of the stable group is down.
    fn lost(&self, group: &Group) -> u32 {
        let make = Make::of(group);
        let serving = |kept: &&Kept| {
            kept.make == make && kept.role == Role::Serving && self.live.get(&kept.id).is_some_and(|live| live.well)
        };
        let there = self
            .state
            .instances
            .iter()
            .filter(|k| k.make == make && k.role != Role::Leaving)
            .count() as u32;
        let applied = self.state.applied.iter().flat_map(|applied| &applied.groups);
        let wanted: u32 = applied
            .filter(|other| Make::of(other) == make)
            .map(|other| other.instances)
            .sum();
        if self.state.instances.iter().any(|kept| serving(&kept)) {
            wanted.saturating_sub(there)
        } else {
            0
        }
    }

    /// Sees to it that requests can come in at the address.
    fn listen_for(&mut self, desired: &Desired) -> Result<(), Refused> {
        let refused = |address: SocketAddr, error: &std::io::Error| Refused::Address {
            address: address.to_string(),
            reason: error.to_string(),
        };
        let address = match desired.address.or(self.state.address) {
            Some(address) => address,
            None => {
                let localhost = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let port =
                    instance::free_port(&*self.entropy, |_| false).map_err(|error| refused(localhost, &error))?;
                SocketAddr::from((Ipv4Addr::LOCALHOST, port))
            }
        };
        if !self.proxy.addresses().contains(&address) {
            let listener = proxy::listen(address).map_err(|error| refused(address, &error))?;
            self.proxy
                .accept_on(listener)
                .map_err(|error| refused(address, &error))?;
        }
        if self.state.address.is_none() {
            self.state.address = Some(address);
        }
        Ok(())
    }

    /// Switches, if everything new is well.
    pub(super) async fn try_to_switch(&mut self) {
        let Some(applying) = &self.applying else { return };
        let well = |kept: &&Kept| self.live.get(&kept.id).is_some_and(|live| live.well);
        let assigned = assign(&applying.desired.groups, &self.state.instances);
        let starting = || {
            let instances = self.state.instances.iter();
            instances.filter(|kept| kept.role == Role::Starting && assigned.contains_key(&kept.id))
        };
        if applying.due > 0 || !starting().all(|kept| well(&kept)) {
            return;
        }
        if let Err(refused) = self.switch().await {
            self.fail(refused).await;
        }
    }

    async fn switch(&mut self) -> Result<(), Refused> {
        let Some(applying) = &self.applying else { return Ok(()) };
        let desired = applying.desired.clone();
        let before = self.state.clone();
        let assigned = assign(&desired.groups, &self.state.instances);
        let mut leaving = Vec::new();
        for kept in &mut self.state.instances {
            if kept.role == Role::Leaving {
                continue;
            }
            match assigned.get(&kept.id) {
                Some(group) => {
                    kept.group.clone_from(group);
                    if kept.role == Role::Starting {
                        kept.role = Role::Serving;
                    }
                    if let Some(group) = desired.groups.iter().find(|g| g.name == *group) {
                        kept.stop_grace_ms = group.launch.stop_grace_ms;
                    }
                }
                None => {
                    kept.role = Role::Leaving;
                    leaving.push(kept.id);
                }
            }
        }
        if let Some(address) = desired.address {
            self.state.address = Some(address);
        }
        self.state
            .restarts
            .retain(|name, _| desired.groups.iter().any(|group| group.name == *name));
        self.state.applied = Some(desired.clone());
        self.state.pending = None;
        crashpoint::reach("keeper.switch.before-save");
        if let Err(refused) = self.save() {
            self.state = before;
            return Err(refused);
        }
        crashpoint::reach("keeper.switch.saved");
        self.show().await?;
        crashpoint::reach("keeper.switch.shown");
        if let Some(address) = self.state.address {
            self.proxy.listen_only_on(address);
        }
        let weights: Vec<String> = desired
            .groups
            .iter()
            .map(|group| format!("{} {}", group.name, group.weight))
            .collect();
        self.say(format!("requests go by weight: {}", weights.join(", ")));
        if !leaving.is_empty() {
            self.say(format!("draining and ending {}", count(leaving.len() as u32)));
        }
        for id in leaving {
            self.leave(id);
        }
        self.keep_secrets();
        if let Some(done) = self.applying.take() {
            self.settling
                .extend(done.askers.into_iter().map(|asker| (asker, Outcome::Applied)));
        }
        self.fill();
        Ok(())
    }

    fn keep_secrets(&mut self) {
        let desired = [&self.state.applied, &self.state.pending].into_iter().flatten();
        let wanted: Vec<Make> = desired.flat_map(|desired| &desired.groups).map(Make::of).collect();
        self.state.with_secrets.retain(|make| wanted.contains(make));
        self.vault.keep(|make| wanted.contains(make));
    }

    /// Takes back what was begun; requests go where they went.
    async fn fail(&mut self, refused: Refused) {
        let Some(failed) = self.applying.take() else { return };
        failed.say("taking back what was begun; requests go where they went before");
        self.state.pending = None;
        let begun: Vec<InstanceId> = self
            .state
            .instances
            .iter()
            .filter(|kept| kept.role == Role::Starting)
            .map(|kept| kept.id)
            .collect();
        for id in begun {
            self.leave(id);
        }
        self.save_or_say();
        self.keep_secrets();
        if let Some(address) = self.state.address {
            self.proxy.listen_only_on(address);
        }
        // Some of these may have been on their way back into a group that still holds.
        self.fill();
        self.settling.extend(
            failed
                .askers
                .into_iter()
                .map(|asker| (asker, Outcome::Refused(refused.clone()))),
        );
    }

    /// A new instance did not get well.
    pub(super) async fn fail_unhealthy(&mut self, kept: &Kept, reason: String) {
        let secrets = self.vault.of(&kept.make).unwrap_or_default();
        let log_tail = instance::log_tail(&self.folder, kept.id, secrets);
        let refused = Refused::Unhealthy {
            group: kept.group.clone(),
            package: kept.make.package,
            reason,
            log_tail,
        };
        if self.applying.is_some() {
            self.fail(refused).await;
        } else {
            self.leave(kept.id);
        }
    }

    /// A new instance ended by itself: it is tried again, though not for ever.
    pub(super) async fn start_again(&mut self, kept: &Kept, how: String) {
        let Some(applying) = &mut self.applying else { return };
        applying.ended += 1;
        if applying.ended >= TRIES {
            let reason = format!("{how}, after {TRIES} starts");
            self.fail_unhealthy(kept, reason).await;
            return;
        }
        applying.due += 1;
        applying.say(format!("an instance of group `{}`: {how}; trying again", kept.group));
        let due = Event::StartDue(applying.desired.stamp, kept.group.clone());
        self.send_later(PAUSE, due);
    }

    /// The pause of a new instance that ended is over.
    pub(super) async fn start_due(&mut self, stamp: Stamp, group: &str) {
        let Some(applying) = &mut self.applying else { return };
        if applying.due == 0 || applying.desired.stamp != stamp {
            return;
        }
        applying.due -= 1;
        let group = applying
            .desired
            .groups
            .iter()
            .find(|wanted| wanted.name == group)
            .cloned();
        let started = group
            .map(|group| self.start_instance(&group, Role::Starting))
            .transpose();
        match started {
            Ok(_) => self.try_to_switch().await,
            Err(refused) => self.fail(refused).await,
        }
    }

    /// Ends everything, for good. A keeper that is only terminated, as at the end of the machine's
    /// day, leaves the intention standing: the next keeper starts what it wants.
    pub(super) async fn stop(&mut self, why: Stopping) {
        let (forget, asker) = match why {
            Stopping::Asked(asker) => (true, Some(asker)),
            Stopping::Terminated => (false, None),
        };
        if forget {
            self.state.applied = None;
            self.state.pending = None;
        }
        if let Some(askers) = &mut self.stopping {
            askers.extend(asker);
            self.save_or_say();
            return;
        }
        self.give_up("the wish to stop");
        self.stopping = Some(asker.into_iter().collect());
        self.proxy.stop_listening();
        // Connections are told to close with their next answer, so that the instances get drained.
        let proxy = self.proxy.clone();
        tokio::spawn(async move { proxy.leave(LEAVING).await });
        let all: Vec<InstanceId> = self.state.instances.iter().map(|kept| kept.id).collect();
        for id in all {
            if self.state.instance(id).is_some_and(|kept| kept.role != Role::Leaving) {
                self.leave(id);
            }
        }
        self.save_or_say();
        crashpoint::reach("keeper.stop.saved");
    }

    fn say(&self, text: String) {
        if let Some(applying) = &self.applying {
            applying.say(text);
        }
    }
}

fn count(instances: u32) -> String {
    if instances == 1 {
        "1 instance".to_owned()
    } else {
        format!("{instances} instances")
    }
}
