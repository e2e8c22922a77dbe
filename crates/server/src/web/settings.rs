//! The page of settings: what the viewer may see of what the server was told, the policy, and tokens.

use std::sync::Arc;

use access::{Action, Principal, Resource};
use axum::extract::State;
use maud::Markup;
use pages::model::{SettingLine, SettingsPage, TokenLine};

use super::visit::Visit;
use crate::api::blocking;
use crate::house::House;
use crate::problem::Problem;

/// The page.
pub(super) async fn show(State(house): State<Arc<House>>, visit: Visit) -> Result<Markup, Problem> {
    let actor = visit.caller.may(Action::Enter, &Resource::Server)?;
    let roles = match &visit.caller.principal {
        Principal::Known { rights, .. } => rights.roles().iter().map(ToString::to_string).collect(),
        Principal::Anonymous | Principal::System => Vec::new(),
    };
    let settings = visit.may(Action::Operate, &Resource::Server).then(|| {
        let told = house.settings.told.iter().map(|told| SettingLine {
            name: told.name.clone(),
            value: told.value.clone(),
            source: told.source.clone(),
        });
        told.collect()
    });
    let tokens = if visit.may(Action::ManageAccess, &Resource::Server) {
        let access = house.access.clone();
        let all = blocking(move || access.tokens()).await??;
        let lines = all.into_iter().map(|token| TokenLine {
            id: token.id.to_string(),
            roles: token.rights.roles().iter().map(ToString::to_string).collect(),
            name: token.name,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
            revoked: token.revoked_at.is_some(),
        });
        Some(lines.collect())
    } else {
        None
    };
    let page = SettingsPage {
        actor: actor.to_string(),
        roles,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        settings,
        policy: visit
            .may(Action::Read, &Resource::Server)
            .then(|| (house.delivery.path().revision, house.policy.text())),
        tokens,
    };
    Ok(pages::settings::page(&visit.frame, &page))
}
