//! The loop that puts in what is to be said, and says what is due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use access::{Access, AccessError, KeptStatus, NewStatus};
use facts::{Commit, ComponentId, Position, RunId};
use forge::status::{Answer, judge};
use forge::{Meaning, State, Status};
use ledger::{Direction, Op, Row, Select};
use notification::{Connections, schedule};
use pages::links;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::kinds::Said;
use super::view::{STATES, TARGETS};
use crate::error::ServerError;
use crate::house::House;
use crate::ports::open_secret;

/// How many states are read at a time.
const PAGE: usize = 200;
/// After how long what could not be done is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// How often what was said long ago is forgotten.
const FORGET: Duration = Duration::from_secs(86_400);

/// Where the states of a repository's commits are said.
///
/// # Errors
/// When the ledger cannot be read.
pub(crate) async fn said(house: &House, repository: ComponentId) -> Result<Option<Said>, ServerError> {
    let query = Select::from(TARGETS).filter("repository", Op::Eq, repository.to_string());
    let rows = house.ledger.select(query).await?.rows;
    Ok(rows.first().map(|row| row.json("said")).transpose()?)
}

/// Says what is to be said until the server stops.
pub(crate) async fn keep_telling(house: Arc<House>) {
    let (done, mut ended) = mpsc::unbounded_channel();
    let mut teller = Teller {
        connections: Arc::new(connections(&house)),
        house: house.clone(),
        busy: Vec::new(),
        done,
    };
    let mut views = house.ledger.follow_views();
    let mut forget_at = Instant::now();
    loop {
        views.borrow_and_update();
        let mut work = teller.look().await;
        if work.is_ok() && forget_at <= Instant::now() {
            forget_at = Instant::now() + FORGET;
            work = teller.stored(Access::forget_statuses).await;
        }
        let due = match work {
            Ok(()) => teller.send_due().await,
            Err(error) => Err(error),
        };
        let due = due.unwrap_or_else(|error| {
            tracing::error!(%error, "the states of commits could not be said; it is tried again soon");
            Some(Instant::now() + AGAIN)
        });
        let asleep = tokio::time::sleep_until(due.unwrap_or_else(|| Instant::now() + FORGET));
        tokio::select! {
            changed = views.changed() => if changed.is_err() { return },
            over = ended.recv() => if let Some(target) = over {
                teller.busy.retain(|busy: &String| *busy != target);
            },
            () = asleep => {}
            () = house.stopping.cancelled() => return,
        }
    }
}

/// Connections that go where those of notifications may.
fn connections(house: &House) -> Connections {
    match &house.notifications {
        Some(outgoing) => outgoing.connections(),
        None => Connections::new(notification::Reach::default(), &[]),
    }
}

struct Teller {
    house: Arc<House>,
    connections: Arc<Connections>,
    /// Those to whom something is being said.
    busy: Vec<String>,
    /// Hears who is free again.
    done: mpsc::UnboundedSender<String>,
}

impl Teller {
    /// Asks the store, on a thread that may block.
    async fn stored<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Access) -> Result<T, AccessError> + Send + 'static,
    ) -> Result<T, ServerError> {
        let access = self.house.access.clone();
        let done = tokio::task::spawn_blocking(move || work(&access)).await;
        let done = done.map_err(|panic| ServerError::Internal(panic.to_string()))?;
        done.map_err(|error| ServerError::Internal(error.to_string()))
    }

    /// Puts in what new facts say.
    async fn look(&self) -> Result<(), ServerError> {
        let head = self.house.ledger.head().await?;
        let mut after = match self.stored(Access::statuses_position).await? {
            Some(position) if position <= head => position,
            // The first time, or the ledger is older than what was looked at: what is past is not said.
            _ => return self.put(Vec::new(), head).await,
        };
        loop {
            let query = Select::from(STATES)
                .filter("seq", Op::Gt, after)
                .order("seq", Direction::Asc)
                .limit(PAGE);
            let found = self.house.ledger.select(query).await?;
            let up_to = match found.rows.last() {
                Some(last) if found.rows.len() == PAGE => last.natural("seq")?,
                _ => found.as_of,
            };
            if up_to <= after {
                return Ok(());
            }
            // Of each thing the newest state alone.
            let mut new = BTreeMap::new();
            for row in &found.rows {
                if let Some(one) = self.read(row).await? {
                    new.insert(one.key.clone(), one);
                }
            }
            crashpoint::reach("server.statuses.read");
            self.put(new.into_values().collect(), up_to).await?;
            crashpoint::reach("server.statuses.put");
            after = up_to;
            if found.rows.len() < PAGE {
                return Ok(());
            }
        }
    }

    async fn put(&self, new: Vec<NewStatus>, position: Position) -> Result<(), ServerError> {
        self.stored(move |access| access.put_statuses(&new, position)).await
    }

    /// What a row of the view has to say.
    async fn read(&self, row: &Row) -> Result<Option<NewStatus>, ServerError> {
        let Some(component) = self.house.register.by_id(row.parse("component")?).await? else {
            return Ok(None);
        };
        let (commit, run): (Commit, RunId) = (row.parse("commit")?, row.parse("run")?);
        let state: State = serde_json::from_value(row.text("state")?.into())?;
        let environment = row.optional_text("environment")?;
        let context = match environment {
            Some(environment) => format!("throughline/{}:{environment}", component.name),
            None => format!("throughline/{}", component.name),
        };
        let repository = row.text("repository")?;
        let status = Status {
            description: words(state, environment),
            url: format!("{}{}", self.house.url(), links::run(run)),
            commit,
            context,
            state,
        };
        Ok(Some(NewStatus {
            key: format!("{repository}/{}/{}", status.commit, status.context),
            target: repository.to_owned(),
            position: row.natural("seq")?,
            body: serde_json::to_string(&status)?,
        }))
    }

    /// Starts saying whatever is due. When something is due next.
    async fn send_due(&mut self) -> Result<Option<Instant>, ServerError> {
        let now = self.house.clock.now();
        let mut next = None;
        for (target, at) in self.stored(Access::due_statuses).await? {
            if self.busy.contains(&target) {
                continue;
            }
            if at > now {
                let left = Duration::try_from(at.duration_since(now)).unwrap_or_default();
                let at = Instant::now() + left;
                next = Some(next.map_or(at, |next: Instant| next.min(at)));
                continue;
            }
            let repository = target
                .parse()
                .map_err(|error| ServerError::Internal(format!("{error}")))?;
            let Some(said) = said(&self.house, repository).await? else {
                self.stored(move |access| access.forget_target(&target)).await?;
                continue;
            };
            let asked = target.clone();
            let Some(one) = self.stored(move |access| access.next_status(&asked, now)).await? else {
                continue;
            };
            self.busy.push(target.clone());
            let (house, connections, done) = (self.house.clone(), self.connections.clone(), self.done.clone());
            tokio::task::spawn_blocking(move || {
                if let Err(error) = say(&house, &connections, &target, &said, &one) {
                    tracing::error!(%error, "what a host answered could not be noted; it may be told again");
                }
                // The loop may be over.
                let _ = done.send(target);
            });
        }
        Ok(next)
    }
}

/// A state in words.
fn words(state: State, environment: Option<&str>) -> String {
    let (build, deployment) = match state {
        State::Pending => ("the build waits", "the deployment waits"),
        State::Running => ("it is being built", "it is being deployed"),
        State::Success => ("it was built", "it was deployed"),
        State::Failure => ("the build failed", "the deployment failed"),
        State::Error => (
            "nobody can say whether it was built",
            "nobody can say whether it was deployed",
        ),
        State::Cancelled => ("the build was stopped", "the deployment was stopped"),
    };
    match environment {
        Some(environment) => format!("{deployment} ({environment})"),
        None => build.to_owned(),
    }
}

/// Says one thing, and notes what was answered. It blocks.
fn say(
    house: &House,
    connections: &Connections,
    target: &str,
    said: &Said,
    one: &KeptStatus,
) -> Result<(), AccessError> {
    let Ok(status) = serde_json::from_str::<Status>(&one.body) else {
        return house
            .access
            .status_refused(target, one, "what was to be said cannot be read", None, None);
    };
    let told: Option<Status> = one.told.as_ref().and_then(|told| serde_json::from_str(told).ok());
    if told.is_some_and(|told| said.to.says_the_same(&told, &status)) {
        return house.access.status_taken(target, one);
    }
    let now = house.clock.now();
    let meaning = match open_secret(&house.access, &said.token) {
        Err(reason) => Meaning::Later {
            reason: format!(
                "the token cannot be used: {reason}; set it with `throughline secret set {}`",
                said.token
            ),
            pause: None,
        },
        Ok(token) => {
            let headers = said.to.headers(token.trim());
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let body = said.to.body(&status).to_string();
            match connections.post(&said.to.url(&status.commit), &headers, body.as_bytes()) {
                Err(unsent) => Meaning::Later {
                    reason: format!("{}: {}", said.to.host.name(), unsent.reason),
                    pause: None,
                },
                Ok(answer) => {
                    let read = Answer {
                        status: answer.status,
                        retry_after: answer.header("retry-after"),
                        remaining: answer.header("x-ratelimit-remaining"),
                        reset: answer.header("x-ratelimit-reset"),
                        text: &answer.text,
                    };
                    hide(judge(said.to.host, &read, now.as_second()), token.trim())
                }
            }
        }
    };
    crashpoint::reach("server.statuses.said");
    let attempts = one.attempts + 1;
    let (reason, again, pause) = match meaning {
        Meaning::Taken => return house.access.status_taken(target, one),
        Meaning::Never { reason } => (reason, None, None),
        Meaning::Later { reason, pause } => {
            let again = schedule::again_after(attempts).map(|again| again.max(pause.unwrap_or_default()));
            (reason, again, pause.or(again))
        }
    };
    let at = |pause: Duration| now.checked_add(pause).ok();
    let known = house.access.target_state(target)?.problem;
    if known.is_none_or(|(known, _)| known != reason) {
        tracing::warn!(repository = target, host = %said.to.host, reason, given_up = again.is_none(), "the state of a commit was not taken");
    }
    house
        .access
        .status_refused(target, one, &reason, again.and_then(at), pause.and_then(at))
}

/// A host that repeats what it was sent is not repeated.
fn hide(meaning: Meaning, token: &str) -> Meaning {
    let hidden = |reason: String| match token.is_empty() {
        true => reason,
        false => reason.replace(token, "***"),
    };
    match meaning {
        Meaning::Taken => Meaning::Taken,
        Meaning::Later { reason, pause } => Meaning::Later {
            reason: hidden(reason),
            pause,
        },
        Meaning::Never { reason } => Meaning::Never { reason: hidden(reason) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_repeats_the_token_is_not_repeated() {
        let meaning = judge(
            forge::Host::GitLab,
            &Answer {
                status: 401,
                text: "the token abc is wrong",
                ..Answer::default()
            },
            0,
        );
        let Meaning::Never { reason } = hide(meaning, "abc") else {
            panic!()
        };
        assert!(
            reason.contains("the token *** is wrong") && !reason.contains("abc"),
            "{reason}"
        );
    }
}
