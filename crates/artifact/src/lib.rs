//! What a run leaves behind, as bytes that never change.
//!
//! - [`blob`]: a content-addressed store on a local folder. A blob is durable before it is visible.
//! - [`package`]: one immutable OCI image per (component, commit, trust): built from a workspace,
//!   read back, listed, compared, unpacked.
//! - [`registry`]: the decisions of the OCI distribution API for pulling packages. The HTTP routes
//!   live in the server.
//!
//! Everything here is synchronous and reads no clock; a server calls it from threads that may block.

pub mod beneath;
pub mod blob;
pub mod package;
pub mod registry;

pub use blob::{BlobError, BlobStore, Stored};
pub use package::{Package, PackageError, Platform, Recipe, RecipeFile, UnpackCache};
