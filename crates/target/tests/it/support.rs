//! Placements, packages and targets for the tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use facts::{ComponentId, ComponentName, Digest, EnvironmentName};
use target::{
    CommandSettings, Desired, Group, HealthCheck, Launch, LaunchSecret, Placement, ProcessSettings, SecretValue, Stamp,
};

use crate::role;

/// A data folder. What still runs for it when a test has failed ends with it.
pub struct Data(tempfile::TempDir);

pub fn data() -> Data {
    Data(tempfile::tempdir().unwrap())
}

impl Data {
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let left = [keepers_of(self.path()), processes_of(self.path(), "")].concat();
        for pid in left {
            if let Some(left) = process::Identity::of_pid(pid) {
                let _ = left.signal(process::Signal::KILL);
            }
        }
    }
}

pub fn placement() -> Placement {
    Placement {
        component: ComponentId::of_key("shop/cart"),
        component_name: ComponentName::new("shop/cart").unwrap(),
        environment: EnvironmentName::new("production").unwrap(),
    }
}

pub fn own_program() -> PathBuf {
    std::env::current_exe().unwrap()
}

/// The settings of a process target whose keepers are this test binary.
pub fn settings(data: &Path) -> ProcessSettings {
    let keeper = "TEST_ROLE=keeper; export TEST_ROLE; shift; TEST_FOLDER=\"$1\"; export TEST_FOLDER; exec";
    let program = own_program();
    // The folder is an argument, too, so that the keeper of a folder is found.
    let script = format!("{keeper} '{}' {} \"$1\"", program.display(), role::ARGUMENTS.join(" "));
    ProcessSettings {
        arguments: vec!["-c".to_owned(), script, "keeper".to_owned()],
        ..ProcessSettings::new(data, "/bin/sh")
    }
}

pub fn launch(version: &str, health: &str) -> Launch {
    Launch {
        folder: own_program().parent().unwrap().to_owned(),
        command: std::iter::once(own_program().display().to_string())
            .chain(role::ARGUMENTS.map(str::to_owned))
            .collect(),
        variables: BTreeMap::from(
            [("TEST_ROLE", "service"), ("VERSION", version), ("HEALTH", health)]
                .map(|(n, v)| (n.to_owned(), v.to_owned())),
        ),
        secrets: vec![LaunchSecret {
            name: "password".to_owned(),
            value: SecretValue::new("tiger-tiger-tiger"),
            variable: Some("PASSWORD".to_owned()),
        }],
        port_variable: "PORT".to_owned(),
        health: HealthCheck {
            path: "/health".to_owned(),
            interval_ms: 200,
            timeout_ms: 1_000,
            deadline_ms: 10_000,
        },
        stop_grace_ms: 3_000,
    }
}

pub fn group(name: &str, version: &str, instances: u32, weight: u32) -> Group {
    Group {
        name: name.to_owned(),
        package: package(version),
        configuration: Digest::of("configuration"),
        instances,
        weight,
        launch: launch(version, "ok"),
    }
}

pub fn unhealthy(name: &str, version: &str, health: &str, deadline_ms: u64) -> Group {
    let mut group = group(name, version, 1, 100);
    group.launch = launch(version, health);
    group.launch.health.deadline_ms = deadline_ms;
    group
}

pub fn package(version: &str) -> Digest {
    Digest::of(version)
}

pub fn desired(generation: u64, phase: u32, groups: Vec<Group>) -> Desired {
    Desired {
        placement: placement(),
        stamp: Stamp { generation, phase },
        address: None,
        groups,
    }
}

pub fn commands(data: &Path) -> CommandSettings {
    let answer = data.join("answer").display().to_string();
    let run = format!(
        "TEST_ROLE=command TEST_ANSWER='{answer}' '{}' {}",
        own_program().display(),
        role::ARGUMENTS.join(" ")
    );
    CommandSettings {
        folder: data.join("targets"),
        apply: run.clone(),
        observe: format!("{run} >&2 && cat '{answer}'"),
        weight: Some(run.clone()),
        stop: Some(run),
        apply_timeout: Duration::from_secs(20),
        observe_timeout: Duration::from_secs(20),
        variables: BTreeMap::new(),
    }
}

/// Waits for what has no event to wait for, such as another process; panics with `what` after 15 s.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..1_500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("this did not come: {what}");
}

/// The living processes of the data folder `data` that have a variable which begins with `variable`.
pub fn processes_of(data: &Path, variable: &str) -> Vec<u32> {
    let folder = data.display().to_string();
    pids(|pid| {
        let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let environ = String::from_utf8_lossy(&environ);
        environ.contains(&folder) && environ.split('\0').any(|v| v.starts_with(variable))
    })
}

/// The keepers of the data folder `data`, whose variables only root can read.
pub fn keepers_of(data: &Path) -> Vec<u32> {
    let folder = data.display().to_string();
    pids(|pid| {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments);
        arguments.contains(&folder) && arguments.contains(role::ARGUMENTS[0])
    })
}

fn pids(wanted: impl Fn(u32) -> bool) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| wanted(*pid)).collect()
}
