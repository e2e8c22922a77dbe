//! Commands that show how things go.

use clap::Args;

use super::{Component, Json};

/// Show where a change is, the next gate, and what and whom it waits for.
///
/// Without CHANGE it shows the commit that is checked out in the current folder, where the server knows it, and
/// otherwise all environments and the newest changes.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// A commit or its first digits, a version, a package's digest, or a branch.
    pub change: Option<String>,
    /// Show all environments and the newest changes, wherever one is.
    #[arg(long, short, conflicts_with = "change")]
    pub all: bool,
    /// Show it anew whenever something happens, until the change has come to its end.
    #[arg(long, short)]
    pub follow: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub component: Component,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// List runs, or show one with its steps.
#[derive(Debug, Args)]
pub struct RunsArgs {
    /// The run to show: its id or the last digits of it, or `latest`.
    pub run: Option<String>,
    /// Only those of this environment.
    #[arg(long, short, value_name = "NAME", conflicts_with = "run")]
    pub environment: Option<String>,
    /// Only builds, deployments, returns, rebuilds or tags.
    #[arg(long, value_name = "KIND", value_parser = ["build", "deployment", "return", "rebuild", "tag"], conflicts_with = "run")]
    pub kind: Option<String>,
    /// Only those that ended so.
    #[arg(long, value_name = "RESULT", value_parser = ["succeeded", "failed", "cancelled", "timed-out", "unknown"], conflicts_with = "run")]
    pub result: Option<String>,
    /// Only those in this state.
    #[arg(long, value_name = "STATE", value_parser = ["waiting", "ready", "running", "backoff", "asking", "finished"], conflicts_with = "run")]
    pub state: Option<String>,
    /// Only those of this commit.
    #[arg(long, value_name = "COMMIT", conflicts_with = "run")]
    pub commit: Option<String>,
    /// How many to list.
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub component: Component,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// Find components, environments, changes, packages, runs and people by how their words begin.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// Words, commits, versions, digests, ids or names, or their beginnings; all of them must fit.
    #[arg(required = true, value_name = "WORDS")]
    pub words: Vec<String>,
    /// How many of each kind to list.
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub limit: u32,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// Print what the steps of a run said.
///
/// Without STEP it prints the logs of all steps, each line behind the name of its step. The commands' own colours
/// are kept on terminals; everything else that would steer a terminal is taken out.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The run: its id or the last digits of it, or `latest`.
    pub run: String,
    /// The step.
    pub step: Option<String>,
    /// Go on until the run, or the step, has ended.
    #[arg(long, short)]
    pub follow: bool,
    /// Which attempt, from 1; the last one by default.
    #[arg(long, value_name = "NUMBER", requires = "step", value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: Option<u32>,
    /// Put the time before each line.
    #[arg(long, short)]
    pub times: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub component: Component,
    /// Print each line as a document.
    #[arg(long)]
    pub json: bool,
}
