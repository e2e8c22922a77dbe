//! The ledger as a whole.

use std::sync::Arc;

use access::{Action, Resource};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::auth::Caller;
use crate::house::House;
use crate::problem::Problem;
use crate::wire;

/// How many facts are exported at a time.
const PAGE: usize = 500;

#[utoipa::path(get, path = "/api/v1/ledger/verify", tag = "ledger", responses((status = 200, body = wire::Verified)))]
pub async fn verify(State(house): State<Arc<House>>, caller: Caller) -> Result<Json<wire::Verified>, Problem> {
    caller.may(Action::Read, &Resource::Server)?;
    let verification = house.ledger.verify(None, &|_| {}).await?;
    Ok(Json(wire::Verified {
        schema: "ledger-verified/1".to_owned(),
        verified: verification.is_good(),
        facts: verification.checked,
        hash: (verification.checked > 0).then_some(verification.checkpoint.hash),
        first_bad: verification.fault.as_ref().map(|fault| fault.seq),
        problem: verification.fault.map(|fault| fault.problem.to_string()),
    }))
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
