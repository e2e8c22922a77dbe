//! The command line by which a container is run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use facts::RunId;

use super::Container;
use super::engine::{Engine, Kind};
use super::record::{STATUS, WATCHER};
use super::said::{ERROR, OUTPUT};
use crate::limits::{Limits, rlimits};
use crate::services::LOG_BUDGET;
use crate::wire::Attempt;

/// Where it says whether it has started, where it writes what it says, and where its secrets are, within the container.
const IO: &str = "/.throughline/io";
const SAID: &str = "/.throughline/said";
pub(crate) const SECRETS: &str = "/.throughline/secrets";

/// Labels by which containers are found.
pub(crate) const LABEL_HOME: &str = "throughline.home";

/// What the container says when the step's program is there, and when it is not.
pub(crate) const STARTED: &str = "started";
pub(crate) const NO_PROGRAM: &str = "missing";

/// All that goes into a command line.
pub(crate) struct Wanted<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) name: &'a str,
    /// The server's data folder.
    pub(crate) home: &'a str,
    pub(crate) run: RunId,
    pub(crate) attempt: &'a Attempt,
    pub(crate) container: &'a Container,
    pub(crate) limits: &'a Limits,
    pub(crate) folder: &'a Path,
    pub(crate) variables: &'a BTreeMap<String, String>,
    /// The folder of the secrets, if there are any, and the names of those that are variables too.
    pub(crate) secrets: Option<(&'a Path, Vec<&'a str>)>,
    /// The folder in which it says whether it has started.
    pub(crate) io: &'a Path,
    /// The folder with the files for what it says.
    pub(crate) said: &'a Path,
    /// The program, its arguments, and the script as the last of them.
    pub(crate) program: Vec<String>,
    /// The user and group that the server runs as.
    pub(crate) own: (u32, u32),
}

/// A mount, written so that commas and quotes in a path stay in it.
pub(crate) fn mount(from: &Path, to: &Path, read_only: bool) -> String {
    let field = |key: &str, path: &Path| {
        let text = format!("{key}={}", path.display());
        if text.contains([',', '"']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        }
    };
    let mut text = format!("--mount=type=bind,{},{}", field("src", from), field("dst", to));
    if read_only {
        text.push_str(",readonly");
    }
    text
}

/// What runs first: it connects the step to the files for what it says, sets the variables that are secrets,
/// says that the step starts, and becomes it.
fn opening(secret_variables: &[&str]) -> String {
    let mut script = format!("exec 1>>{SAID}/{OUTPUT} 2>>{SAID}/{ERROR}\n");
    for name in secret_variables {
        // By the shell alone: the image need not have `cat`. Line ends stay as they are.
        script.push_str(&format!(
            "_v=; while IFS= read -r _l; do _v=\"$_v$_l\n\"; done <{SECRETS}/{name}; export {name}=\"$_v$_l\"; unset _v _l\n"
        ));
    }
    script.push_str(&format!(
        "command -v \"$0\" >/dev/null 2>&1 || {{ echo {NO_PROGRAM} >{IO}/{STATUS}; exit 127; }}\necho {STARTED} >{IO}/{STATUS}\nexec \"$0\" \"$@\"\n"
    ));
    script
}

/// Options that every container gets, of a step or a service. It outlives whoever starts it; Podman writes
/// into `watcher` which process watches it.
fn common(engine: &Engine, name: &str, home: &str, limits: &Limits, watcher: &Path) -> Vec<OsString> {
    let mut all: Vec<String> = ["run", "--detach", "--name", name, "--pull=never"]
        .map(str::to_owned)
        .into();
    all.push(format!("--label={LABEL_HOME}={home}"));
    all.extend(engine.run.iter().cloned());
    // As for steps that are processes: no core dump, and no rights by a program's file.
    all.extend(["--ulimit=core=0:0", "--security-opt=no-new-privileges"].map(str::to_owned));
    if engine.kind == Kind::Podman {
        all.push("--security-opt=label=disable".to_owned());
    }
    if engine.init {
        all.push("--init".to_owned());
    }
    all.extend(limited(engine, limits));
    let mut all: Vec<OsString> = all.into_iter().map(OsString::from).collect();
    if engine.kind == Kind::Podman {
        all.push("--conmon-pidfile".into());
        all.push(watcher.into());
    }
    all
}

/// Limits by control groups where the engine has them, else on each process.
fn limited(engine: &Engine, limits: &Limits) -> Vec<String> {
    let mut all = Vec::new();
    if engine.no_limits.is_none() {
        if let Some(cpus) = limits.cpus {
            all.push(format!("--cpus={cpus}"));
        }
        if let Some(bytes) = limits.memory_bytes {
            all.push(format!("--memory={bytes}b"));
            all.push(format!("--memory-swap={bytes}b"));
        }
        if let Some(pids) = limits.pids {
            all.push(format!("--pids-limit={pids}"));
        }
    } else {
        for (_, name, most) in rlimits(limits) {
            all.push(format!("--ulimit={name}={most}:{most}"));
        }
    }
    all
}

/// The arguments of the engine that start the container.
pub(crate) fn run(wanted: &Wanted<'_>) -> Vec<OsString> {
    let Wanted { engine, container, .. } = wanted;
    let watcher = wanted.io.join(WATCHER);
    let mut all = common(engine, wanted.name, wanted.home, wanted.limits, &watcher);
    let mut add = |argument: &dyn AsRef<std::ffi::OsStr>| all.push(argument.as_ref().to_owned());
    for (label, value) in [
        ("run", wanted.run.to_string()),
        ("step", wanted.attempt.step.to_string()),
        ("attempt", wanted.attempt.number.to_string()),
    ] {
        add(&format!("--label=throughline.{label}={value}"));
    }
    add(&"--log-driver=none");
    add(&"--network=host");
    let (user, group) = wanted.own;
    match &container.user {
        Some(user) => add(&format!("--user={user}")),
        None => {
            add(&format!("--user={user}:{group}"));
            if engine.kind == Kind::Podman && user != 0 {
                add(&"--userns=keep-id");
            }
        }
    }
    for folder in &container.folders {
        add(&mount(folder, folder, false));
    }
    add(&mount(wanted.io, Path::new(IO), false));
    add(&mount(wanted.said, Path::new(SAID), false));
    let mut secret_variables: &[&str] = &[];
    if let Some((folder, names)) = &wanted.secrets {
        add(&mount(folder, Path::new(SECRETS), true));
        add(&format!("--env={}={SECRETS}", crate::secrets::VARIABLE));
        secret_variables = names;
    }
    for (name, value) in wanted.variables {
        add(&format!("--env={name}={value}"));
    }
    add(&"--workdir");
    add(&wanted.folder);
    add(&"--entrypoint=sh");
    add(&container.image.id);
    add(&"-c");
    add(&opening(secret_variables));
    for argument in &wanted.program {
        add(argument);
    }
    all
}

/// All that goes into the command line of a service.
pub(crate) struct Beside<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) name: &'a str,
    pub(crate) home: &'a str,
    pub(crate) run: RunId,
    pub(crate) container: &'a Container,
    /// The port of this machine, and the one within the container.
    pub(crate) ports: (u16, u16),
    pub(crate) variables: &'a BTreeMap<String, String>,
    pub(crate) shell: &'a [String],
    /// Its commands; absent for what the image does by itself.
    pub(crate) script: Option<&'a str>,
    /// The file that says which process watches it.
    pub(crate) watcher: &'a Path,
}

/// The arguments of the engine that start a service. What it says is kept by the engine, since its image may
/// have nothing that could write into a pipe.
pub(crate) fn beside(wanted: &Beside<'_>) -> Vec<OsString> {
    let Beside { engine, container, .. } = wanted;
    let mut all = Vec::new();
    all.push(format!("--label=throughline.run={}", wanted.run));
    let driver = match engine.kind {
        Kind::Podman => "k8s-file",
        Kind::Docker => "json-file",
    };
    all.push(format!("--log-driver={driver}"));
    all.push(format!("--log-opt=max-size={}m", LOG_BUDGET >> 20));
    let (outside, inside) = wanted.ports;
    all.push(format!("--publish=127.0.0.1:{outside}:{inside}"));
    all.extend(container.user.iter().map(|user| format!("--user={user}")));
    all.extend(
        wanted
            .variables
            .iter()
            .map(|(name, value)| format!("--env={name}={value}")),
    );
    let mut shell = wanted.shell.iter();
    if let Some(script) = wanted.script {
        all.extend(shell.next().map(|program| format!("--entrypoint={program}")));
        all.push(container.image.id.clone());
        all.extend(shell.cloned());
        all.push(script.to_owned());
    } else {
        all.push(container.image.id.clone());
    }
    let options = common(engine, wanted.name, wanted.home, &Limits::default(), wanted.watcher);
    options.into_iter().chain(all.into_iter().map(OsString::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_comma_or_a_quote_stays_one_path() {
        let text = mount(Path::new("/a,b"), Path::new("/c\"d"), true);
        assert_eq!(text, "--mount=type=bind,\"src=/a,b\",\"dst=/c\"\"d\",readonly");
        assert_eq!(
            mount(Path::new("/a"), Path::new("/a"), false),
            "--mount=type=bind,src=/a,dst=/a"
        );
    }
}
