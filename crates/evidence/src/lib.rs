//! What is known about how something is delivered.
//!
//! An [`Evidence`] is a document of named [`Measure`]s, each with a value, how many observations it
//! rests on, and the places it was seen. Whoever reads a history, a tree or a pipeline definition
//! writes measures; whoever judges maturity reads them, and nothing else. The names are declared in
//! [`vocabulary`]. Nothing here does I/O.

pub mod document;
pub mod tree;
pub mod vocabulary;

pub use document::{Component, Evidence, Finding, Measure, Measures, Place, Stream, Subject, Value};
pub use tree::{Entry, EntryKind, MemoryTree, Tree, TreeError};
