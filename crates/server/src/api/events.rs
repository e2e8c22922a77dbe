//! What happens, as it happens: server-sent events whose ids are positions in the ledger.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use access::{Action, Resource};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Sse};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::auth::Caller;
use crate::house::House;
use crate::problem::Problem;

/// How many facts are read at a time.
const PAGE: usize = 200;

/// From where events are asked for.
#[derive(Debug, Default, Deserialize)]
pub struct EventsQuery {
    after: Option<u64>,
}

#[utoipa::path(
    get, path = "/api/v1/events", tag = "ledger", params(("after" = Option<u64>, Query)),
    responses((status = 200, description = "events with `seq`, `kind`, `stream`, `at`", content_type = "text/event-stream"))
)]
pub async fn events(
    State(house): State<Arc<House>>,
    caller: Caller,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    caller.may(Action::Enter, &Resource::Server)?;
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    let position = match last.or(query.after) {
        Some(position) => position,
        None => house.ledger.head().await?,
    };
    let (events, reader) = mpsc::channel(PAGE);
    tokio::spawn(send(house, position, events));
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    Ok(Sse::new(ReceiverStream::new(reader)).keep_alive(keep_alive))
}

async fn send(house: Arc<House>, mut position: u64, events: mpsc::Sender<Result<Event, Infallible>>) {
    let mut head = house.ledger.follow();
    loop {
        head.borrow_and_update();
        loop {
            let Ok(facts) = house.ledger.read(position, PAGE).await else {
                return;
            };
            let Some(last) = facts.last() else { break };
            position = last.seq;
            for fact in &facts {
                let data = serde_json::json!({
                    "seq": fact.seq,
                    "kind": fact.kind(),
                    "stream": fact.stream().as_str(),
                    "at": fact.recorded_at,
                });
                let event = Event::default()
                    .id(fact.seq.to_string())
                    .event(fact.kind())
                    .data(data.to_string());
                if events.send(Ok(event)).await.is_err() {
                    return;
                }
            }
        }
        tokio::select! {
            changed = head.changed() => if changed.is_err() { return },
            () = events.closed() => return,
            () = house.stopping.cancelled() => return,
        }
    }
}
