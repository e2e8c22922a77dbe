//! Following a repository elsewhere: all its branches and tags are fetched as they are there.

mod address;
mod credential;

use std::time::Duration;

pub use address::{Address, AddressError, Allowed};
pub use credential::Credential;

use crate::error::SourceError;
use crate::git;
use crate::refs::RefUpdate;
use crate::repository::Repository;

impl Repository {
    /// Makes branches and tags here what they are at `address`, and tells which changed. Branches that
    /// went there go here; their commits stay. All refs change together or none.
    ///
    /// # Errors
    /// When the remote does not answer, does not accept the credential, or sends what git refuses.
    pub async fn mirror(
        &self,
        address: &Address,
        credential: &Credential,
        timeout: Duration,
    ) -> Result<Vec<RefUpdate>, SourceError> {
        let read = |this: Self| async move {
            let read = tokio::task::spawn_blocking(move || (this.refs(), this)).await;
            read.map_err(|error| self.wrong(error))
        };
        let (before, this) = read(self.clone()).await?;
        let before = before?;
        let spec = git::git(Some(&self.path))
            .pass([
                "HTTPS_PROXY",
                "https_proxy",
                "NO_PROXY",
                "no_proxy",
                "SSL_CERT_FILE",
                "SSL_CERT_DIR",
            ])
            .args(["-c", "protocol.allow=never", "-c"])
            .arg(format!("protocol.{}.allow=always", address.protocol()))
            .args(["-c", "http.followRedirects=false", "-c", "submodule.recurse=false"])
            .args(["-c", "http.lowSpeedLimit=100", "-c", "http.lowSpeedTime=60"]);
        let (spec, held) = credential.apply(spec, address, &self.path)?;
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
            .arg(address.as_git_takes_it())
            .args(["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]);
        crashpoint::reach("source.mirror.start");
        let fetched = git::run(spec, "fetch", timeout).await;
        drop(held);
        crashpoint::reach("source.mirror.done");
        fetched.map_err(|error| match error {
            SourceError::Git { command, complaint } => SourceError::Git {
                command,
                complaint: credential.hide(&complaint),
            },
            other => other,
        })?;
        let (after, _) = read(this).await?;
        Ok(after?.since(&before))
    }
}
