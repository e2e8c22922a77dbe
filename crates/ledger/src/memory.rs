//! The ledger in memory: for tests, simulations and `throughline run` on a laptop. It does what the
//! durable stores do, and forgets when it is dropped.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use facts::{Clock, Fact, FactId, Position, Stream, Timestamp, envelope::GENESIS};
use tokio::sync::watch;

use crate::append::{Append, AppendError, Appended, MAX_APPEND_BYTES};
use crate::contract::{Exported, Ledger, LedgerError, Rebuilt, RebuiltView};
use crate::lease::{self, Leases};
use crate::row::{Row, Value};
use crate::select::{Select, Selected};
use crate::upcast::Upcasters;
use crate::verify::{Checkpoint, Fault, Held, Problem, Verification, Verifier};
use crate::view::{FoldError, Folding, Rows, Table, View, Views, fold};

/// A [`Ledger`] in memory.
pub struct MemoryLedger {
    views: Views,
    upcasters: Upcasters,
    clock: Arc<dyn Clock>,
    leases: Arc<lease::Table>,
    state: Mutex<State>,
    head: watch::Sender<Position>,
    followed: watch::Sender<Position>,
}

#[derive(Default)]
struct State {
    facts: Vec<Recorded>,
    /// The positions of each stream's facts, in order.
    streams: HashMap<Stream, Vec<Position>>,
    ids: HashMap<FactId, Position>,
    claims: HashMap<String, Position>,
    tables: Tables,
    /// How far each followed view has come. One that is behind cannot take in the next fact.
    followed: HashMap<&'static str, Position>,
}

struct Recorded {
    /// As readers see it.
    fact: Arc<Fact>,
    bytes: Vec<u8>,
}

/// Rows by table and key, values in the order of the columns.
type Tables = HashMap<&'static str, BTreeMap<Vec<Value>, Vec<Value>>>;

impl MemoryLedger {
    /// An empty ledger with these views.
    ///
    /// # Errors
    /// When the views are declared wrongly.
    pub fn new(views: Vec<Arc<dyn View>>, clock: Arc<dyn Clock>) -> Result<Self, LedgerError> {
        Self::with_upcasters(views, Upcasters::new(), clock)
    }

    /// An empty ledger with these views, whose readers see bodies in the newest shape.
    ///
    /// # Errors
    /// When the views are declared wrongly.
    pub fn with_upcasters(
        views: Vec<Arc<dyn View>>,
        upcasters: Upcasters,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LedgerError> {
        Ok(Self {
            views: Views::new(views)?,
            upcasters,
            leases: lease::Table::new(clock.clone()),
            clock,
            state: Mutex::default(),
            head: watch::Sender::new(0),
            followed: watch::Sender::new(0),
        })
    }

    /// The leases of this ledger.
    pub fn leases(&self) -> Arc<dyn Leases> {
        self.leases.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock is held comes from no view (those are caught), and every change is
        // made after all checks.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decide(&self, state: &mut State, append: Append) -> Result<Appended, AppendError> {
        let leases = self.leases.rows();
        lease::check(&leases, append.fence.as_ref())?;
        if let Some(repeated) = state.repetition(&append)? {
            return Ok(repeated);
        }
        state.check_condition(&append)?;
        state.check_claims(&append)?;
        let recorded_at = crate::append::recording_time(self.clock.as_ref());
        let head = state.head();
        if append.facts.is_empty() {
            return Ok(Appended {
                first: head,
                last: head,
                repeated: false,
                recorded_at,
            });
        }
        let sealed = self.seal(state, append, recorded_at)?;
        let (mut undo, inline) = (Vec::new(), self.views.of(Folding::Inline));
        for recorded in &sealed {
            if let Err(error) = fold_all(&inline, &recorded.fact, &mut state.tables, Some(&mut undo)) {
                for (table, key, before) in undo.into_iter().rev() {
                    set(&mut state.tables, table, key, before);
                }
                return Err(error);
            }
        }
        let last = head + sealed.len() as Position;
        for recorded in sealed {
            let fact = recorded.fact.clone();
            state.record(recorded);
            state.follow(&self.views, &fact);
        }
        Ok(Appended {
            first: head + 1,
            last,
            repeated: false,
            recorded_at,
        })
    }

    fn seal(&self, state: &State, append: Append, at: Timestamp) -> Result<Vec<Recorded>, AppendError> {
        let mut versions: HashMap<Stream, u64> = HashMap::new();
        let mut seq = state.head();
        let mut previous = state.facts.last().map_or(GENESIS, |last| last.fact.hash);
        let mut size = 0;
        let mut sealed = Vec::with_capacity(append.facts.len());
        for new in append.facts {
            seq += 1;
            let version = versions
                .entry(new.stream.clone())
                .or_insert_with(|| state.streams.get(&new.stream).map_or(0, Vec::len) as u64);
            *version += 1;
            let (fact, bytes) = new.seal(seq, *version, at, previous);
            size += bytes.len();
            if size > MAX_APPEND_BYTES {
                return Err(AppendError::TooLarge {
                    bytes: size,
                    limit: MAX_APPEND_BYTES,
                });
            }
            previous = fact.hash;
            let kind = fact.new.kind.clone();
            let fact = self.upcasters.sealed(fact, &bytes);
            let fact = fact.map_err(|error| AppendError::Unstorable {
                kind,
                reason: error.to_string(),
            })?;
            sealed.push(Recorded {
                fact: Arc::new(fact),
                bytes,
            });
        }
        Ok(sealed)
    }
}

impl State {
    fn head(&self) -> Position {
        self.facts.len() as Position
    }

    fn fact(&self, seq: Position) -> Option<&Recorded> {
        self.facts.get(usize::try_from(seq).ok()?.checked_sub(1)?)
    }

    fn repetition(&self, append: &Append) -> Result<Option<Appended>, AppendError> {
        let places = append
            .facts
            .iter()
            .map(|fact| (fact.id, self.ids.get(&fact.id).copied()));
        let Some((first, last)) = crate::append::repetition(places)? else {
            return Ok(None);
        };
        let recorded_at = self
            .fact(first)
            .map(|recorded| recorded.fact.recorded_at)
            .unwrap_or_default();
        Ok(Some(Appended {
            first,
            last,
            repeated: true,
            recorded_at,
        }))
    }

    fn check_condition(&self, append: &Append) -> Result<(), AppendError> {
        for stream in &append.subjects {
            if let Some(&at) = self.streams.get(stream).and_then(|places| places.last())
                && at > append.read_at
            {
                return Err(AppendError::Conflict {
                    stream: stream.clone(),
                    at,
                });
            }
        }
        Ok(())
    }

    fn check_claims(&self, append: &Append) -> Result<(), AppendError> {
        crate::append::claimed_twice(append)?;
        for key in append.facts.iter().filter_map(|fact| fact.external_key.as_ref()) {
            if let Some(&by) = self.claims.get(key) {
                return Err(AppendError::Claimed { key: key.clone(), by });
            }
        }
        Ok(())
    }

    fn record(&mut self, recorded: Recorded) {
        let fact = &recorded.fact;
        self.streams.entry(fact.stream().clone()).or_default().push(fact.seq);
        self.ids.insert(fact.new.id, fact.seq);
        if let Some(key) = &fact.new.external_key {
            self.claims.insert(key.clone(), fact.seq);
        }
        self.facts.push(recorded);
    }
}

impl State {
    /// Lets the followed views take in a fact that is recorded.
    fn follow(&mut self, views: &Views, fact: &Fact) {
        for view in views.iter().filter(|view| view.folding() == Folding::Followed) {
            let come = self.followed.entry(view.name()).or_default();
            if *come + 1 != fact.seq {
                continue;
            }
            let mut undo = Vec::new();
            let mut rows = MemoryRows {
                declared: view.tables(),
                tables: &mut self.tables,
                undo: Some(&mut undo),
            };
            match fold(view.as_ref(), fact, &mut rows) {
                Ok(()) => *come = fact.seq,
                Err(error) => {
                    tracing::error!(view = view.name(), fact = fact.seq, %error, "a followed view stops here");
                    for (table, key, before) in undo.into_iter().rev() {
                        set(&mut self.tables, table, key, before);
                    }
                }
            }
        }
    }

    /// How far all followed views have come.
    fn followed(&self, views: &Views) -> Position {
        let followed = views.iter().filter(|view| view.folding() == Folding::Followed);
        let positions = followed.map(|view| self.followed.get(view.name()).copied().unwrap_or(0));
        positions.min().unwrap_or_else(|| self.head())
    }
}

/// A row before it was changed, to be put back when a later fold fails.
type Undo = Vec<(&'static str, Vec<Value>, Option<Vec<Value>>)>;

fn set(tables: &mut Tables, table: &'static str, key: Vec<Value>, values: Option<Vec<Value>>) -> Option<Vec<Value>> {
    let rows = tables.entry(table).or_default();
    match values {
        Some(values) => rows.insert(key, values),
        None => rows.remove(&key),
    }
}

fn fold_all(views: &Views, fact: &Fact, tables: &mut Tables, mut undo: Option<&mut Undo>) -> Result<(), AppendError> {
    for view in views.iter() {
        let mut rows = MemoryRows {
            declared: view.tables(),
            tables,
            undo: undo.as_deref_mut(),
        };
        fold(view.as_ref(), fact, &mut rows).map_err(|error| AppendError::Fold {
            view: view.name(),
            kind: fact.new.kind.clone(),
            error,
        })?;
    }
    Ok(())
}

struct MemoryRows<'a> {
    declared: &'static [Table],
    tables: &'a mut Tables,
    undo: Option<&'a mut Undo>,
}

impl MemoryRows<'_> {
    fn change(&mut self, table: &'static str, key: Vec<Value>, values: Option<Vec<Value>>) {
        match &mut self.undo {
            Some(undo) => {
                let before = set(self.tables, table, key.clone(), values);
                undo.push((table, key, before));
            }
            None => {
                set(self.tables, table, key, values);
            }
        }
    }
}

impl Rows for MemoryRows<'_> {
    fn get(&mut self, table: &'static str, key: &[Value]) -> Result<Option<Row>, FoldError> {
        let declared = Table::among(self.declared, table)?;
        declared.check_key(key)?;
        let values = self.tables.get(declared.name).and_then(|rows| rows.get(key));
        Ok(values.map(|values| declared.row(values.clone())))
    }

    fn put(&mut self, table: &'static str, row: Row) -> Result<(), FoldError> {
        let declared = Table::among(self.declared, table)?;
        let values = declared.arrange(row)?;
        self.change(declared.name, declared.key_of(&values), Some(values));
        Ok(())
    }

    fn delete(&mut self, table: &'static str, key: &[Value]) -> Result<(), FoldError> {
        let declared = Table::among(self.declared, table)?;
        declared.check_key(key)?;
        self.change(declared.name, key.to_vec(), None);
        Ok(())
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let mut state = self.state();
        let appended = self.decide(&mut state, append)?;
        // Inside the lock, so that the head never goes back.
        self.head
            .send_if_modified(|head| std::mem::replace(head, state.head()) != state.head());
        let come = state.followed(&self.views);
        self.followed
            .send_if_modified(|followed| std::mem::replace(followed, come) != come);
        Ok(appended)
    }

    async fn head(&self) -> Result<Position, LedgerError> {
        Ok(self.state().head())
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Arc<Fact>>, LedgerError> {
        let state = self.state();
        let from = usize::try_from(after).unwrap_or(usize::MAX);
        Ok(state
            .facts
            .iter()
            .skip(from)
            .take(limit)
            .map(|recorded| recorded.fact.clone())
            .collect())
    }

    async fn read_stream(
        &self,
        stream: &Stream,
        after_version: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Fact>>, LedgerError> {
        let state = self.state();
        let places = state.streams.get(stream).map_or(&[][..], Vec::as_slice);
        let from = usize::try_from(after_version).unwrap_or(usize::MAX);
        let facts = places.iter().skip(from).take(limit).filter_map(|seq| state.fact(*seq));
        Ok(facts.map(|recorded| recorded.fact.clone()).collect())
    }

    async fn find_claim(&self, key: &str) -> Result<Option<Arc<Fact>>, LedgerError> {
        let state = self.state();
        Ok(state
            .claims
            .get(key)
            .and_then(|seq| state.fact(*seq))
            .map(|recorded| recorded.fact.clone()))
    }

    fn follow(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    fn follow_views(&self) -> watch::Receiver<Position> {
        self.followed.subscribe()
    }

    async fn select(&self, query: Select) -> Result<Selected, LedgerError> {
        let query = query.check(&self.views)?;
        let state = self.state();
        let rows = state.tables.get(query.table.name);
        let mut found: Vec<&Vec<Value>> = rows.iter().flat_map(|rows| rows.values()).collect();
        found.retain(|values| query.matches(values));
        found.sort_by(|a, b| query.compare(a, b));
        if let Some(limit) = query.limit {
            found.truncate(limit.saturating_add(1));
        }
        let view = self.views.with_table(query.table.name);
        let as_of = match view.filter(|view| view.folding() == Folding::Followed) {
            Some(view) => state.followed.get(view.name()).copied().unwrap_or(0),
            None => state.head(),
        };
        Ok(query.answer(found.into_iter().cloned().collect(), as_of))
    }

    async fn verify(
        &self,
        from: Option<Checkpoint>,
        progress: &(dyn Fn(Position) + Sync),
    ) -> Result<Verification, LedgerError> {
        let verification = {
            let state = self.state();
            let start = from.unwrap_or(Checkpoint {
                position: 0,
                hash: GENESIS,
            });
            let mut verifier = Verifier::after(start);
            let fault = state.checkpoint_fault(&start).or_else(|| {
                let rest = state
                    .facts
                    .iter()
                    .skip(usize::try_from(start.position).unwrap_or(usize::MAX));
                rest.map(|recorded| state.held(recorded))
                    .find_map(|held| verifier.check(&held).err())
            });
            verifier.finish(fault)
        };
        progress(verification.checkpoint.position);
        Ok(verification)
    }

    async fn rebuild(&self, progress: &(dyn Fn(Position) + Sync)) -> Result<Rebuilt, LedgerError> {
        let rebuilt = {
            let mut state = self.state();
            let mut tables = Tables::new();
            for recorded in &state.facts {
                fold_all(&self.views, &recorded.fact, &mut tables, None).map_err(|error| match error {
                    AppendError::Fold { view, error, .. } => LedgerError::Fold {
                        view,
                        seq: recorded.fact.seq,
                        error,
                    },
                    other => LedgerError::Store(other.to_string()),
                })?;
            }
            let empty = BTreeMap::new();
            let same = |table: &Table| {
                tables.get(table.name).unwrap_or(&empty) == state.tables.get(table.name).unwrap_or(&empty)
            };
            let (inline, followed) = (self.views.of(Folding::Inline), self.views.of(Folding::Followed));
            let views = inline
                .iter()
                .chain(followed.iter())
                .map(|view| RebuiltView {
                    name: view.name(),
                    differed: !view.tables().iter().all(same),
                })
                .collect();
            state.tables = tables;
            let head = state.head();
            for view in followed.iter() {
                state.followed.insert(view.name(), head);
            }
            let come = state.followed(&self.views);
            self.followed.send_replace(come);
            Rebuilt {
                position: state.head(),
                views,
            }
        };
        progress(rebuilt.position);
        Ok(rebuilt)
    }

    async fn export(&self, after: Position, limit: usize) -> Result<Vec<Exported>, LedgerError> {
        let state = self.state();
        let rest = state
            .facts
            .iter()
            .skip(usize::try_from(after).unwrap_or(usize::MAX))
            .take(limit);
        Ok(rest
            .map(|recorded| Exported {
                seq: recorded.fact.seq,
                bytes: recorded.bytes.clone(),
                hash: recorded.fact.hash,
            })
            .collect())
    }
}

impl State {
    fn checkpoint_fault(&self, start: &Checkpoint) -> Option<Fault> {
        if start.position > self.head() {
            let problem = Problem::CutOff {
                recorded: start.position,
            };
            return Some(Fault {
                seq: self.head() + 1,
                problem,
            });
        }
        let hash = self.fact(start.position).map_or(GENESIS, |recorded| recorded.fact.hash);
        (hash != start.hash).then_some(Fault {
            seq: start.position,
            problem: Problem::Checkpoint,
        })
    }

    fn held(&self, recorded: &Recorded) -> Held {
        let fact = &recorded.fact;
        let places = self.streams.get(fact.stream()).map_or(&[][..], Vec::as_slice);
        Held {
            seq: fact.seq,
            stream: fact.stream().as_str().to_owned(),
            version: fact.stream_version,
            version_before: places.partition_point(|place| *place < fact.seq) as u64,
            id: fact.new.id.to_string(),
            kind: fact.new.kind.clone(),
            recorded_at: fact.recorded_at.as_microsecond(),
            external_key: fact.new.external_key.clone(),
            bytes: recorded.bytes.clone(),
            hash: fact.hash.as_bytes().to_vec(),
        }
    }
}
