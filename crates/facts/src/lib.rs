//! The words every room of the house shares, as plain data.
//!
//! Here live ids, digests, names, time, actors, the fact envelope with its hash chain, and the two
//! fact kinds that domains publish to one another. Nothing here does I/O, except that
//! [`clock::SystemClock`] and [`entropy::SystemEntropy`] are the only places in the workspace that
//! read the system's clock and its random numbers.

pub mod actor;
pub mod clock;
pub mod digest;
pub mod entropy;
pub mod envelope;
pub mod id;
pub mod name;
pub mod published;

pub use actor::{Actor, Trust};
pub use clock::{Clock, SystemClock, Timestamp};
pub use digest::{Digest, Hasher};
pub use entropy::{Entropy, SystemEntropy};
pub use envelope::{Fact, NewFact, Position, Stream};
pub use id::{ActorId, AttemptId, ComponentId, DeploymentId, FactId, InstanceId, RunId, SecretId, TokenId};
pub use name::{Commit, ComponentName, EnvironmentName, NameError, ReleaseLine, StepName, Version};
