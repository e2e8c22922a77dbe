//! `throughline init`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Draft a throughline.yaml for the repository in this folder, from what lies there.
///
/// Looks at the manifests of Rust, Node, Python, Go, Maven, Gradle, CMake, Make and Docker, and at the definitions of
/// other CI systems, whose commands it takes over as far as they can run here. What it leaves it names, with file,
/// line and reason. Services beside tests come along, as containers or as programs of this machine. What is deployed
/// by itself, such as a backend and a frontend in folders of their own, becomes a component with a file in its folder.
/// All files are checked before they are written; an existing one is not touched.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder of the component.
    #[arg(value_name = "PATH", default_value = ".")]
    pub path: PathBuf,
    /// Print the file, and write nothing.
    #[arg(long)]
    pub print: bool,
    /// Make one definition and one package of all that lies here, also where it looks like several components.
    #[arg(long)]
    pub one: bool,
    /// What services beside tests run as.
    #[arg(long, value_enum, value_name = "AS", default_value_t = ServicesAs::Auto)]
    pub services: ServicesAs,
    /// Write the file also where there is one already.
    #[arg(long, conflicts_with = "print")]
    pub force: bool,
    /// Print what was found and drafted as a document.
    #[arg(long)]
    pub json: bool,
}

/// What services beside tests run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServicesAs {
    /// Containers where Podman or Docker is here, or else programs of this machine.
    Auto,
    /// Containers.
    Container,
    /// Programs of this machine, where it is known how they are started.
    Process,
}
