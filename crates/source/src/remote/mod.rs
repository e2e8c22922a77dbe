//! Following a repository elsewhere: all its branches and tags are fetched as they are there.

mod address;
mod credential;

use std::time::Duration;

use facts::ReleaseLine;
use process::Spec;

pub use address::{Address, AddressError, Allowed};
pub use credential::Credential;

use crate::error::SourceError;
use crate::git;
use crate::refs::{RefName, RefUpdate, Refs};
use crate::repository::Repository;
pub(crate) use credential::Held;

/// What git may know of this machine on its way to another: how to get out, and whom to trust.
const NETWORK: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

impl Repository {
    /// Makes branches and tags here what they are at `address`, and tells which changed. Branches that
    /// went there go here; their commits stay. All refs change together or none. After a crash half-way,
    /// compare [`Repository::refs`] with what was recorded.
    ///
    /// # Errors
    /// When the remote does not answer, does not accept the credential, or sends what git refuses.
    pub async fn mirror(
        &self,
        address: &Address,
        credential: &Credential,
        timeout: Duration,
    ) -> Result<Vec<RefUpdate>, SourceError> {
        let before = self.read_refs().await?;
        let (spec, held) = self.outward(address, credential)?;
        let spec = spec
            .args([
                "fetch",
                "--quiet",
                "--prune",
                "--atomic",
                "--no-tags",
                "--no-recurse-submodules",
            ])
            .args(["--no-write-fetch-head", "--no-auto-maintenance", "--end-of-options"])
            .arg(address.as_str())
            .args(["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]);
        crashpoint::reach("source.mirror.start");
        let fetched = git::run(spec, "fetch", timeout).await;
        drop(held);
        crashpoint::reach("source.mirror.done");
        fetched.map_err(|error| credential.hidden(error))?;
        Ok(self.read_refs().await?.since(&before))
    }

    /// The branch that the remote shows first: what its `HEAD` names.
    ///
    /// # Errors
    /// When the remote does not answer or does not accept the credential.
    pub async fn remote_head(
        &self,
        address: &Address,
        credential: &Credential,
        timeout: Duration,
    ) -> Result<Option<ReleaseLine>, SourceError> {
        let (spec, held) = self.outward(address, credential)?;
        let spec = spec
            .args(["ls-remote", "--quiet", "--symref", "--end-of-options"])
            .arg(address.as_str())
            .arg("HEAD");
        let asked = git::run(spec, "ls-remote", timeout).await;
        drop(held);
        let output = asked.map_err(|error| credential.hidden(error))?;
        let text = output.text();
        let name = text
            .lines()
            .find_map(|line| line.strip_prefix("ref: ")?.strip_suffix("\tHEAD"));
        Ok(name.and_then(RefName::new).and_then(|name| name.branch()))
    }

    /// [`Repository::refs`], without blocking the caller's thread.
    pub(crate) async fn read_refs(&self) -> Result<Refs, SourceError> {
        let this = self.clone();
        let read = tokio::task::spawn_blocking(move || this.refs()).await;
        read.map_err(|error| self.wrong(error))?
    }

    /// Git on its way to another machine: one protocol, no redirects, no patience with silence.
    pub(crate) fn outward(&self, address: &Address, credential: &Credential) -> Result<(Spec, Held), SourceError> {
        let spec = git::git(Some(&self.path))
            .pass(NETWORK)
            .args(["-c", "protocol.allow=never", "-c"])
            .arg(format!("protocol.{}.allow=always", address.protocol()))
            .args(["-c", "http.followRedirects=false", "-c", "submodule.recurse=false"])
            .args(["-c", "http.lowSpeedLimit=100", "-c", "http.lowSpeedTime=60"]);
        credential.apply(spec, address, &self.path)
    }
}
