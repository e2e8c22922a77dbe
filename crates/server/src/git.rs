//! Git over HTTP: `/git/TEAM/NAME.git`, answered by git itself. A push ends for the client only when
//! what it brought is recorded.

use std::sync::Arc;

use access::{Action, Resource};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt as _;
use source::SourceError;
use source::hosting::{GitRequest, Operation, Pushed};
use tokio::sync::oneshot;
use tokio_util::io::StreamReader;

use crate::auth::Caller;
use crate::house::House;
use crate::problem::Problem;

/// The routes of git.
pub fn routes() -> Router<Arc<House>> {
    Router::new().fallback(serve)
}

/// Answers a request. Git shows people what is refused with a plain text, and nothing of other kinds.
async fn serve(State(house): State<Arc<House>>, request: Request) -> Response {
    let agent = request.headers().get(header::USER_AGENT);
    let by_git = agent.is_some_and(|agent| agent.as_bytes().starts_with(b"git/"));
    match answer(house, request).await {
        Ok(response) => response,
        Err(problem) if by_git => {
            let text = told(&problem);
            let mut response = problem.into_response();
            *response.body_mut() = Body::from(text);
            let headers = response.headers_mut();
            headers.remove(header::CONTENT_LENGTH);
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/plain; charset=utf-8"),
            );
            response
        }
        Err(problem) => problem.into_response(),
    }
}

/// A problem as somebody reads it who typed `git push`.
fn told(problem: &Problem) -> String {
    if problem.status() == StatusCode::UNAUTHORIZED {
        return "the password is not a token that works here\nhint: `throughline token create` makes one; any name goes with it\n".to_owned();
    }
    match problem.hint_text() {
        Some(hint) => format!("{}\nhint: {hint}\n", problem.detail()),
        None => format!("{}\n", problem.detail()),
    }
}

/// Why an address is none of git's.
fn no_address(path: &str) -> Problem {
    let name = path.split_once(".git").map(|(name, _)| name.replace("%20", " "));
    let wrong = name.and_then(|name| facts::ComponentName::new(&name).err());
    let message = wrong.map_or_else(
        || "there is no such address of git".to_owned(),
        |error| error.to_string(),
    );
    Problem::not_found(message).hint("push to and fetch from /git/TEAM/NAME.git")
}

fn problem(error: &SourceError) -> Problem {
    let (status, code) = match error {
        SourceError::NoRepository(_) => (StatusCode::NOT_FOUND, "not-found"),
        error if error.is_full() => (StatusCode::INSUFFICIENT_STORAGE, "disk-full"),
        SourceError::PushTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    };
    let problem = Problem::new(status, code, error.to_string());
    match error.hint() {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

async fn answer(house: Arc<House>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().trim_start_matches('/');
    let query = parts.uri.query().unwrap_or_default();
    let Some(parsed) = GitRequest::parse(parts.method.as_str(), path, query) else {
        return Err(no_address(path));
    };
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let parsed = parsed.with_headers(text("content-type"), text("content-encoding"), text("git-protocol"));
    let caller = Caller::of(&house, &parts.headers).await?;
    let name = parsed.repository.clone();
    let resource = Resource::Component(name.clone());
    let pushes = parsed.operation == Operation::Push;
    let actor = caller.may(if pushes { Action::Push } else { Action::Fetch }, &resource)?;
    let there = house.register.by_name(&name).await?;
    if there.is_some_and(|there| there.place.is_some()) {
        let repository = house.repositories.name_of(&name);
        return Err(
            Problem::not_found(format!("{name} is a component of the repository {repository}"))
                .hint(format!("push to and fetch from /git/{repository}.git")),
        );
    }
    if pushes {
        // The first push makes the component, for those who may.
        if house.register.by_name(&name).await?.is_none() {
            caller.may(Action::AddComponent, &resource)?;
        }
        house.repositories.create(&name).await?;
        house.register.create(&name, actor).await?;
    }
    let body = body.into_data_stream().map_err(std::io::Error::other);
    let served = house
        .repositories
        .host()
        .serve(parsed, &actor.to_string(), StreamReader::new(body))
        .await;
    let served = match served {
        Ok(served) => served,
        Err(error) => {
            if pushes {
                // Git may have changed refs before it failed.
                house.look(&name, actor).await;
            }
            return Err(problem(&error));
        }
    };
    if let Some(pushed) = served.pushed {
        tokio::spawn(record(house.clone(), name, actor, pushed));
    }
    let mut response = Body::from_stream(served.body).into_response();
    *response.status_mut() = StatusCode::from_u16(served.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().remove(header::CONTENT_TYPE);
    for (name, value) in served.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

/// Records what a push changed; the client waits until this is done.
async fn record(
    house: Arc<House>,
    name: facts::ComponentName,
    actor: facts::Actor,
    pushed: oneshot::Receiver<Result<Pushed, SourceError>>,
) {
    let pushed = match pushed.await {
        Ok(Ok(pushed)) => pushed,
        Ok(Err(error)) => {
            tracing::warn!(component = %name, %error, "a push ended badly; what it changed is looked for");
            return house.look(&name, actor).await;
        }
        Err(_) => return,
    };
    if !pushed.updates.is_empty() {
        house.look(&name, actor).await;
    }
    drop(pushed);
}
