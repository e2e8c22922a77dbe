//! The same commit in the other components of its repository; and the changes in other repositories that one
//! depends on, and that depend on it.

use std::sync::Arc;

use ledger::{Op, Select};
use pages::model::{ChangeName, DependsOn, Together};

use super::visit::Visit;
use super::{Memory, names, stations};
use crate::changes::view::{CHANGES, CONCERNS};
use crate::error::ServerError;
use crate::house::House;
use crate::way::{ChangeRow, Read, Reader, tell};

/// So many other components are shown at most.
const MOST: usize = 100;

/// Why the commit concerns the component of the page, and the others that it concerns.
pub(super) async fn of(
    house: &Arc<House>,
    memory: &Arc<Memory>,
    visit: &Visit,
    read: &Read,
) -> Result<(Option<String>, Vec<Together>), ServerError> {
    let repository = match &read.component.place {
        Some(place) => place.repository,
        None => read.component.id,
    };
    let query = Select::from(CONCERNS)
        .filter("repository", Op::Eq, repository.to_string())
        .filter("head", Op::Eq, read.change.commit.as_str())
        .limit(MOST);
    let (mut concern, mut others) = (None, Vec::new());
    for row in house.ledger.select(query).await?.rows {
        let why = row.text("why")?.to_owned();
        let Some(id) = row.text("component")?.parse().ok() else {
            continue;
        };
        if id == read.component.id {
            concern = Some(why);
            continue;
        }
        let Some(component) = house.register.by_id(id).await? else {
            continue;
        };
        if !visit.may_see(&component.name) {
            continue;
        }
        let query = Select::from(CHANGES)
            .filter("component", Op::Eq, id.to_string())
            .filter("branch", Op::Eq, read.change.branch.as_str())
            .filter("head", Op::Eq, read.change.commit.as_str());
        let rows = house.ledger.select(query).await?.rows;
        let Some(change) = rows.first().map(ChangeRow::of).transpose()? else {
            continue;
        };
        let other = Reader(house).way(&component, change).await?;
        others.push(Together {
            change: names::change(house, memory, &component, &read.change.commit).await,
            concern: why,
            state: stations::state(house, memory, &other, tell(&other).state).await,
            held: other.held,
        });
    }
    others.sort_by(|a, b| a.change.component.cmp(&b.change.component));
    Ok((concern, others))
}

/// What the change of the page depends on, and what depends on it.
pub(super) async fn ties(
    house: &Arc<House>,
    memory: &Arc<Memory>,
    visit: &Visit,
    read: &Read,
) -> Result<(Vec<DependsOn>, Vec<ChangeName>), ServerError> {
    let ties = Reader(house).ties(read, |name| visit.may_see(name)).await?;
    let mut on = Vec::new();
    for one in ties.on {
        let change = match (&one.component, &one.commit) {
            (Some(name), Some(commit)) => match house.register.by_name(name).await? {
                Some(component) => Some(names::change(house, memory, &component, commit).await),
                None => None,
            },
            _ => None,
        };
        let places = one.places.into_iter();
        on.push(DependsOn {
            said: one.said,
            change,
            what: one.what,
            places: places.map(|place| (place.environment, place.met, place.what)).collect(),
        });
    }
    let mut by = Vec::new();
    for (component, commit) in ties.by {
        by.push(names::change(house, memory, &component, &commit).await);
    }
    Ok((on, by))
}
