//! Writes that carry an `Idempotency-Key`: sent again, they are answered again and not done again.

use std::sync::Arc;

use access::{KeptAnswer, Repetition};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api::{LARGEST_BODY, blocking};
use crate::auth::Caller;
use crate::error::ServerError;
use crate::house::House;
use crate::problem::Problem;

/// The header with the key.
const KEY: &str = "idempotency-key";
/// The header that says that an answer was given before.
const REPEATED: &str = "idempotency-replayed";
/// The longest key.
const LONGEST_KEY: usize = 200;
/// Answers to these hold secrets: they are given once and not kept.
const NOT_KEPT: [&str; 2] = ["/tokens", "/login-link"];
/// The same, of addresses of one repository.
const NOT_KEPT_OF_ONE: [&str; 2] = ["/webhook", "/webhook/rotate"];

fn conflict(code: &'static str, detail: &str, hint: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, detail).hint(hint)
}

/// Does a write with a key once.
///
/// # Errors
/// When the key belongs to another request, or the answer to the first one is not there to be repeated.
pub async fn repeat(State(house): State<Arc<House>>, request: Request, next: Next) -> Result<Response, Problem> {
    let Some(key) = request.headers().get(KEY) else {
        return Ok(next.run(request).await);
    };
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(next.run(request).await);
    }
    let key = key.to_str().ok().filter(|key| (1..=LONGEST_KEY).contains(&key.len()));
    let Some(key) = key.map(str::to_owned) else {
        return Err(Problem::bad_input(format!(
            "an Idempotency-Key has between 1 and {LONGEST_KEY} visible characters"
        )));
    };
    let caller = request.extensions().get::<Caller>();
    let actor = caller.and_then(|caller| caller.principal.actor());
    let actor = actor.ok_or_else(Problem::log_in)?;
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LARGEST_BODY).await.map_err(|error| {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            format!("the request cannot be read: {error}"),
        )
    })?;
    let (method, address) = (parts.method.to_string(), parts.uri.to_string());
    let path = parts.uri.path();
    let kept = !NOT_KEPT.contains(&path) && !NOT_KEPT_OF_ONE.iter().any(|end| path.ends_with(end));
    let (access, wanted, bytes) = (house.access.clone(), key.clone(), body.clone());
    let known =
        blocking(move || access.begin_request(actor, &wanted, &[method.as_bytes(), address.as_bytes(), &bytes]));
    match known.await?? {
        Repetition::First => {}
        Repetition::Answered(KeptAnswer {
            status,
            content_type,
            body: Some(body),
        }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            let mut response = (status, body).into_response();
            if let Ok(content_type) = HeaderValue::from_str(&content_type) {
                response.headers_mut().insert(header::CONTENT_TYPE, content_type);
            }
            response
                .headers_mut()
                .insert(REPEATED, HeaderValue::from_static("true"));
            return Ok(response);
        }
        Repetition::Answered(_) => {
            return Err(conflict(
                "answered",
                "this was done before, and its answer held a secret that is not kept",
                "where the answer is lost, revoke what was made and ask for another one with a new key",
            ));
        }
        Repetition::Unanswered => {
            return Err(conflict(
                "unanswered",
                "a request with this key began and has no answer yet",
                "wait for it; when its server has ended meanwhile, look whether it was done before you use a new key",
            ));
        }
        Repetition::Another => {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "key-reused",
                "this Idempotency-Key belongs to another request",
            )
            .hint("use a new key for each request, and the same one only to send that request again"));
        }
    }
    // Whoever asked may go away: what began is done to its end, and answered when they come again.
    let done = tokio::spawn(async move {
        let response = next.run(Request::from_parts(parts, Body::from(body))).await;
        finish(&house, actor, &key, kept, response).await
    });
    done.await
        .map_err(|panic| Problem::from(ServerError::Internal(panic.to_string())))?
}

async fn finish(
    house: &Arc<House>,
    actor: facts::Actor,
    key: &str,
    kept: bool,
    response: Response,
) -> Result<Response, Problem> {
    let (parts, body) = response.into_parts();
    let inside = |error: axum::Error| Problem::from(ServerError::Internal(error.to_string()));
    let body = to_bytes(body, usize::MAX).await.map_err(inside)?;
    let (access, key) = (house.access.clone(), key.to_owned());
    // What was refused has changed nothing: the same key may be used once the cause is gone.
    let settled = if parts.status.is_success() {
        let content_type = parts
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let answer = KeptAnswer {
            status: parts.status.as_u16(),
            content_type: content_type.unwrap_or_default().to_owned(),
            body: kept.then(|| body.to_vec()),
        };
        blocking(move || access.keep_answer(actor, &key, &answer)).await
    } else {
        blocking(move || access.forget_request(actor, &key)).await
    };
    if let Err(problem) = settled.and_then(|settled| settled.map_err(Problem::from)) {
        // It is done all the same, and the client should hear so.
        tracing::error!(
            detail = problem.detail(),
            "the answer to a request with a key could not be kept"
        );
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}
