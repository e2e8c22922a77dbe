//! How packages get through the environments to their users.
//!
//! Pure: [`kinds`] (the facts), [`state`] (their fold), [`path`] (the policy), [`mod@gate`] (who may come
//! in), [`mod@depends`] (what has to be there before), [`decide`] (what happens next), [`mod@plan`] and [`shape`]
//! (how a deployment goes), [`judge`] (what a canary showed), [`invariants`] (what must hold of the facts). With
//! effects: [`actions`] (what the steps of a deployment do, behind [`ports`]) and
//! [`driver`] (reads facts, asks the decisions, records what they say).
//!
//! A deployment is a run of the engine. Whatever goes wrong in it, the way back is another deployment
//! with a generation of its own, by the same code: there is no second path.

pub mod actions;
pub mod context;
pub mod decide;
pub mod depends;
pub mod driver;
pub mod gate;
pub mod invariants;
pub mod judge;
pub mod kinds;
mod mutation;
pub mod path;
pub mod plan;
pub mod ports;
pub mod shape;
#[cfg(test)]
mod simulation;
pub mod state;
mod verdict;
pub mod views;

pub use actions::ActionParts;
pub use context::DeploymentContext;
pub use driver::{Delivery, DeliveryError, Parts};
pub use gate::{GateVerdict, Requirement, WaitsFor};
pub use kinds::{DeliveryFact, Dependency, DeploymentResult, PackageAccepted, Purpose};
pub use path::{EnvironmentPolicy, Path, Strategy};
pub use state::{Environment, Package, State};
pub use views::DeliveryView;
