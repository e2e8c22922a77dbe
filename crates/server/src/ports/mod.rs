//! What delivery and builds ask of the rooms around them, answered by what the server holds.

mod commits;
mod databases;
mod logs;
mod names;
mod packages;
mod scripts;
mod secrets;
mod targets;

pub use commits::HeldChanges;
pub use databases::EnvironmentDatabases;
pub use logs::KeptLogs;
pub use names::ClaimedNames;
pub use packages::StoredPackages;
pub use scripts::StepScripts;
pub use secrets::{StoredSecrets, open_secret};
pub use targets::EnvironmentTargets;
