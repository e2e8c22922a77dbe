//! What delivery asks of the rooms around it, answered by what the server holds.

mod databases;
mod logs;
mod packages;
mod secrets;
mod targets;

pub use databases::EnvironmentDatabases;
pub use logs::KeptLogs;
pub use packages::StoredPackages;
pub use secrets::{StoredSecrets, open_secret};
pub use targets::EnvironmentTargets;
