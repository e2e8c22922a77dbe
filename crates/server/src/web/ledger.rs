//! The pages of the ledger: facts newest first, and one of them whole.

use std::sync::Arc;

use access::{Action, Resource};
use axum::Extension;
use axum::extract::{Path, Query, State};
use facts::{Actor, RunId};
use maud::Markup;
use pages::links;
use pages::model::{Chain, FactFilter, FactLine, FactPage, LedgerPage};
use serde_json::Value;

use super::Memory;
use super::names::People;
use super::visit::Visit;
use crate::api::recorded::{FactsQuery, whole};
use crate::house::House;
use crate::problem::Problem;
use crate::recorded;

/// How many facts a page shows.
const SHOWN: usize = 50;

/// The list.
pub(super) async fn show(
    State(house): State<Arc<House>>,
    Extension(memory): Extension<Arc<Memory>>,
    visit: Visit,
    Query(query): Query<FactsQuery>,
) -> Result<Markup, Problem> {
    visit.caller.may(Action::ReadLedger, &Resource::Server)?;
    let listed = recorded::list(&*house.ledger, &query.filter()?, query.after.clone(), SHOWN).await?;
    let people = People::of(&house, listed.lines.iter().map(|line| line.actor)).await?;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let filter = FactFilter {
        stream: text(&query.stream),
        kind: text(&query.kind),
        actor: text(&query.actor),
        since: text(&query.since),
        until: text(&query.until),
    };
    let of_filter = |after: Option<String>| {
        let mut path = String::new();
        for (name, value) in [
            ("stream", Some(&filter.stream)),
            ("kind", Some(&filter.kind)),
            ("actor", Some(&filter.actor)),
            ("since", Some(&filter.since)),
            ("until", Some(&filter.until)),
            ("after", after.as_ref()),
        ] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                path = links::with_query(&path, name, value);
            }
        }
        path.trim_start_matches('?').to_owned()
    };
    let page = LedgerPage {
        kinds: listed.kinds,
        facts: listed
            .lines
            .into_iter()
            .map(|line| FactLine {
                position: line.seq,
                at: line.at,
                kind: line.kind,
                stream: line.stream,
                by: people.name(line.actor),
                hash: line.hash,
            })
            .collect(),
        as_of: listed.as_of,
        newest: query.after.as_ref().map(|_| of_filter(None)),
        older: listed.next.map(|next| of_filter(Some(next.to_string()))),
        verification: memory.verification.look(),
        filter,
    };
    Ok(pages::ledger::page(&visit.frame, &page))
}

/// One fact.
pub(super) async fn one(
    State(house): State<Arc<House>>,
    visit: Visit,
    Path(position): Path<u64>,
) -> Result<Markup, Problem> {
    visit.caller.may(Action::ReadLedger, &Resource::Server)?;
    let whole = whole(&house, position).await?;
    let text = |name: &str| whole.stored[name].as_str().unwrap_or_default().to_owned();
    let actor: Option<Actor> = text("actor").parse().ok();
    let by = match actor {
        Some(actor) => People::of(&house, [actor]).await?.name(actor),
        None => text("actor"),
    };
    let stream = text("stream");
    let body = serde_json::to_string_pretty(&whole.stored["body"]).unwrap_or_default();
    let page = FactPage {
        position,
        kind: text("kind"),
        kind_version: whole.stored["kind_version"].as_u64().unwrap_or(1),
        version: whole.stored["version"].as_u64().unwrap_or_default(),
        about: about(&stream),
        stream,
        id: text("id"),
        by,
        actor: text("actor"),
        recorded_at: text("recorded_at").parse().ok(),
        occurred_at: text("occurred_at").parse().ok(),
        more: [
            ("on_behalf_of", "For"),
            ("trust", "Trust"),
            ("correlation", "Story"),
            ("external_key", "Claims"),
        ]
        .into_iter()
        .filter(|(name, _)| !matches!(whole.stored[*name], Value::Null))
        .map(|(name, label)| (label.to_owned(), text(name)))
        .collect(),
        cause: whole.stored["cause"].as_str().map(|id| (id.to_owned(), whole.cause)),
        body,
        bytes: whole.bytes as u64,
        chain: Chain {
            before: whole.before,
            named: whole.previous().unwrap_or_default().to_owned(),
            hash: whole.hash,
            computed: whole.computed,
            after: whole.after,
        },
    };
    Ok(pages::ledger::fact(&visit.frame, &page))
}

/// The page of what a stream is about.
fn about(stream: &str) -> Option<String> {
    match stream.split_once('/')? {
        ("run", key) => key.parse::<RunId>().ok().map(links::run),
        ("verdict", key) => key.parse().ok().map(|digest| links::package(&digest)),
        _ => None,
    }
}
