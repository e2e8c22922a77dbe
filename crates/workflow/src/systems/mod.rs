//! Readers of systems that need one file each.

pub(crate) mod azure;
mod azure_condition;
pub(crate) mod buildkite;
pub(crate) mod circleci;
pub(crate) mod concourse;
pub(crate) mod simple;
pub(crate) mod tekton;
pub(crate) mod throughline;
pub(crate) mod travis;
pub(crate) mod woodpecker;
