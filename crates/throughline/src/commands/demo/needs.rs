//! What the demo needs, looked for before anything is started.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use facts::Entropy;
use process::Spec;

use super::sample::COMMITS;
use crate::exit::Exit;
use crate::failure::Failure;

/// Where a server usually listens.
const USUAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8400);
/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(30);

/// The demo's folder and what lies in it.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// The folder.
    pub folder: PathBuf,
    /// Whether it goes with the demo.
    pub temporary: bool,
    /// The server's data folder.
    pub data: PathBuf,
    /// The rules of the environments.
    pub environments: PathBuf,
    /// The repository.
    pub repository: PathBuf,
    /// Git's credentials for the server.
    pub credentials: PathBuf,
    /// The admin's token.
    pub token: PathBuf,
    /// Settings with which commands find the server.
    pub settings: PathBuf,
    /// What the server says about its work.
    pub log: PathBuf,
    /// The record of all requests.
    pub requests: PathBuf,
    /// The record of the requests after the end of the story.
    pub later_requests: PathBuf,
}

impl Places {
    fn of(folder: PathBuf, temporary: bool) -> Self {
        let file = |name: &str| folder.join(name);
        Self {
            data: file("data"),
            environments: file("environments.yaml"),
            repository: file("guestbook"),
            credentials: file("git-credentials"),
            token: file("token"),
            settings: file("throughline.toml"),
            log: file("server.log"),
            requests: file("requests.jsonl"),
            later_requests: file("later-requests.jsonl"),
            temporary,
            folder,
        }
    }
}

/// A program that the demo calls, and how it is found out whether it works.
struct Program {
    name: &'static str,
    arguments: &'static [&'static str],
    what: &'static str,
    hint: &'static str,
}

const PROGRAMS: &[Program] = &[
    Program {
        name: "git",
        arguments: &["--version"],
        what: "git",
        hint: "install it, for instance with `apt install git`",
    },
    Program {
        name: "cargo",
        arguments: &["--version"],
        what: "cargo, with which the sample is built",
        hint: "install Rust from https://rustup.rs",
    },
    Program {
        name: "cc",
        arguments: &["--version"],
        what: "a C compiler, with which the sample's SQLite is built",
        hint: "install one, for instance with `apt install gcc libc6-dev`",
    },
];

/// Looks for the programs.
///
/// # Errors
/// The first one that is missing.
pub(super) async fn programs(variables: &BTreeMap<String, String>) -> Result<(), Failure> {
    for program in PROGRAMS {
        let spec = Spec::new(program.name).args(program.arguments).variables(variables);
        let reason = match process::run(spec, b"", PATIENCE, 1 << 16).await {
            Ok(output) if output.is_success() => continue,
            Ok(output) => output.complaint(),
            Err(error) => error.to_string(),
        };
        let message = format!("the demo needs {}: {reason}", program.what);
        return Err(Failure::new(Exit::Failed, message).hint(program.hint));
    }
    Ok(())
}

/// Looks whether cargo has the crates of the sample, so that nothing is downloaded.
///
/// # Errors
/// When it has not.
pub(super) async fn crates(places: &Places, variables: &BTreeMap<String, String>) -> Result<(), Failure> {
    let folder = places.folder.join("look");
    let wrong = |reason: String| {
        Failure::new(
            Exit::Failed,
            format!("cargo cannot build the sample without a download: {reason}"),
        )
        .hint("start the demo in Throughline's own repository, whose crates those are: `cargo run --release -- demo`")
    };
    COMMITS[0].write(&folder).map_err(|error| wrong(error.to_string()))?;
    let cargo = async |arguments: &[&str]| {
        let spec = Spec::new("cargo").args(arguments).folder(&folder).variables(variables);
        process::run(spec, b"", PATIENCE, 1 << 16).await
    };
    // Crates of other platforms need not be there.
    let version = cargo(&["--version", "--verbose"])
        .await
        .map_err(|error| wrong(error.to_string()))?;
    let text = version.text();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    let looked = cargo(&[
        "fetch",
        "--locked",
        "--offline",
        "--quiet",
        "--target",
        host.unwrap_or_default(),
    ])
    .await;
    let _ = std::fs::remove_dir_all(&folder);
    match looked {
        Ok(output) if output.is_success() => Ok(()),
        Ok(output) => Err(wrong(output.complaint())),
        Err(error) => Err(wrong(error.to_string())),
    }
}

/// Where the server is to listen; a port that was asked for must be free.
///
/// # Errors
/// When it is taken, or other machines would reach it.
pub(super) fn address(asked: Option<SocketAddr>) -> Result<SocketAddr, Failure> {
    let Some(address) = asked else {
        let free = TcpListener::bind(USUAL).is_ok();
        return Ok(if free {
            USUAL
        } else {
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
        });
    };
    if !address.ip().is_loopback() {
        return Err(
            Failure::new(Exit::Usage, format!("{address} can be reached from other machines"))
                .hint("the demo is for this machine alone: choose a port of 127.0.0.1"),
        );
    }
    match TcpListener::bind(address) {
        Ok(_) => Ok(address),
        Err(error) => Err(
            Failure::new(Exit::Failed, format!("cannot listen on {address}: {error}"))
                .hint("another program may use the port; without --address a free one is taken"),
        ),
    }
}

/// Makes the demo's folder: the one that was named, which must be new or empty, or a temporary one.
///
/// # Errors
/// When it cannot be made, or holds something.
pub(super) fn folder(
    named: Option<PathBuf>,
    variables: &BTreeMap<String, String>,
    entropy: &dyn Entropy,
) -> Result<Places, Failure> {
    let make = |path: &Path| std::fs::DirBuilder::new().mode(0o700).create(path);
    let wrong = |path: &Path, error: &io::Error| {
        Failure::new(
            Exit::Failed,
            format!("cannot make the folder {}: {error}", path.display()),
        )
    };
    let (folder, temporary) = match named {
        None => {
            let mut random = [0; 4];
            entropy.fill(&mut random);
            let parent = variables
                .get("TMPDIR")
                .filter(|path| !path.is_empty())
                .map_or("/tmp", String::as_str);
            let path = Path::new(parent).join(format!("throughline-demo-{:08x}", u32::from_be_bytes(random)));
            make(&path).map_err(|error| wrong(&path, &error).hint("name a folder with --folder"))?;
            (path, true)
        }
        Some(path) => {
            match std::fs::read_dir(&path).map(|mut entries| entries.next().is_none()) {
                Ok(true) => {}
                Ok(false) => {
                    return Err(
                        Failure::new(Exit::Usage, format!("the folder {} is not empty", path.display()))
                            .hint("name a new folder, or none to get a temporary one"),
                    );
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    make(&path).map_err(|error| wrong(&path, &error))?;
                }
                Err(error) => return Err(wrong(&path, &error)),
            }
            (path, false)
        }
    };
    let folder = std::fs::canonicalize(&folder).map_err(|error| wrong(&folder, &error))?;
    Ok(Places::of(folder, temporary))
}
