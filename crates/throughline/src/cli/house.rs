//! Commands about the server as a whole.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::settings::Flags;
use crate::settings::value::{
    AccessChoice, Amount, ContainersChoice, Database, IsolationChoice, ShareAddress, Size, Span,
};

/// Start the server.
///
/// It goes on until Ctrl-C, `throughline down` or SIGTERM. Deployed instances and running steps live on without it,
/// and are found again at the next start. The first start prints a token, once.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The PostgreSQL database in which facts and views are kept, instead of files in the data folder, as
    /// postgres://USER@HOST/DATABASE.
    #[arg(long, value_name = "ADDRESS")]
    pub database: Option<Database>,
    /// A file with the address of the database: other users of the machine see what stands on a command line, a
    /// password too.
    #[arg(long, value_name = "FILE")]
    pub database_file: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one. [default: 127.0.0.1:8400]
    #[arg(long, value_name = "IP:PORT")]
    pub address: Option<SocketAddr>,
    /// The server's certificate and those that vouch for it (PEM): with it the server speaks TLS itself. It is
    /// read again when the file changes.
    #[arg(long, value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,
    /// The private key of the certificate (PEM).
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// A proxy that speaks TLS stands before the server. To listen to other machines it takes this or a certificate.
    #[arg(long)]
    pub behind_proxy: bool,
    /// The address at which people and machines reach the server, where it differs.
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// The policy of environments to start with.
    #[arg(long, value_name = "FILE")]
    pub environments: Option<PathBuf>,
    /// How many steps may work at the same time. [default: the number of processors]
    #[arg(long, value_name = "NUMBER")]
    pub max_parallel: Option<Amount>,
    /// Where kept results of steps are shared with other servers: a folder, or s3://BUCKET/PREFIX.
    #[arg(long, value_name = "PLACE")]
    pub shared_results: Option<ShareAddress>,
    /// What is done with shared results: read-write (what is made here is added) or read. [default: read-write]
    #[arg(long, value_name = "ACCESS", hide_possible_values = true)]
    pub shared_results_access: Option<AccessChoice>,
    /// How often followed repositories are looked at. [default: 30s]
    #[arg(long, value_name = "TIME")]
    pub poll_interval: Option<Span>,
    /// The largest push that is taken. [default: 1GiB]
    #[arg(long, value_name = "SIZE")]
    pub largest_push: Option<Size>,
    /// Where signed checkpoints of the ledger are put, for somebody else to keep.
    #[arg(long, value_name = "FOLDER")]
    pub checkpoints: Option<PathBuf>,
    /// After how long what is new in the ledger is covered by a signed checkpoint. [default: 10m]
    #[arg(long, value_name = "TIME")]
    pub checkpoint_interval: Option<Span>,
    /// The file that says who is told what, by mail and by webhook.
    #[arg(long, value_name = "FILE")]
    pub notifications: Option<PathBuf>,
    /// A file with the key that encrypts secrets; made in the data folder by default.
    #[arg(long, value_name = "FILE")]
    pub secret_key_file: Option<PathBuf>,
    /// Whether each step runs in namespaces of its own: available (where the kernel allows it), required, or off.
    /// [default: available]
    #[arg(long, value_name = "WHEN", hide_possible_values = true)]
    pub isolation: Option<IsolationChoice>,
    /// Who runs steps with an image: auto (Podman where it works, else Docker), podman, docker, or off.
    /// [default: auto]
    #[arg(long, value_name = "ENGINE", hide_possible_values = true)]
    pub containers: Option<ContainersChoice>,
    /// How long logs of steps are kept; those of each component's newest runs stay. [default: 90d]
    #[arg(long, value_name = "TIME")]
    pub keep_logs: Option<Span>,
    /// How long the workspaces of runs are kept that did not succeed. [default: 7d]
    #[arg(long, value_name = "TIME")]
    pub keep_workspaces: Option<Span>,
    /// How long folders kept from run to run, and kept results of steps, stay after they were last used. [default: 30d]
    #[arg(long, value_name = "TIME")]
    pub keep_caches: Option<Span>,
    /// The most room that folders kept from run to run have together, and as much again kept results of steps.
    /// [default: 20GiB]
    #[arg(long, value_name = "SIZE")]
    pub caches_size: Option<Size>,
    /// What the server says about its work: error, warn, info, debug, or more finely as `warn,engine=debug`.
    /// [default: warn]
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
}

impl ServeArgs {
    pub(super) fn flags(&self, flags: Flags) -> Flags {
        Flags {
            database: self.database.clone(),
            database_file: self.database_file.clone(),
            address: self.address,
            tls_certificate: self.tls_certificate.clone(),
            tls_key: self.tls_key.clone(),
            behind_proxy: self.behind_proxy.then_some(true),
            public_url: self.public_url.clone(),
            environments: self.environments.clone(),
            max_parallel: self.max_parallel,
            shared_results: self.shared_results.clone(),
            shared_results_access: self.shared_results_access,
            poll_interval: self.poll_interval,
            largest_push: self.largest_push,
            checkpoints: self.checkpoints.clone(),
            checkpoint_interval: self.checkpoint_interval,
            notifications: self.notifications.clone(),
            secret_key_file: self.secret_key_file.clone(),
            isolation: self.isolation,
            containers: self.containers,
            keep_logs: self.keep_logs,
            keep_workspaces: self.keep_workspaces,
            keep_caches: self.keep_caches,
            caches_size: self.caches_size,
            log: self.log.clone(),
            ..flags
        }
    }
}

/// The policy of environments.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)]
pub enum PolicyCommand {
    /// Print the policy in force, as YAML.
    Show,
    Set(PolicySetArgs),
}

/// Put a file in force.
///
/// It is checked here first, so that each mistake is told with its place.
#[derive(Debug, Args)]
pub struct PolicySetArgs {
    /// The file, such as environments.yaml; `-` reads standard input.
    pub file: PathBuf,
}

/// Stop the server.
///
/// Deployed instances go on unless --everything is said.
#[derive(Debug, Args)]
pub struct DownArgs {
    /// Stop the instances of all environments and their proxies too.
    #[arg(long)]
    pub everything: bool,
}
