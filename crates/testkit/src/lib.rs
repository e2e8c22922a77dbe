//! What tests share: time and chance that a test decides, and places on the machine that no other
//! test uses.
//!
//! Only tests depend on this crate. What one room's tests alone need lives in that room.

mod authority;
mod clock;
mod entropy;
mod places;

pub use authority::{Authority, Certified};
pub use clock::ManualClock;
pub use entropy::SeededEntropy;
pub use places::{folder, free_port, tool};
