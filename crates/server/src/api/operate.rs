//! Operating the server: the policy of environments, and its end.

use std::sync::Arc;

use access::{Action, Resource};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use pipeline::Environments;

use crate::auth::Caller;
use crate::house::House;
use crate::policy::FILE;
use crate::problem::Problem;
use crate::wire;

#[utoipa::path(
    get, path = "/api/v1/policy", tag = "operate",
    responses((status = 200, description = "environments.yaml as it is in force", content_type = "application/yaml"))
)]
pub async fn policy(State(house): State<Arc<House>>, caller: Caller) -> Result<Response, Problem> {
    caller.may(Action::Read, &Resource::Server)?;
    Ok(([(header::CONTENT_TYPE, "application/yaml")], house.policy.text()).into_response())
}

#[utoipa::path(
    put, path = "/api/v1/policy", tag = "operate", request_body(content = String, content_type = "application/yaml"),
    responses((status = 200, body = wire::Done))
)]
pub async fn set_policy(
    State(house): State<Arc<House>>,
    caller: Caller,
    text: String,
) -> Result<Json<wire::Done>, Problem> {
    let actor = caller.may(Action::ChangePolicy, &Resource::Server)?;
    let environments = Environments::parse(&text, FILE).map_err(|errors| Problem::bad_input(errors.to_string()))?;
    let revision = environments.revision();
    house.use_policy(environments, text, actor).await?;
    Ok(Json(wire::Done::new(format!(
        "the policy {} is in force",
        revision.short()
    ))))
}

#[utoipa::path(
    post, path = "/api/v1/down", tag = "operate", request_body = wire::Down, responses((status = 200, body = wire::Done))
)]
pub async fn down(
    State(house): State<Arc<House>>,
    caller: Caller,
    Json(ask): Json<wire::Down>,
) -> Result<Json<wire::Done>, Problem> {
    caller.may(Action::Operate, &Resource::Server)?;
    let message = if ask.everything {
        let others = house.servers.others();
        if let Some(other) = others.first() {
            let url = other
                .about
                .url
                .clone()
                .unwrap_or_else(|| format!("process {}", other.about.pid));
            let text = format!("{url} works on the same data folder, and would start again what is stopped");
            return Err(Problem::new(StatusCode::CONFLICT, "not-alone", text)
                .hint(format!("stop it first, with `throughline down --server {url}`")));
        }
        house.stop_everything().await?;
        "the server, the instances of all environments and their proxies are stopping"
    } else {
        "the server is stopping; services and running steps go on"
    };
    house.stopping.cancel();
    Ok(Json(wire::Done::new(message)))
}
