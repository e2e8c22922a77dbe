//! What a question comes to for whoever asks: the view's hits and the names that stand in no view.

use std::collections::BTreeMap;
use std::sync::Arc;

use access::{Action, Resource};
use facts::{ActorId, Commit, ComponentId, ComponentName, Digest, RunId};
use pages::links;

use super::find::{Asked, FindError, Hit, find};
use super::view::Kind;
use crate::api::blocking;
use crate::auth::Caller;
use crate::error::ServerError;
use crate::house::House;
use crate::problem::Problem;
use crate::wire;

/// The longest question that is read, in letters.
const LONGEST: usize = 200;

/// Answers a question with at most `limit` hits of each kind that the caller may see.
pub(crate) async fn answer(
    house: &Arc<House>,
    caller: &Caller,
    question: &str,
    limit: usize,
) -> Result<wire::Search, Problem> {
    let question: String = question.trim().chars().take(LONGEST).collect();
    let asked = Asked::new(&question, limit);
    let mut search = wire::Search {
        schema: "search/1".to_owned(),
        query: question,
        as_of: *house.ledger.follow_views().borrow(),
        groups: Vec::new(),
    };
    if asked.is_empty() {
        return Ok(search);
    }
    let components: BTreeMap<ComponentId, ComponentName> = house
        .register
        .all()
        .await?
        .into_iter()
        .filter(|one| caller.may(Action::Read, &Resource::Component(one.name.clone())).is_ok())
        .map(|one| (one.id, one.name))
        .collect();
    let sees_people = caller.may(Action::Read, &Resource::Server).is_ok();
    let sees_facts = caller.may(Action::ReadLedger, &Resource::Server).is_ok();
    let found = find(&*house.ledger, &asked, |kind, component| match (kind, component) {
        (Kind::Person, _) => sees_people,
        (_, Some(component)) => components.contains_key(&component),
        (_, None) => false,
    });
    let found = found.await.map_err(|error| match error {
        FindError::Ledger(error) => Problem::from(error),
        FindError::Row(error) => ServerError::from(error).into(),
    })?;
    search.as_of = found.as_of;
    let mut people = Vec::new();
    let mut more_people = false;
    for group in found.groups {
        if group.kind == Kind::Person {
            people = group.hits;
            more_people = group.more;
            continue;
        }
        search.groups.push(wire::SearchGroup {
            kind: group.kind.as_str().to_owned(),
            hits: group
                .hits
                .into_iter()
                .map(|hit| of_view(group.kind, hit, &components))
                .collect(),
            more: group.more,
        });
    }
    let environments = environments(house, caller, &asked, &components);
    if !environments.is_empty() {
        let place = usize::from(search.groups.first().is_some_and(|group| group.kind == "component"));
        let group = wire::SearchGroup {
            kind: "environment".to_owned(),
            hits: environments,
            more: false,
        };
        search.groups.insert(place, group);
    }
    if sees_people {
        let hits = self::people(house, &asked, people, limit, sees_facts).await?;
        if !hits.is_empty() {
            search.groups.push(wire::SearchGroup {
                kind: Kind::Person.as_str().to_owned(),
                hits,
                more: more_people,
            });
        }
    }
    Ok(search)
}

fn of_view(kind: Kind, hit: Hit, components: &BTreeMap<ComponentId, ComponentName>) -> wire::SearchHit {
    let component = hit.component.and_then(|id| components.get(&id));
    let (id, path) = match (kind, component) {
        (Kind::Component, Some(name)) => (name.to_string(), Some(links::component(name))),
        (Kind::Change, Some(name)) => {
            let commit = hit.id.split_once('/').map_or(hit.id.as_str(), |(_, commit)| commit);
            let path = Commit::new(commit).ok().map(|commit| links::change(name, &commit));
            (commit.to_owned(), path)
        }
        (Kind::Package, _) => {
            let path = hit.id.parse::<Digest>().ok().map(|digest| links::package(&digest));
            (hit.id, path)
        }
        (Kind::Run, _) => {
            let path = hit.id.parse::<RunId>().ok().map(links::run);
            (hit.id, path)
        }
        _ => (hit.id, None),
    };
    wire::SearchHit {
        id,
        title: hit.title,
        component: component.filter(|_| kind != Kind::Component).map(ToString::to_string),
        note: hit.note,
        at: Some(hit.at),
        path,
    }
}

/// The environments of the path with such a name; there are as many as a page has columns.
fn environments(
    house: &House,
    caller: &Caller,
    asked: &Asked,
    components: &BTreeMap<ComponentId, ComponentName>,
) -> Vec<wire::SearchHit> {
    let path = house.delivery.path();
    let seen = path.environments().iter().filter(|policy| {
        let place = |name: &ComponentName| Resource::Placement(name.clone(), policy.name.clone());
        asked.fits(policy.name.as_str())
            && (caller
                .may(Action::Read, &Resource::Environment(policy.name.clone()))
                .is_ok()
                || components
                    .values()
                    .any(|name| caller.may(Action::Read, &place(name)).is_ok()))
    });
    seen.map(|policy| wire::SearchHit {
        id: policy.name.to_string(),
        title: policy.name.to_string(),
        component: None,
        note: None,
        at: None,
        path: Some(links::environment(&policy.name)),
    })
    .collect()
}

/// People by their ids, as facts have them, and by their names, as the directory has them now.
async fn people(
    house: &House,
    asked: &Asked,
    by_id: Vec<Hit>,
    limit: usize,
    sees_facts: bool,
) -> Result<Vec<wire::SearchHit>, Problem> {
    let access = house.access.clone();
    let all = blocking(move || access.people()).await??;
    let ids: Vec<ActorId> = by_id.iter().filter_map(|hit| hit.id.parse().ok()).collect();
    let fitting = all.into_iter().filter(|person| {
        let named = person.name.as_deref().is_some_and(|name| asked.fits(name));
        named || ids.contains(&person.id)
    });
    Ok(fitting
        .take(limit)
        .map(|person| wire::SearchHit {
            id: person.id.to_string(),
            title: person.name.unwrap_or_else(|| "erased person".to_owned()),
            component: None,
            note: None,
            at: Some(person.created_at),
            path: sees_facts.then(|| links::facts_of(&format!("user:{}", person.id))),
        })
        .collect())
}
