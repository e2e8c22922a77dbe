//! Search over everything by one field.
//!
//! A followed view keeps the words of components, changes, packages, runs and people's ids; names of
//! people and environments come from the directory and the policy when they are asked for. A question
//! reads a bounded number of rows, however many facts there are.

mod answer;
mod find;
mod view;
mod words;

pub(crate) use answer::answer;
pub use view::SearchView;
