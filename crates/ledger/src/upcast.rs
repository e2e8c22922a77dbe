//! Old shapes of fact bodies, brought to today's on reading.

use std::collections::HashMap;

use facts::Fact;
use facts::envelope::EnvelopeError;

/// Turns the body of one version of a kind into that of the next.
pub type Upcaster = fn(serde_json::Value) -> serde_json::Value;

/// The known ways from an old shape of a body to the next one, by kind and version.
///
/// They are applied whenever a stored fact is read, so views and readers see today's shapes only. The
/// stored bytes and their hash stay what they are. A version without an upcaster is left as it is.
///
/// A changed upcaster does not fold views again by itself: raise the [version](crate::View::version)
/// of the views that read the kind.
#[derive(Debug, Clone, Default)]
pub struct Upcasters {
    known: HashMap<(&'static str, u16), Upcaster>,
}

impl Upcasters {
    /// No upcasters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the way from `from_version` of `kind` to the version after it.
    #[must_use]
    pub fn with(mut self, kind: &'static str, from_version: u16, upcaster: Upcaster) -> Self {
        self.known.insert((kind, from_version), upcaster);
        self
    }

    /// Adds all of `other`.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.known.extend(other.known);
        self
    }

    /// Reads a stored fact and brings its body to the newest known shape.
    pub(crate) fn read(&self, bytes: &[u8]) -> Result<Fact, EnvelopeError> {
        let mut fact = Fact::from_stored(bytes)?;
        self.apply(&mut fact);
        Ok(fact)
    }

    /// Brings the body of `fact` to the newest known shape.
    pub fn apply(&self, fact: &mut Fact) {
        if self.known.is_empty() {
            return;
        }
        while let Some(upcaster) = self.known.get(&(fact.new.kind.as_str(), fact.new.kind_version)) {
            fact.new.body = upcaster(std::mem::take(&mut fact.new.body));
            fact.new.kind_version += 1;
        }
    }
}
