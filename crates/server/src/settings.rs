//! What the server is told when it starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The files of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that vouch for it, as PEM.
    pub certificate: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
}

/// A setting as people are told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its name.
    pub name: String,
    /// What it is set to.
    pub value: String,
    /// Where that was said; nothing where the default holds.
    pub source: Option<String>,
}

/// The settings of a server, resolved: where each came from is the command line's business.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data folder.
    pub data: PathBuf,
    /// The database in which facts and views are kept; a file in the data folder where there is none.
    pub database: Option<ledger::Address>,
    /// Where to listen; port 0 asks for a free one.
    pub address: SocketAddr,
    /// The certificate with which the server speaks TLS itself.
    pub tls: Option<TlsFiles>,
    /// Whether a trusted proxy stands before the server and speaks TLS with its users.
    pub behind_proxy: bool,
    /// The address people and machines use, where it differs from `address`.
    pub public_url: Option<String>,
    /// The policy of environments; the data folder's `environments.yaml`, made when absent, otherwise.
    pub environments: Option<PathBuf>,
    /// How many steps may work at the same time.
    pub max_parallel: usize,
    /// Kept results of steps that other machines use as well.
    pub shared_results: Option<cache::Sharing>,
    /// How often followed repositories are looked at.
    pub poll_interval: Duration,
    /// The largest push, in bytes.
    pub largest_push: u64,
    /// Where signed checkpoints of the ledger are put for somebody else to keep.
    pub checkpoints: Option<PathBuf>,
    /// After how long what is new in the ledger is covered by a checkpoint.
    pub checkpoint_interval: Duration,
    /// The file that says who is told what, where anybody is.
    pub notifications: Option<PathBuf>,
    /// The key of the secrets as 64 hex digits, where it is not kept in the data folder.
    pub secret_key: Option<String>,
    /// Whether steps are isolated.
    pub isolation: executor::IsolationMode,
    /// Who runs containers.
    pub containers: executor::ContainerChoice,
    /// Files and folders outside of the data folder that isolated steps do not see.
    pub hidden: Vec<PathBuf>,
    /// How long what piles up is kept.
    pub keep: crate::retention::Keep,
    /// This program, which also is the shim and the proxy.
    pub executable: PathBuf,
    /// The variables of the server that its steps see.
    pub step_variables: build::StepVariables,
    /// Every setting as people are told it, secrets only as set, with where it was said.
    pub told: Vec<Told>,
}

impl Settings {
    /// Whether only programs of this machine reach the server.
    pub fn is_local(&self) -> bool {
        self.address.ip().is_loopback()
    }
}
