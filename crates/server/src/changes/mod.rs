//! Components, their repositories, and the changes that come to them.

mod acceptance;
mod builds;
pub mod concerns;
mod depends;
mod intake;
pub mod kinds;
mod links;
mod looks;
mod members;
mod modules;
mod needs;
mod rebuilds;
mod register;
mod remotes;
mod repositories;
mod sorting;
mod tags;
mod versions;
pub mod view;
mod waiting;

pub use builds::{BUILD, BuildParts, Builds, build_key};
pub(crate) use depends::{Sought, dependencies};
pub use intake::{Intake, IntakeError};
pub(crate) use members::name as member_name;
pub use modules::Modules;
pub use rebuilds::{RebuildContext, Rebuilds};
pub use register::{Component, Register, RegisterError};
pub use remotes::{RemoteParts, Remotes};
pub use repositories::{CommitSummary, Repositories, RepositoryError};
pub use tags::{TAG, TagAction, TagContext};
pub use versions::{VersionError, Versions};
pub use view::ChangesView;
