//! `throughline init`.

use std::path::PathBuf;

use clap::Args;

/// Draft a throughline.yaml for the repository in this folder, from what lies there.
///
/// Looks at the manifests of Rust, Node, Python, Go, Maven, Gradle, CMake, Make and Docker, and at the definitions of
/// other CI systems, whose commands it takes over as far as they can run here. What it leaves it names, with file,
/// line and reason. The file is checked before it is written; an existing one is not touched.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder of the component.
    #[arg(value_name = "PATH", default_value = ".")]
    pub path: PathBuf,
    /// Print the file, and write nothing.
    #[arg(long)]
    pub print: bool,
    /// Write the file also where there is one already.
    #[arg(long, conflicts_with = "print")]
    pub force: bool,
    /// Print what was found and drafted as a document.
    #[arg(long)]
    pub json: bool,
}
