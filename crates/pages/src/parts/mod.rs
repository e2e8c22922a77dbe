//! The parts every page is made of. One part, one look, everywhere.
//!
//! The page at [`crate::links::PARTS`] shows all of them.

pub mod canary;
pub mod frame;
pub mod graph;
pub mod history;
pub mod line;
pub mod mark;
pub mod small;
pub mod wait;
