//! The two files and what they turn into.
//!
//! Here live [`definition`] (`throughline.yaml`: what a component's steps, package and service are),
//! [`environments`] (`environments.yaml`: where packages run and by which rules), [`plan`] (the steps
//! the engine drives), [`document`] (what a package carries for its deployments) and [`configuration`]
//! (settings by environment), and [`placed`] (files of other rooms in the same language). Nothing here reads a file, a clock or the environment: texts come in,
//! checked values go out, or [`Diagnostics`] that name each mistake with its place and its mend.

mod checks;
pub mod configuration;
mod cycle;
pub mod definition;
pub mod diagnostic;
pub mod document;
pub mod duration;
pub mod environments;
mod fill;
mod globs;
mod named;
pub mod placed;
pub mod plan;
pub mod reading;
mod schema;
pub mod within;
mod yaml;

pub use configuration::{Difference, Rendered, difference};
pub use definition::Definition;
pub use definition::components::{Components, Concern, Concerned, Member};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use document::PackageDocument;
pub use environments::{Environment, Environments};
pub use globs::{GlobError, Globs};
pub use plan::{EffectClass, Plan, PlannedStep};
pub use yaml::Place;

/// For a search that is guided by what code was reached.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing {
    /// Whether both ways to read YAML read a text alike.
    pub fn readers_agree(text: &str) -> bool {
        crate::yaml::readers_agree(text)
    }
}
