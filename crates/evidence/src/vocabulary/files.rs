//! The names of what is read from the files of one commit.

use super::Declared;

pub(super) const NAMES: &[Declared] = &[];
