//! Commands that need no server.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Json;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FileKind {
    /// A component's steps, package and configuration: throughline.yaml.
    Definition,
    /// The organisation's environments: environments.yaml.
    Environments,
}

/// Check throughline.yaml and environments.yaml, without a server.
///
/// Each mistake is printed as `file:line:column: message`, with what to do about it.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The file; both files of the current folder by default, as far as they are there.
    pub file: Option<PathBuf>,
    /// What the file is, where its name does not say so.
    #[arg(long = "as", value_name = "KIND", requires = "file")]
    pub kind: Option<FileKind>,
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
