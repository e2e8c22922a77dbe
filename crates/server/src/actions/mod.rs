//! The step actions of builds: running commands in a workspace, and putting the package together.

mod choose;
mod package;
mod run;
mod workspace;

pub use package::PackageAction;
pub use run::{RunAction, StepVariables};
pub use workspace::Workspaces;
