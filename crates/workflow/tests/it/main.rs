//! What is understood of definitions, system by system.

mod github;
mod support;
