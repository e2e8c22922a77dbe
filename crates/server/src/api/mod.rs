//! The HTTP API, `/api/v1`: one file a subject. `openapi.json` is generated from these handlers.

mod access;
mod backup;
pub(crate) mod changes;
mod commits;
pub(crate) mod environments;
mod events;
mod ledger;
mod logs;
pub(crate) mod notifications;
mod openapi;
mod operate;
pub(crate) mod packages;
pub(crate) mod planned;
pub(crate) mod rebuilds;
pub(crate) mod recorded;
mod repositories;
pub(crate) mod runs;
mod search;
pub(crate) mod servers;
mod settings;
mod statuses;
pub(crate) mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post, put};
use facts::ComponentName;

use crate::changes::Component;
use crate::house::House;
use crate::problem::Problem;

pub(crate) use access::record_token;
pub use changes::change_line;
pub use logs::log_bytes;

/// The largest body of a request, in bytes.
pub(crate) const LARGEST_BODY: usize = 8 * 1024 * 1024;

/// The routes of the API.
pub fn routes() -> Router<Arc<House>> {
    Router::new()
        .route("/whoami", get(access::whoami))
        .route("/login-link", post(access::login_link))
        .route("/tokens", get(access::tokens).post(access::create_token))
        .route("/tokens/{id}", delete(access::revoke_token))
        .route("/secrets", get(access::secrets))
        .route("/secrets/{*name}", put(access::set_secret))
        .route("/changes", get(changes::list))
        .route("/components/{team}/{name}/changes/{change}", get(changes::one))
        .route(
            "/components/{team}/{name}/changes/{change}/cancel",
            post(changes::cancel),
        )
        .route(
            "/components/{team}/{name}/changes/{change}/rebuild",
            post(rebuilds::start),
        )
        .route("/runs", get(runs::list))
        .route("/runs/{run}", get(runs::one))
        .route("/runs/{run}/rebuild", get(rebuilds::one))
        .route("/runs/{run}/cancel", post(runs::cancel))
        .route("/runs/{run}/retry", post(runs::retry))
        .route("/runs/{run}/steps/{step}/resolve", post(runs::resolve))
        .route("/runs/{run}/steps/{step}/log", get(logs::log))
        .route("/environments", get(environments::list))
        .route("/environments/{left}/difference/{right}", get(environments::difference))
        .route("/environments/{environment}/approve", post(environments::approve))
        .route("/environments/{environment}/promote", post(environments::promote))
        .route("/environments/{environment}/rollback", post(environments::roll_back))
        .route("/packages/{digest}/unbar", post(environments::unbar))
        .route("/repositories", get(repositories::list).post(repositories::follow))
        .route(
            "/repositories/{team}/{name}/webhook",
            get(webhooks::show).post(webhooks::create).delete(webhooks::remove),
        )
        .route("/repositories/{team}/{name}/webhook/rotate", post(webhooks::rotate))
        .route(
            "/repositories/{team}/{name}/statuses",
            get(statuses::show).put(statuses::set).delete(statuses::end),
        )
        .route("/policy", get(operate::policy).put(operate::set_policy))
        .route("/ledger/verify", get(ledger::verify).post(ledger::verify_against))
        .route("/ledger/checkpoint", post(ledger::checkpoint))
        .route("/ledger/keys", get(ledger::keys).post(ledger::change_key))
        .route("/ledger/rebuild", post(ledger::rebuild))
        .route("/ledger/facts", get(recorded::list))
        .route("/ledger/facts/{position}", get(recorded::one))
        .route("/ledger/export", get(ledger::export))
        .route("/packages/{digest}", get(packages::one))
        .route("/packages/{digest}/difference/{other}", get(packages::differing))
        .route("/settings", get(settings::settings))
        .route("/servers", get(servers::servers))
        .route("/notifications", get(notifications::list))
        .route("/notifications/test", post(notifications::test))
        .route("/search", get(search::search))
        .route("/events", get(events::events))
        .route(
            "/backup",
            post(backup::take).layer(DefaultBodyLimit::max(backup::LARGEST_REQUEST)),
        )
        .route("/down", post(operate::down))
        .route("/openapi.json", get(openapi::document))
        .fallback(|| async { Problem::not_found("there is no such address in the API") })
        .method_not_allowed_fallback(|| async {
            let status = axum::http::StatusCode::METHOD_NOT_ALLOWED;
            Problem::new(status, "method", "this address of the API does not take this method")
                .hint("/api/v1/openapi.json lists what it takes")
        })
}

/// The component of that name.
pub(crate) async fn component(house: &House, name: &str) -> Result<Component, Problem> {
    let name = ComponentName::new(name).map_err(|error| Problem::bad_input(error.to_string()))?;
    let found = house.register.by_name(&name).await?;
    found.ok_or_else(|| {
        Problem::not_found(format!("there is no component `{name}`"))
            .hint("push it to /git/TEAM/NAME.git, or add its remote with `throughline repo add`")
    })
}

/// Runs `work` on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|panic| crate::error::ServerError::Internal(panic.to_string()).into())
}
