//! The names of what is read from commits, branches and tags.

use super::Declared;

pub(super) const NAMES: &[Declared] = &[];
