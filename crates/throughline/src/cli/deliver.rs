//! Commands by which people steer.

use clap::Args;

use super::{Component, Json};

/// Show what differs between two environments.
///
/// Versions, settings and the state of the database's schema, by component, and the environments' own rules.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The first environment.
    pub left: String,
    /// The second environment.
    pub right: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// Approve a change for an environment that asks for approvals.
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// Its version, commit (or the first digits, or `HEAD`) or package.
    pub change: String,
    /// The environment.
    pub environment: String,
    /// In which role; needed where the environment asks for several.
    #[arg(long)]
    pub role: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub component: Component,
}

/// Send a change to an environment, past newer ones.
///
/// The environment's gates hold all the same.
#[derive(Debug, Args)]
pub struct PromoteArgs {
    /// Its version, commit (or the first digits, or `HEAD`) or package.
    pub change: String,
    /// The environment.
    pub environment: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub component: Component,
}

/// Return an environment to its last proven package, or to an earlier one.
///
/// It returns as a whole: package and configuration. The package that is left is not deployed there again by itself.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The environment.
    pub environment: String,
    /// To which proven version, commit or package; the last one that was proven there by default.
    #[arg(long, value_name = "CHANGE")]
    pub to: Option<String>,
    /// Why; it is recorded.
    #[arg(long, short, value_name = "TEXT")]
    pub reason: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub component: Component,
}

/// Let a package be deployed again that was marked never-again.
#[derive(Debug, Args)]
pub struct UnbarArgs {
    /// The package's digest, or its version or commit.
    pub change: String,
    /// A link or a sentence: why it is no danger any more. It is recorded.
    #[arg(long, value_name = "TEXT")]
    pub cause: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub component: Component,
}

/// End a run, or the waiting of a change for others.
///
/// A change that waits for changes in other repositories, or for other builds, is not built then, and what builds
/// upon it goes on.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// The run: its id or the last digits of it, or `latest`; or a change that waits, by its commit or branch.
    pub what: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub component: Component,
}

/// A run.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The run: its id or the last digits of it, or `latest`.
    pub run: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub component: Component,
}

/// Build a change again, and compare what comes out with its package.
///
/// The same commit is built from nothing, in a folder of its own and without any cache; steps with an effect on the
/// world are left out. The package that stands is never replaced, and what comes out is no package: it gets no
/// version and goes nowhere. The verdict `reproducible` stands in the record, and gates may ask for it.
///
/// It ends with 0 when the same package came out, and with 1 when another one did or it could not be found out.
#[derive(Debug, Args)]
pub struct RebuildArgs {
    /// A commit or its first digits, a version, a package's digest, or a branch; by default the commit that is
    /// checked out in the current folder.
    pub change: Option<String>,
    /// Do not wait for the verdict; print the run's id.
    #[arg(long)]
    pub no_wait: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub component: Component,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// Say whether a step was done of which nobody knows how it ended.
///
/// A step with an effect on the world is never tried again blindly: after a crash its run waits until somebody has
/// looked, and goes on with the answer.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("answer").required(true))]
pub struct ResolveArgs {
    /// The run: its id or the last digits of it, or `latest`.
    pub run: String,
    /// The step.
    pub step: String,
    /// It was done: the run goes on after it.
    #[arg(long, group = "answer")]
    pub done: bool,
    /// It was not done: it is tried again.
    #[arg(long, group = "answer")]
    pub not_done: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub component: Component,
}
