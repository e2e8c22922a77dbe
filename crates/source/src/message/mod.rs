//! What stands in the messages of commits: trailers, by git's own rules, and what a change depends on.

mod depends;
mod trailers;

pub use depends::{Depends, DependsError, DependsOn, Id, change_id, depends_on};
pub use trailers::{Trailer, trailers};
