//! The names of what is read from definitions of pipelines.

use super::Declared;

pub(super) const NAMES: &[Declared] = &[];
