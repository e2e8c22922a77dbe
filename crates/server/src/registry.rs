//! The registry: `/v2`, from which OCI clients pull packages.

use std::sync::Arc;

use access::{Action, Resource};
use artifact::registry::{Answer, Body as AnswerBody, Code, Held, Route};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio_util::io::ReaderStream;

use crate::auth::Caller;
use crate::error::ServerError;
use crate::house::House;
use crate::problem::Problem;

/// The routes of the registry.
pub fn routes() -> Router<Arc<House>> {
    // Not nested: a nest does not take `/v2/`, by which clients find out whether this is a registry.
    Router::new()
        .route("/v2", any(answer))
        .route("/v2/", any(answer))
        .route("/v2/{*rest}", any(answer))
}

async fn answer(State(house): State<Arc<House>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match decide(&house, &parts).await {
        Ok(answer) => respond(&house, answer).await,
        Err(problem) => problem.into_response(),
    }
}

async fn decide(house: &Arc<House>, request: &Parts) -> Result<Answer, Problem> {
    let caller = Caller::of(house, &request.headers).await?;
    caller.may(Action::Enter, &Resource::Server)?;
    let query = request.uri.query().unwrap_or_default();
    let route = match Route::parse(request.method.as_str(), request.uri.path(), query) {
        Ok(route) => route,
        Err(answer) => return Ok(answer),
    };
    let mut holdings = Vec::new();
    if let Some(name) = route.name() {
        caller.may(Action::Fetch, &Resource::Component(name.clone()))?;
        let Some(component) = house.register.by_name(name).await? else {
            let words = format!("there is no component `{name}`");
            return Ok(Answer::error(Code::NameUnknown, words));
        };
        let state = house.delivery.state(component.id);
        let mut packages: Vec<_> = state.packages.values().collect();
        packages.sort_by_key(|package| std::cmp::Reverse(package.order));
        let held = packages.iter().map(|package| Held {
            package: package.digest,
            versions: vec![package.version.clone()],
        });
        holdings.extend(held);
    }
    let range = request
        .headers
        .get(header::RANGE)
        .and_then(|range| range.to_str().ok())
        .map(str::to_owned);
    let registry = house.registry.clone();
    let answered = tokio::task::spawn_blocking(move || registry.answer(&route, range.as_deref(), &holdings)).await;
    let inside = |error: String| Problem::from(ServerError::Internal(error));
    answered
        .map_err(|panic| inside(panic.to_string()))?
        .map_err(|error| inside(error.to_string()))
}

async fn respond(house: &House, answer: Answer) -> Response {
    let body = match answer.body {
        AnswerBody::Empty => Body::empty(),
        AnswerBody::Bytes(bytes) => Body::from(bytes),
        AnswerBody::Blob { digest, offset, length } => match house.store.open_blob(&digest) {
            Ok(file) => stream(file, offset, length).await,
            Err(error) => return Problem::from(ServerError::from(error)).into_response(),
        },
    };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, body).into_response();
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// A part of a blob, read as the client takes it.
async fn stream(file: std::fs::File, offset: u64, length: u64) -> Body {
    use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
    let mut file = tokio::fs::File::from_std(file);
    if let Err(error) = file.seek(std::io::SeekFrom::Start(offset)).await {
        tracing::error!(%error, "a blob cannot be read");
        return Body::empty();
    }
    Body::from_stream(ReaderStream::new(file.take(length)))
}
