//! What is understood of definitions, system by system.

mod github;
mod gitlab;
mod hostile;
mod misleading;
mod support;
mod systems;
mod vocabulary;
