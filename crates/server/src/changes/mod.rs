//! Components, their repositories, and the changes that come to them.

mod builds;
mod intake;
pub mod kinds;
mod register;
mod repositories;
pub mod view;

pub use builds::{BUILD, Builds, build_key};
pub use intake::{Intake, IntakeError};
pub use register::{Component, Register, RegisterError};
pub use repositories::{Repositories, RepositoryError};
pub use view::ChangesView;
