//! The settings, each declared once.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::Setting;
use super::value::{
    AccessChoice, Amount, ColorChoice, ContainersChoice, Database, IsolationChoice, Secret, ShareAddress, Size, Span,
};

/// A value as it is shown.
struct Shown<T>(T);

impl Shown<PathBuf> {
    fn text(&self) -> String {
        self.0.display().to_string()
    }
}

macro_rules! shown_by_display {
    ($($type:ty),+) => {$(
        impl Shown<$type> {
            fn text(&self) -> String {
                self.0.to_string()
            }
        }
    )+};
}

shown_by_display!(
    String,
    bool,
    SocketAddr,
    AccessChoice,
    Amount,
    ColorChoice,
    ContainersChoice,
    Database,
    IsolationChoice,
    Secret,
    ShareAddress,
    Size,
    Span
);

macro_rules! settings {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident: $type:ty, flag $flag:tt, variable $variable:literal, key $key:tt, default $default:literal;
    )+) => {
        /// What the flags say.
        #[derive(Debug, Clone, Default)]
        pub struct Flags {
            $($(#[doc = $doc])+ pub $name: Option<$type>,)+
        }

        /// Every setting.
        pub const TABLE: &[Setting] = &[$(Setting {
            name: stringify!($name),
            flag: settings!(@optional $flag),
            variable: $variable,
            key: settings!(@optional $key),
            default: $default,
            meaning: concat!($($doc),+),
        },)+];

        impl super::Layers {
            $(
                $(#[doc = $doc])+
                ///
                /// # Errors
                /// When the variable's value does not fit.
                pub fn $name(&self) -> Result<Option<super::Found<$type>>, crate::failure::Failure> {
                    self.find(
                        settings!(@optional $flag),
                        $variable,
                        settings!(@optional $key),
                        self.flags.$name.clone(),
                        settings!(@stored self $name $key),
                    )
                }
            )+
        }

        impl super::Layers {
            /// The value of each setting of [`TABLE`], as text, and where it came from; nothing where the
            /// default holds.
            ///
            /// # Errors
            /// When a variable's value does not fit.
            pub fn values(&self) -> Result<Vec<Option<(String, String)>>, crate::failure::Failure> {
                Ok(vec![$(self.$name()?.map(|found| (Shown(found.value).text(), found.source.to_string())),)+])
            }
        }

        settings!(@file [] $($(#[doc = $doc])+ $name: $type, $key;)+);
    };
    (@optional none) => { None };
    (@optional $text:literal) => { Some($text) };
    (@stored $layers:ident $name:ident none) => { None };
    (@stored $layers:ident $name:ident $key:literal) => { $layers.file.$name.clone() };
    // Only settings with a key are members of the file.
    (@file [$($members:tt)*] $(#[doc = $doc:literal])+ $name:ident: $type:ty, none; $($rest:tt)*) => {
        settings!(@file [$($members)*] $($rest)*);
    };
    (@file [$($members:tt)*] $(#[doc = $doc:literal])+ $name:ident: $type:ty, $key:literal; $($rest:tt)*) => {
        settings!(@file [$($members)* $(#[doc = $doc])+ #[serde(rename = $key)] pub $name: Option<$type>,] $($rest)*);
    };
    (@file [$($members:tt)*]) => {
        /// The settings file, `config.toml`.
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct SettingsFile { $($members)* }
    };
}

settings! {
    /// The settings file.
    settings: PathBuf, flag "--settings", variable "THROUGHLINE_SETTINGS", key none, default "`config.toml` in the user's configuration folder";
    /// The server's data folder. Commands find a local server through it.
    data: PathBuf, flag "--data", variable "THROUGHLINE_DATA", key "data", default "`throughline` in the user's data folder";
    /// The PostgreSQL database (15 or later) in which facts and views are kept, as `postgres://USER:PASSWORD@HOST/DATABASE` (docs/serving.md). Its password is never shown.
    database: Database, flag "--database", variable "THROUGHLINE_DATABASE", key "database", default "none: files in the data folder";
    /// A file with the address of the database, for an address with a password.
    database_file: PathBuf, flag "--database-file", variable "THROUGHLINE_DATABASE_FILE", key "database-file", default "none";
    /// Colours in what is printed: `auto` (on terminals, unless `NO_COLOR` is set), `always` or `never`.
    color: ColorChoice, flag "--color", variable "THROUGHLINE_COLOR", key "color", default "`auto`";
    /// The server that commands talk to.
    server: String, flag "--server", variable "THROUGHLINE_SERVER", key "server", default "the one of the last `throughline login`, else the one that runs on the data folder";
    /// The access token.
    token: Secret, flag none, variable "THROUGHLINE_TOKEN", key none, default "the one of `throughline login`";
    /// A file with the access token.
    token_file: PathBuf, flag "--token-file", variable "THROUGHLINE_TOKEN_FILE", key "token-file", default "none";
    /// A file with the certificates (PEM) that vouch for the server, instead of the public ones.
    ca_file: PathBuf, flag "--ca-file", variable "THROUGHLINE_CA_FILE", key "ca-file", default "none";
    /// The component that commands are about, as `team/name`.
    component: String, flag "--component", variable "THROUGHLINE_COMPONENT", key "component", default "the one of the git repository of the current folder, else the server's only one";
    /// Where the server listens; port 0 takes a free one.
    address: SocketAddr, flag "--address", variable "THROUGHLINE_ADDRESS", key "address", default "`127.0.0.1:8400`";
    /// The server's certificate and those that vouch for it (PEM): with it the server speaks TLS itself.
    tls_certificate: PathBuf, flag "--tls-certificate", variable "THROUGHLINE_TLS_CERTIFICATE", key "tls-certificate", default "none";
    /// The private key of the server's certificate (PEM).
    tls_key: PathBuf, flag "--tls-key", variable "THROUGHLINE_TLS_KEY", key "tls-key", default "none";
    /// A proxy that speaks TLS stands before the server. To listen to other machines it takes this or a certificate.
    behind_proxy: bool, flag "--behind-proxy", variable "THROUGHLINE_BEHIND_PROXY", key "behind-proxy", default "`false`";
    /// The address at which people and machines reach the server, where it differs from where it listens.
    public_url: String, flag "--public-url", variable "THROUGHLINE_PUBLIC_URL", key "public-url", default "`https://` and the first name in the certificate, else `http://` and the address";
    /// The policy of environments to start with.
    environments: PathBuf, flag "--environments", variable "THROUGHLINE_ENVIRONMENTS", key "environments", default "the data folder's `environments.yaml`, made when absent";
    /// How many steps may work at the same time.
    max_parallel: Amount, flag "--max-parallel", variable "THROUGHLINE_MAX_PARALLEL", key "max-parallel", default "the number of processors";
    /// Where `throughline run` keeps results, packages and the logs of its last runs.
    cache: PathBuf, flag "--cache", variable "THROUGHLINE_CACHE", key "cache", default "`throughline` in the user's cache folder";
    /// Where kept results of steps are shared with other machines: a folder, or `s3://BUCKET/PREFIX` (docs/sharing.md).
    shared_results: ShareAddress, flag "--shared-results", variable "THROUGHLINE_SHARED_RESULTS", key "shared-results", default "none";
    /// What is done with shared results: `read-write` (what is made here is added) or `read`.
    shared_results_access: AccessChoice, flag "--shared-results-access", variable "THROUGHLINE_SHARED_RESULTS_ACCESS", key "shared-results-access", default "`read-write`";
    /// How often followed repositories are looked at, such as `30s` or `5m`.
    poll_interval: Span, flag "--poll-interval", variable "THROUGHLINE_POLL_INTERVAL", key "poll-interval", default "`30s`";
    /// The largest push that is taken, such as `512MiB`.
    largest_push: Size, flag "--largest-push", variable "THROUGHLINE_LARGEST_PUSH", key "largest-push", default "`1GiB`";
    /// Where signed checkpoints of the ledger are put, for somebody else to keep.
    checkpoints: PathBuf, flag "--checkpoints", variable "THROUGHLINE_CHECKPOINTS", key "checkpoints", default "none: they are recorded alone";
    /// After how long what is new in the ledger is covered by a signed checkpoint; 1000 new facts are covered at once.
    checkpoint_interval: Span, flag "--checkpoint-interval", variable "THROUGHLINE_CHECKPOINT_INTERVAL", key "checkpoint-interval", default "`10m`";
    /// The file that says who is told what, by mail and by webhook.
    notifications: PathBuf, flag "--notifications", variable "THROUGHLINE_NOTIFICATIONS", key "notifications", default "none: nobody is told anything";
    /// Whether each step runs in namespaces of its own, out of reach of other steps and the server's files: `available` (where the kernel allows it; the run says where it does not), `required` (a step that cannot be isolated fails) or `off`.
    isolation: IsolationChoice, flag "--isolation", variable "THROUGHLINE_ISOLATION", key "isolation", default "`available`";
    /// Who runs the steps with an `image`, and services with one: `auto` (Podman where it works, else Docker), `podman`, `docker` or `off` (they fail).
    containers: ContainersChoice, flag "--containers", variable "THROUGHLINE_CONTAINERS", key "containers", default "`auto`";
    /// How long logs of steps are kept; those of each component's newest runs stay. Facts are kept for good.
    keep_logs: Span, flag "--keep-logs", variable "THROUGHLINE_KEEP_LOGS", key "keep-logs", default "`90d`";
    /// How long the workspaces of runs are kept that did not succeed; those of others go within a day.
    keep_workspaces: Span, flag "--keep-workspaces", variable "THROUGHLINE_KEEP_WORKSPACES", key "keep-workspaces", default "`7d`";
    /// How long folders kept from run to run (`cache`) and kept results of steps (`inputs`) stay after they were last used.
    keep_caches: Span, flag "--keep-caches", variable "THROUGHLINE_KEEP_CACHES", key "keep-caches", default "`30d`";
    /// The most room that folders kept from run to run have together, and as much again kept results of steps; beyond it those used longest ago go.
    caches_size: Size, flag "--caches-size", variable "THROUGHLINE_CACHES_SIZE", key "caches-size", default "`20GiB`";
    /// What the server says about its work: `error`, `warn`, `info`, `debug`, or more finely as `warn,engine=debug`.
    log: String, flag "--log", variable "THROUGHLINE_LOG", key "log", default "`warn`";
    /// A file with the key that encrypts secrets, as 64 hex digits.
    secret_key_file: PathBuf, flag "--secret-key-file", variable "THROUGHLINE_SECRET_KEY_FILE", key "secret-key-file", default "made in the data folder";
}
