//! Results of steps, kept by what they came from.
//!
//! A step that names its inputs has a [`Manifest`]: everything its result may depend on. The digest
//! of the manifest is the key under which its outputs and its log are kept in a [`Store`]. The same
//! manifest again means the same result, which is put back instead of made. [`explain`] compares two
//! manifests and says why a step runs.
//!
//! A store may have a [`Share`] behind it, which other machines use as well.
//!
//! What is kept may speed a step and is never needed: a result that is missing, short or changed is
//! made anew. So nothing here is synced to the disk, and everything is checked when it is used.

mod explain;
mod files;
mod manifest;
mod memory;
mod restore;
mod share;
mod sharing;
mod store;
mod tree;

pub use explain::{Reason, explain};
pub use manifest::{Input, Key, Manifest};
pub use memory::Memory;
pub use restore::{Restored, restore};
pub use share::{FolderShare, Share, ShareError, Source};
pub use sharing::{Access, Sharing};
pub use store::{CacheError, Collected, Kept, Limits, Output, OutputKind, Store};
pub use tree::{SeenFile, SeenKind, Tree, TreeError};
