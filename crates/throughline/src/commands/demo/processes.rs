//! The server and the load: processes of their own, of this same program.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use process::{Channel, Child, Signal, Spec};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::unix::pipe::Receiver;

use super::load::record::Totals;
use super::needs::Places;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::local_server;

/// How long a server may take until it listens.
const START: Duration = Duration::from_secs(30);
/// How long the load may take to finish the requests under way.
const FINISH: Duration = Duration::from_secs(15);

fn own_executable() -> Result<std::path::PathBuf, Failure> {
    std::env::current_exe()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot find this program's own file: {error}")))
}

fn log_file(path: &Path) -> Result<OwnedFd, Failure> {
    let file = std::fs::File::options().create(true).append(true).open(path);
    let file = file.map_err(|error| Failure::new(Exit::Failed, format!("cannot write {}: {error}", path.display())))?;
    Ok(file.into())
}

/// The server.
#[derive(Debug)]
pub(super) struct Server {
    /// Its process.
    pub child: Child,
    /// Where it listens.
    pub url: String,
    /// The admin's token.
    pub token: String,
}

impl Server {
    /// Starts a server and waits until it listens. It ends with this process, whatever happens.
    ///
    /// # Errors
    /// When it cannot be started, or ends at once.
    pub async fn start(
        places: &Places,
        address: SocketAddr,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        // The user's own settings are for another server.
        let variables = variables
            .iter()
            .filter(|(name, _)| !name.starts_with("THROUGHLINE_") || *name == "THROUGHLINE_CRASH");
        let spec = Spec::new(own_executable()?)
            .arg("serve")
            .arg("--settings")
            .arg(&places.settings)
            .arg("--data")
            .arg(&places.data)
            .arg("--environments")
            .arg(&places.environments)
            .args(["--address", &address.to_string(), "--log", "info"])
            .variables(variables)
            .folder(&places.folder)
            .stdout(Channel::Pipe)
            .stderr(Channel::File(log_file(&places.log)?))
            .with_parent(Signal::TERM);
        let failed = |reason: String| Failure::new(Exit::Failed, format!("the server did not start: {reason}"));
        let mut child = process::spawn(spec).map_err(|error| failed(error.to_string()))?;
        // The token is the one thing that a server prints to standard output, once it listens.
        let output = child
            .stdout
            .take()
            .ok_or_else(|| failed("its output cannot be read".to_owned()))?;
        let mut lines = BufReader::new(output).lines();
        let token = match tokio::time::timeout(START, lines.next_line()).await {
            Ok(Ok(Some(token))) => token,
            Ok(_) => {
                let said = std::fs::read_to_string(&places.log).unwrap_or_default();
                return Err(failed(
                    said.lines().last().unwrap_or("it ended without a word").to_owned(),
                ));
            }
            Err(_) => return Err(failed(format!("it said nothing for {} s", START.as_secs()))),
        };
        let url = local_server(&places.data)?.ok_or_else(|| failed("it does not say where it listens".to_owned()))?;
        Ok(Self { child, url, token })
    }
}

/// The load.
#[derive(Debug)]
pub(super) struct LoadProcess {
    /// Its process.
    pub child: Child,
    totals: Lines<BufReader<Receiver>>,
}

impl LoadProcess {
    /// Starts sending `rate` requests a second to `url`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(url: &str, rate: u32, record: &Path, places: &Places) -> Result<Self, Failure> {
        let spec = Spec::new(own_executable()?)
            .args(["demo-load", "--url", url, "--rate", &rate.to_string(), "--record"])
            .arg(record)
            .folder(&places.folder)
            .stdout(Channel::Pipe)
            .stderr(Channel::File(log_file(&places.log)?))
            .with_parent(Signal::TERM);
        let failed = |reason: String| Failure::new(Exit::Failed, format!("the load did not start: {reason}"));
        let mut child = process::spawn(spec).map_err(|error| failed(error.to_string()))?;
        let output = child
            .stdout
            .take()
            .ok_or_else(|| failed("its output cannot be read".to_owned()))?;
        Ok(Self {
            child,
            totals: BufReader::new(output).lines(),
        })
    }

    /// What it came to, each time that it says so.
    ///
    /// # Errors
    /// When it ended.
    pub async fn totals(&mut self) -> Result<Totals, Failure> {
        let ended = || Failure::new(Exit::Failed, "the load ended by itself");
        let line = self.totals.next_line().await.ok().flatten().ok_or_else(ended)?;
        serde_json::from_str(&line).map_err(|_| ended())
    }

    /// Lets it finish the requests under way; the answer is what it came to by its own count.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn finish(mut self) -> Result<Totals, Failure> {
        let _ = self.child.signal(Signal::TERM);
        let read = async {
            let mut last = Totals::default();
            while let Ok(totals) = self.totals().await {
                last = totals;
            }
            let _ = self.child.wait().await;
            last
        };
        let read = tokio::time::timeout(FINISH, read).await;
        read.map_err(|_| Failure::new(Exit::Failed, format!("the load did not end in {} s", FINISH.as_secs())))
    }
}

/// What a record of requests comes to, line by line.
///
/// # Errors
/// When it cannot be read.
pub(super) fn recorded(path: &Path) -> Result<Totals, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot read {}: {error}", path.display())))?;
    Totals::of_lines(text.lines()).map_err(|line| {
        Failure::new(
            Exit::Failed,
            format!("{}:{line}: this is no line of a record", path.display()),
        )
    })
}
