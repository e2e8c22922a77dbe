//! The histories that are being checked: one for each run and component that something happened to.

use std::collections::HashMap;
use std::sync::Arc;

use engine::invariants::Violation;
use facts::{Digest, Fact, Position, Stream};
use ledger::{Ledger, LedgerError};

/// How many histories are kept in memory; those that are not are read again when they are needed.
const MOST: usize = 2_000;
/// How many facts of a stream are read at a time.
const PAGE: usize = 1_000;

/// What is known of one stream.
enum History {
    Run(Box<engine::invariants::History>),
    Delivery(Box<delivery::invariants::History>),
    /// A rule was broken here. What the facts after it break follows from that, and is not told.
    Broken,
}

impl History {
    /// The rules of this stream; nothing where it has none.
    fn of(stream: &Stream) -> Option<Self> {
        match stream.kind() {
            engine::kinds::STREAM => Some(Self::Run(Box::default())),
            delivery::kinds::STREAM => Some(Self::Delivery(Box::default())),
            _ => None,
        }
    }

    fn check(&mut self, fact: &Fact) -> Result<(), Violation> {
        let checked = match self {
            Self::Run(history) => history.check(fact),
            Self::Delivery(history) => history.check(fact),
            Self::Broken => Ok(()),
        };
        if checked.is_err() {
            *self = Self::Broken;
        }
        checked
    }

    /// Whether nothing more is likely to come.
    fn is_over(&self) -> bool {
        matches!(self, Self::Run(history) if history.is_finished())
    }
}

/// All of them, and the chain of hashes through all facts.
pub(super) struct Histories {
    ledger: Arc<dyn Ledger>,
    open: HashMap<Stream, History>,
    /// Position and hash of the fact before; nothing where none was read.
    before: Option<(Position, Digest)>,
}

impl Histories {
    pub fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self {
            ledger,
            open: HashMap::new(),
            before: None,
        }
    }

    /// What comes next is the fact after `position`.
    pub async fn begin_after(&mut self, position: Position) -> Result<(), LedgerError> {
        if let Some(before) = position.checked_sub(1) {
            let found = self.ledger.read(before, 1).await?;
            self.before = found.first().map(|fact| (fact.seq, fact.hash));
        }
        Ok(())
    }

    /// Takes in the next fact of the ledger; says which rule it breaks, if any.
    pub async fn check(&mut self, fact: &Fact) -> Result<Option<Violation>, LedgerError> {
        let chain = self.follows(fact);
        self.before = Some((fact.seq, fact.hash));
        let stream = fact.stream();
        if !self.open.contains_key(stream) {
            let Some(history) = self.until(fact).await? else {
                return Ok(chain);
            };
            if self.open.len() >= MOST {
                self.open.clear();
            }
            self.open.insert(stream.clone(), history);
        }
        let Some(history) = self.open.get_mut(stream) else {
            return Ok(chain);
        };
        let checked = history.check(fact).err();
        if history.is_over() {
            self.open.remove(stream);
        }
        Ok(chain.or(checked))
    }

    /// Whether the fact stands where it says, after the one before it.
    fn follows(&self, fact: &Fact) -> Option<Violation> {
        let (position, hash) = self.before?;
        let wrong = |text: String| Violation {
            rule: "I2",
            seq: fact.seq,
            stream: fact.stream().to_string(),
            text,
        };
        if fact.seq != position + 1 {
            return Some(wrong(format!("fact {} follows fact {position}", fact.seq)));
        }
        (fact.previous != hash).then(|| wrong(format!("it does not carry the hash of fact {position}")))
    }

    /// The history of the fact's stream up to the fact before it. What broke a rule there was told then.
    async fn until(&self, fact: &Fact) -> Result<Option<History>, LedgerError> {
        let stream = fact.stream();
        let Some(mut history) = History::of(stream) else {
            return Ok(None);
        };
        let mut version = 0;
        while version + 1 < fact.stream_version {
            let missing = usize::try_from(fact.stream_version - 1 - version).unwrap_or(usize::MAX);
            let earlier = self.ledger.read_stream(stream, version, missing.min(PAGE)).await?;
            let Some(last) = earlier.last() else { break };
            version = last.stream_version;
            for fact in &earlier {
                let _ = history.check(fact);
            }
        }
        Ok(Some(history))
    }
}
