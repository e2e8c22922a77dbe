//! Search over everything.

use std::sync::Arc;

use access::{Action, Resource};
use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;

use crate::auth::Caller;
use crate::house::House;
use crate::problem::Problem;
use crate::search;
use crate::wire;

/// How many hits of each kind are given when nobody says.
const USUAL: usize = 10;
/// How many are given at most.
const MOST: usize = 100;

/// What is looked for.
#[derive(Debug, Default, Deserialize)]
pub struct SearchQuery {
    #[serde(default)]
    q: String,
    limit: Option<usize>,
}

#[utoipa::path(
    get, path = "/api/v1/search", tag = "search",
    params(("q" = String, Query, description = "words; each must be the beginning of a word of what is found"),
        ("limit" = Option<usize>, Query, description = "the most hits of each kind")),
    responses((status = 200, body = wire::Search))
)]
pub async fn search(
    State(house): State<Arc<House>>,
    caller: Caller,
    Query(query): Query<SearchQuery>,
) -> Result<Json<wire::Search>, Problem> {
    caller.may(Action::Enter, &Resource::Server)?;
    let limit = query.limit.unwrap_or(USUAL).clamp(1, MOST);
    Ok(Json(search::answer(&house, &caller, &query.q, limit).await?))
}
