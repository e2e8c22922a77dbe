//! Notifications: what was told last, and tests.

use std::sync::Arc;

use access::{Action, Out, Resource};
use axum::Json;
use axum::extract::State;
use notification::{Notification, Told};

use super::blocking;
use crate::auth::Caller;
use crate::house::House;
use crate::problem::Problem;
use crate::wire;

/// How many deliveries are listed.
const LISTED: usize = 50;

/// A delivery as it is told; nothing for one whose text was forgotten.
pub(crate) fn delivery_line(one: Out) -> Option<wire::DeliveryLine> {
    let said: Notification = serde_json::from_str(&one.body).ok()?;
    let state = match (one.finished_at, one.delivered) {
        (None, _) => "waiting",
        (Some(_), true) => "delivered",
        (Some(_), false) => "given-up",
    };
    Some(wire::DeliveryLine {
        id: one.id,
        to: one.recipient,
        event: said.event.to_string(),
        title: said.title,
        url: said.url,
        state: state.to_owned(),
        attempts: one.attempts,
        at: one.created_at,
        next_at: one.due_at,
        finished_at: one.finished_at,
        problem: one.problem.filter(|_| !one.delivered),
    })
}

/// What was told last or waits to be, the newest first.
pub(crate) async fn deliveries(house: &House, limit: usize) -> Result<Vec<wire::DeliveryLine>, Problem> {
    let access = house.access.clone();
    let recent = blocking(move || access.recent_out(limit)).await??;
    Ok(recent.into_iter().filter_map(delivery_line).collect())
}

#[utoipa::path(get, path = "/api/v1/notifications", tag = "operate", responses((status = 200, body = wire::Notifications)))]
pub async fn list(State(house): State<Arc<House>>, caller: Caller) -> Result<Json<wire::Notifications>, Problem> {
    caller.may(Action::Operate, &Resource::Server)?;
    let outgoing = house.notifications.as_ref();
    let named = outgoing.map(|outgoing| outgoing.settings.named()).unwrap_or_default();
    Ok(Json(wire::Notifications {
        schema: "notifications/1".to_owned(),
        on: outgoing.is_some(),
        named: named.iter().map(ToString::to_string).collect(),
        deliveries: deliveries(&house, LISTED).await?,
    }))
}

#[utoipa::path(
    post, path = "/api/v1/notifications/test", tag = "operate", request_body = wire::TestNotification,
    responses((status = 200, body = wire::Done))
)]
pub async fn test(
    State(house): State<Arc<House>>,
    caller: Caller,
    Json(asked): Json<wire::TestNotification>,
) -> Result<Json<wire::Done>, Problem> {
    caller.may(Action::Operate, &Resource::Server)?;
    let outgoing = house.notifications.clone().ok_or_else(|| {
        Problem::new(
            axum::http::StatusCode::CONFLICT,
            "refused",
            "this server tells nobody anything",
        )
        .hint("start it with `--notifications FILE`; docs/notifications.md says what stands in it")
    })?;
    let named = outgoing.settings.named();
    let told = wanted(&asked.to)
        .into_iter()
        .find(|told| named.contains(told) || is_author(&outgoing.settings, told));
    let told = told.ok_or_else(|| {
        let all: Vec<String> = named.iter().map(|told| format!("`{told}`")).collect();
        let problem = Problem::not_found(format!("the file of notifications does not name `{}`", asked.to));
        match all.is_empty() {
            true => problem,
            false => problem.hint(format!("it names {}", all.join(", "))),
        }
    })?;
    let (url, entropy, to) = (house.url(), house.entropy.clone(), told.clone());
    let sent = blocking(move || outgoing.test(&to, url, &*entropy)).await?;
    sent.map_err(|unsent| {
        let (reason, hint) = match unsent.reason.split_once("\nhint: ") {
            Some((reason, hint)) => (reason, Some(hint)),
            None => (unsent.reason.as_str(), None),
        };
        let detail = format!("the test did not arrive at {told}: {reason}");
        let problem = Problem::new(axum::http::StatusCode::BAD_GATEWAY, "not-taken", detail);
        match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    })?;
    Ok(Json(wire::Done::new(format!("{told} took the test"))))
}

/// Whom a word may mean: a webhook by its name alone, or whatever it says.
fn wanted(word: &str) -> Vec<Told> {
    let whole = word.parse().ok();
    whole.into_iter().chain([Told::Webhook(word.to_owned())]).collect()
}

fn is_author(settings: &notification::Notifications, told: &Told) -> bool {
    matches!(told, Told::Mail(address) if settings.writes_to_author(address))
}
