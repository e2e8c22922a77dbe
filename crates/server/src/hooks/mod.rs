//! Webhooks: hosts of followed repositories say here that something moved.
//!
//! Each followed repository has an address of its own, `POST /hooks/HOOK`, whose last part nobody can guess. So the
//! address alone says whose secret is to be known, nothing of a body is read before that was checked, and what does
//! not exist can be said plainly, since it tells nothing of what does. What is said is a hint ([`kinds`]): it is
//! recorded before it is answered, the follower of facts asks for a look at the repository, and what is there is the
//! truth. Whether anything follows is decided purely (`decide`); what came last is kept for people, and counted.

mod counts;
mod decide;
pub mod kinds;

use std::sync::Arc;
use std::time::{Duration, Instant};

use access::{Hook, HookId, NewDelivery, Verdict};
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use facts::{Actor, Commit, FactId, NewFact, Trust};
use forge::{Event, Headers, Host, Moved, webhook};
use ledger::{Append, AppendError, Op, Select};
use serde_json::json;

use crate::api::blocking;
use crate::changes::Component;
use crate::changes::view::REFS;
use crate::error::ServerError;
use crate::house::House;
use crate::problem::Problem;
use crate::wire;

pub(crate) use counts::Counts;
use decide::{Follows, Known};
use kinds::{WEBHOOK_RECEIVED, WebhookReceived, claim, stream};

/// The largest body, in bytes. What is larger is found by the next regular look.
pub const LARGEST_BODY: usize = 8 * 1024 * 1024;
/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The routes of webhooks.
pub(crate) fn routes() -> Router<Arc<House>> {
    Router::new().route("/hooks/{hook}", post(receive).fallback(not_posted))
}

async fn not_posted() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "a webhook is sent here with POST",
    )
}

/// What is said to whoever does not know the secret: always the same.
fn refused() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "signature", forge::Refusal.to_string()).hint(
        "enter the secret again where the repository lives; `throughline repo webhook rotate NAME` makes a new one",
    )
}

fn no_hook() -> Problem {
    Problem::not_found("there is no webhook of this address")
        .hint("`throughline repo webhook show NAME` prints the address")
}

/// What came, as far as it is known.
struct Came {
    hook: Hook,
    component: Component,
    host: Option<Host>,
    event: Option<String>,
    delivery: Option<String>,
}

async fn receive(
    State(house): State<Arc<House>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let found = find(&house, &id).await?;
    let Some((hook, component)) = found else {
        house.hooks.add(None);
        return Err(no_hook());
    };
    let (parts, body) = request.into_parts();
    let headers: Headers<'_> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let host = Host::of(&headers);
    let came = Came {
        hook,
        component,
        host,
        event: host.and_then(|host| webhook::event_name(host, &headers)),
        delivery: host.and_then(|host| webhook::delivery_name(host, &headers)),
    };
    match take(&house, &came, &headers, &parts.headers, body).await {
        Ok(answer) => Ok(answer),
        Err(problem) => {
            house.hooks.add(Some(Verdict::Refused));
            if problem.status().is_client_error() && house.hooks.keeps_refusal(&came.hook.id, Instant::now()) {
                keep(&house, &came, Verdict::Refused, problem.detail(), None).await;
            }
            Err(problem)
        }
    }
}

/// The hook of that name, with the component whose repository is followed.
async fn find(house: &House, id: &str) -> Result<Option<(Hook, Component)>, Problem> {
    let Some(id) = HookId::new(id) else { return Ok(None) };
    let access = house.access.clone();
    let Some(hook) = blocking(move || access.hook(&id)).await?? else {
        return Ok(None);
    };
    let component = house.register.by_id(hook.component).await?;
    let followed = component.filter(|component| component.remote.is_some() && component.place.is_none());
    Ok(followed.map(|component| (hook, component)))
}

async fn take(
    house: &Arc<House>,
    came: &Came,
    headers: &Headers<'_>,
    all: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let too_large = || {
        let most = LARGEST_BODY / 1024 / 1024;
        let told = format!("the body is larger than {most} MiB; what it tells of is found by the next regular look");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", told)
    };
    let length = all.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if length.is_some_and(|length| length.parse().is_ok_and(|bytes: u64| bytes > LARGEST_BODY as u64)) {
        return Err(too_large());
    }
    // So many at a time: whoever knows an address must not fill the memory.
    let _turn = house.hook_turns.acquire().await;
    let body = match tokio::time::timeout(PATIENCE, to_bytes(body, LARGEST_BODY)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return Err(too_large()),
        Err(_) => {
            let told = format!("the body did not come within {} s", PATIENCE.as_secs());
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", told));
        }
    };
    let (access, hook, name) = (house.access.clone(), came.hook.clone(), came.component.name.clone());
    let secrets = blocking(move || access.hook_secrets(&hook, &name)).await??;
    let secrets: Vec<&[u8]> = secrets.iter().map(|secret| secret.as_slice()).collect();
    let host = forge::verify(headers, &body, &secrets).map_err(|_| refused())?;
    must_be_json(all)?;
    let event = came.event.as_deref();
    let event =
        event.ok_or_else(|| Problem::bad_input(format!("the header {} names no event", host.event_header())))?;
    let said = webhook::read(host, event, &body).map_err(|error| Problem::bad_input(error.to_string()))?;
    drop(body);
    match said {
        Event::Moved(said) => moved(house, came, host, &said).await,
        other => {
            let (verdict, told) = decide::otherwise(&other);
            Ok(answer(house, came, verdict, &told, None).await)
        }
    }
}

/// Only what GitHub calls the content type `application/json` is what was signed and nothing around it.
fn must_be_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") && !headers.contains_key(header::CONTENT_ENCODING) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "media-type",
        "the webhook is not sent as JSON",
    )
    .hint("choose the content type `application/json` where the repository lives"))
}

/// A branch or tag is said to have moved.
async fn moved(house: &Arc<House>, came: &Came, host: Host, said: &Moved) -> Result<Response, Problem> {
    let component = came.component.id;
    let claim = claim(component, said);
    let mut known = known(house, came, said, &claim).await?;
    if decide::moved(said, &known) == Follows::Look && !record(house, came, host, said, claim).await? {
        // The same came twice in one moment.
        known.said = true;
    }
    let access = house.access.clone();
    if let Ok(Err(error)) = blocking(move || access.hook_heard(component)).await {
        tracing::warn!(%error, "that a webhook works could not be kept");
    }
    let (verdict, told) = match decide::moved(said, &known) {
        Follows::Look => (Verdict::Accepted, "it is recorded, and the repository is looked at"),
        Follows::Sooner => {
            house.remotes.look_sooner(component);
            (
                Verdict::Repeated,
                "the same was said before; the next regular look comes sooner",
            )
        }
        Follows::Nothing => (Verdict::Repeated, "the same was said before"),
    };
    Ok(answer(house, came, verdict, told, Some(said)).await)
}

async fn known(house: &House, came: &Came, said: &Moved, claim: &str) -> Result<Known, Problem> {
    let query = Select::from(REFS)
        .filter("component", Op::Eq, came.component.id.to_string())
        .filter("name", Op::Eq, said.name.as_str());
    let rows = house.ledger.select(query).await?.rows;
    let recorded: Option<Commit> = rows.first().map(|row| row.parse("head")).transpose()?;
    Ok(Known {
        said: house.ledger.find_claim(claim).await?.is_some(),
        recorded,
    })
}

/// Records what was said. Whether it was new.
async fn record(house: &House, came: &Came, host: Host, said: &Moved, claim: String) -> Result<bool, Problem> {
    let now = house.clock.now();
    let body = WebhookReceived {
        host,
        name: said.name.clone(),
        after: said.after.clone(),
        delivery: came.delivery.clone(),
    };
    let fact = NewFact {
        stream: stream(came.component.id),
        id: FactId::new(now, &*house.entropy),
        kind: WEBHOOK_RECEIVED.to_owned(),
        kind_version: 1,
        occurred_at: now,
        actor: Actor::System,
        on_behalf_of: None,
        trust: Trust::Trusted,
        cause: None,
        correlation: None,
        external_key: Some(claim),
        body: json!(body),
    };
    crashpoint::reach("server.hook.before");
    match house.ledger.append(Append::unconditional(vec![fact])).await {
        Ok(_) => {
            crashpoint::reach("server.hook.after");
            Ok(true)
        }
        Err(AppendError::Claimed { .. }) => Ok(false),
        Err(error) => Err(ServerError::from(error).into()),
    }
}

/// Keeps for people what came, and answers.
async fn answer(house: &Arc<House>, came: &Came, verdict: Verdict, told: &str, said: Option<&Moved>) -> Response {
    house.hooks.add(Some(verdict));
    keep(house, came, verdict, told, said).await;
    let body = wire::HookAnswer {
        schema: "hook-answer/1".to_owned(),
        verdict: verdict.as_str().to_owned(),
        detail: told.to_owned(),
    };
    (StatusCode::ACCEPTED, Json(body)).into_response()
}

async fn keep(house: &House, came: &Came, verdict: Verdict, told: &str, said: Option<&Moved>) {
    let new = NewDelivery {
        host: came.host.map(|host| host.to_string()),
        event: came.event.clone(),
        delivery: came.delivery.clone(),
        verdict,
        detail: told.to_owned(),
        name: said.map(|said| said.name.to_string()),
        head: said.and_then(|said| said.after.clone()),
    };
    let (access, id) = (house.access.clone(), came.hook.id.clone());
    if let Ok(Err(error)) = blocking(move || access.keep_delivery(&id, &new)).await {
        tracing::warn!(component = %came.component.name, %error, "what came by webhook could not be kept for people");
    }
}
