//! Repositories.

use std::sync::Arc;

use access::{Action, Resource};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use facts::ComponentName;

use super::runs::parse;
use crate::auth::Caller;
use crate::changes::kinds::RemoteFollowed;
use crate::house::House;
use crate::problem::Problem;
use crate::wire;

#[utoipa::path(
    get, path = "/api/v1/repositories", tag = "repositories", responses((status = 200, body = wire::Repositories))
)]
pub async fn list(State(house): State<Arc<House>>, caller: Caller) -> Result<Json<wire::Repositories>, Problem> {
    caller.may(Action::Enter, &Resource::Server)?;
    let mut repositories = Vec::new();
    for component in house.register.all().await? {
        // One of several components of a repository has none of its own.
        if component.place.is_none()
            && caller
                .may(Action::Read, &Resource::Component(component.name.clone()))
                .is_ok()
        {
            let trouble = house.remotes.trouble(component.id);
            repositories.push(wire::RepositoryLine {
                push_url: format!("{}/git/{}.git", house.url(), component.name),
                component: component.name.to_string(),
                trouble: trouble.as_ref().map(|trouble| trouble.told.clone()),
                trouble_since: trouble.map(|trouble| trouble.since),
                remote: component.remote,
                created_at: component.created_at,
            });
        }
    }
    Ok(Json(wire::Repositories {
        schema: "repositories/1".to_owned(),
        repositories,
    }))
}

#[utoipa::path(
    post, path = "/api/v1/repositories", tag = "repositories", request_body = wire::NewRepository,
    responses((status = 201, body = wire::Done))
)]
pub async fn follow(
    State(house): State<Arc<House>>,
    caller: Caller,
    Json(new): Json<wire::NewRepository>,
) -> Result<(StatusCode, Json<wire::Done>), Problem> {
    let name: ComponentName = parse(&new.component)?;
    let actor = caller.may(Action::AddComponent, &Resource::Component(name.clone()))?;
    house
        .repositories
        .check_url(&new.url)
        .map_err(|error| Problem::bad_input(error.to_string()).hint(error.hint()))?;
    let component = house.register.create(&name, actor).await?;
    house.repositories.create(&name).await?;
    let body = RemoteFollowed {
        url: new.url,
        credentials: new.credentials,
    };
    house.register.follow(component.id, &body, actor).await?;
    house.remotes.look(component.id);
    Ok((
        StatusCode::CREATED,
        Json(wire::Done::new(format!("{name} follows {}", body.url))),
    ))
}
