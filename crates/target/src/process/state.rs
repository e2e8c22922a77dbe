//! What a keeper must find again: `state.json` in the folder of the placement.
//!
//! It is written by rename and synced. An instance is in it before its process is started, so a
//! process that nobody knows of cannot be.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use disk::{Disk, LocalDisk, replace};
use facts::{Digest, InstanceId};
use process::Identity;
use proxy::Stamp;
use serde::{Deserialize, Serialize};

use crate::desired::{Desired, Group, HealthCheck};

const FILE: &str = "state.json";

/// What runs the same: a package with a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Make {
    /// The package.
    pub package: Digest,
    /// The configuration.
    pub configuration: Digest,
}

impl Make {
    /// What the instances of `group` run.
    pub fn of(group: &Group) -> Self {
        Self {
            package: group.package,
            configuration: group.configuration,
        }
    }
}

/// What an instance is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It is asked.
    Serving,
    /// It was started for the intention that is being applied, and is asked when all of that is well.
    Starting,
    /// It was started in place of one that ended, and is asked as soon as it is well.
    Replacing,
    /// It is not asked any more, and ends.
    Leaving,
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Which one.
    pub id: InstanceId,
    /// The name of its group.
    pub group: String,
    /// What it runs.
    pub make: Make,
    /// What it is there for.
    pub role: Role,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// Its process; none before it was started.
    pub process: Option<Identity>,
    /// How to see that it is well.
    pub health: HealthCheck,
    /// How long it may take to end.
    pub stop_grace_ms: u64,
}

/// What is known of a placement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Where requests come in; taken once and kept.
    pub address: Option<SocketAddr>,
    /// The newest intention accepted.
    pub accepted: Option<Stamp>,
    /// The intention that holds.
    pub applied: Option<Desired>,
    /// The intention that is being applied.
    pub pending: Option<Desired>,
    /// Makes that need secrets to be started.
    pub with_secrets: Vec<Make>,
    /// All instances.
    pub instances: Vec<Kept>,
    /// How often instances of a group were started again.
    pub restarts: BTreeMap<String, u64>,
}

impl State {
    /// Reads the state of the placement in `folder`; an empty one where there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn load(folder: &Path) -> io::Result<Self> {
        match fs::read(folder.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        }
    }

    /// Writes the state; when this returns, a power cut does not undo it.
    ///
    /// # Errors
    /// When the disk does not take it; the old state is still there then.
    pub fn save(&self, folder: &Path) -> io::Result<()> {
        self.save_on(&LocalDisk, folder)
    }

    fn save_on(&self, disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        replace(disk, &folder.join(FILE), 0o600, &serde_json::to_vec_pretty(self)?)
    }

    /// The instance of this id.
    pub fn instance(&self, id: InstanceId) -> Option<&Kept> {
        self.instances.iter().find(|kept| kept.id == id)
    }

    /// The instance of this id, to be changed.
    pub fn instance_mut(&mut self, id: InstanceId) -> Option<&mut Kept> {
        self.instances.iter_mut().find(|kept| kept.id == id)
    }

    /// Whether something runs or should run.
    pub fn is_in_use(&self) -> bool {
        self.applied.as_ref().is_some_and(|desired| !desired.groups.is_empty())
            || self.pending.is_some()
            || !self.instances.is_empty()
    }
}

/// Gives the instances that there are to the groups that are wanted: those that serve before those
/// that start, those that were in the group before those of others. Who gets no group is not wanted.
pub fn assign(groups: &[Group], instances: &[Kept]) -> BTreeMap<InstanceId, String> {
    let mut free: Vec<&Kept> = instances.iter().filter(|kept| kept.role != Role::Leaving).collect();
    free.sort_by_key(|kept| kept.role);
    let mut assigned = BTreeMap::new();
    let mut missing: Vec<u32> = groups.iter().map(|group| group.instances).collect();
    for same_group in [true, false] {
        for (group, missing) in groups.iter().zip(&mut missing) {
            free.retain(|kept| {
                let fits = kept.make == Make::of(group) && (!same_group || kept.group == group.name);
                let taken = fits && *missing > 0;
                if taken {
                    *missing -= 1;
                    assigned.insert(kept.id, group.name.clone());
                }
                !taken
            });
        }
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::SimulatedDisk;

    #[test]
    fn a_power_cut_at_any_operation_leaves_the_state_before_or_the_one_after() {
        let folder = Path::new("/placement");
        let after = State {
            accepted: Some(Stamp {
                generation: 2,
                phase: 1,
            }),
            ..State::default()
        };
        let before = serde_json::to_vec(&State::default()).unwrap();
        SimulatedDisk::cut_everywhere(
            || SimulatedDisk::new().with(&folder.join(FILE), &before),
            |disk| after.save_on(disk, folder),
            |survivors, done| {
                let read: State = serde_json::from_slice(&survivors[&folder.join(FILE)]).unwrap();
                assert!(read.accepted == after.accepted || (!done && read.accepted.is_none()));
            },
        );
    }
    use crate::desired::Launch;

    fn group(name: &str, package: &str, instances: u32) -> Group {
        Group {
            name: name.to_owned(),
            package: Digest::of(package),
            configuration: Digest::of("c"),
            instances,
            weight: 1,
            launch: Launch {
                folder: "/".into(),
                command: vec!["x".to_owned()],
                variables: BTreeMap::new(),
                secrets: Vec::new(),
                port_variable: "PORT".to_owned(),
                health: HealthCheck::default(),
                stop_grace_ms: 1,
            },
        }
    }

    fn kept(id: &str, of: &Group, role: Role) -> Kept {
        Kept {
            id: InstanceId::of_key(id),
            group: of.name.clone(),
            make: Make::of(of),
            role,
            port: 1,
            process: None,
            health: HealthCheck::default(),
            stop_grace_ms: 1,
        }
    }

    #[test]
    fn instances_stay_in_their_group_and_a_proven_canary_becomes_stable() {
        let (stable, canary) = (group("stable", "a", 2), group("canary", "b", 1));
        let running = [
            kept("1", &stable, Role::Serving),
            kept("2", &stable, Role::Serving),
            kept("3", &canary, Role::Serving),
        ];
        let next = [group("stable", "b", 2)];
        let assigned = assign(&next, &running);
        assert_eq!(
            assigned,
            BTreeMap::from([(InstanceId::of_key("3"), "stable".to_owned())])
        );
        let fewer = [group("stable", "a", 1), group("baseline", "a", 1)];
        let assigned = assign(&fewer, &running);
        assert_eq!(assigned.len(), 2);
        assert_eq!(assigned[&InstanceId::of_key("1")], "stable");
        assert_eq!(assigned[&InstanceId::of_key("2")], "baseline");
    }

    #[test]
    fn who_leaves_is_not_called_back_and_who_serves_comes_first() {
        let stable = group("stable", "a", 1);
        let running = [
            kept("1", &stable, Role::Leaving),
            kept("2", &stable, Role::Starting),
            kept("3", &stable, Role::Serving),
        ];
        let assigned = assign(std::slice::from_ref(&stable), &running);
        assert_eq!(assigned.into_keys().collect::<Vec<_>>(), [InstanceId::of_key("3")]);
    }

    #[test]
    fn the_state_reads_back_what_it_writes() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(State::load(folder.path()).unwrap(), State::default());
        let stable = group("stable", "a", 1);
        let state = State {
            address: Some(([127, 0, 0, 1], 80).into()),
            accepted: Some(Stamp {
                generation: 1,
                phase: 2,
            }),
            instances: vec![kept("1", &stable, Role::Serving)],
            ..State::default()
        };
        state.save(folder.path()).unwrap();
        assert_eq!(State::load(folder.path()).unwrap(), state);
    }
}
