//! Logs: streamed while an attempt writes, read back from the store afterwards.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use engine::query::AttemptRow;
use executor::logs::{self, Follow};
use facts::{RunId, StepName};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::runs::{parse, run_of};
use crate::auth::Caller;
use crate::error::ServerError;
use crate::house::House;
use crate::problem::Problem;
use crate::retention::was_swept;

/// How many pieces of a followed log wait for a slow reader.
const PIECES: usize = 64;

/// The pause before an attempt's folder is looked for again.
const SOON: Duration = Duration::from_millis(20);

/// What a log is asked by.
#[derive(Debug, Default, Deserialize)]
pub struct LogQuery {
    attempt: Option<u32>,
    #[serde(default)]
    follow: bool,
}

/// The attempt that is meant: the named one, or the last.
async fn attempt_of(
    house: &House,
    run: RunId,
    step: &StepName,
    number: Option<u32>,
) -> Result<Option<AttemptRow>, ServerError> {
    let mut attempts = engine::query::attempts(&*house.ledger, run, Some(step)).await?;
    Ok(match number {
        Some(number) => attempts.into_iter().find(|attempt| attempt.attempt == number),
        None => attempts.pop(),
    })
}

/// The whole log of an attempt as it is now.
///
/// # Errors
/// When it cannot be read.
pub async fn log_bytes(house: &House, attempt: &AttemptRow) -> Result<Vec<u8>, ServerError> {
    if let Some(kept) = attempt.log {
        let error = match house.logs.read(kept).await {
            Ok(bytes) => return Ok(bytes),
            Err(error) => error,
        };
        if matches!(house.store.size(&kept), Ok(None))
            && let Some(said) = was_swept(house, attempt.finished_at.unwrap_or(attempt.started_at)).await?
        {
            return Ok(said.into_bytes());
        }
        return Err(ServerError::Internal(format!("the log cannot be read: {error}")));
    }
    let path = house.log_path(attempt.run, &attempt.step, attempt.attempt);
    match tokio::fs::read(path).await {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(ServerError::Internal(format!("the log cannot be read: {error}"))),
    }
}

fn plain(body: Body) -> Response {
    (
        [
            (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
        ],
        body,
    )
        .into_response()
}

#[utoipa::path(
    get, path = "/api/v1/runs/{run}/steps/{step}/log", tag = "runs",
    params(
        ("run" = String, Path), ("step" = String, Path),
        ("attempt" = Option<u32>, Query), ("follow" = Option<bool>, Query)
    ),
    responses((status = 200, description = "lines `<unix ms> <o|e> text`", content_type = "text/plain"))
)]
pub async fn log(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path((run, step)): Path<(String, String)>,
    Query(query): Query<LogQuery>,
) -> Result<Response, Problem> {
    let row = run_of(&house, &caller, &run).await?;
    let step: StepName = parse(&step)?;
    if engine::query::step(&*house.ledger, row.id, &step).await?.is_none() {
        return Err(Problem::not_found(format!("the run {} has no step `{step}`", row.id)));
    }
    let found = attempt_of(&house, row.id, &step, query.attempt).await?;
    let live = found.as_ref().is_none_or(|attempt| attempt.result.is_none());
    if !query.follow || !live {
        return Ok(match found {
            Some(attempt) => plain(Body::from(log_bytes(&house, &attempt).await?)),
            None => plain(Body::empty()),
        });
    }
    let (pieces, reader) = mpsc::channel::<Result<Bytes, std::convert::Infallible>>(PIECES);
    tokio::spawn(follow(house.clone(), row.id, step, query.attempt, pieces));
    Ok(plain(Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(
        reader,
    ))))
}

/// Sends the lines of an attempt as they are written, until it has ended and all are sent.
async fn follow(
    house: Arc<House>,
    run: RunId,
    step: StepName,
    number: Option<u32>,
    pieces: mpsc::Sender<Result<Bytes, std::convert::Infallible>>,
) {
    let mut head = house.ledger.follow();
    // First the attempt has to begin; a run that ends without it ends the wait.
    let attempt = loop {
        match attempt_of(&house, run, &step, number).await {
            Ok(Some(attempt)) => break attempt,
            Err(_) => return,
            Ok(None) => {}
        }
        let over = engine::query::run(&*house.ledger, run).await;
        if !matches!(over, Ok(Some(row)) if row.state != engine::State::Finished) {
            return;
        }
        tokio::select! {
            changed = head.changed() => if changed.is_err() { return },
            () = pieces.closed() => return,
            () = house.stopping.cancelled() => return,
        }
    };
    let path = house.log_path(run, &step, attempt.attempt);
    let mut sent: u64 = 0;
    let mut follow = None;
    loop {
        // Whether it has ended is asked before the rest is read, so that nothing is missed.
        let Ok(Some(now)) = attempt_of(&house, run, &step, Some(attempt.attempt)).await else {
            return;
        };
        if now.result.is_some() {
            let Ok(bytes) = log_bytes(&house, &now).await else {
                return;
            };
            let rest = bytes
                .get(usize::try_from(sent).unwrap_or(usize::MAX)..)
                .unwrap_or_default();
            if !rest.is_empty() {
                let _ = pieces.send(Ok(Bytes::copy_from_slice(rest))).await;
            }
            return;
        }
        let reader: &mut Follow = match &mut follow {
            Some(reader) => reader,
            None => match logs::follow_from(&path, sent) {
                Ok(reader) => follow.insert(reader),
                // The attempt has been recorded and its folder is about to be made.
                Err(_) => {
                    tokio::select! {
                        () = tokio::time::sleep(SOON) => continue,
                        () = pieces.closed() => return,
                        () = house.stopping.cancelled() => return,
                    }
                }
            },
        };
        tokio::select! {
            line = reader.next() => match line {
                Ok(Some(line)) => {
                    sent = reader.position();
                    let line = format!("{} {} {}\n", line.at_ms, line.channel.letter(), line.text);
                    if pieces.send(Ok(line.into())).await.is_err() {
                        return;
                    }
                }
                // It has its outcome, which is being recorded; the ledger moves then.
                Ok(None) => if head.changed().await.is_err() { return },
                Err(error) => {
                    tracing::warn!(%run, %step, %error, "a log cannot be followed");
                    return;
                }
            },
            changed = head.changed() => if changed.is_err() { return },
            () = pieces.closed() => return,
            () = house.stopping.cancelled() => return,
        }
    }
}
