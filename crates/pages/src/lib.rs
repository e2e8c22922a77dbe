//! The web pages: plain view models in, HTML out.
//!
//! Every page is a pure function of a [`model::Frame`] and its own view model. Nothing here does I/O,
//! knows of HTTP, or decides anything; the server fills the models and mounts the paths of [`links`]
//! and the files of [`assets`].
//!
//! To add a page: compose it of [`parts`] (the page [`gallery`] shows them), give each fragment that
//! should stay current an id and `data-live`, and spell its path in [`links`].

pub mod ansi;
pub mod assessment;
pub mod assets;
pub mod change;
pub mod component;
pub mod difference;
pub mod door;
pub mod environment;
pub mod gallery;
pub mod ledger;
pub mod links;
pub mod log;
mod making;
pub mod model;
pub mod overview;
pub mod package;
pub mod parts;
pub mod repository;
pub mod run;
pub mod runs;
pub mod sample;
pub mod search;
pub mod settings;
pub mod time;
