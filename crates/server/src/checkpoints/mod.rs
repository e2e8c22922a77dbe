//! Signed checkpoints of the ledger: made by the server when enough was recorded or some time after
//! something was, recorded themselves, and put where somebody else can keep them.
//!
//! What a checkpoint says and how it is checked lives in the crate `ledger`, keys and envelopes in
//! `signing`. Here live the key's life, the decision when one is due, and the folder.

mod folder;
mod keys;
pub mod kinds;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use facts::{Actor, Clock, Entropy, FactId, NewFact, Position, Stream, Timestamp, Trust};
use ledger::{Append, AppendError, Ledger, LedgerError, Statement};
use serde::Serialize;
use signing::{Envelope, KeyError, KeyId, PublicKey, SigningKey};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::keys::KeyFiles;
use self::kinds::{
    CHECKPOINT_SIGNED, CheckpointSigned, SIGNING_KEY_ADDED, SigningKeyAdded, checkpoints_stream, keys_stream,
};

/// After how many new facts a checkpoint is made without waiting.
const MANY: u64 = 1000;
/// How many facts of the stream of checkpoints are read at a time.
const PAGE: usize = 500;

/// Why no checkpoint could be made.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The key cannot be used.
    #[error("the key that signs checkpoints cannot be used: {0}")]
    Key(#[from] KeyError),
    /// A file cannot be used.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The ledger refused.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// A fact about keys or checkpoints cannot be read.
    #[error("a fact about checkpoints cannot be read: {0}")]
    Fact(String),
}

impl CheckpointError {
    fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            reason: error.to_string(),
        }
    }
}

/// A signed checkpoint.
#[derive(Debug, Clone)]
pub struct Made {
    /// What it says.
    pub statement: Statement,
    /// The key that signed it.
    pub key: KeyId,
    /// What is kept.
    pub envelope: Envelope,
}

/// A key that signs or signed.
#[derive(Debug, Clone)]
pub struct Known {
    /// The key.
    pub added: SigningKeyAdded,
    /// Since when.
    pub since: Timestamp,
    /// Whether it is the one in use.
    pub current: bool,
}

/// What making checkpoints works with.
pub struct CheckpointParts {
    /// The facts.
    pub ledger: Arc<dyn Ledger>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub entropy: Arc<dyn Entropy>,
    /// Where checkpoints are put for somebody else.
    pub folder: Option<PathBuf>,
    /// After how long what is new is covered.
    pub interval: Duration,
}

/// Makes checkpoints.
pub struct Checkpoints {
    parts: CheckpointParts,
    files: KeyFiles,
    state: Mutex<State>,
}

struct State {
    key: SigningKey,
    last: Option<Last>,
    /// How many facts about checkpoints were read.
    version: u64,
}

/// The last checkpoint.
#[derive(Clone, Copy)]
struct Last {
    /// What it covers.
    covers: Position,
    /// Where the fact about it stands.
    recorded: Position,
}

impl Checkpoints {
    /// Reads the key, which is made and announced at the first start.
    ///
    /// # Errors
    /// When the key or the ledger cannot be used.
    pub async fn open(data: &Path, parts: CheckpointParts) -> Result<Self, CheckpointError> {
        let files = KeyFiles::below(data);
        let key = files.open(&*parts.entropy)?;
        let state = State {
            key,
            last: None,
            version: 0,
        };
        let checkpoints = Self {
            parts,
            files,
            state: Mutex::new(state),
        };
        let mut state = checkpoints.state.lock().await;
        checkpoints.announce(&state.key, Actor::System).await?;
        checkpoints.catch_up(&mut state).await?;
        drop(state);
        Ok(checkpoints)
    }

    /// Finishes what the server was at that made checkpoints before.
    ///
    /// # Errors
    /// When the key or the ledger cannot be used.
    pub async fn take_over(&self) -> Result<(), CheckpointError> {
        let mut state = self.state.lock().await;
        self.catch_up(&mut state).await?;
        if let Some(next) = self.files.begun(&*self.parts.ledger).await? {
            self.take(&mut state, next, Actor::System).await?;
        }
        if let (Some(_), Some(last)) = (&self.parts.folder, state.last) {
            // The server may have ended before the newest one was put there.
            let newest = self.recorded(last).await?;
            let known = keys::known(&*self.parts.ledger).await?;
            if let Some((_, added)) = known.iter().find(|(_, added)| added.key == newest.key) {
                self.put(&newest, &added.public_key).await;
            }
        }
        Ok(())
    }

    /// Takes in what other servers did: the checkpoints that they made, and the key that they changed to.
    async fn catch_up(&self, state: &mut State) -> Result<(), CheckpointError> {
        let ledger = &self.parts.ledger;
        loop {
            let facts = ledger.read_stream(&checkpoints_stream(), state.version, PAGE).await?;
            let Some(newest) = facts.last() else { break };
            state.version = newest.stream_version;
            let body: CheckpointSigned = body_of(newest.new.body.clone())?;
            state.last = Some(Last {
                covers: body.position,
                recorded: newest.seq,
            });
        }
        state.key = self.files.open(&*self.parts.entropy)?;
        Ok(())
    }

    /// Says by a fact that a key signs from now on; once.
    async fn announce(&self, key: &SigningKey, actor: Actor) -> Result<(), CheckpointError> {
        let claim = keys::claim(key.id());
        if self.parts.ledger.find_claim(&claim).await?.is_some() {
            return Ok(());
        }
        let body = SigningKeyAdded {
            key: key.id().clone(),
            public_key: key.public().clone(),
        };
        self.record(keys_stream(), SIGNING_KEY_ADDED, &body, actor, Some(claim))
            .await?;
        Ok(())
    }

    async fn record(
        &self,
        stream: Stream,
        kind: &str,
        body: &(impl Serialize + Sync),
        actor: Actor,
        claim: Option<String>,
    ) -> Result<Position, CheckpointError> {
        let now = self.parts.clock.now();
        let fact = NewFact {
            stream,
            id: FactId::new(now, &*self.parts.entropy),
            kind: kind.to_owned(),
            kind_version: 1,
            occurred_at: now,
            actor,
            on_behalf_of: None,
            trust: Trust::Trusted,
            cause: None,
            correlation: None,
            external_key: claim,
            body: serde_json::to_value(body).map_err(|error| CheckpointError::Fact(error.to_string()))?,
        };
        let appended = self.parts.ledger.append(Append::unconditional(vec![fact])).await?;
        Ok(appended.last)
    }

    /// A checkpoint of everything there is. Where nothing is new since the last one, that one.
    ///
    /// # Errors
    /// When it cannot be signed or recorded.
    pub async fn make(&self, actor: Actor) -> Result<Made, CheckpointError> {
        let mut state = self.state.lock().await;
        self.catch_up(&mut state).await?;
        self.make_with(&mut state, actor).await
    }

    async fn make_with(&self, state: &mut State, actor: Actor) -> Result<Made, CheckpointError> {
        let ledger = &self.parts.ledger;
        let head = ledger.head().await?;
        if let Some(last) = state.last
            && pending(head, Some(last)) == 0
        {
            return self.recorded(last).await;
        }
        let first = ledger.read(0, 1).await?;
        let first = first.first().ok_or_else(|| missing(1))?;
        let covered = ledger.export(head - 1, 1).await?;
        let covered = covered.first().ok_or_else(|| missing(head))?;
        let statement = Statement {
            ledger: first.new.id,
            position: covered.seq,
            hash: covered.hash,
            time: self.parts.clock.now(),
        };
        let body = CheckpointSigned {
            position: statement.position,
            hash: statement.hash,
            key: state.key.id().clone(),
            envelope: statement
                .sign(&state.key)
                .map_err(|error| CheckpointError::Fact(error.to_string()))?,
        };
        let recorded = self
            .record(checkpoints_stream(), CHECKPOINT_SIGNED, &body, actor, None)
            .await?;
        // It is read again the next time, which does no harm.
        state.last = Some(Last {
            covers: body.position,
            recorded,
        });
        let made = made(body)?;
        self.put(&made, state.key.public()).await;
        Ok(made)
    }

    /// The checkpoint that was recorded last.
    async fn recorded(&self, last: Last) -> Result<Made, CheckpointError> {
        let facts = self.parts.ledger.read(last.recorded - 1, 1).await?;
        let fact = facts.first().ok_or_else(|| missing(last.recorded))?;
        made(body_of(fact.new.body.clone())?)
    }

    /// Puts a checkpoint where somebody else can keep it.
    async fn put(&self, made: &Made, key: &PublicKey) {
        let Some(folder) = self.parts.folder.clone() else {
            return;
        };
        let (position, envelope, key) = (made.statement.position, made.envelope.clone(), key.clone());
        let put = tokio::task::spawn_blocking(move || {
            folder::put(&folder, position, &envelope, &key).map_err(|error| (folder, error))
        });
        if let Ok(Err((folder, error))) = put.await {
            tracing::error!(folder = %folder.display(), %error, "a checkpoint could not be put into its folder; `throughline ledger checkpoint --output` gives it");
        }
    }

    /// The keys that sign and signed, the newest last.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn keys(&self) -> Result<Vec<Known>, CheckpointError> {
        let mut state = self.state.lock().await;
        self.catch_up(&mut state).await?;
        let known = keys::known(&*self.parts.ledger).await?;
        Ok(known
            .into_iter()
            .map(|(since, added)| Known {
                current: added.key == *state.key.id(),
                added,
                since,
            })
            .collect())
    }

    /// Another key signs from now on. The earlier one signs a last checkpoint, which covers the fact that
    /// announces the new one.
    ///
    /// # Errors
    /// When the new key cannot be kept, or the ledger refuses; the earlier key stays then.
    pub async fn change_key(&self, actor: Actor) -> Result<KeyId, CheckpointError> {
        let mut state = self.state.lock().await;
        self.catch_up(&mut state).await?;
        let next = SigningKey::create(&self.files.next, &*self.parts.entropy)?;
        self.announce(&next, actor).await?;
        crashpoint::reach("server.signing.announced");
        self.take(&mut state, next, actor).await?;
        Ok(state.key.id().clone())
    }

    /// The key in use signs a last time, and the next one takes its place.
    async fn take(&self, state: &mut State, next: SigningKey, actor: Actor) -> Result<(), CheckpointError> {
        self.make_with(state, actor).await?;
        self.files.take_next()?;
        state.key = next;
        Ok(())
    }

    /// How many facts no checkpoint covers, those about checkpoints aside.
    async fn pending(&self, head: Position) -> u64 {
        pending(head, self.state.lock().await.last)
    }

    /// Makes checkpoints whenever they are due, until the server stops. It sleeps until something is
    /// recorded; only then does time count.
    pub async fn keep_making(&self, stopping: CancellationToken) {
        let mut head = self.parts.ledger.follow();
        let mut due: Option<Instant> = None;
        loop {
            let now = *head.borrow_and_update();
            match self.pending(now).await {
                0 => due = None,
                pending => {
                    let at = *due.get_or_insert_with(|| Instant::now() + self.parts.interval);
                    if pending >= MANY || at <= Instant::now() {
                        due = None;
                        if let Err(error) = self.make(Actor::System).await {
                            tracing::error!(%error, "no checkpoint could be made; it is tried again");
                            due = Some(Instant::now() + self.parts.interval);
                        }
                    }
                }
            }
            // What is far away never comes before something else does.
            let at = due.unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400));
            tokio::select! {
                changed = head.changed() => if changed.is_err() { return },
                () = tokio::time::sleep_until(at), if due.is_some() => {}
                () = stopping.cancelled() => return,
            }
        }
    }
}

impl std::fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpoints").finish_non_exhaustive()
    }
}

/// How many facts up to `head` the last checkpoint does not cover, the fact about it aside.
fn pending(head: Position, last: Option<Last>) -> u64 {
    match last {
        None => head,
        Some(Last { covers, .. }) => head.saturating_sub(covers + 1),
    }
}

fn missing(position: Position) -> CheckpointError {
    CheckpointError::Fact(format!("there is no fact {position}"))
}

fn body_of(body: serde_json::Value) -> Result<CheckpointSigned, CheckpointError> {
    serde_json::from_value(body).map_err(|error| CheckpointError::Fact(error.to_string()))
}

/// A recorded checkpoint as it is given out.
fn made(body: CheckpointSigned) -> Result<Made, CheckpointError> {
    use base64::Engine as _;
    let wrong = |error: String| CheckpointError::Fact(error);
    let payload = base64::engine::general_purpose::STANDARD.decode(&body.envelope.payload);
    let payload = payload.map_err(|error| wrong(error.to_string()))?;
    Ok(Made {
        statement: serde_json::from_slice(&payload).map_err(|error| wrong(error.to_string()))?,
        key: body.key,
        envelope: body.envelope,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fact_about_a_checkpoint_does_not_call_for_another() {
        let last = |covers| {
            Some(Last {
                covers,
                recorded: covers + 1,
            })
        };
        assert_eq!(pending(0, None), 0);
        assert_eq!(pending(7, None), 7);
        assert_eq!(pending(8, last(7)), 0);
        assert_eq!(pending(11, last(7)), 3);
        // Facts that came between are still to be covered.
        let between = Some(Last {
            covers: 7,
            recorded: 10,
        });
        assert_eq!(pending(10, between), 2);
    }
}
