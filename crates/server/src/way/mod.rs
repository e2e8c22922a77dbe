//! The way of a change: where it is, what it waits for, and how long that usually takes. Both the
//! API and the pages tell it from here. And what it depends on in other repositories.

mod depends;
mod making;
mod read;
mod stand;
mod tell;

pub use depends::{On, OnPlace, Ties};
pub(crate) use making::{Making, differing as made_differently};
pub use read::{ChangeRow, Deployed, Read, Reader, VerdictRow};
pub(crate) use stand::{has_come_so_far, stands_since};
pub(crate) use tell::verdict as verdict_of;
pub use tell::{ChangeState, Told, tell};
