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
use pages::model::{Broken, ComponentPage, DefinitionView, OtherPackage, Progress, RemoteView, Step};
use pipeline::Definition;

use super::names::{self, Components};
use super::visit::Visit;
use super::{Memory, environment, overview, runs};
use crate::changes::Component;
use crate::house::House;
use crate::problem::Problem;

/// How many runs and packages are shown.
const SHOWN: usize = 8;
/// The file that says how a component is built.
const DEFINITION: &str = "throughline.yaml";
/// The largest definition that is shown, in bytes.
const LARGEST: u64 = 1024 * 1024;
/// Where repositories say who owns what.
const OWNERS: [&str; 3] = ["CODEOWNERS", ".github/CODEOWNERS", "docs/CODEOWNERS"];

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
    let newest = newest(&house, &component).await?;
    let definition = match &newest {
        Some((commit, _)) => definition(&house, &component, commit).await?,
        None => DefinitionView::Missing,
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
    let components = Components::all(&house).await?;
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
        push_address: format!("{}/git/{}.git", house.url(), component.name),
        remote: component.remote.clone().map(|url| RemoteView {
            url,
            trouble: house.remotes.trouble(component.id).map(|trouble| trouble.told),
        }),
        owners: match &newest {
            Some((commit, _)) => owners(&house, &component, commit).await,
            None => Vec::new(),
        },
        path: house
            .delivery
            .path()
            .environments()
            .iter()
            .map(|policy| policy.name.clone())
            .collect(),
        places,
        changes: overview::recent(&house, &memory, &[&component], &gates, Some(component.id)).await?,
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

/// The newest commit of the main line, and its name.
async fn newest(house: &House, component: &Component) -> Result<Option<(Commit, String)>, Problem> {
    let refs = house
        .repositories
        .refs(&component.name)
        .await
        .map_err(crate::error::ServerError::from)?;
    let found = ["main", "master"].into_iter().find_map(|line| {
        refs.get(&format!("refs/heads/{line}"))
            .map(|commit| (commit.clone(), line.to_owned()))
    });
    Ok(found)
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
    Ok(match Definition::parse_bytes(&bytes, &path) {
        Ok(definition) => DefinitionView::Read {
            steps: definition
                .plan()
                .steps
                .into_iter()
                .map(|step| Step {
                    name: step.name,
                    action: step.action,
                    needs: step.needs,
                    progress: Progress::Waiting,
                    started_at: None,
                    finished_at: None,
                    message: None,
                    attempts: Vec::new(),
                    attempts_allowed: 1,
                    tests: None,
                    question: None,
                    usually: None,
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

/// Who owns everything in the repository, as its own file says; the last such line counts.
async fn owners(house: &House, component: &Component, commit: &Commit) -> Vec<String> {
    for file in OWNERS {
        if let Ok(Some(bytes)) = house.repositories.file(&component.name, commit, file, LARGEST).await {
            return of_everything(&String::from_utf8_lossy(&bytes));
        }
    }
    Vec::new()
}

fn of_everything(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let mut everything = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        ["*", "/", "/**", "**"]
            .contains(&words.next()?)
            .then(|| words.map(str::to_owned).collect::<Vec<_>>())
    });
    let mut last = Vec::new();
    for owners in &mut everything {
        last = owners;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_for_everything_names_the_owners() {
        let text = "# who\n*  @first # early\n/docs/ @writers\n*  @shop/cart ada@example.org\n";
        assert_eq!(of_everything(text), ["@shop/cart", "ada@example.org"]);
        assert!(of_everything("/src @somebody\n").is_empty());
    }
}
