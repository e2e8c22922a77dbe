//! Commands that need no server.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Component, Json};
use crate::settings::Flags;
use crate::settings::value::{AccessChoice, Amount, ContainersChoice, ShareAddress};

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FileKind {
    /// A component's steps, package and configuration: throughline.yaml.
    Definition,
    /// The organisation's environments: environments.yaml.
    Environments,
    /// A piece of pipeline that definitions use: module.yaml.
    Module,
    /// A maturity model, for `throughline assess --model`.
    MaturityModel,
    /// What people state about practices: .throughline/maturity.yaml.
    Statements,
}

/// Run the steps of throughline.yaml here, without a server.
///
/// The steps work in this folder, with whatever lies in it, by the same plan and the same code as on a server. A
/// step that names its `inputs` is put back instead of run when nothing it depends on has changed. Without steps,
/// everything runs and the package is put together.
#[derive(Debug, Args)]
pub struct LocalRunArgs {
    /// Run only these steps and what they need.
    #[arg(value_name = "STEP")]
    pub steps: Vec<String>,
    /// The definition. [default: throughline.yaml of this folder or the nearest one above it]
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub component: Component,
    /// At the top of a repository that lists components: run those that have changed since this branch left
    /// COMMIT, and what needs them. [default: all]
    #[arg(long, value_name = "COMMIT")]
    pub since: Option<String>,
    /// A checkout of another repository that this commit depends on, by a trailer `Depends-On` of its message; can
    /// be given several times.
    #[arg(long, value_name = "TEAM/NAME=FOLDER")]
    pub beside: Vec<String>,
    /// A secret that steps ask for, and the file that holds it; can be given several times.
    #[arg(long = "secret", value_name = "NAME=FILE")]
    pub secrets: Vec<String>,
    /// How many steps may work at the same time. [default: the number of processors]
    #[arg(long, value_name = "NUMBER")]
    pub max_parallel: Option<Amount>,
    /// Who runs steps with an image: auto (Podman where it works, else Docker), podman, docker, or off.
    /// [default: auto]
    #[arg(long, value_name = "ENGINE", hide_possible_values = true)]
    pub containers: Option<ContainersChoice>,
    /// Fetch the modules of other repositories again, instead of using what a version meant when it was fetched
    /// before.
    #[arg(long)]
    pub refresh_modules: bool,
    /// Say of each step why it runs.
    #[arg(long)]
    pub why: bool,
    /// Say what would run and why, and run nothing.
    #[arg(long, conflicts_with_all = ["output", "watch"])]
    pub dry_run: bool,
    /// Run again whenever a file changes, until Ctrl-C.
    #[arg(long, conflicts_with = "json")]
    pub watch: bool,
    /// Build twice from nothing, in folders of their own, and name the files of the package that differ.
    #[arg(long, conflicts_with_all = ["steps", "dry_run", "watch", "output", "why"])]
    pub rebuild: bool,
    /// Put the package into this folder, as an OCI image layout; one that lies there is replaced.
    #[arg(long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
    /// Where results, packages and the logs of the last runs are kept.
    #[arg(long, value_name = "FOLDER")]
    pub cache: Option<PathBuf>,
    /// Where kept results of steps are shared with other machines: a folder, or s3://BUCKET/PREFIX.
    #[arg(long, value_name = "PLACE")]
    pub shared_results: Option<ShareAddress>,
    /// What is done with shared results: read-write (what is made here is added) or read. [default: read-write]
    #[arg(long, value_name = "ACCESS", hide_possible_values = true)]
    pub shared_results_access: Option<AccessChoice>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

impl LocalRunArgs {
    pub(super) fn flags(&self, flags: Flags) -> Flags {
        Flags {
            // A name without a team is one in the list of the repository.
            component: self.component.component.clone().filter(|name| name.contains('/')),
            max_parallel: self.max_parallel,
            containers: self.containers,
            cache: self.cache.clone(),
            shared_results: self.shared_results.clone(),
            shared_results_access: self.shared_results_access,
            ..flags
        }
    }
}

/// Check throughline.yaml, environments.yaml, modules, maturity models and statements, without a server.
///
/// Each mistake is printed as `file:line:column: message`, with what to do about it.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The file; both files of the current folder by default, as far as they are there.
    pub file: Option<PathBuf>,
    /// What the file is, where its name does not say so.
    #[arg(long = "as", value_name = "KIND", requires = "file")]
    pub kind: Option<FileKind>,
    /// Show the plan of a definition: what runs after what, what is kept, what would be skipped, and from which
    /// module a step is.
    #[arg(long)]
    pub explain: bool,
    /// The line for which the plan is shown.
    #[arg(long, value_name = "LINE", default_value = "main", requires = "explain")]
    pub line: String,
    /// Fetch the modules of other repositories again, instead of using what a version meant when it was fetched
    /// before.
    #[arg(long)]
    pub refresh_modules: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// Print the JSON Schema of a file, for editors.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Which file.
    #[arg(value_name = "KIND", default_value = "definition")]
    pub kind: FileKind,
}

/// Where a hidden process keeps its files.
#[derive(Debug, Args)]
pub struct FolderArgs {
    /// The folder.
    #[arg(long)]
    pub folder: PathBuf,
}
