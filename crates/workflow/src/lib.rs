//! Definitions of CI/CD systems, read into one model.
//!
//! [`read`] finds the definitions of a tree, parses them, follows what they include and what their
//! steps start, and says for each job when it runs and what it does. [`measures`] turns that into
//! the measures that are named `pipelines.*`. Nothing here does I/O but reading the tree it is given.

mod advice;
mod comparison;
mod finish;
mod github;
mod gitlab;
mod jenkins;
mod matrix;
mod measures;
pub mod model;
pub mod occasion;
pub mod purpose;
mod read;
mod shell;
mod site;
mod steps;
mod systems;
mod yaml;

pub use advice::MainBuild;
pub use measures::measures;
pub use model::Workflows;
pub use read::read;
