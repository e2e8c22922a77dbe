//! The facts as people look through them: a followed view that knows where each stands, and the ways
//! to ask it.

mod list;
mod one;
mod view;

pub(crate) use list::{Filter, list};
pub(crate) use one::{Whole, one};
pub use view::RecordedView;
