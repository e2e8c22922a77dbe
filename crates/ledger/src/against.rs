//! The ledger against checkpoints that were kept elsewhere, and an export against itself.

use std::collections::HashMap;

use facts::{Digest, Fact, FactId, Position};

use crate::contract::{Ledger, LedgerError};
use crate::signed::Statement;
use crate::verify::{Checkpoint, Fault, Held, Problem, Verification, Verifier};

/// What somebody kept of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The id of the ledger's first fact, where that was kept too.
    pub ledger: Option<FactId>,
    /// The place and its hash.
    pub checkpoint: Checkpoint,
}

impl From<Checkpoint> for Kept {
    fn from(checkpoint: Checkpoint) -> Self {
        Self {
            ledger: None,
            checkpoint,
        }
    }
}

impl From<&Statement> for Kept {
    fn from(statement: &Statement) -> Self {
        Self {
            ledger: Some(statement.ledger),
            checkpoint: statement.checkpoint(),
        }
    }
}

/// What was kept, in the order of positions.
fn in_order<K: Into<Kept>>(kept: impl IntoIterator<Item = K>) -> Vec<Kept> {
    let mut kept: Vec<Kept> = kept.into_iter().map(Into::into).collect();
    kept.sort_by_key(|kept| kept.checkpoint.position);
    kept
}

/// The fault of a ledger that does not begin as what was kept of it.
fn of_another(kept: &[Kept], first: FactId) -> Option<Fault> {
    let expected = kept.iter().filter_map(|kept| kept.ledger).find(|kept| *kept != first)?;
    Some(Fault {
        seq: 1,
        problem: Problem::OtherLedger { expected },
    })
}

/// Looks whether the ledger still holds what was kept of it; the first that it does not hold.
/// This does not check the chain between: [`Ledger::verify`] does.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn against<K: Into<Kept>>(
    ledger: &dyn Ledger,
    kept: impl IntoIterator<Item = K> + Send,
) -> Result<Option<Fault>, LedgerError> {
    let kept = in_order(kept);
    if let Some(first) = ledger.read(0, 1).await?.first()
        && let Some(fault) = of_another(&kept, first.new.id)
    {
        return Ok(Some(fault));
    }
    let mut comparison = Comparison::default();
    for Kept { checkpoint, .. } in kept {
        let found = match checkpoint.position.checked_sub(1) {
            Some(before) => ledger.export(before, 1).await?,
            None => Vec::new(),
        };
        let hash = found
            .first()
            .filter(|fact| fact.seq == checkpoint.position)
            .map(|fact| fact.hash);
        if let Some(fault) = comparison.compare(checkpoint, hash, ledger.head().await?) {
            return Ok(Some(fault));
        }
    }
    Ok(None)
}

/// Goes along checkpoints in their order.
#[derive(Debug, Default)]
struct Comparison {
    /// The last one that the ledger holds.
    intact: Position,
}

impl Comparison {
    /// Compares what stands at a checkpoint's position with it; `end` is the last fact that there is.
    fn compare(&mut self, kept: Checkpoint, found: Option<Digest>, end: Position) -> Option<Fault> {
        match found {
            Some(hash) if hash == kept.hash => {
                self.intact = kept.position;
                None
            }
            Some(_) => Some(Fault {
                seq: kept.position,
                problem: Problem::Rewritten { intact: self.intact },
            }),
            None => Some(Fault {
                seq: end + 1,
                problem: Problem::CutOff {
                    recorded: kept.position,
                },
            }),
        }
    }
}

/// What stands around the hash and the bytes of a fact in a line of an export, see
/// [`Exported::line`](crate::Exported::line). It is taken apart as text, because the hash is of the bytes as
/// they are.
const AROUND: [&str; 3] = ["{\"hash\":\"", "\",\"fact\":", "}"];

/// The hash and the bytes of a fact in a line of an export.
fn apart(line: &[u8]) -> Option<(Digest, &[u8])> {
    let [before, between, after] = AROUND.map(str::as_bytes);
    let rest = line.strip_prefix(before)?.strip_suffix(after)?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    let hash = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
    Some((hash, rest[end..].strip_prefix(between)?))
}

/// Goes along an export, line by line, and sees that each fact is what its hash says and follows the one before.
#[derive(Debug)]
pub(crate) struct Lines {
    verifier: Verifier,
    /// The last version of each stream.
    versions: HashMap<String, u64>,
}

impl Lines {
    /// From the first fact on.
    pub(crate) fn new() -> Self {
        let nothing = Checkpoint {
            position: 0,
            hash: facts::envelope::GENESIS,
        };
        Self {
            verifier: Verifier::after(nothing),
            versions: HashMap::new(),
        }
    }

    /// The last good fact.
    pub(crate) fn last(&self) -> Checkpoint {
        self.verifier.last()
    }

    /// The next fact, and its id.
    pub(crate) fn take(&mut self, line: &[u8]) -> Result<(Held, FactId), Fault> {
        let seq = self.last().position + 1;
        let (held, id) = held(line, &self.versions).map_err(|reason| Fault {
            seq,
            problem: Problem::Bytes(reason),
        })?;
        self.verifier.check(&held)?;
        self.versions.insert(held.stream.clone(), held.version);
        Ok((held, id))
    }
}

/// Checks an export, line by line, without the ledger that it came from.
#[derive(Debug)]
pub struct ExportCheck {
    lines: Lines,
    fault: Option<Fault>,
    /// What was kept, in its order.
    kept: Vec<Kept>,
    /// How many of these were compared.
    compared: usize,
    comparison: Comparison,
}

impl ExportCheck {
    /// A check of an export from its first fact on, against checkpoints that were kept elsewhere.
    pub fn new<K: Into<Kept>>(kept: impl IntoIterator<Item = K>) -> Self {
        Self {
            lines: Lines::new(),
            fault: None,
            kept: in_order(kept),
            compared: 0,
            comparison: Comparison::default(),
        }
    }

    /// Takes in the next line, without its line end. After the first bad one nothing more is looked at:
    /// then this is `false`.
    pub fn line(&mut self, line: &[u8]) -> bool {
        if self.fault.is_some() {
            return false;
        }
        match self.lines.take(line) {
            Ok((_, id)) => {
                let last = self.lines.last();
                if last.position == 1 {
                    self.fault = of_another(&self.kept, id);
                }
                while let Some(kept) = self.next_kept(last.position) {
                    let found = (kept.position == last.position).then_some(last.hash);
                    let fault = self.comparison.compare(kept, found, last.position);
                    self.fault = self.fault.take().or(fault);
                }
                self.fault.is_none()
            }
            Err(fault) => {
                self.fault = Some(fault);
                false
            }
        }
    }

    /// The next checkpoint that was not compared yet, where it stands at or before `position`.
    fn next_kept(&mut self, position: Position) -> Option<Checkpoint> {
        let kept = self.kept.get(self.compared)?.checkpoint;
        (kept.position <= position).then(|| {
            self.compared += 1;
            kept
        })
    }

    /// What was found.
    pub fn finish(mut self) -> Verification {
        let end = self.lines.last().position;
        let fault = self.fault.take().or_else(|| {
            let kept = self.next_kept(Position::MAX)?;
            self.comparison.compare(kept, None, end)
        });
        self.lines.verifier.finish(fault)
    }
}

/// A line as the fact that it says it is.
fn held(line: &[u8], versions: &HashMap<String, u64>) -> Result<(Held, FactId), String> {
    let (hash, bytes) = apart(line).ok_or("the line is not one of an export")?;
    let fact = Fact::from_stored(bytes).map_err(|error| error.to_string())?;
    let stream = fact.stream().as_str().to_owned();
    let held = Held {
        seq: fact.seq,
        version: fact.stream_version,
        version_before: versions.get(&stream).copied().unwrap_or(0),
        stream,
        id: fact.new.id.to_string(),
        kind: fact.kind().to_owned(),
        recorded_at: fact.recorded_at.as_microsecond(),
        external_key: fact.new.external_key.clone(),
        hash: hash.as_bytes().to_vec(),
        bytes: bytes.to_vec(),
    };
    Ok((held, fact.new.id))
}
