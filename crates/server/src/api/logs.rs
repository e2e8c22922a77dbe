//! Logs: streamed while an attempt writes, read back from the store afterwards.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use engine::query::AttemptRow;
use executor::logs;
use facts::{RunId, StepName};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::runs::{parse, run_of};
use crate::auth::Caller;
use crate::error::ServerError;
use crate::house::House;
use crate::problem::Problem;

/// How many pieces of a followed log wait for a slow reader.
const PIECES: usize = 64;

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
        let read = house.logs.read(kept).await;
        return read.map_err(|error| ServerError::Internal(format!("the log cannot be read: {error}")));
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
    loop {
        // Whether it has ended is asked before the rest is read, so that nothing is missed.
        let now = attempt_of(&house, run, &step, Some(attempt.attempt)).await;
        let Ok(Some(now)) = now else { return };
        let bytes = match log_bytes(&house, &now).await {
            Ok(bytes) => bytes,
            Err(_) => return,
        };
        let from = usize::try_from(sent).unwrap_or(usize::MAX).min(bytes.len());
        let rest = &bytes[from..];
        // Whole lines only, while more may come.
        let whole = if now.result.is_some() {
            rest.len()
        } else {
            rest.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1)
        };
        if whole > 0 {
            sent += whole as u64;
            if pieces.send(Ok(Bytes::copy_from_slice(&rest[..whole]))).await.is_err() {
                return;
            }
        }
        if now.result.is_some() {
            return;
        }
        let grown = async {
            match logs::follow_from(&path, sent) {
                Ok(mut follow) => {
                    let _ = follow.next().await;
                }
                // Not there yet: the ledger moves when the attempt does.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        tokio::select! {
            () = grown => {}
            changed = head.changed() => if changed.is_err() { return },
            () = pieces.closed() => return,
            () = house.stopping.cancelled() => return,
        }
    }
}
