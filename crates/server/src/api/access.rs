//! Who one is, tokens and secrets.

use std::sync::Arc;
use std::time::Duration;

use access::kinds::{SECRET_SET, SecretSet, TOKEN_CREATED, TOKEN_REVOKED, TokenCreated, TokenRevoked};
use access::{Action, ComponentScope, NewToken, Resource, Rights, Role, SecretName, may_grant};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use facts::{Actor, EnvironmentName, FactId, NewFact, Stream, TokenId, Trust};
use ledger::Append;
use serde_json::json;

use super::blocking;
use super::runs::parse;
use crate::auth::Caller;
use crate::house::House;
use crate::problem::Problem;
use crate::wire;

/// The longest lifetime of a token that has one: a hundred years, in seconds.
const LONGEST_LIFETIME: u64 = 100 * 365 * 24 * 60 * 60;

/// Records something about access; no fact holds a name or a value.
pub(super) async fn record(
    house: &House,
    kind: &str,
    key: &str,
    actor: Actor,
    body: serde_json::Value,
) -> Result<(), Problem> {
    let now = house.clock.now();
    let fact = NewFact {
        stream: Stream::new("access", key),
        id: FactId::new(now, &*house.entropy),
        kind: kind.to_owned(),
        kind_version: 1,
        occurred_at: now,
        actor,
        on_behalf_of: None,
        trust: Trust::Trusted,
        cause: None,
        correlation: None,
        external_key: None,
        body,
    };
    let appended = house.ledger.append(Append::unconditional(vec![fact])).await;
    appended.map_err(crate::error::ServerError::from)?;
    Ok(())
}

/// Says that a token was made, and which ones it takes the place of.
pub(crate) async fn record_token(
    house: &House,
    token: &access::MadeToken,
    rights: Rights,
    actor: Actor,
) -> Result<(), Problem> {
    let body = TokenCreated {
        token: token.id,
        person: token.person,
        rights,
        expires_at: token.expires_at,
    };
    for replaced in &token.replaced {
        record_revoked(house, *replaced, actor).await?;
    }
    record(house, TOKEN_CREATED, &token.id.to_string(), actor, json!(body)).await
}

async fn record_revoked(house: &House, token: TokenId, actor: Actor) -> Result<(), Problem> {
    let body = json!(TokenRevoked { token });
    record(house, TOKEN_REVOKED, &token.to_string(), actor, body).await
}

#[utoipa::path(get, path = "/api/v1/whoami", tag = "access", responses((status = 200, body = wire::Whoami)))]
pub async fn whoami(State(house): State<Arc<House>>, caller: Caller) -> Result<Json<wire::Whoami>, Problem> {
    let actor = caller.may(Action::Enter, &Resource::Server)?;
    let access = house.access.clone();
    let name = blocking(move || access.name_of(actor)).await??;
    let rights = match &caller.principal {
        access::Principal::Known { rights, .. } => rights.clone(),
        _ => Rights::default(),
    };
    Ok(Json(wire::Whoami {
        schema: "whoami/1".to_owned(),
        actor: actor.to_string(),
        name,
        roles: rights.roles().iter().map(ToString::to_string).collect(),
        grants: grants(&rights),
        duties: rights.duties.into_iter().collect(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }))
}

#[utoipa::path(post, path = "/api/v1/login-link", tag = "access", responses((status = 200, body = wire::LoginLink)))]
pub async fn login_link(State(house): State<Arc<House>>, caller: Caller) -> Result<Json<wire::LoginLink>, Problem> {
    caller.may(Action::Enter, &Resource::Server)?;
    let token = caller.token.ok_or_else(Problem::log_in)?;
    let access = house.access.clone();
    let link = blocking(move || access.create_login_link(token)).await??;
    Ok(Json(wire::LoginLink {
        schema: "login-link/1".to_owned(),
        url: format!("{}/login/{}", house.url(), link.secret.as_str()),
        expires_at: link.expires_at,
    }))
}

#[utoipa::path(get, path = "/api/v1/tokens", tag = "access", responses((status = 200, body = wire::Tokens)))]
pub async fn tokens(State(house): State<Arc<House>>, caller: Caller) -> Result<Json<wire::Tokens>, Problem> {
    caller.may(Action::ManageAccess, &Resource::Server)?;
    let access = house.access.clone();
    let tokens = blocking(move || access.tokens()).await??;
    let tokens = tokens.into_iter().map(|token| wire::TokenLine {
        id: token.id,
        name: token.name,
        roles: token.rights.roles().iter().map(ToString::to_string).collect(),
        grants: grants(&token.rights),
        duties: token.rights.duties.into_iter().collect(),
        created_at: token.created_at,
        expires_at: token.expires_at,
        last_used_at: token.last_used_at,
        revoked: token.revoked_at.is_some(),
    });
    Ok(Json(wire::Tokens {
        schema: "tokens/1".to_owned(),
        tokens: tokens.collect(),
    }))
}

fn grants(rights: &Rights) -> Vec<wire::Grant> {
    let all = rights.grants.iter().map(|grant| wire::Grant {
        role: grant.role.to_string(),
        components: grant.components.to_string(),
        environment: grant.environments.to_string(),
    });
    all.collect()
}

/// The rights that a new token is to have.
fn wished(new: &wire::NewToken) -> Result<Rights, Problem> {
    let role: Role = parse(&new.role)?;
    let components = new.components.iter().map(|one| parse(one));
    let components: Vec<ComponentScope> = components.collect::<Result<_, _>>()?;
    let environments = new.environments.iter().map(|one| parse(one));
    let environments: Vec<EnvironmentName> = environments.collect::<Result<_, _>>()?;
    let is_word = |duty: &&String| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        (1..=63).contains(&duty.len()) && duty.bytes().all(plain)
    };
    if let Some(duty) = new.duties.iter().find(|duty| !is_word(duty)) {
        return Err(
            Problem::bad_input(format!("`{duty}` is no role that an approval can ask for"))
                .hint("1 to 63 lower-case letters, digits and `-_.`, such as `operations`"),
        );
    }
    let mut rights = Rights::within(role, &components, &environments);
    rights.duties = new.duties.iter().cloned().collect();
    Ok(rights)
}

#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "access", request_body = wire::NewToken,
    responses((status = 201, body = wire::MadeToken))
)]
pub async fn create_token(
    State(house): State<Arc<House>>,
    caller: Caller,
    Json(new): Json<wire::NewToken>,
) -> Result<(StatusCode, Json<wire::MadeToken>), Problem> {
    let actor = caller.may(Action::ManageAccess, &Resource::Server)?;
    let rights = wished(&new)?;
    if let access::Decision::Deny { reason } = may_grant(&caller.principal, &rights) {
        return Err(Problem::denied(reason));
    }
    if new.lifetime_seconds.is_some_and(|seconds| seconds > LONGEST_LIFETIME) {
        return Err(Problem::bad_input("a token with an end lives a hundred years at most")
            .hint("leave `lifetime_seconds` out for a token without an end"));
    }
    let wanted = NewToken {
        name: new.name,
        person: None,
        rights: rights.clone(),
        lifetime: new.lifetime_seconds.map(Duration::from_secs),
    };
    let access = house.access.clone();
    let made = blocking(move || access.create_token(&wanted)).await??;
    record_token(&house, &made, rights, actor).await?;
    let token = wire::MadeToken {
        schema: "token/1".to_owned(),
        id: made.id,
        token: made.secret.to_string(),
    };
    Ok((StatusCode::CREATED, Json(token)))
}

#[utoipa::path(
    delete, path = "/api/v1/tokens/{id}", tag = "access", params(("id" = String, Path)),
    responses((status = 200, body = wire::Done))
)]
pub async fn revoke_token(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<wire::Done>, Problem> {
    let actor = caller.may(Action::ManageAccess, &Resource::Server)?;
    let id: TokenId = id
        .parse()
        .map_err(|error: facts::id::IdError| Problem::bad_input(error.to_string()))?;
    let access = house.access.clone();
    let Some(token) = blocking(move || access.token(id)).await?? else {
        return Err(Problem::not_found(format!("there is no token {id}")));
    };
    if token.revoked_at.is_none() {
        let access = house.access.clone();
        blocking(move || access.revoke_token(id)).await??;
        record_revoked(&house, id, actor).await?;
    }
    Ok(Json(wire::Done::new(format!("the token {id} is revoked"))))
}

#[utoipa::path(get, path = "/api/v1/secrets", tag = "access", responses((status = 200, body = wire::Secrets)))]
pub async fn secrets(State(house): State<Arc<House>>, caller: Caller) -> Result<Json<wire::Secrets>, Problem> {
    caller.may(Action::ListSecrets, &Resource::Server)?;
    let access = house.access.clone();
    let secrets = blocking(move || access.secrets()).await??;
    let secrets = secrets.into_iter().map(|secret| wire::SecretLine {
        name: secret.name.to_string(),
        version: secret.version,
        set_at: secret.set_at,
    });
    Ok(Json(wire::Secrets {
        schema: "secrets/1".to_owned(),
        secrets: secrets.collect(),
    }))
}

#[utoipa::path(
    put, path = "/api/v1/secrets/{name}", tag = "access", params(("name" = String, Path)),
    request_body = wire::NewSecret, responses((status = 200, body = wire::Done))
)]
pub async fn set_secret(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path(name): Path<String>,
    Json(new): Json<wire::NewSecret>,
) -> Result<Json<wire::Done>, Problem> {
    let actor = caller.may(Action::SetSecret, &Resource::Server)?;
    let name = SecretName::new(&name)?;
    let access = house.access.clone();
    let set = blocking(move || access.set_secret(&name, new.value.as_bytes())).await??;
    let body = SecretSet {
        secret: set.id,
        name: set.name.to_string(),
        version: set.version,
    };
    record(&house, SECRET_SET, &set.id.to_string(), actor, json!(body)).await?;
    Ok(Json(wire::Done::new(format!(
        "the secret `{}` is set (version {})",
        set.name, set.version
    ))))
}
