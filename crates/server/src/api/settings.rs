//! What the server was told when it started.

use std::sync::Arc;

use access::{Action, Resource};
use axum::Json;
use axum::extract::State;

use crate::auth::Caller;
use crate::house::House;
use crate::problem::Problem;
use crate::wire;

#[utoipa::path(get, path = "/api/v1/settings", tag = "operate", responses((status = 200, body = wire::Settings)))]
pub async fn settings(State(house): State<Arc<House>>, caller: Caller) -> Result<Json<wire::Settings>, Problem> {
    caller.may(Action::Operate, &Resource::Server)?;
    let told = house.settings.told.iter().map(|told| wire::SettingLine {
        name: told.name.clone(),
        value: told.value.clone(),
        source: told.source.clone(),
    });
    Ok(Json(wire::Settings {
        schema: "server-settings/1".to_owned(),
        settings: told.collect(),
    }))
}
