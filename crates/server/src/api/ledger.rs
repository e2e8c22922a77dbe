//! The ledger as a whole.

use std::sync::Arc;

use access::{Action, Resource};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use ledger::{Checkpoint, Kept, against};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::auth::Caller;
use crate::duties::Duty;
use crate::error::ServerError;
use crate::house::House;
use crate::problem::Problem;
use crate::wire;

/// How many facts are exported at a time.
const PAGE: usize = 500;

#[utoipa::path(get, path = "/api/v1/ledger/verify", tag = "ledger", responses((status = 200, body = wire::Verified)))]
pub async fn verify(State(house): State<Arc<House>>, caller: Caller) -> Result<Json<wire::Verified>, Problem> {
    caller.may(Action::Read, &Resource::Server)?;
    verified(&house, &[]).await.map(Json)
}

#[utoipa::path(
    post, path = "/api/v1/ledger/verify", tag = "ledger", request_body = wire::VerifyAgainst,
    responses((status = 200, body = wire::Verified))
)]
pub async fn verify_against(
    State(house): State<Arc<House>>,
    caller: Caller,
    Json(against): Json<wire::VerifyAgainst>,
) -> Result<Json<wire::Verified>, Problem> {
    caller.may(Action::Read, &Resource::Server)?;
    verified(&house, &against.checkpoints).await.map(Json)
}

/// Checks every fact, and what was kept.
async fn verified(house: &House, kept: &[wire::KeptCheckpoint]) -> Result<wire::Verified, Problem> {
    let verification = house.ledger.verify(None, &|_| {}).await?;
    let of = |kept: &wire::KeptCheckpoint| Kept {
        ledger: Some(kept.ledger),
        checkpoint: Checkpoint {
            position: kept.position,
            hash: kept.hash,
        },
    };
    let fault = match verification.fault {
        Some(fault) => Some(fault),
        None => against(&*house.ledger, kept.iter().map(of).collect::<Vec<_>>()).await?,
    };
    Ok(wire::Verified {
        schema: "ledger-verified/1".to_owned(),
        verified: fault.is_none(),
        facts: verification.checked,
        hash: (verification.checked > 0).then_some(verification.checkpoint.hash),
        first_bad: fault.as_ref().map(|fault| fault.seq),
        problem: fault.map(|fault| fault.problem.to_string()),
        checkpoints: kept.len() as u64,
    })
}

#[utoipa::path(
    post, path = "/api/v1/ledger/checkpoint", tag = "ledger", responses((status = 200, body = wire::Checkpoint))
)]
pub async fn checkpoint(State(house): State<Arc<House>>, caller: Caller) -> Result<Json<wire::Checkpoint>, Problem> {
    let actor = caller.may(Action::ReadLedger, &Resource::Server)?;
    let made = house.checkpoints.make(actor).await.map_err(internal)?;
    Ok(Json(wire::Checkpoint {
        schema: "ledger-checkpoint/1".to_owned(),
        ledger: made.statement.ledger,
        position: made.statement.position,
        hash: made.statement.hash,
        time: made.statement.time,
        key: made.key.to_string(),
        envelope: serde_json::to_value(&made.envelope).map_err(internal)?,
    }))
}

#[utoipa::path(get, path = "/api/v1/ledger/keys", tag = "ledger", responses((status = 200, body = wire::SigningKeys)))]
pub async fn keys(State(house): State<Arc<House>>, caller: Caller) -> Result<Json<wire::SigningKeys>, Problem> {
    caller.may(Action::Read, &Resource::Server)?;
    known(&house).await.map(Json)
}

#[utoipa::path(post, path = "/api/v1/ledger/keys", tag = "ledger", responses((status = 200, body = wire::SigningKeys)))]
pub async fn change_key(State(house): State<Arc<House>>, caller: Caller) -> Result<Json<wire::SigningKeys>, Problem> {
    let actor = caller.may(Action::Operate, &Resource::Server)?;
    house.must_lead(Duty::Checkpoints).await?;
    house.checkpoints.change_key(actor).await.map_err(internal)?;
    known(&house).await.map(Json)
}

async fn known(house: &House) -> Result<wire::SigningKeys, Problem> {
    let keys = house.checkpoints.keys().await.map_err(internal)?;
    let lines = keys.into_iter().map(|key| wire::SigningKeyLine {
        id: key.added.key.to_string(),
        public_key: key.added.public_key.pem(),
        since: key.since,
        current: key.current,
    });
    Ok(wire::SigningKeys {
        schema: "ledger-keys/1".to_owned(),
        keys: lines.collect(),
    })
}

fn internal(error: impl std::fmt::Display) -> Problem {
    ServerError::Internal(error.to_string()).into()
}

#[utoipa::path(post, path = "/api/v1/ledger/rebuild", tag = "ledger", responses((status = 200, body = wire::Rebuilt)))]
pub async fn rebuild(State(house): State<Arc<House>>, caller: Caller) -> Result<Json<wire::Rebuilt>, Problem> {
    caller.may(Action::Operate, &Resource::Server)?;
    let rebuilt = house.ledger.rebuild(&|_| {}).await?;
    let views = rebuilt.views.iter().map(|view| wire::RebuiltView {
        name: view.name.to_owned(),
        differed: view.differed,
    });
    Ok(Json(wire::Rebuilt {
        schema: "ledger-rebuilt/1".to_owned(),
        position: rebuilt.position,
        views: views.collect(),
    }))
}

/// From where the ledger is exported.
#[derive(Debug, Default, Deserialize)]
pub struct ExportQuery {
    #[serde(default)]
    after: u64,
}

#[utoipa::path(
    get, path = "/api/v1/ledger/export", tag = "ledger", params(("after" = Option<u64>, Query)),
    responses((status = 200, description = "a line `{\"hash\", \"fact\"}` each", content_type = "application/jsonl"))
)]
pub async fn export(
    State(house): State<Arc<House>>,
    caller: Caller,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    caller.may(Action::ReadLedger, &Resource::Server)?;
    let until = house.ledger.head().await?;
    let (pieces, reader) = mpsc::channel::<Result<Bytes, ledger::LedgerError>>(4);
    tokio::spawn(async move {
        let mut position = query.after;
        while position < until {
            let page = match house.ledger.export(position, PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    let _ = pieces.send(Err(error)).await;
                    return;
                }
            };
            let Some(last) = page.last() else { return };
            position = last.seq;
            let mut bytes = Vec::new();
            for fact in &page {
                bytes.extend_from_slice(&fact.line());
                bytes.push(b'\n');
            }
            if pieces.send(Ok(bytes.into())).await.is_err() {
                return;
            }
        }
    });
    let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(reader));
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], body).into_response())
}
