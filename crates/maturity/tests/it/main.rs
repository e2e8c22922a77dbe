//! Tests of the model and its documents from outside.

mod advice;
mod documents;
mod sarif;
mod systems;
mod verdicts;
