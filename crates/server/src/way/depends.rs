//! What a change depends on in other repositories, and what depends on it there.

use std::collections::BTreeSet;

use delivery::depends::Standing;
use facts::{Commit, ComponentName, EnvironmentName};
use ledger::{Op, Select};
use source::message::{DependsOn, Id};

use super::read::{Read, Reader};
use crate::changes::view::{CHANGE_IDS, LINKS};
use crate::changes::{Component, Sought};
use crate::error::ServerError;

/// So many changes that depend on one are shown at most.
const MOST: usize = 200;
/// So many changes that depend on anything of the repository are looked through.
const LOOKED_THROUGH: usize = 5_000;

/// What a change depends on, and what depends on it.
#[derive(Debug, Clone, Default)]
pub struct Ties {
    /// What it depends on, in the order of its message.
    pub on: Vec<On>,
    /// What depends on it, by the names of the components.
    pub by: Vec<(Component, Commit)>,
}

/// A change in another repository that one depends on.
#[derive(Debug, Clone)]
pub struct On {
    /// What the message says.
    pub said: String,
    /// The other component or repository, where the viewer may see it.
    pub component: Option<ComponentName>,
    /// The commit of it.
    pub commit: Option<Commit>,
    /// Where that stands with the build, as a sentence.
    pub what: String,
    /// How far it is in each environment, once the change was built.
    pub places: Vec<OnPlace>,
}

/// How far a change that one depends on is in an environment.
#[derive(Debug, Clone)]
pub struct OnPlace {
    /// Where.
    pub environment: EnvironmentName,
    /// Whether what depends on it may come there.
    pub met: bool,
    /// A sentence about it.
    pub what: String,
}

impl Reader<'_> {
    /// What the change depends on and what depends on it, as far as the viewer may see it.
    ///
    /// # Errors
    /// When something cannot be read.
    pub async fn ties(&self, read: &Read, may_see: impl Fn(&ComponentName) -> bool) -> Result<Ties, ServerError> {
        Ok(Ties {
            on: self.depends_on(read, &may_see).await?,
            by: self.depended_on_by(read, &may_see).await?,
        })
    }

    async fn depends_on(&self, read: &Read, may_see: &impl Fn(&ComponentName) -> bool) -> Result<Vec<On>, ServerError> {
        let house = self.0;
        let built = read
            .build
            .as_ref()
            .map(|run| crate::changes::dependencies(&run.context));
        let built = built.unwrap_or_default();
        let standing = house.delivery.standing(&built).await?;
        let mut all = Vec::new();
        for said in house.builds.said(read.component.id, &read.change.commit).await? {
            let mut on = On {
                said: said.text.clone(),
                component: None,
                commit: None,
                what: String::new(),
                places: Vec::new(),
            };
            let named: DependsOn = match said.text.parse() {
                Ok(named) => named,
                Err(wrong) => {
                    let wrong: source::message::DependsError = wrong;
                    on.what = wrong.to_string();
                    all.push(on);
                    continue;
                }
            };
            if !may_see(&named.on) {
                "you may not see it".clone_into(&mut on.what);
                all.push(on);
                continue;
            }
            on.component = Some(named.on.clone());
            let mut was_beside = false;
            for (dependency, places) in &standing {
                let of = &dependency.component_name;
                let component = *of == named.on || house.repositories.name_of(of) == named.on;
                let change = match &named.id {
                    Id::Commit(digits) => dependency.change.is_none() && dependency.commit.as_str().starts_with(digits),
                    Id::Change(id) => dependency.change.as_ref() == Some(id),
                };
                // Of a component in a repository of several the newest change behind the commit was beside.
                let member = house.repositories.member(of).is_some() && dependency.change.is_none();
                if component && (change || member) {
                    was_beside = true;
                    let tell = |(environment, standing): &(EnvironmentName, Standing)| OnPlace {
                        environment: environment.clone(),
                        met: standing.is_met(),
                        what: standing.tell(dependency, environment),
                    };
                    all.push(On {
                        component: Some(of.clone()),
                        commit: Some(dependency.commit.clone()),
                        what: "was beside it when it was built".to_owned(),
                        places: places.iter().map(tell).collect(),
                        ..on.clone()
                    });
                }
            }
            if was_beside {
                continue;
            }
            match house.builds.seek(&named).await? {
                Sought::Found(found) => {
                    on.commit = Some(found.commit);
                    "is here".clone_into(&mut on.what);
                }
                Sought::NotYet(reason) | Sought::Never(reason, _) => on.what = reason,
            }
            all.push(on);
        }
        Ok(all)
    }

    async fn depended_on_by(
        &self,
        read: &Read,
        may_see: &impl Fn(&ComponentName) -> bool,
    ) -> Result<Vec<(Component, Commit)>, ServerError> {
        let house = self.0;
        let (component, commit) = (&read.component, &read.change.commit);
        let query = Select::from(CHANGE_IDS)
            .filter("component", Op::Eq, component.id.to_string())
            .filter("head", Op::Eq, commit.as_str());
        let rows = house.ledger.select(query).await?.rows;
        let ids = rows.iter().map(|row| row.text("change_id").map(str::to_owned));
        let ids = ids.collect::<Result<Vec<_>, _>>()?;
        let names: BTreeSet<String> = [&component.name, &house.repositories.name_of(&component.name)]
            .iter()
            .map(|name| name.to_string())
            .collect();
        let query = Select::from(LINKS).any_of("on_name", names).limit(LOOKED_THROUGH);
        let (mut seen, mut all) = (BTreeSet::new(), Vec::new());
        for row in house.ledger.select(query).await?.rows {
            let on = row.text("on_change")?;
            let is_this = commit.as_str().starts_with(on) || ids.iter().any(|id| id == on);
            let head: Commit = row.parse("head")?;
            let other = row.parse("component")?;
            if !is_this || !seen.insert((other, head.clone())) {
                continue;
            }
            let Some(other) = house.register.by_id(other).await? else {
                continue;
            };
            if may_see(&other.name) && all.len() < MOST {
                all.push((other, head));
            }
        }
        all.sort_by(|a, b| a.0.name.cmp(&b.0.name));
        Ok(all)
    }
}
