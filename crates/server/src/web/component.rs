//! The page of a component.

use std::collections::BTreeMap;
use std::sync::Arc;

use access::{Action, Resource};
use axum::Extension;
use axum::extract::{Path, State};
use engine::query::run_row;
use engine::view::RUNS;
use facts::Commit;
use ledger::{Direction, Op, Select};
use maud::Markup;
use pages::model::{Broken, ComponentPage, DefinitionView, OtherPackage, PlaceView, PlannedStep, RemoteView};
use pipeline::Definition;
use pipeline::plan::PACKAGE;

use super::names::{self, Components};
use super::visit::Visit;
use super::{Memory, environment, overview, owners, repository, runs};
use crate::changes::Component;
use crate::changes::view::CHANGES;
use crate::house::House;
use crate::problem::Problem;
use crate::way::ChangeRow;

/// How many runs and packages are shown.
const SHOWN: usize = 8;
/// The file that says how a component is built.
const DEFINITION: &str = "throughline.yaml";
/// The branches that a main line may be.
const MAIN: [&str; 2] = ["main", "master"];
/// The largest definition that is shown, in bytes.
const LARGEST: u64 = 1024 * 1024;
/// The page.
pub(super) async fn show(
    State(house): State<Arc<House>>,
    Extension(memory): Extension<Arc<Memory>>,
    visit: Visit,
    Path((team, name)): Path<(String, String)>,
) -> Result<Markup, Problem> {
    let component = crate::api::component(&house, &format!("{team}/{name}")).await?;
    visit
        .caller
        .may(Action::Read, &Resource::Component(component.name.clone()))?;
    let components = Components::all(&house).await?;
    let home = house.register.repository(&component).await?;
    let tip = tip(&house, &home).await?;
    let list = match &tip {
        Some((commit, _)) => house.repositories.listed(&home.name, commit).await.ok().flatten(),
        None => None,
    };
    if component.place.is_none() && components.lists(component.id) && list.as_ref().is_none_or(|list| !list.has_own()) {
        return repository::page(&house, &memory, &visit, &component, &components, tip).await;
    }
    // A component of several has the place that the newest list gives it; what cannot be read says nothing.
    let folder = component.place.as_ref().map(|place| {
        let member = list.as_ref().and_then(|list| list.member(&place.member));
        member.map(|member| member.folder.clone())
    });
    let newest = newest(&house, &component).await?;
    let definition = match (&newest, &folder) {
        (_, Some(None)) if list.is_some() => DefinitionView::Unlisted,
        (Some((commit, _)), _) => definition(&house, &component, commit).await?,
        (None, _) => DefinitionView::Missing,
    };
    let owned = folder.clone().unwrap_or(Some(String::new()));
    let owners = match (&tip, &owned) {
        (Some((commit, _)), Some(folder)) => owners::of(&house, &home, commit, folder).await,
        _ => None,
    };
    let mut places = Vec::new();
    for policy in house.delivery.path().environments() {
        let place = Resource::Placement(component.name.clone(), policy.name.clone());
        if visit.may(Action::Read, &place) {
            let held = environment::held(&visit, &house, &memory, &component, policy).await?;
            places.extend(held.map(|held| (policy.name.clone(), held)));
        }
    }
    let gates = BTreeMap::from([(component.id, house.delivery.waiting(component.id))]);
    let select = Select::from(RUNS)
        .filter("component", Op::Eq, component.id.to_string())
        .order("requested_at", Direction::Desc)
        .limit(SHOWN);
    let rows = house.ledger.select(select).await?.rows;
    let rows = rows.iter().map(run_row).collect::<Result<Vec<_>, _>>()?;
    let state = house.delivery.state(component.id);
    let mut packages: Vec<&delivery::Package> = state.packages.values().collect();
    packages.sort_by_key(|package| std::cmp::Reverse(package.order));
    let page = ComponentPage {
        name: component.name.clone(),
        created_at: component.created_at,
        newest: match &newest {
            Some((commit, line)) => Some((names::change(&house, &memory, &component, commit).await, line.clone())),
            None => None,
        },
        definition,
        push_address: push_address(&house, &home),
        remote: remote(&house, &home),
        owners,
        place: folder.map(|folder| PlaceView {
            repository: home.name.clone(),
            folder: folder.or_else(|| list.is_none().then(String::new)),
        }),
        path: house
            .delivery
            .path()
            .environments()
            .iter()
            .map(|policy| policy.name.clone())
            .collect(),
        places,
        changes: overview::recent(&house, &memory, &[&component], &gates, Some(&[component.id])).await?,
        runs: runs::lines((&house, &memory, &components), &rows).await?,
        packages: packages
            .into_iter()
            .take(SHOWN)
            .map(|package| OtherPackage {
                digest: package.digest,
                name: package.version.to_string(),
            })
            .collect(),
    };
    Ok(pages::component::page(&visit.frame, &page))
}

/// Where its commits are pushed to.
pub(super) fn push_address(house: &House, home: &Component) -> String {
    format!("{}/git/{}.git", house.url(), home.name)
}

/// The repository elsewhere that it follows.
pub(super) fn remote(house: &House, home: &Component) -> Option<RemoteView> {
    home.remote.clone().map(|url| RemoteView {
        url,
        trouble: house.remotes.trouble(home.id).map(|trouble| trouble.told),
    })
}

/// Where a repository's main line is, and what that is called.
async fn tip(house: &House, home: &Component) -> Result<Option<(Commit, String)>, Problem> {
    let refs = house
        .repositories
        .refs(&home.name)
        .await
        .map_err(crate::error::ServerError::from)?;
    let found = MAIN.into_iter().find_map(|line| {
        refs.get(&format!("refs/heads/{line}"))
            .map(|commit| (commit.clone(), line.to_owned()))
    });
    Ok(found)
}

/// The newest change of the main line, or else of any, and the name of its branch.
async fn newest(house: &House, component: &Component) -> Result<Option<(Commit, String)>, Problem> {
    let of_component = || {
        Select::from(CHANGES)
            .filter("component", Op::Eq, component.id.to_string())
            .order("position", Direction::Desc)
            .limit(1)
    };
    for query in [of_component().any_of("branch", MAIN), of_component()] {
        if let Some(row) = house.ledger.select(query).await?.rows.first() {
            let change = ChangeRow::of(row)?;
            return Ok(Some((change.commit, change.branch)));
        }
    }
    Ok(None)
}

/// How a commit says that it is built.
async fn definition(house: &House, component: &Component, commit: &Commit) -> Result<DefinitionView, Problem> {
    let path = match house.repositories.folder(&component.name, commit).await.as_deref() {
        Err(_) => return Ok(DefinitionView::Missing),
        Ok("") => DEFINITION.to_owned(),
        Ok(folder) => format!("{folder}/{DEFINITION}"),
    };
    let read = house.repositories.file(&component.name, commit, &path, LARGEST).await;
    let Ok(Some(bytes)) = read else {
        return Ok(DefinitionView::Missing);
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let folder = path.strip_suffix(DEFINITION).unwrap_or_default();
    let modules = house
        .builds
        .modules()
        .to_look_at(component, commit, folder, &bytes)
        .await?;
    Ok(match Definition::parse_bytes_with(&bytes, &path, &modules) {
        Ok(definition) => DefinitionView::Read {
            steps: definition
                .plan()
                .steps
                .into_iter()
                .map(|step| PlannedStep {
                    note: note(&step),
                    name: step.name,
                    needs: step.needs,
                })
                .collect(),
            text,
        },
        Err(diagnostics) => {
            let first = diagnostics.first();
            let line = usize::try_from(first.line).unwrap_or(usize::MAX);
            DefinitionView::Broken(Broken {
                file: first.file.clone(),
                line: first.line,
                column: first.column,
                message: first.message.clone(),
                hint: first.hint.clone(),
                excerpt: text.lines().nth(line.saturating_sub(1)).map(str::to_owned),
            })
        }
    })
}

/// What a step does, in a few words: its first command, or what it puts together.
fn note(step: &pipeline::PlannedStep) -> String {
    let first = |pointer: &str| {
        let text = step.input.pointer(pointer)?.as_str()?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(str::to_owned).find(|line| !line.starts_with('#'))
    };
    match step.action.as_str() {
        PACKAGE => match step
            .input
            .pointer("/files")
            .and_then(|files| files.as_array())
            .map_or(0, Vec::len)
        {
            0 => "puts the package together".to_owned(),
            1 => "packs 1 entry".to_owned(),
            several => format!("packs {several} entries"),
        },
        _ => {
            let told = first("/script").unwrap_or_else(|| step.action.clone());
            match step.within.last() {
                Some(using) => format!("{told} (from {})", using.module_in_words()),
                None => told,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_planned_step_is_told_by_its_first_command() {
        let planned = |action: &str, input: serde_json::Value| {
            note(&pipeline::PlannedStep::new("a".parse().unwrap(), action, input))
        };
        assert_eq!(
            planned("run", json!({ "script": "\n# why\n  make all\nmake more\n" })),
            "make all"
        );
        assert_eq!(planned("package", json!({ "files": [{}, {}] })), "packs 2 entries");
        assert_eq!(planned("approve", json!({})), "approve");
    }
}
