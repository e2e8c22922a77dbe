//! Components, their repositories, and the changes that come to them.

pub mod kinds;
pub mod view;
