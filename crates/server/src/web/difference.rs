//! The page that compares two environments.

use std::collections::BTreeSet;
use std::sync::Arc;

use access::{Action, Resource};
use axum::Extension;
use axum::extract::{Path, Query, State};
use delivery::EnvironmentPolicy;
use facts::{Commit, Digest, EnvironmentName};
use maud::Markup;
use pages::model::{ComponentDifference, DifferencePage, Differing, DifferingLine, Held, Order};
use serde::Deserialize;
use serde_json::Value;

use super::Memory;
use super::names::{self, Components};
use super::visit::Visit;
use crate::api::environments::{rendered, settings};
use crate::api::runs::parse;
use crate::changes::Component;
use crate::house::House;
use crate::problem::Problem;

/// How many commits between two packages are listed.
const SHOWN: usize = 25;
/// How many are counted.
const COUNTED: usize = 2_000;

/// With which environment.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Other {
    with: Option<String>,
}

/// The page.
pub(super) async fn show(
    State(house): State<Arc<House>>,
    Extension(memory): Extension<Arc<Memory>>,
    visit: Visit,
    Path(environment): Path<String>,
    Query(other): Query<Other>,
) -> Result<Markup, Problem> {
    let path = house.delivery.path();
    let find = |name: &str| -> Result<&EnvironmentPolicy, Problem> {
        let name: EnvironmentName = parse(name)?;
        let found = path.get(&name);
        found.ok_or_else(|| Problem::not_found(format!("there is no environment `{name}`")))
    };
    let left = find(&environment)?;
    let right = match other.with.filter(|name| !name.is_empty()) {
        Some(name) => find(&name)?,
        None => {
            let next = path.environments().iter().find(|policy| policy.name != left.name);
            next.ok_or_else(|| Problem::not_found("there is no other environment to compare with"))?
        }
    };
    let mut page = DifferencePage {
        left: left.name.clone(),
        right: right.name.clone(),
        all: path.environments().iter().map(|policy| policy.name.clone()).collect(),
        settings: own(left, right),
        components: Vec::new(),
        alike: Vec::new(),
    };
    let components = Components::all(&house).await?;
    for component in components.by_name() {
        let may = |name: &EnvironmentName| {
            visit.may(Action::Read, &Resource::Placement(component.name.clone(), name.clone()))
        };
        if !may(&left.name) || !may(&right.name) {
            continue;
        }
        match of_component(&house, &memory, component, &left.name, &right.name).await? {
            Compared::Nothing => {}
            Compared::Alike => page.alike.push(component.name.clone()),
            Compared::Differs(difference) => page.components.push(*difference),
        }
    }
    Ok(pages::difference::page(&visit.frame, &page))
}

fn own(left: &EnvironmentPolicy, right: &EnvironmentPolicy) -> Vec<DifferingLine> {
    let pairs = settings(left).into_iter().zip(settings(right));
    let differing = pairs.filter(|((_, left), (_, right))| left != right);
    differing
        .map(|((what, left), (_, right))| DifferingLine {
            what: what.to_owned(),
            left: Some(Differing::Value(left)),
            right: Some(Differing::Value(right)),
        })
        .collect()
}

/// How two environments hold a component.
enum Compared {
    /// Neither does.
    Nothing,
    /// The same.
    Alike,
    /// Otherwise.
    Differs(Box<ComponentDifference>),
}

async fn of_component(
    house: &House,
    memory: &Memory,
    component: &Component,
    left: &EnvironmentName,
    right: &EnvironmentName,
) -> Result<Compared, Problem> {
    let state = house.delivery.state(component.id);
    let (here, there) = (state.environment(left).current, state.environment(right).current);
    if here.package.is_none() && there.package.is_none() {
        return Ok(Compared::Nothing);
    }
    let databases: BTreeSet<&String> = here.schema.keys().chain(there.schema.keys()).collect();
    let schema: Vec<DifferingLine> = databases
        .into_iter()
        .filter(|database| here.schema.get(*database) != there.schema.get(*database))
        .map(|database| DifferingLine {
            what: database.clone(),
            left: here.schema.get(database).cloned().map(Differing::Value),
            right: there.schema.get(database).cloned().map(Differing::Value),
        })
        .collect();
    let (ours, theirs) = (
        rendered(house, here.package, left).await?,
        rendered(house, there.package, right).await?,
    );
    let keys: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let configuration: Vec<DifferingLine> = keys
        .into_iter()
        .filter(|key| ours.get(*key) != theirs.get(*key))
        .map(|key| DifferingLine {
            what: key.clone(),
            left: ours.get(key).map(value),
            right: theirs.get(key).map(value),
        })
        .collect();
    if here.package == there.package && schema.is_empty() && configuration.is_empty() {
        return Ok(Compared::Alike);
    }
    let held = |package: Option<Digest>| async move {
        let package = package?;
        let change = names::package(house, memory, component, package).await?;
        Some(Held { package, change })
    };
    let (left, right) = (held(here.package).await, held(there.package).await);
    let (order, between) = match (&left, &right) {
        (Some(one), Some(other)) if one.package == other.package => (Order::Same, Vec::new()),
        (Some(one), Some(other)) => between(house, component, &one.change.commit, &other.change.commit).await?,
        _ => (Order::OneSided, Vec::new()),
    };
    let mut commits = Vec::new();
    for commit in between.iter().rev().take(SHOWN) {
        commits.push(names::change(house, memory, component, commit).await);
    }
    Ok(Compared::Differs(Box::new(ComponentDifference {
        component: component.name.clone(),
        left,
        right,
        order,
        more_commits: between.len() - commits.len(),
        commits,
        schema,
        configuration,
    })))
}

/// The commits that one has and the other lacks, oldest first, and which of them has them.
async fn between(
    house: &House,
    component: &Component,
    left: &Commit,
    right: &Commit,
) -> Result<(Order, Vec<Commit>), Problem> {
    let inside = |error: crate::changes::RepositoryError| Problem::from(crate::error::ServerError::from(error));
    let repositories = &house.repositories;
    let ours = repositories
        .arrived(&component.name, right, left, COUNTED)
        .await
        .map_err(inside)?;
    let theirs = repositories
        .arrived(&component.name, left, right, COUNTED)
        .await
        .map_err(inside)?;
    Ok(match (ours.is_empty(), theirs.is_empty()) {
        (true, _) => (Order::RightAhead, theirs),
        (false, true) => (Order::LeftAhead, ours),
        (false, false) => (Order::Apart, ours),
    })
}

/// A value; a secret is told by its name.
fn value(value: &Value) -> Differing {
    match (value.get("secret").and_then(Value::as_str), value) {
        (Some(name), Value::Object(_)) => Differing::Secret(name.to_owned()),
        (_, Value::String(text)) => Differing::Value(text.clone()),
        (_, other) => Differing::Value(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_told_by_its_name_alone() {
        assert_eq!(
            value(&json!({ "secret": "shop/key" })),
            Differing::Secret("shop/key".to_owned())
        );
        assert_eq!(value(&json!("20")), Differing::Value("20".to_owned()));
        assert_eq!(value(&json!(20)), Differing::Value("20".to_owned()));
    }
}
