//! What other systems' definitions start, taken over where it builds, tests or checks.

use crate::Untaken;
use crate::part::Part;
use crate::view::View;

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub definitions: Vec<String>,
    pub untaken: Vec<Untaken>,
    pub notes: Vec<String>,
}

/// Looks at the definitions of other systems.
pub(crate) fn take(_view: &View<'_>, _parts: &mut [Part]) -> Taken {
    Taken::default()
}
