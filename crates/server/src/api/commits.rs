//! Commits named by the beginning of their ids.

use std::collections::BTreeMap;

use facts::Commit;
use ledger::{Direction, Op, Select};

use super::runs::parse;
use crate::changes::Component;
use crate::house::House;
use crate::problem::Problem;
use crate::way::ChangeRow;

/// The fewest digits that name a commit, as git has it.
const FEWEST: usize = 4;
/// The length of a whole id.
const WHOLE: usize = 40;
/// How many candidates are told.
const TOLD: usize = 6;

/// The commit whose id is `name`, or begins with it; of `component`, or of any.
///
/// # Errors
/// When it is no beginning of an id, or that of none or of several: those are told then.
pub(super) async fn only_one(house: &House, component: Option<&Component>, name: &str) -> Result<Commit, Problem> {
    if name.len() == WHOLE {
        return parse(name);
    }
    if name.len() < FEWEST || name.len() > WHOLE || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Problem::bad_input(format!("`{name}` is no id of a commit"))
            .hint(format!("give its 40 hex digits, or the first {FEWEST} or more")));
    }
    let begin = name.to_ascii_lowercase();
    let mut query = Select::from("changes")
        .filter("head", Op::Ge, begin.as_str())
        .filter("head", Op::Lt, format!("{begin}g"))
        .order("position", Direction::Desc);
    if let Some(component) = component {
        query = query.filter("component", Op::Eq, component.id.to_string());
    }
    let rows = house.ledger.select(query.limit(200)).await?.rows;
    let mut found = BTreeMap::new();
    for row in &rows {
        let change = ChangeRow::of(row)?;
        found.entry(change.commit).or_insert(change.component);
    }
    let several = found.len();
    match found.pop_first() {
        None => Err(Problem::not_found(format!("no change's id begins with `{name}`"))
            .hint("`throughline status` lists the newest")),
        Some((commit, _)) if several == 1 => Ok(commit),
        Some(first) => {
            let mut told = Vec::new();
            for (commit, component) in std::iter::once(first).chain(found).take(TOLD) {
                told.push(candidate(house, component, &commit).await?);
            }
            let more = if several > TOLD { "\n  ..." } else { "" };
            let listed = told.join("\n  ");
            Err(Problem::bad_input(format!(
                "the ids of {several} changes begin with `{name}`:\n  {listed}{more}"
            ))
            .hint("give more digits of the one that you mean"))
        }
    }
}

/// A commit with its title and component, for somebody who chooses.
async fn candidate(house: &House, component: facts::ComponentId, commit: &Commit) -> Result<String, Problem> {
    let short = &commit.as_str()[..12];
    let Some(component) = house.register.by_id(component).await? else {
        return Ok(short.to_owned());
    };
    let read = house.repositories.commit(&component.name, commit).await;
    let title = read.map(|commit| commit.title).unwrap_or_default();
    Ok(format!("{short}  {}  {title}", component.name).trim_end().to_owned())
}
