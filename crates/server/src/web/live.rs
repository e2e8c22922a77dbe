//! What keeps open pages current: a tick for each change of the ledger, and the lines of a log that is
//! still being written.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive, KeepAliveStream};
use engine::query::AttemptRow;
use engine::view::RUNS;
use executor::logs::{self, Follow};
use facts::StepName;
use ledger::{Op, Select};
use pages::model::LogLine;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::logs::log_line;
use super::visit::Visit;
use crate::api::runs::{parse, run_of};
use crate::house::House;
use crate::problem::Problem;

/// How often a page is told that something happened, at most.
const TICK: Duration = Duration::from_millis(200);
/// How often a page is told to look at a deployment that is under way.
const MOMENT: Duration = Duration::from_secs(1);
/// How many lines of a log one message carries, at most.
const LINES: usize = 500;

/// A stream of messages.
pub(super) type Messages = Sse<KeepAliveStream<ReceiverStream<Result<Event, Infallible>>>>;

/// From where a stream goes on.
#[derive(Debug, Default, Deserialize)]
pub(super) struct After {
    after: Option<u64>,
}

fn last_seen(headers: &HeaderMap, query: &After) -> u64 {
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    last.or(query.after).unwrap_or_default()
}

/// The stream of what comes to `reader`.
pub(super) fn stream(reader: mpsc::Receiver<Result<Event, Infallible>>) -> Messages {
    Sse::new(ReceiverStream::new(reader)).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

/// Whether a deployment is under way: requests are counted then, of which no fact tells.
async fn is_moving(house: &House) -> bool {
    let open = Select::from(RUNS)
        .any_of("state", super::runs::open_states())
        .filter("kind", Op::Eq, "deployment")
        .limit(1);
    house
        .ledger
        .select(open)
        .await
        .is_ok_and(|found| !found.rows.is_empty())
}

/// One message for what happened since the last one; its id is the ledger's position. Many facts at
/// once are one reason to look again, and so is each moment of a deployment, whose canary counts.
pub(super) async fn events(
    State(house): State<Arc<House>>,
    _visit: Visit,
    Query(query): Query<After>,
    headers: HeaderMap,
) -> Messages {
    let mut seen = last_seen(&headers, &query);
    let (messages, reader) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut head = house.ledger.follow();
        let (mut moving, mut again) = (is_moving(&house).await, false);
        loop {
            let position = *head.borrow_and_update();
            if position > seen || again {
                if position > seen {
                    moving = is_moving(&house).await;
                }
                (seen, again) = (position, false);
                let message = Event::default().id(position.to_string()).data(position.to_string());
                if messages.send(Ok(message)).await.is_err() {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(TICK) => {}
                    () = messages.closed() => return,
                    () = house.stopping.cancelled() => return,
                }
            }
            tokio::select! {
                changed = head.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(MOMENT), if moving => again = true,
                () = messages.closed() => return,
                () = house.stopping.cancelled() => return,
            }
        }
    });
    stream(reader)
}

/// The lines of an attempt's log after a number, as they are written; `end` when no more will come.
pub(super) async fn log(
    State(house): State<Arc<House>>,
    visit: Visit,
    Path((run, step, attempt)): Path<(String, String, u32)>,
    Query(query): Query<After>,
    headers: HeaderMap,
) -> Result<Messages, Problem> {
    let row = run_of(&house, &visit.caller, &run).await?;
    let step: StepName = parse(&step)?;
    let attempts = engine::query::attempts(&*house.ledger, row.id, Some(&step)).await?;
    let Some(attempt) = attempts.into_iter().find(|one| one.attempt == attempt) else {
        return Err(Problem::not_found(format!(
            "the step `{step}` has no attempt {attempt}"
        )));
    };
    let (messages, reader) = mpsc::channel(4);
    let sender = LogSender {
        house,
        attempt,
        number: 0,
        after: last_seen(&headers, &query),
        messages,
    };
    tokio::spawn(sender.send_all());
    Ok(stream(reader))
}

/// Sends a log to one reader.
struct LogSender {
    house: Arc<House>,
    attempt: AttemptRow,
    /// The number of the last line that was read.
    number: u64,
    /// The number of the last line that the reader has.
    after: u64,
    messages: mpsc::Sender<Result<Event, Infallible>>,
}

impl LogSender {
    /// Sends everything. A failure ends the stream: the browser comes back for the rest.
    async fn send_all(mut self) {
        if self.attempt.result.is_none() && self.while_written().await.is_none() {
            return;
        }
        // Now the whole of it is kept.
        let Ok(bytes) = crate::api::log_bytes(&self.house, &self.attempt).await else {
            return;
        };
        let lines: Vec<logs::Line> = logs::lines(&bytes)
            .skip(usize::try_from(self.number).unwrap_or(usize::MAX))
            .collect();
        for lines in lines.chunks(LINES) {
            if self.send(lines).await.is_none() {
                return;
            }
        }
        let end = Event::default().event("end").data("end");
        let _ = self.messages.send(Ok(end)).await;
    }

    /// Sends lines as they are written, until the attempt has ended; `None` when nobody reads.
    async fn while_written(&mut self) -> Option<()> {
        let path = self
            .house
            .log_path(self.attempt.run, &self.attempt.step, self.attempt.attempt);
        let mut head = self.house.ledger.follow();
        let mut follow: Option<Follow> = None;
        loop {
            head.borrow_and_update();
            let (run, step) = (self.attempt.run, self.attempt.step.clone());
            let attempts = engine::query::attempts(&*self.house.ledger, run, Some(&step))
                .await
                .ok()?;
            self.attempt = attempts.into_iter().find(|one| one.attempt == self.attempt.attempt)?;
            if self.attempt.result.is_some() {
                return Some(());
            }
            // The folder comes with the first line; until then the ledger's moves are reason to look.
            if follow.is_none() {
                follow = logs::follow(&path).ok();
            }
            let messages = self.messages.clone();
            let stopping = self.house.stopping.clone();
            tokio::select! {
                sent = self.some_lines(&mut follow) => sent?,
                changed = head.changed() => changed.ok()?,
                () = tokio::time::sleep(Duration::from_secs(1)), if follow.is_none() => {}
                () = messages.closed() => return None,
                () = stopping.cancelled() => return None,
            }
        }
    }

    /// Waits for lines and sends those that are there; never comes back while there is no log.
    async fn some_lines(&mut self, follow: &mut Option<Follow>) -> Option<()> {
        let Some(open) = follow else {
            return std::future::pending().await;
        };
        let Ok(Some(first)) = open.next().await else {
            // Complete, or taken away: what is left is read when the ledger says that it ended.
            return std::future::pending().await;
        };
        let mut lines = vec![first];
        while lines.len() < LINES {
            match futures_util::FutureExt::now_or_never(open.next()) {
                Some(Ok(Some(line))) => lines.push(line),
                _ => break,
            }
        }
        self.send(&lines).await
    }

    async fn send(&mut self, lines: &[logs::Line]) -> Option<()> {
        let mut rows: Vec<LogLine> = Vec::with_capacity(lines.len());
        for line in lines {
            self.number += 1;
            if self.number > self.after {
                rows.push(log_line(self.number, line));
            }
        }
        if rows.is_empty() {
            return Some(());
        }
        let data = pages::log::rows(&rows).into_string();
        // Nothing may break a message into two: a carriage return would.
        let data = data.replace('\r', "&#13;");
        self.messages
            .send(Ok(Event::default().id(self.number.to_string()).data(data)))
            .await
            .ok()
    }
}
