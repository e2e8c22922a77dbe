//! Backups of the server, as a stream.

use std::sync::Arc;

use access::{Action, Resource};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::auth::Caller;
use crate::house::House;
use crate::problem::Problem;
use crate::wire;

/// The largest request: the digests of some million files.
pub(super) const LARGEST_REQUEST: usize = 256 << 20;

/// How many pieces wait for whoever reads.
const WAITING: usize = 8;

/// A backup as a stream. It says how it ended in its last piece, since the answer has begun by then; so its answer is not
/// kept to be repeated, and no key of the request makes it one.
#[utoipa::path(
    post, path = "/api/v1/backup", tag = "operate", request_body = wire::TakeBackup,
    responses((status = 200, body = wire::BackupPiece, description = "a line each; after a file that is sent its bytes",
        content_type = "application/vnd.throughline.backup"))
)]
pub async fn take(
    State(house): State<Arc<House>>,
    caller: Caller,
    Json(ask): Json<wire::TakeBackup>,
) -> Result<Response, Problem> {
    let actor = caller.may(Action::Operate, &Resource::Server)?;
    let (pieces, reader) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        crate::backup::take(&house, ask.known.into_iter().collect(), actor, pieces);
    });
    let body = Body::from_stream(ReceiverStream::new(reader));
    Ok(([(header::CONTENT_TYPE, "application/vnd.throughline.backup")], body).into_response())
}
