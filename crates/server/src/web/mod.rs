//! The web pages: fills the view models of the crate `pages` from the house, and takes their forms.
//!
//! One file a page. [`visit`] says who looks and through which frame, [`guard`] adds what every answer
//! carries and turns problems into pages for browsers, [`forms`] takes what people send. Nothing here
//! decides anything: forms call what the API calls.

mod assets;
mod canary;
mod cells;
mod change;
mod commits;
mod component;
mod difference;
mod door;
mod environment;
mod forms;
mod guard;
mod happened;
mod ledger;
mod live;
mod logs;
mod making;
mod names;
mod observations;
mod overview;
mod owners;
mod package;
mod repository;
mod run;
mod runs;
mod search;
mod settings;
mod stations;
mod together;
mod verify;
mod visit;
mod waits;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Extension, Router, middleware};
use pages::links;

use crate::house::House;
use commits::Commits;
use observations::Observations;

/// The largest form that is read, in bytes.
const LARGEST_FORM: usize = 64 * 1024;

/// What pages remember between two requests; all of it can be read again.
pub(crate) struct Memory {
    commits: Commits,
    observations: Observations,
    verification: verify::Watched,
}

/// The pages, their files and their forms.
pub(crate) fn routes(house: &Arc<House>) -> Router<Arc<House>> {
    let memory = Arc::new(Memory {
        commits: Commits::default(),
        observations: Observations::default(),
        verification: verify::Watched::default(),
    });
    Router::new()
        .route(links::OVERVIEW, get(overview::show))
        .route(links::RUNS, get(runs::show))
        .route(links::LEDGER, get(ledger::show))
        .route("/ledger/facts/{position}", get(ledger::one))
        .route(links::VERIFY, get(verify::show).post(verify::begin))
        .route(links::VERIFY_LIVE, get(verify::live))
        .route(links::SETTINGS, get(settings::show))
        .route("/packages/{digest}", get(package::show))
        .route("/components/{team}/{name}", get(component::show))
        .route(links::SEARCH, get(search::show))
        .route(links::PARTS, get(door::parts))
        .route(links::LOGIN, get(door::ask).post(door::log_in))
        .route("/login/{secret}", get(door::log_in_by_link))
        .route(links::LOGOUT, post(door::log_out))
        .route(links::THEME, post(door::theme))
        .route(links::EVENTS, get(live::events))
        .route("/assets/{file}", get(assets::file))
        .route("/environments/{environment}", get(environment::show))
        .route("/environments/{environment}/compare", get(difference::show))
        .route("/components/{team}/{name}/changes/{change}", get(change::show))
        .route("/components/{team}/{name}/changes/{change}/unbar", post(forms::unbar))
        .route(
            "/components/{team}/{name}/changes/{change}/cancel",
            post(forms::cancel_change),
        )
        .route(
            "/components/{team}/{name}/changes/{change}/environments/{environment}/approve",
            post(forms::approve),
        )
        .route(
            "/components/{team}/{name}/changes/{change}/environments/{environment}/promote",
            post(forms::promote),
        )
        .route(
            "/components/{team}/{name}/environments/{environment}/roll-back",
            post(forms::roll_back),
        )
        .route(
            "/components/{team}/{name}/changes/{change}/rebuild",
            post(forms::rebuild),
        )
        .route("/runs/{run}", get(run::show))
        .route("/runs/{run}/cancel", post(forms::cancel))
        .route("/runs/{run}/retry", post(forms::retry))
        .route("/runs/{run}/steps/{step}/resolve", post(forms::resolve))
        .route("/runs/{run}/steps/{step}/attempts/{attempt}/live", get(live::log))
        .fallback(guard::nothing_here)
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .layer(Extension(memory))
        .layer(middleware::from_fn_with_state(house.clone(), guard::guard))
}
