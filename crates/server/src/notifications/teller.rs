//! The loop that puts into the outbox what is to be told, and sends what is due.

use std::collections::{BTreeSet, HashSet};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use access::{NewOut, Out};
use facts::{Actor, FactId, NewFact, Position, RunId, Timestamp, Trust};
use ledger::{Append, AppendError, Direction, Op, Row, Select};
use notification::rule::who_hears;
use notification::{Event, Happening, Message, Notification, Told, schedule};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::kinds::{ENDED, Ended, Outcome, claim, stream};
use super::outgoing::Outgoing;
use super::view::HAPPENINGS;
use super::{people, waits};
use crate::changes::Component;
use crate::duties::Duty;
use crate::error::ServerError;
use crate::house::House;

/// How many events are read at a time.
const PAGE: usize = 200;
/// How many notifications one message holds at most.
const MOST: usize = 50;
/// How many ends are recorded at a time.
const ENDS: usize = 100;
/// How long after a change the gates are looked at: what changes together is looked at once.
const SETTLED: Duration = Duration::from_secs(1);
/// After how long what could not be done is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// How often what was sent long ago is forgotten.
const FORGET: Duration = Duration::from_secs(86_400);

/// Tells what is to be told until the server stops.
pub(crate) async fn keep_telling(house: Arc<House>) {
    let Some(outgoing) = house.notifications.clone() else {
        // What happens while nothing is told is not told later.
        let access = house.access.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || access.forget_outbox_position()).await {
            tracing::error!(%error, "the outbox cannot be used");
        }
        return;
    };
    let (done, mut ended) = mpsc::unbounded_channel();
    let mut teller = Teller {
        looks_at_gates: outgoing.settings.rules.iter().any(|rule| {
            let about_gates = [Event::ApprovalWaits, Event::GateWaits];
            about_gates.iter().any(|event| rule.events.contains(event))
        }),
        house: house.clone(),
        outgoing,
        busy: Vec::new(),
        known: HashSet::new(),
        done,
    };
    let mut views = house.ledger.follow_views();
    let mut gates_at = Some(Instant::now());
    let mut forget_at = Instant::now();
    loop {
        views.borrow_and_update();
        let mut next = None;
        let mut work = teller.look().await;
        if work.is_ok() && gates_at.is_some_and(|at| at <= Instant::now()) {
            match teller.look_at_gates().await {
                Ok(at) => gates_at = at,
                Err(error) => work = Err(error),
            }
        }
        if work.is_ok() && forget_at <= Instant::now() {
            forget_at = Instant::now() + FORGET;
            work = teller.stored(access::Access::forget_out).await;
        }
        if work.is_ok() {
            match teller.send_due().await {
                Ok(at) => next = at,
                Err(error) => work = Err(error),
            }
        }
        if let Err(error) = work {
            tracing::error!(%error, "what is to be told could not be told; it is tried again soon");
            next = Some(Instant::now() + AGAIN);
        }
        let due = [next, gates_at].into_iter().flatten().min();
        let asleep = tokio::time::sleep_until(due.unwrap_or_else(|| Instant::now() + FORGET));
        tokio::select! {
            changed = views.changed() => {
                if changed.is_err() { return }
                let settled = Instant::now() + SETTLED;
                gates_at = Some(gates_at.map_or(settled, |at| at.min(settled)));
            }
            over = ended.recv() => if let Some(recipient) = over {
                teller.busy.retain(|busy: &String| *busy != recipient);
            },
            () = asleep => {}
            () = house.stopping.cancelled() => return,
        }
    }
}

struct Teller {
    house: Arc<House>,
    outgoing: Arc<Outgoing>,
    /// Whether some rule is about gates that wait.
    looks_at_gates: bool,
    /// Those to whom something is being sent.
    busy: Vec<String>,
    /// Waits that were told or concern nobody.
    known: HashSet<String>,
    /// Hears who is free again.
    done: mpsc::UnboundedSender<String>,
}

/// An event as the view tells it.
struct Read {
    happening: Happening,
    component: Component,
    trusted: bool,
}

impl Teller {
    /// Asks the outbox, on a thread that may block.
    async fn stored<T: Send + 'static>(
        &self,
        work: impl FnOnce(&access::Access) -> Result<T, access::AccessError> + Send + 'static,
    ) -> Result<T, ServerError> {
        let access = self.house.access.clone();
        let done = tokio::task::spawn_blocking(move || work(&access)).await;
        let done = done.map_err(|panic| ServerError::Internal(panic.to_string()))?;
        done.map_err(|error| ServerError::Internal(error.to_string()))
    }

    /// Puts in what the new facts tell.
    async fn look(&self) -> Result<(), ServerError> {
        let head = self.house.ledger.head().await?;
        let position = match self.stored(access::Access::outbox_position).await? {
            Some(position) if position <= head => position,
            // The first time, or the ledger is older than what was looked at: what there is was told, or
            // happened before anybody wanted to hear of it.
            _ => return self.put_position(head).await,
        };
        let mut after = position;
        loop {
            let query = Select::from(HAPPENINGS)
                .filter("seq", Op::Gt, after)
                .order("seq", Direction::Asc)
                .limit(PAGE);
            let found = self.house.ledger.select(query).await?;
            let mut rows = found.rows;
            let up_to = if rows.len() == PAGE {
                // The last fact may have more than this page holds.
                let last = rows.last().map_or(Ok(0), |row| row.natural("seq"))?;
                let mut kept = Vec::new();
                for row in rows {
                    if row.natural("seq")? < last {
                        kept.push(row);
                    }
                }
                rows = kept;
                last - 1
            } else {
                found.as_of
            };
            if up_to <= after {
                return Ok(());
            }
            let more = up_to < found.as_of;
            let mut new = Vec::new();
            for row in &rows {
                if let Some(read) = self.read(row).await? {
                    self.tell(&read.happening, &read.component, read.trusted, &mut new)
                        .await?;
                }
            }
            crashpoint::reach("server.notifications.read");
            self.put(new, Some(up_to)).await?;
            crashpoint::reach("server.notifications.put");
            after = up_to;
            if !more {
                return Ok(());
            }
        }
    }

    async fn put(&self, new: Vec<NewOut>, position: Option<Position>) -> Result<(), ServerError> {
        if new.is_empty() && position.is_none() {
            return Ok(());
        }
        self.stored(move |access| access.put_out(&new, position))
            .await
            .map(drop)
    }

    async fn put_position(&self, position: Position) -> Result<(), ServerError> {
        self.put(Vec::new(), Some(position)).await
    }

    async fn read(&self, row: &Row) -> Result<Option<Read>, ServerError> {
        let Some(component) = self.house.register.by_id(row.parse("component")?).await? else {
            return Ok(None);
        };
        let event = row.text("event")?;
        let event = Event::ALL.iter().find(|known| known.as_str() == event);
        let Some(event) = event else { return Ok(None) };
        let fact: FactId = row.parse("fact")?;
        let happening = Happening {
            event: *event,
            key: fact.to_string(),
            fact: Some((row.natural("seq")?, fact)),
            at: row.timestamp("at")?,
            component: component.name.clone(),
            environment: row.optional_parse("environment")?,
            line: row.optional_parse("line")?,
            run: row.optional_parse::<RunId>("run")?,
            commit: row.optional_parse("commit")?,
            package: row.optional_parse("package")?,
            before: row.optional_parse("before")?,
            role: None,
            waited: None,
            reasons: row.json("reasons")?,
        };
        Ok(Some(Read {
            happening,
            component,
            trusted: row.text("trust")? == "trusted",
        }))
    }

    /// Adds what everybody is told whom the rules name.
    async fn tell(
        &self,
        happening: &Happening,
        component: &Component,
        trusted: bool,
        new: &mut Vec<NewOut>,
    ) -> Result<(), ServerError> {
        let settings = &self.outgoing.settings;
        if !settings.rules.iter().any(|rule| rule.is_about(happening)) {
            return Ok(());
        }
        let people = people::people(&self.house, settings, component, happening, trusted).await;
        let told = who_hears(&settings.rules, happening, &people);
        if told.is_empty() {
            return Ok(());
        }
        let names = people::names(&self.house, component, happening).await;
        let url = people::page(&self.house, component, happening);
        let now = self.house.clock.now();
        for (told, because) in told {
            let id = notification::message::id_of(&happening.key, &told);
            // A store that was put back knows less than the ledger.
            if self.house.ledger.find_claim(&claim(&id)).await?.is_some() {
                continue;
            }
            let one = Notification::new(id.clone(), happening, &names, url.clone(), because);
            let recipient = told.to_string();
            let mut due_at = now;
            if settings.gathers(&told) {
                let asked = recipient.clone();
                let last = self.stored(move |access| access.last_delivered(&asked)).await?;
                let quiet = last.and_then(|last| last.checked_add(settings.gather).ok());
                due_at = quiet.map_or(now, |quiet| quiet.max(now));
            }
            let body = serde_json::to_string(&one).map_err(|error| ServerError::Internal(error.to_string()))?;
            new.push(NewOut {
                id,
                recipient,
                body,
                due_at,
            });
        }
        Ok(())
    }

    /// Puts in what is to be told of packages that wait. When that is to be looked at again by itself.
    async fn look_at_gates(&mut self) -> Result<Option<Instant>, ServerError> {
        if !self.looks_at_gates {
            return Ok(None);
        }
        let now = self.house.clock.now();
        let after: BTreeSet<Duration> = self.outgoing.settings.waits();
        let mut next: Option<Timestamp> = None;
        let mut standing = HashSet::new();
        for component in self.house.register.all().await? {
            let waits = waits::look(&self.house, &component, &after, now);
            next = [next, waits.next].into_iter().flatten().min();
            for happening in waits.now {
                standing.insert(happening.key.clone());
                if self.known.contains(&happening.key) {
                    continue;
                }
                let mut new = Vec::new();
                self.tell(&happening, &component, true, &mut new).await?;
                self.put(new, None).await?;
                self.known.insert(happening.key);
            }
        }
        // What waits no more need not be remembered.
        self.known.retain(|key| standing.contains(key));
        Ok(next.map(|at| self.instant(at)))
    }

    /// The moment at which the clock will show `at`.
    fn instant(&self, at: Timestamp) -> Instant {
        let left = at.duration_since(self.house.clock.now());
        Instant::now() + Duration::try_from(left).unwrap_or_default()
    }

    /// Starts sending whatever is due, and records what is over. When something is due next.
    async fn send_due(&mut self) -> Result<Option<Instant>, ServerError> {
        self.record().await?;
        let now = self.house.clock.now();
        for recipient in self.stored(move |access| access.due_recipients(now)).await? {
            if self.busy.contains(&recipient) {
                continue;
            }
            let asked = recipient.clone();
            let pending = self.stored(move |access| access.pending_out(&asked, MOST)).await?;
            let Ok(told) = Told::from_str(&recipient) else {
                tracing::error!(recipient, "the outbox names nobody");
                continue;
            };
            let batch: Vec<Out> = if self.outgoing.settings.gathers(&told) {
                pending
            } else {
                let due = pending
                    .into_iter()
                    .filter(|one| one.due_at.is_some_and(|due| due <= now));
                due.take(1).collect()
            };
            if batch.is_empty() {
                continue;
            }
            self.busy.push(recipient.clone());
            let (house, outgoing, done) = (self.house.clone(), self.outgoing.clone(), self.done.clone());
            tokio::task::spawn_blocking(move || {
                if let Err(error) = send(&house, &outgoing, &told, &batch) {
                    tracing::error!(%error, "what became of a notification could not be noted; it may be sent again");
                }
                // The loop may be over.
                let _ = done.send(recipient);
            });
        }
        let busy = self.busy.clone();
        let next = self.stored(move |access| access.next_due(&busy)).await?;
        Ok(next.map(|at| self.instant(at)))
    }

    /// Records what became of those that are over.
    async fn record(&self) -> Result<(), ServerError> {
        loop {
            let over = self.stored(|access| access.unrecorded_out(ENDS)).await?;
            if over.is_empty() {
                return Ok(());
            }
            let mut ids = Vec::with_capacity(over.len());
            for one in over {
                // Of what was erased nothing is left to say.
                if let Ok(said) = serde_json::from_str::<Notification>(&one.body) {
                    self.record_one(&one, &said).await?;
                }
                ids.push(one.id);
            }
            self.stored(move |access| access.recorded_out(&ids)).await?;
        }
    }

    async fn record_one(&self, one: &Out, said: &Notification) -> Result<(), ServerError> {
        let ended = Ended {
            notification: one.id.clone(),
            event: said.event,
            about: said.fact.map(|(_, fact)| fact),
            channel: match one.recipient.starts_with("webhook:") {
                true => one.recipient.clone(),
                false => "mail".to_owned(),
            },
            outcome: if one.delivered {
                Outcome::Delivered
            } else {
                Outcome::GivenUp
            },
            attempts: one.attempts,
        };
        let claim = claim(&one.id);
        let fact = NewFact {
            stream: stream(),
            id: FactId::of_key(&claim),
            kind: ENDED.to_owned(),
            kind_version: 1,
            occurred_at: one.finished_at.unwrap_or_else(|| self.house.clock.now()),
            actor: Actor::System,
            on_behalf_of: None,
            trust: Trust::Trusted,
            cause: ended.about,
            correlation: None,
            external_key: Some(claim),
            body: serde_json::json!(ended),
        };
        let ledger = self.house.duties.ledger(Duty::Notifications);
        match ledger.append(Append::unconditional(vec![fact])).await {
            Ok(_) | Err(AppendError::Claimed { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Sends one message, and notes what came of it. It blocks.
fn send(house: &House, outgoing: &Outgoing, told: &Told, batch: &[Out]) -> Result<(), access::AccessError> {
    let ids: Vec<String> = batch.iter().map(|one| one.id.clone()).collect();
    let read: Vec<Notification> = batch
        .iter()
        .filter_map(|one| serde_json::from_str(&one.body).ok())
        .collect();
    let Some(message) = Message::new(read) else {
        return house
            .access
            .failed_out(&ids, "what was to be said cannot be read", None);
    };
    match outgoing.send(told, &message) {
        Ok(()) => {
            crashpoint::reach("server.notifications.sent");
            house.access.delivered_out(&ids)
        }
        Err(unsent) => {
            let attempts = batch.iter().map(|one| one.attempts).max().unwrap_or(0) + 1;
            let pause = (!unsent.for_good).then(|| schedule::again_after(attempts)).flatten();
            let again = pause.and_then(|pause| house.clock.now().checked_add(pause).ok());
            tracing::warn!(recipient = %told, attempts, reason = %unsent, given_up = again.is_none(), "a notification was not taken");
            house.access.failed_out(&ids, &unsent.reason, again)
        }
    }
}
