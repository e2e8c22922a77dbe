//! How Podman wants to be asked on this machine: tried with an empty root folder, so that no image is
//! needed. What it complains of says what to try next.
//!
//! Machines differ in whether their control groups are of the first version, the second or both, in
//! which runtimes copes with that, and in which limits on open files and processes it may set.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use super::engine::{Engine, complaint, find};

/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most tries.
const TRIES: usize = 12;
/// The exit code by which an engine says that a container was there, and its program was not.
const NO_PROGRAM: process::Ending = process::Ending::Code(127);
/// The limits that a container is held to, to see whether that can be done.
const LIMITS: [&str; 6] = ["--memory", "64m", "--cpus", "0.5", "--pids-limit", "64"];

/// What can be changed about how Podman is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Manner {
    /// Another runtime than the one it takes by itself.
    runtime: Option<&'static str>,
    groups: Groups,
    /// Which of the [`limits`] on open files and processes are stated; none at first.
    limits: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Groups {
    /// As Podman manages them by itself.
    #[default]
    Usual,
    /// By files, without systemd.
    Files,
    /// None.
    Disabled,
}

/// Numbers of open files and of processes to try, the largest first. The limits of this process may be
/// higher than what a container's may be set to.
fn limits() -> [[u64; 2]; 4] {
    let most = |resource| getrlimit(resource).maximum.unwrap_or(1 << 20);
    let (files, processes) = (most(Resource::Nofile), most(Resource::Nproc));
    [
        [files, processes],
        [files, processes.min(32_768)],
        [files, processes.min(4096)],
        [files.min(1024), processes.min(1024)],
    ]
}

impl Manner {
    /// What to try after this complaint; nothing when all has been tried that could help.
    fn after(&self, complaint: &str, other_runtimes: &[&'static str]) -> Option<Self> {
        let complaint = complaint.to_lowercase();
        if complaint.contains("rlimit") && self.limits < limits().len() {
            return Some(Self {
                limits: self.limits + 1,
                ..self.clone()
            });
        }
        let groups = match self.groups {
            Groups::Usual => Some(Groups::Files),
            Groups::Files => Some(Groups::Disabled),
            Groups::Disabled => None,
        };
        if let Some(groups) = groups.filter(|_| complaint.contains("cgroup")) {
            return Some(Self { groups, ..self.clone() });
        }
        let next = match self.runtime {
            None => 0,
            Some(tried) => other_runtimes.iter().position(|other| *other == tried)? + 1,
        };
        Some(Self {
            runtime: Some(*other_runtimes.get(next)?),
            ..Self::default()
        })
    }

    fn apply(&self, engine: &mut Engine) {
        engine.general.clear();
        engine.run.clear();
        let general = &mut engine.general;
        general.extend(self.runtime.map(|runtime| format!("--runtime={runtime}")));
        match self.groups {
            Groups::Usual => {}
            Groups::Files => general.push("--cgroup-manager=cgroupfs".to_owned()),
            Groups::Disabled => engine.run.push("--cgroups=disabled".to_owned()),
        }
        if let Some([files, processes]) = self.limits.checked_sub(1).and_then(|at| limits().get(at).copied()) {
            engine.run.push(format!("--ulimit=nofile={files}:{files}"));
            engine.run.push(format!("--ulimit=nproc={processes}:{processes}"));
        }
    }
}

/// Finds out how Podman is to be asked.
///
/// # Errors
/// What it complains of whatever was tried.
pub(super) async fn podman(engine: &mut Engine, data: &Path) -> Result<(), String> {
    // It may be there from a trial that was cut short; nothing is ever put into it.
    let root = data.join("container-trial");
    std::fs::create_dir_all(&root).map_err(|error| format!("no folder to try `podman` in: {error}"))?;
    let found = manners(engine, &root).await;
    let _ = std::fs::remove_dir_all(&root);
    found
}

async fn manners(engine: &mut Engine, root: &Path) -> Result<(), String> {
    let usual = engine
        .ask(&["info", "--format", "{{.Host.OCIRuntime.Name}}"], PATIENCE)
        .await
        .unwrap_or_default();
    let others: Vec<&'static str> = ["runc", "crun"]
        .into_iter()
        .filter(|name| *name != usual && (find(name).is_some() || Path::new("/usr/sbin").join(name).is_file()))
        .collect();
    let mut manner = Manner::default();
    let mut first = None;
    for _ in 0..TRIES {
        manner.apply(engine);
        let Err(complaint) = tried(engine, root, &[]).await else {
            engine.no_limits = tried(engine, root, &LIMITS).await.err();
            engine.init = has_init();
            return Ok(());
        };
        let next = manner.after(&complaint, &others);
        first.get_or_insert(complaint);
        let Some(next) = next else { break };
        manner = next;
    }
    Err(format!(
        "`podman` cannot run a container: {}",
        first.unwrap_or_default()
    ))
}

/// Runs a container without anything in it, which can only fail for having no program.
async fn tried(engine: &Engine, root: &Path, options: &[&str]) -> Result<(), String> {
    let root = root.to_string_lossy();
    let mut arguments = vec!["run", "--rm", "--network=none", "--log-driver=none"];
    arguments.extend(engine.run.iter().map(String::as_str));
    arguments.extend(options);
    arguments.extend(["--rootfs", &root, "/throughline-trial"]);
    match process::run(engine.spec(arguments), b"", PATIENCE, 64 * 1024).await {
        Ok(output) if output.ending == NO_PROGRAM => Ok(()),
        Ok(output) => Err(complaint(&output.complaint(), &output.ending.to_string())),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether Podman finds the program that it makes the first process of a container.
fn has_init() -> bool {
    const PLACES: [&str; 5] = [
        "/usr/libexec/podman/catatonit",
        "/usr/local/libexec/podman/catatonit",
        "/usr/local/lib/podman/catatonit",
        "/usr/lib/podman/catatonit",
        "/usr/libexec/catatonit/catatonit",
    ];
    PLACES.iter().any(|place| Path::new(place).is_file())
}

/// Why Docker cannot hold containers to limits, where it cannot.
pub(super) async fn docker(engine: &Engine) -> Option<String> {
    let question = "{{.MemoryLimit}} {{.CPUCfsQuota}} {{.PidsLimit}}";
    match engine.ask(&["info", "--format", question], PATIENCE).await {
        Ok(answer) if answer == "true true true" => None,
        Ok(_) => Some("the machine's control groups do not offer all limits to Docker".to_owned()),
        Err(why) => Some(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_podman_complains_of_says_what_is_tried_next() {
        let others = ["runc"];
        let usual = Manner::default();
        let limited = usual.after("error setting rlimit type 7: operation not permitted", &others);
        let limited = limited.unwrap();
        assert_eq!(
            limited,
            Manner {
                limits: 1,
                ..Manner::default()
            }
        );
        // With its limits stated, control groups may be the next thing that does not work.
        let files = limited.after("crun: cannot set up cgroup", &others).unwrap();
        assert_eq!((files.limits, files.groups), (1, Groups::Files));
        let disabled = files.after("CGROUP", &others).unwrap();
        assert_eq!(disabled.groups, Groups::Disabled);
        let runc = disabled.after("cgroup again", &others).unwrap();
        assert_eq!(
            (runc.runtime, runc.limits, runc.groups),
            (Some("runc"), 0, Groups::Usual)
        );
        assert_eq!(runc.after("something else", &others), None);
        assert_eq!(usual.after("something else", &[]), None);
    }

    #[test]
    fn limits_are_tried_from_the_largest_on_and_not_without_end() {
        let mut manner = Manner::default();
        let mut seen = Vec::new();
        while let Some(next) = manner.after("setting rlimits", &[]) {
            manner = next;
            seen.push(limits()[manner.limits - 1]);
            assert!(seen.len() <= TRIES);
        }
        assert!(
            seen.is_sorted_by(|a, b| a >= b) && seen.len() == limits().len(),
            "{seen:?}"
        );
    }
}
