//! Deciding appends: what the database knows about them is asked for all at once, and then each is
//! decided on its own, in memory.

use std::collections::HashMap;
use std::sync::Arc;

use facts::{Digest, Fact, FactId, Position, Stream, Timestamp};

use super::failure::Failure;
use super::lease::Counted;
use super::rows::{Overlay, Place};
use super::schema::{self, get};
use super::session::{Ask, Parameter, Session};
use crate::append::{self, Append, AppendError, Appended, MAX_APPEND_BYTES};
use crate::upcast::Upcasters;
use crate::verify::{Checkpoint, Held};
use crate::view::Views;

/// After how many bytes of facts a commit takes no further append.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Whether an append is refused for what it is, or the whole transaction cannot go on.
enum Stop {
    Refused(AppendError),
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A fact with its place.
struct Sealed {
    fact: Arc<Fact>,
    bytes: Vec<u8>,
}

/// What is known about the facts, streams and claims of some appends.
#[derive(Default)]
struct Known {
    ids: HashMap<FactId, Position>,
    /// The last fact of each stream, and its version.
    streams: HashMap<Stream, (Position, u64)>,
    claims: HashMap<String, Position>,
}

/// Appends that are decided in one transaction.
pub(super) struct Batch<'a> {
    appends: Vec<&'a Append>,
    counted: Counted,
    known: Known,
    sealed: Vec<Sealed>,
    /// The last fact before this batch.
    start: Checkpoint,
    /// The last fact, with what was decided so far.
    last: Checkpoint,
    size: usize,
    recorded_at: Timestamp,
}

/// What a batch is decided with.
pub(super) struct Means<'a> {
    pub session: &'a Session,
    pub views: &'a Views,
    pub upcasters: &'a Upcasters,
    pub rows: &'a mut Overlay,
}

impl<'a> Batch<'a> {
    pub(super) fn new(appends: Vec<&'a Append>) -> Self {
        let nothing = Checkpoint {
            position: 0,
            hash: facts::envelope::GENESIS,
        };
        Self {
            appends,
            counted: Counted::default(),
            known: Known::default(),
            sealed: Vec::new(),
            start: nothing,
            last: nothing,
            size: 0,
            recorded_at: Timestamp::default(),
        }
    }

    fn facts(&self) -> impl Iterator<Item = &'a facts::NewFact> {
        self.appends.iter().flat_map(|append| &append.facts)
    }

    fn streams(&self) -> Vec<&'a Stream> {
        let subjects = self.appends.iter().flat_map(|append| &append.subjects);
        let mut streams: Vec<_> = subjects.chain(self.facts().map(|fact| &fact.stream)).collect();
        streams.sort_unstable();
        streams.dedup();
        streams
    }

    fn claims(&self) -> Vec<&'a String> {
        self.facts().filter_map(|fact| fact.external_key.as_ref()).collect()
    }

    /// The questions about these appends: three, and one more where they count on leases.
    pub(super) fn questions(&self) -> Vec<Ask> {
        let digest = |text: &str| Some(Digest::of(text).as_bytes().to_vec());
        let ids = self.facts().map(|fact| fact.id.to_string()).collect();
        let streams = self.streams().iter().map(|stream| digest(stream.as_str())).collect();
        let claims = self.claims().iter().map(|key| digest(key)).collect();
        let mut questions = vec![
            Ask::new("SELECT id, seq FROM facts WHERE id = ANY ($1)", [Parameter::Names(ids)]),
            Ask::new(
                "SELECT asked.number, last.seq, last.version
                 FROM unnest($1::bytea[]) WITH ORDINALITY AS asked(digest, number)
                 CROSS JOIN LATERAL (SELECT f.seq, f.version FROM facts f WHERE sha256(f.stream) = asked.digest
                                     ORDER BY f.version DESC LIMIT 1) AS last",
                [Parameter::ManyBytes(streams)],
            ),
            Ask::new(
                "SELECT external_key, seq FROM facts WHERE sha256(external_key) = ANY ($1) AND external_key IS NOT NULL",
                [Parameter::ManyBytes(claims)],
            ),
        ];
        questions.extend(Counted::question(self.appends.iter().copied()));
        questions
    }

    /// Takes the answers in; `last` is the last fact there is.
    pub(super) fn learn(
        &mut self,
        answers: &[Vec<tokio_postgres::Row>],
        last: Checkpoint,
        recorded_at: Timestamp,
    ) -> Result<(), Failure> {
        (self.start, self.last, self.recorded_at) = (last, last, recorded_at);
        let [ids, streams, claims, leases @ ..] = answers else {
            return Err(Failure::Other("an answer of the database is missing".into()));
        };
        if let Some(leases) = leases.first() {
            self.counted = Counted::learn(leases)?;
        }
        let damaged = |what: &str| Failure::Other(format!("the ledger holds an {what} that cannot be read"));
        for row in ids {
            let id: FactId = get::<&str>(row, 0)?.parse().map_err(|_| damaged("id"))?;
            self.known.ids.insert(id, get::<i64>(row, 1)? as Position);
        }
        let asked = self.streams();
        for row in streams {
            let number = usize::try_from(get::<i64>(row, 0)?).unwrap_or_default();
            if let Some(stream) = number.checked_sub(1).and_then(|place| asked.get(place)) {
                let at = (get::<i64>(row, 1)? as Position, get::<i64>(row, 2)? as u64);
                self.known.streams.insert((*stream).clone(), at);
            }
        }
        for row in claims {
            let key = String::from_utf8(get::<&[u8]>(row, 0)?.to_vec()).map_err(|_| damaged("external key"))?;
            self.known.claims.insert(key, get::<i64>(row, 1)? as Position);
        }
        Ok(())
    }

    /// Decides the appends one after the other. The results are those of the first ones, as many as fit
    /// into one commit.
    pub(super) fn decide(&mut self, means: &mut Means<'_>) -> Result<Vec<Result<Appended, AppendError>>, Failure> {
        let mut results = Vec::with_capacity(self.appends.len());
        for append in std::mem::take(&mut self.appends) {
            means.rows.keep();
            match self.decide_one(append, means) {
                Ok(appended) => results.push(Ok(appended)),
                Err(Stop::Refused(error)) => {
                    means.rows.take_back();
                    results.push(Err(error));
                }
                Err(Stop::Failed(failure)) => return Err(failure),
            }
            if self.size > BATCH_BYTES {
                break;
            }
        }
        Ok(results)
    }

    fn decide_one(&mut self, append: &Append, means: &mut Means<'_>) -> Result<Appended, Stop> {
        self.counted.check(append).map_err(Stop::Refused)?;
        if let Some(repeated) = self.repetition(append, means.session)? {
            return Ok(repeated);
        }
        self.check_condition(append)?;
        self.check_claims(append)?;
        let sealed = self.seal(append, means)?;
        for new in &sealed {
            means.session.show_life()?;
            for view in means.views.iter() {
                let folded = schema::fold_into(means.session, means.rows, view.as_ref(), &new.fact, Place::InUse);
                if let Some(failure) = means.rows.failure() {
                    return Err(Stop::Failed(failure));
                }
                folded.map_err(|error| {
                    Stop::Refused(AppendError::Fold {
                        view: view.name(),
                        kind: new.fact.kind().to_owned(),
                        error,
                    })
                })?;
            }
        }
        let first = self.last.position + u64::from(!sealed.is_empty());
        for new in sealed {
            self.record(new);
        }
        Ok(Appended {
            first,
            last: self.last.position,
            repeated: false,
            recorded_at: self.recorded_at,
        })
    }

    fn repetition(&self, append: &Append, session: &Session) -> Result<Option<Appended>, Stop> {
        let places = append
            .facts
            .iter()
            .map(|fact| (fact.id, self.known.ids.get(&fact.id).copied()));
        let Some((first, last)) = append::repetition(places).map_err(Stop::Refused)? else {
            return Ok(None);
        };
        let recorded_at = if first > self.start.position {
            self.recorded_at
        } else {
            let row = session.first(
                "SELECT recorded_at FROM facts WHERE seq = $1",
                &[Parameter::natural(first)],
            )?;
            let micros = row.map(|row| get::<i64>(&row, 0)).transpose()?;
            micros
                .and_then(|micros| Timestamp::from_microsecond(micros).ok())
                .unwrap_or_default()
        };
        Ok(Some(Appended {
            first,
            last,
            repeated: true,
            recorded_at,
        }))
    }

    fn check_condition(&self, append: &Append) -> Result<(), Stop> {
        for stream in &append.subjects {
            if let Some(&(at, _)) = self.known.streams.get(stream)
                && at > append.read_at
            {
                return Err(Stop::Refused(AppendError::Conflict {
                    stream: stream.clone(),
                    at,
                }));
            }
        }
        Ok(())
    }

    fn check_claims(&self, append: &Append) -> Result<(), Stop> {
        append::claimed_twice(append).map_err(Stop::Refused)?;
        for key in append.facts.iter().filter_map(|fact| fact.external_key.as_ref()) {
            if let Some(&by) = self.known.claims.get(key) {
                return Err(Stop::Refused(AppendError::Claimed { key: key.clone(), by }));
            }
        }
        Ok(())
    }

    fn seal(&self, append: &Append, means: &Means<'_>) -> Result<Vec<Sealed>, Stop> {
        let mut versions: HashMap<&Stream, u64> = HashMap::new();
        let mut last = self.last;
        let mut size = 0;
        let mut sealed = Vec::with_capacity(append.facts.len());
        for new in &append.facts {
            means.session.show_life()?;
            let version = versions
                .entry(&new.stream)
                .or_insert_with(|| self.known.streams.get(&new.stream).map_or(0, |(_, version)| *version));
            *version += 1;
            let (fact, bytes) = new
                .clone()
                .seal(last.position + 1, *version, self.recorded_at, last.hash);
            size += bytes.len();
            if size > MAX_APPEND_BYTES {
                return Err(Stop::Refused(AppendError::TooLarge {
                    bytes: size,
                    limit: MAX_APPEND_BYTES,
                }));
            }
            last = Checkpoint {
                position: fact.seq,
                hash: fact.hash,
            };
            // The views take in what a reader of the stored bytes sees, so that folding again gives the
            // same rows.
            let fact = means.upcasters.sealed(fact, &bytes).map_err(|error| {
                Stop::Refused(AppendError::Unstorable {
                    kind: new.kind.clone(),
                    reason: error.to_string(),
                })
            })?;
            let fact = Arc::new(fact);
            sealed.push(Sealed { fact, bytes });
        }
        Ok(sealed)
    }

    fn record(&mut self, new: Sealed) {
        let fact = &new.fact;
        self.last = Checkpoint {
            position: fact.seq,
            hash: fact.hash,
        };
        self.size += new.bytes.len();
        self.known.ids.insert(fact.new.id, fact.seq);
        let at = (fact.seq, fact.stream_version);
        self.known.streams.insert(fact.stream().clone(), at);
        if let Some(key) = &fact.new.external_key {
            self.known.claims.insert(key.clone(), fact.seq);
        }
        self.sealed.push(new);
    }

    /// The last fact, with those of this batch.
    pub(super) fn last(&self) -> Checkpoint {
        self.last
    }

    /// Whether there is anything to write.
    pub(super) fn is_empty(&self) -> bool {
        self.sealed.is_empty()
    }

    /// The statement that inserts the facts.
    pub(super) fn insert(&self) -> Ask {
        insert(self.sealed.iter().map(|new| Held::sealed(&new.fact, new.bytes.clone())))
    }
}

/// The statement that inserts facts.
pub(super) fn insert(facts: impl IntoIterator<Item = Held>) -> Ask {
    let text = |text: String| Some(text.into_bytes());
    let number = |number: u64| Some(i64::try_from(number).unwrap_or(i64::MAX));
    let (mut seqs, mut versions, mut times) = (Vec::new(), Vec::new(), Vec::new());
    let (mut streams, mut ids, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    let (mut keys, mut bytes, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
    for fact in facts {
        seqs.push(number(fact.seq));
        streams.push(text(fact.stream));
        versions.push(number(fact.version));
        ids.push(fact.id);
        kinds.push(text(fact.kind));
        times.push(Some(fact.recorded_at));
        keys.push(fact.external_key.map(String::into_bytes));
        bytes.push(Some(fact.bytes));
        hashes.push(Some(fact.hash));
    }
    Ask::new(
        "INSERT INTO facts SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::text[], $5::bytea[],
                                                $6::bigint[], $7::bytea[], $8::bytea[], $9::bytea[])",
        [
            Parameter::Integers(seqs),
            Parameter::ManyBytes(streams),
            Parameter::Integers(versions),
            Parameter::Names(ids),
            Parameter::ManyBytes(kinds),
            Parameter::Integers(times),
            Parameter::ManyBytes(keys),
            Parameter::ManyBytes(bytes),
            Parameter::ManyBytes(hashes),
        ],
    )
}
