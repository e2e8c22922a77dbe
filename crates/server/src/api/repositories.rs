//! Repositories.

use std::sync::Arc;

use access::{Action, Resource, SecretName};
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

/// The names of the secrets that may be sent to a remote begin with this.
const CREDENTIALS: &str = "git/";

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
    if let Some(credentials) = &new.credentials {
        let secret = SecretName::new(credentials)?;
        if !secret.as_str().starts_with(CREDENTIALS) {
            let told = format!("the credentials' secret `{secret}` does not begin with `{CREDENTIALS}`");
            let hint = "credentials have names of their own, so that no other secret is sent to an address that somebody says: `throughline secret set git/NAME`";
            return Err(Problem::bad_input(told).hint(hint));
        }
    }
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
