//! Which container engine there is, and how it wants to be asked on this machine.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use process::Spec;
use serde::{Deserialize, Serialize};

use super::{ContainerChoice, probe};

/// How long an engine may take to answer what needs no network.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The most of an answer that is kept, in bytes.
const LONGEST_ANSWER: usize = 256 * 1024;

/// Variables that tell an engine and its helpers where things are.
const PASSED: [&str; 14] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "CONTAINERS_CONF",
    "CONTAINERS_STORAGE_CONF",
    "CONTAINERS_REGISTRIES_CONF",
    "DOCKER_HOST",
    "DOCKER_CONFIG",
];

/// A program that runs containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Podman,
    Docker,
}

impl Kind {
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Podman => "podman",
            Self::Docker => "docker",
        }
    }
}

/// An engine that works, and how it is to be asked here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Engine {
    pub(crate) kind: Kind,
    pub(crate) program: PathBuf,
    pub(crate) version: String,
    /// Options before the subcommand.
    pub(crate) general: Vec<String>,
    /// Options of every `run`.
    pub(crate) run: Vec<String>,
    /// Whether it has a first process for containers, which reaps and hands on signals.
    pub(crate) init: bool,
    /// Why it cannot hold containers to limits by control groups, where it cannot.
    pub(crate) no_limits: Option<String>,
    pub(crate) variables: BTreeMap<String, String>,
}

impl Engine {
    /// For people, such as `podman 4.3.1`.
    pub(crate) fn told(&self) -> String {
        format!("{} {}", self.kind.program(), self.version)
    }

    /// The command with these arguments.
    pub(crate) fn spec<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Spec {
        Spec::new(&self.program)
            .args(&self.general)
            .args(arguments)
            .variables(&self.variables)
            .folder("/")
    }

    /// The same, by a shell that first writes its number, which is then the command's, into a file.
    pub(crate) fn spec_noted(&self, note: &Path, arguments: &[std::ffi::OsString]) -> Spec {
        Spec::new("/bin/sh")
            .args(["-c", "echo $$ >\"$0\" && exec \"$@\""])
            .arg(note)
            .arg(&self.program)
            .args(&self.general)
            .args(arguments)
            .variables(&self.variables)
            .folder("/")
    }

    /// The same, by a shell that sends all that it says into a file.
    pub(crate) fn spec_into<A: AsRef<OsStr>>(&self, file: &Path, arguments: impl IntoIterator<Item = A>) -> Spec {
        Spec::new("/bin/sh")
            .args(["-c", "exec \"$@\" >\"$0\" 2>&1"])
            .arg(file)
            .arg(&self.program)
            .args(&self.general)
            .args(arguments)
            .variables(&self.variables)
            .folder("/")
    }

    /// Asks it something; the answer is its standard output, or what it complains of.
    pub(crate) async fn ask(&self, arguments: &[&str], patience: Duration) -> Result<String, String> {
        answered(self.spec(arguments), patience).await
    }
}

/// Runs a short command; the answer is its standard output, or what it complains of.
async fn answered(spec: Spec, patience: Duration) -> Result<String, String> {
    match process::run(spec, b"", patience, LONGEST_ANSWER).await {
        Ok(output) if output.is_success() => Ok(output.text().trim().to_owned()),
        Ok(output) => Err(complaint(&output.complaint(), &output.ending.to_string())),
        Err(error) => Err(error.to_string()),
    }
}

/// The line that says what is wrong: the last one, without the program's own decoration.
pub(crate) fn complaint(text: &str, otherwise: &str) -> String {
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    let line = line.unwrap_or(otherwise);
    line.strip_prefix("Error: ").unwrap_or(line).to_owned()
}

fn variables() -> BTreeMap<String, String> {
    let set = |name: &&str| Some(((*name).to_owned(), std::env::var(name).ok()?));
    PASSED.iter().filter_map(set).collect()
}

/// Where a program of this name is, by the search path.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// What an earlier search found, and for which machine in which state that holds.
#[derive(Serialize, Deserialize)]
struct Known {
    boot: String,
    engine: Engine,
}

fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// The file in the data folder in which the engine is remembered. It is there once one was found.
pub(crate) const KNOWN: &str = "containers.json";

/// The engine that was found here before, whether it still works or not. Where it is reached is not a thing to
/// remember: that is said by the variables of now.
pub(crate) fn known(data: &Path) -> Option<Engine> {
    let bytes = std::fs::read(data.join(KNOWN)).ok()?;
    let known: Known = serde_json::from_slice(&bytes).ok()?;
    Some(Engine {
        variables: variables(),
        ..known.engine
    })
}

/// Looks for an engine, and finds out how it is to be asked; that is remembered in the data folder
/// until the machine starts anew or the engine is another one.
///
/// # Errors
/// Why there is none, with a hint.
pub(crate) async fn look(choice: ContainerChoice, data: &Path) -> Result<Engine, String> {
    let kinds: &[Kind] = match choice {
        ContainerChoice::Auto => &[Kind::Podman, Kind::Docker],
        ContainerChoice::Podman => &[Kind::Podman],
        ContainerChoice::Docker => &[Kind::Docker],
        ContainerChoice::Off => {
            return Err(
                "the setting `containers` is `off`, so steps with an `image` do not run here (hint: set it to `auto`)"
                    .to_owned(),
            );
        }
    };
    let mut reasons = Vec::new();
    for kind in kinds {
        match try_kind(*kind, data).await {
            Ok(engine) => return Ok(engine),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(format!(
        "there is no container engine that works: {} (hint: install Podman, or start Docker; or take `image` away, so that the step runs as a process)",
        reasons.join("; ")
    ))
}

async fn try_kind(kind: Kind, data: &Path) -> Result<Engine, String> {
    let name = kind.program();
    let program = find(name).ok_or_else(|| format!("`{name}` is not installed"))?;
    let mut engine = Engine {
        kind,
        program,
        version: String::new(),
        general: Vec::new(),
        run: Vec::new(),
        init: true,
        no_limits: None,
        variables: variables(),
    };
    let question = match kind {
        Kind::Podman => "{{.Client.Version}}",
        Kind::Docker => "{{.Server.Version}}",
    };
    engine.version = engine
        .ask(&["version", "--format", question], PATIENCE)
        .await
        .map_err(|why| format!("`{name}` does not answer: {why}"))?;
    if let Ok(bytes) = std::fs::read(data.join(KNOWN))
        && let Ok(Known {
            boot: then,
            engine: known,
        }) = serde_json::from_slice(&bytes)
        && then == boot()
        && (known.kind, &known.program, &known.version) == (kind, &engine.program, &engine.version)
    {
        return Ok(Engine {
            variables: engine.variables,
            ..known
        });
    }
    match kind {
        Kind::Podman => probe::podman(&mut engine, data).await?,
        Kind::Docker => engine.no_limits = probe::docker(&engine).await,
    }
    tracing::info!(engine = engine.told(), options = ?[&engine.general[..], &engine.run[..]].concat(),
        limits = engine.no_limits.as_deref().unwrap_or("by control groups"), "containers can be run");
    let known = Known { boot: boot(), engine };
    // What cannot be remembered is found out again.
    if let Ok(text) = serde_json::to_vec(&known) {
        let _ = std::fs::write(data.join(KNOWN), text);
    }
    Ok(known.engine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_was_found_before_is_reached_where_it_is_now() {
        let data = testkit::folder();
        let engine = Engine {
            kind: Kind::Docker,
            program: "/usr/bin/docker".into(),
            version: "20.10.24".into(),
            general: Vec::new(),
            run: Vec::new(),
            init: true,
            no_limits: None,
            variables: [("DOCKER_HOST".to_owned(), "unix:///gone".to_owned())].into(),
        };
        let known_then = Known { boot: boot(), engine };
        std::fs::write(data.path().join(KNOWN), serde_json::to_vec(&known_then).unwrap()).unwrap();
        let now = known(data.path()).unwrap();
        assert_eq!((now.kind, now.variables), (Kind::Docker, variables()));
    }

    #[test]
    fn a_complaint_is_the_last_line_without_decoration() {
        assert_eq!(
            complaint("warning: x\nError: no such image\n\n", "exit code 1"),
            "no such image"
        );
        assert_eq!(complaint("", "exit code 1"), "exit code 1");
    }
}
