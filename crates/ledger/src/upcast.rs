//! Old shapes of fact bodies, brought to today's on reading.

use std::collections::HashMap;

use facts::Fact;
use facts::envelope::EnvelopeError;
use serde_json::Value;

/// Turns the body of one version of a kind into that of the next.
pub type Upcaster = fn(Value) -> Value;

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

    /// A fact that was sealed just now, as a reader of its stored bytes sees it. They are read only where that may be
    /// something else.
    pub(crate) fn sealed(&self, fact: Fact, bytes: &[u8]) -> Result<Fact, EnvelopeError> {
        let known = self
            .known
            .contains_key(&(fact.new.kind.as_str(), fact.new.kind_version));
        if known || !reads_back(&fact.new.body, DEEPEST) {
            return self.read(bytes);
        }
        Ok(fact)
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

/// How deep a document may surely be read back.
const DEEPEST: u8 = 100;

/// Whether a document surely comes back from its text as it is: numbers with a fraction may come back as a neighbour,
/// and what is nested too deeply does not come back at all.
fn reads_back(body: &Value, deepest: u8) -> bool {
    let Some(below) = deepest.checked_sub(1) else {
        return false;
    };
    match body {
        Value::Null | Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => !number.is_f64(),
        Value::Array(elements) => elements.iter().all(|element| reads_back(element, below)),
        Value::Object(members) => members.values().all(|member| reads_back(member, below)),
    }
}

#[cfg(test)]
mod tests {
    use facts::envelope::GENESIS;
    use facts::{Actor, FactId, NewFact, Stream, Trust};
    use serde_json::json;

    use super::*;

    fn sealed(body: Value) -> (Fact, Vec<u8>) {
        let at = "2026-01-02T03:04:05.000006Z".parse().unwrap();
        let new = NewFact {
            stream: Stream::new("thing", "a"),
            id: FactId::of_key("one"),
            kind: "thing.changed".into(),
            kind_version: 1,
            occurred_at: at,
            actor: Actor::System,
            on_behalf_of: None,
            trust: Trust::Trusted,
            cause: None,
            correlation: None,
            external_key: Some(String::new()),
            body,
        };
        new.seal(1, 1, at, GENESIS)
    }

    #[test]
    fn a_sealed_fact_is_what_a_reader_of_its_bytes_sees() {
        let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
        assert!(
            Upcasters::new()
                .sealed(sealed(deep.clone()).0, &sealed(deep).1)
                .is_err()
        );
        let raised = Upcasters::new().with("thing.changed", 1, |body| json!([body]));
        for (upcasters, body) in [
            (
                Upcasters::new(),
                json!({ "a": [1, -1, u64::MAX, "é\u{0}\"", null, true], "b": {} }),
            ),
            (
                Upcasters::new(),
                json!({ "fraction": 0.1 + 0.2, "large": 1e300, "small": 2.5e-310 }),
            ),
            (raised, json!({ "old": 1 })),
        ] {
            let (fact, bytes) = sealed(body);
            let read = upcasters.read(&bytes).unwrap();
            assert_eq!(
                format!("{:?}", upcasters.sealed(fact, &bytes).unwrap()),
                format!("{read:?}")
            );
        }
    }
}
