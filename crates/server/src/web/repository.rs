//! The page of a repository that lists components, and the page of one of its commits.

use std::collections::BTreeMap;
use std::sync::Arc;

use facts::{Commit, ComponentId, ComponentName};
use ledger::{Op, Select};
use maud::Markup;
use pages::model::{CommitLine, CommitPage, ListedComponent, RepositoryPage, Together};
use pipeline::Components as List;

use super::names::{self, Components};
use super::visit::Visit;
use super::{Memory, component, overview, owners, stations};
use crate::changes::concerns::{self, SortedCommit};
use crate::changes::view::CHANGES;
use crate::changes::{Component, member_name};
use crate::error::ServerError;
use crate::house::House;
use crate::problem::Problem;
use crate::way::{ChangeRow, Reader, tell};

/// How many commits are shown.
const COMMITS: usize = 12;
/// How many paths of a commit are shown.
const PATHS: usize = 200;
/// How many components a commit is told with.
const TOGETHER: usize = 100;

/// The page of the repository. `tip` is where its main line is.
pub(super) async fn page(
    house: &Arc<House>,
    memory: &Arc<Memory>,
    visit: &Visit,
    repository: &Component,
    components: &Components,
    tip: Option<(Commit, String)>,
) -> Result<Markup, Problem> {
    let members: Vec<&Component> = components
        .by_name()
        .into_iter()
        .filter(|one| {
            one.place
                .as_ref()
                .is_some_and(|place| place.repository == repository.id)
        })
        .filter(|one| visit.may_see(&one.name))
        .collect();
    let gates: BTreeMap<ComponentId, _> = members
        .iter()
        .map(|member| (member.id, house.delivery.waiting(member.id)))
        .collect();
    let running = overview::open_runs(house, memory, components, &members).await?;
    let mut rows = Vec::with_capacity(members.len());
    for member in &members {
        rows.push(overview::row(visit, house, memory, member, &gates, &running).await?);
    }
    let list = match &tip {
        Some((commit, _)) => house.repositories.listed(&repository.name, commit).await.ok().flatten(),
        None => None,
    };
    // Changes of the list itself are the repository's own.
    let seen: Vec<&Component> = members.iter().copied().chain([repository]).collect();
    let ids: Vec<ComponentId> = seen.iter().map(|one| one.id).collect();
    let mut commits = Vec::new();
    for sorted in concerns::latest(&*house.ledger, repository.id, COMMITS).await? {
        commits.push(line(house, memory, repository, components, visit, sorted).await);
    }
    let page = RepositoryPage {
        name: repository.name.clone(),
        created_at: repository.created_at,
        push_address: component::push_address(house, repository),
        remote: component::remote(house, repository),
        owners: match &tip {
            Some((commit, _)) => owners::of(house, repository, commit, "").await,
            None => None,
        },
        columns: overview::columns(house),
        rows,
        listed: members
            .iter()
            .map(|member| listed(repository, member, list.as_deref()))
            .collect(),
        newest: tip,
        changes: overview::recent(house, memory, &seen, &gates, Some(&ids)).await?,
        commits,
    };
    Ok(pages::repository::page(&visit.frame, &page))
}

async fn line(
    house: &House,
    memory: &Memory,
    repository: &Component,
    components: &Components,
    visit: &Visit,
    sorted: SortedCommit,
) -> CommitLine {
    let said = memory.commits.get(house, repository, &sorted.commit).await;
    let concerned = sorted.concerns.iter().filter_map(|(id, _)| components.get(*id));
    let mut concerns: Vec<ComponentName> = concerned
        .map(|one| one.name.clone())
        .filter(|name| visit.may_see(name))
        .collect();
    concerns.sort();
    CommitLine {
        title: said.as_ref().map_or_else(
            || format!("commit {}", sorted.commit.short()),
            |said| said.title.clone(),
        ),
        author: said.map(|said| said.author.clone()),
        commit: sorted.commit,
        branch: sorted.branch,
        at: sorted.arrived_at,
        concerns,
    }
}

/// What a list says of a component of its repository.
fn listed(repository: &Component, member: &Component, list: Option<&List>) -> ListedComponent {
    let place = member.place.as_ref();
    let found = place.and_then(|place| list?.member(&place.member));
    let folder = found.map(|found| format!("{}/", found.folder));
    let needs = found.map(|found| found.needs.as_slice()).unwrap_or_default();
    ListedComponent {
        name: member.name.clone(),
        watches: folder
            .into_iter()
            .chain(found.into_iter().flat_map(|found| found.also.iter().cloned()))
            .collect(),
        needs: needs
            .iter()
            .filter_map(|need| member_name(&repository.name, need))
            .collect(),
    }
}

/// The page of a commit of a repository that lists components; nothing where no such commit came.
pub(super) async fn commit(
    house: &Arc<House>,
    memory: &Arc<Memory>,
    visit: &Visit,
    repository: &Component,
    name: &str,
) -> Result<Option<Markup>, Problem> {
    let Some(sorted) = concerns::find(&*house.ledger, repository.id, name).await? else {
        return Ok(None);
    };
    let said = memory.commits.get(house, repository, &sorted.commit).await;
    let mut paths = house
        .repositories
        .touched(&repository.name, &sorted.commit)
        .await
        .unwrap_or_default();
    let more_paths = paths.len().saturating_sub(PATHS);
    paths.truncate(PATHS);
    let list = house
        .repositories
        .listed(&repository.name, &sorted.commit)
        .await
        .ok()
        .flatten();
    let components = Components::all(house).await?;
    let of_list = components.by_name().into_iter().filter(|one| {
        let place = one.place.as_ref().filter(|place| place.repository == repository.id);
        place.is_some_and(|place| list.as_ref().is_some_and(|list| list.member(&place.member).is_some()))
            && visit.may_see(&one.name)
    });
    let page = CommitPage {
        repository: repository.name.clone(),
        title: said.as_ref().map_or_else(
            || format!("commit {}", sorted.commit.short()),
            |said| said.title.clone(),
        ),
        body: said.as_ref().map(|said| said.body.clone()).unwrap_or_default(),
        author: said.as_ref().map(|said| said.author.clone()),
        committed_at: said.map_or(sorted.arrived_at, |said| said.committed_at),
        arrived_at: sorted.arrived_at,
        branch: sorted.branch.clone(),
        concerned: concerned(house, memory, visit, &components, &sorted).await?,
        paths,
        more_paths,
        listed: of_list.map(|one| listed(repository, one, list.as_deref())).collect(),
        commit: sorted.commit,
    };
    Ok(Some(pages::repository::commit(&visit.frame, &page)))
}

/// The components that a commit concerns, by name, and where it stands in each.
async fn concerned(
    house: &Arc<House>,
    memory: &Arc<Memory>,
    visit: &Visit,
    components: &Components,
    sorted: &SortedCommit,
) -> Result<Vec<Together>, ServerError> {
    let mut all = Vec::new();
    for (id, why) in sorted.concerns.iter().take(TOGETHER) {
        let Some(component) = components.get(*id).filter(|one| visit.may_see(&one.name)) else {
            continue;
        };
        let query = Select::from(CHANGES)
            .filter("component", Op::Eq, id.to_string())
            .filter("head", Op::Eq, sorted.commit.as_str());
        let rows = house.ledger.select(query).await?.rows;
        let Some(change) = rows.first().map(ChangeRow::of).transpose()? else {
            continue;
        };
        let read = Reader(house).way(component, change).await?;
        all.push(Together {
            change: names::change(house, memory, component, &sorted.commit).await,
            concern: why.clone(),
            state: stations::state(house, memory, &read, tell(&read).state).await,
            held: read.held,
        });
    }
    all.sort_by(|a, b| a.change.component.cmp(&b.change.component));
    Ok(all)
}
