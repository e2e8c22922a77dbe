//! The page of search.

use std::sync::Arc;

use axum::extract::{Query, State};
use maud::Markup;
use pages::model::{SearchGroup, SearchHit, SearchPage};
use serde::Deserialize;

use super::visit::Visit;
use crate::house::House;
use crate::problem::Problem;
use crate::search;

/// How many hits of each kind are shown.
const SHOWN: usize = 12;

/// What is looked for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
}

/// The page.
pub(super) async fn show(
    State(house): State<Arc<House>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Markup, Problem> {
    let found = search::answer(&house, &visit.caller, &asked.q, SHOWN).await?;
    let hit = |hit: crate::wire::SearchHit| SearchHit {
        id: hit.id,
        title: hit.title,
        component: hit.component,
        note: hit.note,
        at: hit.at,
        path: hit.path,
    };
    let page = SearchPage {
        query: found.query,
        as_of: found.as_of,
        groups: found
            .groups
            .into_iter()
            .map(|group| SearchGroup {
                kind: group.kind,
                more: group.more,
                hits: group.hits.into_iter().map(hit).collect(),
            })
            .collect(),
    };
    Ok(pages::search::page(&visit.frame, &page))
}
