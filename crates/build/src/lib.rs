//! The step actions of builds: running commands in a workspace, and putting the package together.
//!
//! The same actions build on a server and on a laptop. What differs stands behind ports: where a
//! workspace comes from ([`Workspace`]), what is known of a commit ([`Commits`]) and of versions
//! ([`Names`]), and who opens secrets ([`Secrets`]).

pub mod around;
pub mod beside;
mod choose;
mod graph;
mod images;
mod kept;
mod machine;
pub mod making;
mod package;
pub mod ports;
pub mod rebuild;
pub mod reports;
mod run;
mod seen;
mod verdict;
mod version;
mod workspace;

pub use beside::{Beside, BesideAction};
pub use kept::{KeptResults, Prepared, Sought};
pub use machine::StepVariables;
pub use package::PackageAction;
pub use ports::{Commits, Names, Secrets, Workspace};
pub use run::RunAction;
pub use verdict::Published;
pub use version::VersionAction;
pub use workspace::{WorkspaceError, Workspaces};
