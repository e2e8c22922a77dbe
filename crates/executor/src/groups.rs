//! Control groups of version 2, for attempts that are processes: where the machine lets us make some, the limits
//! of an attempt hold for all of its processes together.
//!
//! The group that this process is in must be ours to arrange: delegated by systemd, or on a machine without it
//! writable. Nobody may be in a group whose controllers are handed on to groups below it, so whoever is there
//! moves on to [`MAIN`] first. Attempts have groups of their own in [`STEPS`]:
//!
//! ```text
//! the server's group ── throughline.main      the server, its shims, proxies and instances
//!                    └─ throughline.steps ── RUN-STEP-NUMBER      the processes of one attempt
//! ```

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use facts::RunId;
use process::Identity;

use crate::limits::Limits;
use crate::wire::Attempt;

const MAIN: &str = "throughline.main";
const STEPS: &str = "throughline.steps";

/// The controllers that limits need.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

/// How often processes are moved on before it is given up: each time others may have been started.
const TRIES: u32 = 20;

/// In what part of a second processor time is counted out, in microseconds.
const PERIOD: u64 = 100_000;

/// Where the groups of attempts are made.
#[derive(Debug)]
pub(crate) struct Groups {
    steps: PathBuf,
    /// The group that this process is in.
    home: PathBuf,
    controllers: BTreeSet<String>,
}

/// The group of an attempt.
#[derive(Debug)]
pub(crate) struct Group {
    folder: PathBuf,
    /// The group that keepers are in otherwise.
    home: PathBuf,
}

impl Groups {
    /// Arranges the group of this process.
    ///
    /// # Errors
    /// Why that cannot be, in words.
    pub(crate) fn arrange() -> Result<Self, String> {
        let own = || {
            let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
            own_group(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"))
                .ok_or("no control groups of version 2 are mounted here")
        };
        let mut groups = Self::below(&base(&own()?))?;
        // It may have been moved on.
        groups.home = own()?;
        Ok(groups)
    }

    fn below(base: &Path) -> Result<Self, String> {
        let there = std::fs::read_to_string(base.join("cgroup.controllers")).unwrap_or_default();
        let controllers: BTreeSet<String> = there
            .split_whitespace()
            .filter(|name| CONTROLLERS.contains(name))
            .map(str::to_owned)
            .collect();
        if controllers.is_empty() {
            return Err("the control groups of version 2 here have no controllers".to_owned());
        }
        is_ours(base)?;
        let cannot = |error: io::Error| format!("the control group {} cannot be arranged: {error}", base.display());
        let steps = base.join(STEPS);
        make(&steps).map_err(cannot)?;
        hand_on(base, &controllers).map_err(cannot)?;
        hand_on(&steps, &controllers).map_err(cannot)?;
        Ok(Self {
            steps,
            home: base.to_owned(),
            controllers,
        })
    }

    /// Makes the group of an attempt, with its limits.
    ///
    /// # Errors
    /// Why that cannot be, in words.
    pub(crate) fn make(&self, run: RunId, attempt: &Attempt, limits: &Limits) -> Result<Group, String> {
        let settings = settings(limits);
        if let Some((controller, ..)) = settings.iter().find(|(name, ..)| !self.controllers.contains(*name)) {
            return Err(format!(
                "the control groups of version 2 here have no controller `{controller}`"
            ));
        }
        let group = Group {
            folder: self.steps.join(format!("{run}-{}", attempt.name())),
            home: self.home.clone(),
        };
        let cannot = |error: io::Error| format!("the control group of the step cannot be made: {error}");
        make(&group.folder).map_err(cannot)?;
        for (_, file, value) in &settings {
            let written = std::fs::write(group.folder.join(file), value);
            match written {
                // Without swap there is nothing to be limited.
                Err(error) if *file == "memory.swap.max" && error.kind() == io::ErrorKind::NotFound => {}
                written => written.map_err(cannot)?,
            }
        }
        Ok(group)
    }

    /// Removes the groups that an earlier shim of this run left; nobody is in them any more.
    pub(crate) fn sweep(&self, run: RunId) {
        let entries = std::fs::read_dir(&self.steps).into_iter().flatten().flatten();
        for entry in entries {
            if entry.file_name().to_string_lossy().starts_with(&format!("{run}-")) {
                let _ = std::fs::remove_dir(entry.path());
            }
        }
    }
}

impl Group {
    /// Moves a keeper into the group, so that what it starts is in it.
    pub(crate) fn take_in(&self, keeper: Identity) -> io::Result<()> {
        move_into(&self.folder, &keeper.pid.to_string())
    }

    /// Moves a keeper out again; what it started stays.
    pub(crate) fn let_go(&self, keeper: Identity) {
        // One that cannot leave dies with the attempt, if it lacks memory; that is told then.
        let _ = move_into(&self.home, &keeper.pid.to_string());
    }

    /// Whether somebody in it was killed for lack of memory.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        let events = std::fs::read_to_string(self.folder.join("memory.events")).unwrap_or_default();
        kills(&events) > 0
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // One in which something is left that cannot be killed stays.
        let _ = std::fs::remove_dir(&self.folder);
    }
}

/// Moves a process, if it is still there.
fn move_into(group: &Path, process: &str) -> io::Result<()> {
    match std::fs::write(group.join("cgroup.procs"), process) {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Ok(()),
        moved => moved,
    }
}

fn make(folder: &Path) -> io::Result<()> {
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Whether we may arrange what is in this group.
fn is_ours(base: &Path) -> Result<(), String> {
    if !Path::new("/run/systemd/system").is_dir() {
        return Ok(());
    }
    let delegated = ["user.delegate", "trusted.delegate"].iter().any(|name| {
        let mut value = [0; 8];
        rustix::fs::getxattr(base, *name, &mut value[..]).is_ok_and(|read| value[..read].first() == Some(&b'1'))
    });
    if delegated {
        return Ok(());
    }
    Err("systemd has not delegated the server's control group (hint: `Delegate=yes` in its unit)".to_owned())
}

/// Hands the controllers on to the groups below. Whoever is in the group moves away first: the kernel asks for
/// that everywhere but at the root.
fn hand_on(group: &Path, controllers: &BTreeSet<String>) -> io::Result<()> {
    let wanted: Vec<String> = controllers.iter().map(|name| format!("+{name}")).collect();
    let control = group.join("cgroup.subtree_control");
    let handed = || std::fs::write(&control, wanted.join(" "));
    let on = std::fs::read_to_string(&control)?;
    if controllers
        .iter()
        .all(|name| on.split_whitespace().any(|on| on == name))
    {
        return Ok(());
    }
    let is_root = !group.join("cgroup.events").exists();
    if is_root || std::fs::read_to_string(group.join("cgroup.procs"))?.trim().is_empty() {
        return handed();
    }
    let main = group.join(MAIN);
    make(&main)?;
    let mut last = Ok(());
    for _ in 0..TRIES {
        for process in std::fs::read_to_string(group.join("cgroup.procs"))?.lines() {
            move_into(&main, process)?;
        }
        last = handed();
        if last.is_ok() {
            break;
        }
    }
    last
}

/// The folder of the group that a process is in, by its mounts and its groups.
fn own_group(mounts: &str, groups: &str) -> Option<PathBuf> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        let (about, kind) = line.split_once(" - ")?;
        if kind.split(' ').next()? != "cgroup2" {
            return None;
        }
        let mut fields = about.split(' ').skip(3);
        let (root, place) = (fields.next()?, fields.next()?);
        let below = Path::new(path).strip_prefix(root).ok()?;
        Some(Path::new(place).join(below))
    })
}

/// The group that is arranged, by the one that this process is in.
fn base(own: &Path) -> PathBuf {
    match (own.file_name(), own.parent()) {
        (Some(name), Some(parent)) if name == MAIN => parent.to_owned(),
        _ => own.to_owned(),
    }
}

/// What is written into which file of a group, and the controller that it needs.
fn settings(limits: &Limits) -> Vec<(&'static str, &'static str, String)> {
    let mut all = Vec::new();
    if let Some(cpus) = limits.cpus {
        // The kernel takes no less than a millisecond.
        let quota = ((cpus * PERIOD as f64) as u64).max(1_000);
        all.push(("cpu", "cpu.max", format!("{quota} {PERIOD}")));
    }
    if let Some(bytes) = limits.memory_bytes {
        all.push(("memory", "memory.max", bytes.to_string()));
        all.push(("memory", "memory.swap.max", "0".to_owned()));
        all.push(("memory", "memory.oom.group", "1".to_owned()));
    }
    if let Some(pids) = limits.pids {
        // The first process of its namespaces is none of the step's.
        all.push(("pids", "pids.max", pids.saturating_add(1).to_string()));
    }
    all
}

/// How many processes were killed for lack of memory, by `memory.events`.
fn kills(events: &str) -> u64 {
    let count = |line: &str| line.strip_prefix("oom_kill ")?.trim().parse().ok();
    events.lines().find_map(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_found_also_where_only_a_part_of_the_tree_is_mounted() {
        let alone = "25 1 0:23 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
        let unit = "0::/system.slice/throughline.service\n";
        let found = own_group(alone, unit).unwrap();
        assert_eq!(found, Path::new("/sys/fs/cgroup/system.slice/throughline.service"));
        let mixed = "30 1 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             32 30 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let found = own_group(mixed, "4:memory:/a\n0::/\n").unwrap();
        assert_eq!(found, Path::new("/sys/fs/cgroup/unified"));
        let part = "25 1 0:23 /docker/ab /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        assert_eq!(
            own_group(part, "0::/docker/ab/x\n").unwrap(),
            Path::new("/sys/fs/cgroup/x")
        );
        assert_eq!(own_group(part, "0::/elsewhere\n"), None);
        assert_eq!(own_group("", unit), None);
        assert_eq!(own_group(alone, "4:memory:/a\n"), None);
    }

    #[test]
    fn a_server_that_was_moved_on_arranges_the_same_group_as_before() {
        assert_eq!(base(Path::new("/c/unit")), Path::new("/c/unit"));
        assert_eq!(base(Path::new("/c/unit/throughline.main")), Path::new("/c/unit"));
    }

    #[test]
    fn limits_are_settings_of_a_group() {
        let limits = Limits {
            cpus: Some(1.5),
            memory_bytes: Some(1 << 20),
            pids: Some(9),
        };
        let files: Vec<_> = settings(&limits)
            .into_iter()
            .map(|(_, file, value)| (file, value))
            .collect();
        assert_eq!(
            files,
            [
                ("cpu.max", "150000 100000".to_owned()),
                ("memory.max", "1048576".to_owned()),
                ("memory.swap.max", "0".to_owned()),
                ("memory.oom.group", "1".to_owned()),
                ("pids.max", "10".to_owned()),
            ]
        );
        assert_eq!(settings(&Limits::default()), []);
        assert_eq!(kills("low 0\noom 1\noom_kill 3\noom_group_kill 1\n"), 3);
        assert_eq!(kills(""), 0);
    }

    #[test]
    fn groups_without_controllers_are_no_help() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cgroup.controllers"), "hugetlb\n").unwrap();
        let why = Groups::below(folder.path()).unwrap_err();
        assert_eq!(why, "the control groups of version 2 here have no controllers");
    }
}
