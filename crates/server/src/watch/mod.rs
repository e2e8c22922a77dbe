//! Watches in production what the simulation checks: after each fact, the rules that must hold whatever
//! crashes.
//!
//! The rules are read a second time here, from the facts alone ([`engine::invariants`],
//! [`delivery::invariants`]), so a fault of the code that decides is seen by code that shares nothing with
//! it. A rule that does not hold is a fact ([`kinds`]), a line in the log and a number among the
//! measurements. It changes nothing else: whoever is called decides what to do.
//!
//! How far it has come is kept. After a restart it goes on from there, so what was recorded right before a
//! crash is checked too; what is checked twice is told once.

mod history;
pub mod kinds;
mod stores;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::invariants::Violation;
use facts::{Actor, FactId, NewFact, Position, Trust};
use ledger::{Append, AppendError};

use crate::duties::Duty;
use crate::error::ServerError;
use crate::house::House;
use history::Histories;
use kinds::{BROKEN, Broken, claim, stream};
pub(crate) use stores::keep_looking;

/// The name under which the position is kept.
const READER: &str = "invariants";
/// How many facts are read at a time.
const PAGE: usize = 500;
/// After how many facts the position is kept while there are more to read.
const KEEP_AFTER: Position = 20_000;
/// After how long what could not be done is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Watched(Mutex<Seen>);

/// How far the watch has come, and what it found since the server started.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    /// All facts up to here were checked.
    pub position: Position,
    /// How many facts broke each rule.
    pub broken: BTreeMap<&'static str, u64>,
}

impl Watched {
    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Checks each fact until the server stops.
pub(crate) async fn keep_watching(house: Arc<House>) {
    let mut head = house.ledger.follow();
    let mut watch = Watch {
        house: house.clone(),
        histories: Histories::new(house.ledger.clone()),
        position: None,
        kept: 0,
    };
    loop {
        head.borrow_and_update();
        let done = watch.catch_up().await;
        let again = done.is_err();
        if let Err(error) = done {
            tracing::error!(%error, "facts could not be checked; it is tried again soon");
            watch.forget();
        }
        tokio::select! {
            changed = head.changed(), if !again => if changed.is_err() { return },
            () = tokio::time::sleep(AGAIN), if again => {}
            () = house.stopping.cancelled() => return,
        }
    }
}

struct Watch {
    house: Arc<House>,
    histories: Histories,
    /// All facts up to here were checked; nothing before it is known.
    position: Option<Position>,
    /// The position that is kept.
    kept: Position,
}

impl Watch {
    /// After a trouble with the store everything is read anew.
    fn forget(&mut self) {
        self.histories = Histories::new(self.house.ledger.clone());
        self.position = None;
    }

    async fn catch_up(&mut self) -> Result<(), ServerError> {
        let mut position = match self.position {
            Some(position) => position,
            None => {
                let access = self.house.access.clone();
                let kept = blocking(move || access.read_position(READER)).await?;
                self.kept = kept.unwrap_or(0);
                self.house.watched.change(|seen| seen.position = self.kept);
                self.histories.begin_after(self.kept).await?;
                self.kept
            }
        };
        loop {
            let facts = self.house.ledger.read(position, PAGE).await?;
            let Some(last) = facts.last().map(|fact| fact.seq) else {
                break;
            };
            for fact in &facts {
                if let Some(violation) = self.histories.check(fact).await? {
                    tell(&self.house, Duty::Rules, &violation, Some(fact.new.id)).await?;
                }
            }
            position = last;
            self.position = Some(position);
            self.house.watched.change(|seen| seen.position = position);
            if position - self.kept >= KEEP_AFTER {
                self.keep(position).await?;
            }
            if self.house.stopping.is_cancelled() {
                break;
            }
        }
        self.position = Some(position);
        if position > self.kept {
            self.keep(position).await?;
        }
        Ok(())
    }

    async fn keep(&mut self, position: Position) -> Result<(), ServerError> {
        let access = self.house.access.clone();
        blocking(move || access.keep_read_position(READER, position)).await?;
        self.kept = position;
        Ok(())
    }
}

/// Records that a rule does not hold, once, for whoever has the duty to look. `cause` is the fact that shows it.
async fn tell(house: &House, duty: Duty, violation: &Violation, cause: Option<FactId>) -> Result<(), ServerError> {
    tracing::error!(rule = violation.rule, position = violation.seq, stream = %violation.stream, what = %violation.text,
        "a rule of the protocol does not hold: this is a fault of the program, or of what it stands on");
    house
        .watched
        .change(|seen| *seen.broken.entry(violation.rule).or_default() += 1);
    let broken = Broken {
        rule: violation.rule.to_owned(),
        position: violation.seq,
        stream: violation.stream.clone(),
        text: violation.text.clone(),
    };
    let claim = claim(&broken);
    let fact = NewFact {
        stream: stream(),
        id: FactId::of_key(&claim),
        kind: BROKEN.to_owned(),
        kind_version: 1,
        occurred_at: house.clock.now(),
        actor: Actor::System,
        on_behalf_of: None,
        trust: Trust::Trusted,
        cause,
        correlation: None,
        external_key: Some(claim),
        body: serde_json::json!(broken),
    };
    let ledger = house.duties.ledger(duty);
    match ledger.append(Append::unconditional(vec![fact])).await {
        Ok(_) | Err(AppendError::Claimed { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, access::AccessError> + Send + 'static,
) -> Result<T, ServerError> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|panic| ServerError::Internal(panic.to_string()))?;
    done.map_err(|error| ServerError::Internal(error.to_string()))
}
