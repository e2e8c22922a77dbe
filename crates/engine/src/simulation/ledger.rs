//! A ledger in miniature: the checks of the real ones, in their order, without their I/O.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use facts::envelope::GENESIS;
use facts::{Digest, Fact, FactId, Position, Stream, Timestamp};
use ledger::{Append, AppendError, Appended};

#[derive(Default)]
pub(crate) struct SimLedger {
    pub facts: Vec<Arc<Fact>>,
    ids: HashMap<FactId, Position>,
    claims: HashMap<String, Position>,
    streams: BTreeMap<Stream, Vec<Position>>,
}

impl SimLedger {
    pub(crate) fn append(&mut self, append: &Append, now: Timestamp) -> Result<Appended, AppendError> {
        let known: Vec<Position> = append
            .facts
            .iter()
            .filter_map(|fact| self.ids.get(&fact.id).copied())
            .collect();
        if let (Some(first), Some(last)) = (known.first(), known.last()) {
            if known.len() < append.facts.len() {
                return Err(AppendError::Reused {
                    id: append.facts[0].id,
                    by: *first,
                });
            }
            return Ok(Appended {
                first: *first,
                last: *last,
                repeated: true,
                recorded_at: now,
            });
        }
        for stream in &append.subjects {
            let last = self.streams.get(stream).and_then(|at| at.last()).copied().unwrap_or(0);
            if last > append.read_at {
                return Err(AppendError::Conflict {
                    stream: stream.clone(),
                    at: last,
                });
            }
        }
        for fact in &append.facts {
            let Some(key) = &fact.external_key else { continue };
            if let Some(by) = self.claims.get(key) {
                return Err(AppendError::Claimed {
                    key: key.clone(),
                    by: *by,
                });
            }
        }
        let first = self.head() + 1;
        for new in &append.facts {
            let seq = self.head() + 1;
            let stream = self.streams.entry(new.stream.clone()).or_default();
            stream.push(seq);
            let version = stream.len() as u64;
            let previous: Digest = self.facts.last().map_or(GENESIS, |fact| fact.hash);
            let (fact, bytes) = new.clone().seal(seq, version, now, previous);
            self.ids.insert(fact.new.id, seq);
            if let Some(key) = &fact.new.external_key {
                self.claims.insert(key.clone(), seq);
            }
            // What readers see is what was stored.
            let stored = Fact::from_stored(&bytes).expect("a sealed fact reads back");
            assert_eq!(stored.hash, fact.hash);
            self.facts.push(Arc::new(stored));
        }
        Ok(Appended {
            first,
            last: self.head(),
            repeated: false,
            recorded_at: now,
        })
    }

    pub(crate) fn head(&self) -> Position {
        self.facts.len() as Position
    }

    pub(crate) fn stream(&self, stream: &Stream) -> Vec<Arc<Fact>> {
        let positions = self.streams.get(stream).map(Vec::as_slice).unwrap_or_default();
        positions
            .iter()
            .map(|seq| Arc::clone(&self.facts[*seq as usize - 1]))
            .collect()
    }

    pub(crate) fn claim(&self, key: &str) -> Option<Arc<Fact>> {
        self.claims
            .get(key)
            .map(|seq| Arc::clone(&self.facts[*seq as usize - 1]))
    }

    pub(crate) fn has(&self, id: FactId) -> bool {
        self.ids.contains_key(&id)
    }
}
