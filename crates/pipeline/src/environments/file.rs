//! `environments.yaml` as it is written. The descriptions here are what editors show.

use schemars::JsonSchema;
use serde::Deserialize;

use super::OnDeadline;
use crate::duration;
use crate::named::Named;

/// The environments of the organisation: where packages run, in which order, and by which rules. Stands
/// in one protected place; a component's commit cannot change it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "environments.yaml",
    extend("x-later" = ["freezes", "gates", "grants", "metrics", "modules", "notifications", "policies", "roles", "secrets", "teams"])
)]
pub(crate) struct File {
    /// The version of this file's language: 1.
    #[schemars(range(min = 1, max = 1))]
    #[allow(dead_code)] // read before everything else
    pub throughline: u32,
    /// The environments, by name.
    pub environments: Named<Environment>,
}

/// Where packages run, and what they must have done before.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = ["analysis", "concurrency", "ephemeral", "freezes", "metrics", "owners", "secrets", "teams", "variables", "windows"]))]
pub(crate) struct Environment {
    /// The environments in which a package must have proven itself before it may come here.
    #[serde(default)]
    pub after: Vec<String>,
    /// What runs the package; local processes by default.
    pub target: Option<Target>,
    /// The address at which the service answers, `ip:port`; a free port of this machine, kept for good,
    /// by default.
    pub address: Option<String>,
    /// The database.
    pub database: Option<Database>,
    /// How a package replaces the one before; `rolling` by default.
    pub strategy: Option<Strategy>,
    /// How long a package must have run here, verified, before it counts as proven; `0s` by default.
    #[schemars(regex(pattern = duration::PATTERN))]
    pub soak: Option<String>,
    /// Who must approve a package before it comes here.
    #[serde(default)]
    pub approvals: Vec<Approval>,
    /// Conditions that a package must meet to come here.
    #[serde(default)]
    pub gates: Vec<Gate>,
    /// The release lines whose packages may come here; every one by default.
    #[serde(default)]
    pub lines: Vec<String>,
}

/// What runs the package.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = ["cluster", "engine", "hosts", "image", "namespace", "resources"]))]
pub(crate) struct Target {
    /// `process`: local processes behind a balancing proxy. `command`: your own commands.
    #[schemars(extend("x-later-values" = ["docker", "kubernetes", "podman", "ssh"]))]
    pub kind: TargetKind,
    /// For `process`: how many instances run; 1 by default.
    #[schemars(range(min = 1, max = 1000))]
    pub instances: Option<u32>,
    /// For `command`: brings about the state that it reads as JSON, and may be repeated.
    pub apply: Option<String>,
    /// For `command`: prints the state that is there as JSON.
    pub observe: Option<String>,
    /// For `command`: shifts the shares of the requests; needed for canaries.
    pub weight: Option<String>,
    /// For `command`: takes everything away.
    pub stop: Option<String>,
}

/// What runs the package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TargetKind {
    /// Local processes behind a balancing proxy.
    Process,
    /// Your own commands.
    Command,
}

/// The database of an environment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = ["name", "secret", "user"]))]
pub(crate) struct Database {
    /// The kind of database.
    pub kind: DatabaseKind,
    /// Where it is. For `sqlite`: the path of the file, if not one that the server keeps. For `postgres`:
    /// `postgres://user@host:5432/database`, for `mysql`: `mysql://user@host:3306/database`, both without a password. `{team}` and `{component}` stand for the two
    /// parts of the component's name.
    pub url: Option<String>,
    /// The password, if it needs one.
    pub password: Option<Password>,
}

/// The kind of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DatabaseKind {
    /// SQLite, a file.
    Sqlite,
    /// PostgreSQL, 15 or later.
    Postgres,
    /// MariaDB, 10.6 or later, or MySQL, 8.0 or later.
    Mysql,
}

/// The password of a database.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Password {
    /// The name of the secret that it is.
    pub secret: String,
}

/// How a package replaces the one before.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = ["analysis", "experiment", "metrics", "mirror", "pause", "steps"]))]
pub(crate) struct Strategy {
    /// `rolling`: one instance after another. `blue-green`: all new instances, then all requests at
    /// once. `canary`: a few new instances beside the old ones, judged before the rest follows.
    #[schemars(extend("x-later-values" = ["recreate", "shadow"]))]
    pub kind: StrategyKind,
    /// For `canary`: instances of the canary, and as many of the baseline beside it; 1 by default.
    #[schemars(range(min = 1, max = 1000))]
    pub instances: Option<u32>,
    /// For `canary`: percent of the requests that go to the canary, and as many to the baseline; 20 by
    /// default.
    #[schemars(range(min = 1, max = 50))]
    pub weight: Option<u32>,
    /// For `canary`: by how much the share of failed requests may exceed the baseline's; 0.01 by
    /// default.
    #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub margin: Option<f64>,
    /// For `canary`: the probability of a wrong verdict that is accepted; 0.05 by default.
    #[schemars(extend("exclusiveMinimum" = 0.0, "maximum" = 0.5))]
    pub alpha: Option<f64>,
    /// For `canary`: requests that the baseline must have seen before anything is said; 50 by default.
    pub minimum_requests: Option<u64>,
    /// For `canary`: how long a verdict may take; `10m` by default.
    #[schemars(regex(pattern = duration::PATTERN))]
    pub deadline: Option<String>,
    /// For `canary`: what happens when the deadline passes without a verdict; `return` by default.
    pub on_deadline: Option<OnDeadline>,
    /// For `canary`: how latency is judged; it is not by default.
    pub latency: Option<Latency>,
}

/// How a package replaces the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StrategyKind {
    /// One instance after another.
    Rolling,
    /// All new instances first, then all requests at once.
    BlueGreen,
    /// A few new instances beside the old ones, judged before the rest follows.
    Canary,
}

/// How latency is judged.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Latency {
    /// Which quantile; 0.95 by default.
    #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub quantile: Option<f64>,
    /// By how much it may exceed the baseline's.
    #[schemars(regex(pattern = duration::PATTERN))]
    pub margin: String,
}

/// Who must approve.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Approval {
    /// The role of the people asked.
    pub role: String,
    /// How many different people must approve; 1 by default. The author's own approval does not count.
    #[schemars(range(min = 1, max = 100))]
    pub of: Option<u32>,
}

/// A condition that a package must meet.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gate {
    /// Its name.
    pub name: String,
    /// The condition, in CEL over `candidate`, `environment`, `proven_in` and `verdicts`.
    pub when: String,
    /// What to tell people when it does not hold.
    pub message: Option<String>,
}
