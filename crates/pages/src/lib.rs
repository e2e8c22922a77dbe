//! The web pages: plain view models in, HTML out.
//!
//! Every page is a pure function of a [`model::Frame`] and its own view model. Nothing here does I/O,
//! knows of HTTP, or decides anything; the server fills the models and mounts the paths of [`links`].

pub mod links;
pub mod model;
