//! Roles and how far they reach.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use facts::{ComponentName, EnvironmentName};
use serde::{Deserialize, Serialize};

/// What somebody is trusted with. Each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Sees.
    Viewer,
    /// Pushes changes and runs their pipelines.
    Developer,
    /// Deploys, approves, returns, and sets secrets.
    Operator,
    /// Says who may do what.
    Admin,
}

impl Role {
    /// All roles, the weakest first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Developer, Self::Operator, Self::Admin];

    /// The role as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role: `viewer`, `developer`, `operator` or `admin` is expected")]
pub struct RoleError(String);

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| RoleError(text.chars().take(80).collect()))
    }
}

/// For which components a role is held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentScope {
    /// All of them, and the server itself.
    #[default]
    All,
    /// Those of one team.
    Team(String),
    /// One.
    One(ComponentName),
}

impl fmt::Display for ComponentScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Team(team) => write!(f, "{team}/*"),
            Self::One(one) => write!(f, "{one}"),
        }
    }
}

impl FromStr for ComponentScope {
    type Err = String;

    /// Reads `*`, `team/*` or `team/name`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "*" {
            return Ok(Self::All);
        }
        let hint = "hint: write `team/name`, or `team/*` for all of a team";
        let whole = text.strip_suffix("/*").map(|team| format!("{team}/any"));
        let name: ComponentName = whole
            .as_deref()
            .unwrap_or(text)
            .parse()
            .map_err(|_| format!("`{text}` names no component and no team\n{hint}"))?;
        Ok(match whole {
            Some(_) => Self::Team(name.team().to_owned()),
            None => Self::One(name),
        })
    }
}

impl ComponentScope {
    /// Whether all that lies within `other` lies within this one too.
    pub fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Team(team), Self::Team(other)) => team == other,
            (one, Self::One(other)) => one.covers(other),
            (_, Self::All) | (Self::One(_), Self::Team(_)) => false,
        }
    }

    /// Whether `component` lies within.
    pub fn covers(&self, component: &ComponentName) -> bool {
        match self {
            Self::All => true,
            Self::Team(team) => component.team() == team,
            Self::One(one) => one == component,
        }
    }
}

/// For which environments a role is held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnvironmentScope {
    /// All of them, and what concerns no environment.
    #[default]
    All,
    /// One.
    One(EnvironmentName),
}

impl fmt::Display for EnvironmentScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::One(one) => write!(f, "{one}"),
        }
    }
}

impl EnvironmentScope {
    /// Whether all that lies within `other` lies within this one too.
    pub fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::One(_), Self::All) => false,
            (Self::One(one), Self::One(other)) => one == other,
        }
    }

    /// Whether `environment` lies within.
    pub fn covers(&self, environment: &EnvironmentName) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => one == environment,
        }
    }
}

/// A role and where it is held.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// For which components.
    #[serde(default)]
    pub components: ComponentScope,
    /// For which environments.
    #[serde(default)]
    pub environments: EnvironmentScope,
}

impl Grant {
    /// The role everywhere.
    pub const fn everywhere(role: Role) -> Self {
        Self {
            role,
            components: ComponentScope::All,
            environments: EnvironmentScope::All,
        }
    }
}

/// All that somebody holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// The roles.
    pub grants: Vec<Grant>,
    /// What approvals ask for by name, such as `operations`, `dba` or `security`. A duty alone allows
    /// nothing: who approves must also hold a role that may.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub duties: BTreeSet<String>,
}

impl Rights {
    /// One role, everywhere.
    pub fn everywhere(role: Role) -> Self {
        Self {
            grants: vec![Grant::everywhere(role)],
            duties: BTreeSet::new(),
        }
    }

    /// One role, for each of these components in each of these environments; where none is listed, for all.
    pub fn within(role: Role, components: &[ComponentScope], environments: &[EnvironmentName]) -> Self {
        let all = [ComponentScope::All];
        let components = if components.is_empty() { &all } else { components };
        let environments: Vec<EnvironmentScope> = match environments {
            [] => vec![EnvironmentScope::All],
            some => some.iter().cloned().map(EnvironmentScope::One).collect(),
        };
        let grants = components.iter().flat_map(|components| {
            environments.iter().map(move |environments| Grant {
                role,
                components: components.clone(),
                environments: environments.clone(),
            })
        });
        Self {
            grants: grants.collect(),
            duties: BTreeSet::new(),
        }
    }

    /// What is held, in words: `operator of shop/* in production`, `approves as operations`.
    pub fn in_words(&self) -> Vec<String> {
        let place = |word: &str, name: String| match name.as_str() {
            "*" => String::new(),
            name => format!(" {word} {name}"),
        };
        let grants = self.grants.iter().map(|grant| {
            let of = place("of", grant.components.to_string());
            format!("{}{of}{}", grant.role, place("in", grant.environments.to_string()))
        });
        let duties = self.duties.iter().map(|duty| format!("approves as {duty}"));
        grants.chain(duties).collect()
    }

    /// The roles held anywhere, the weakest first.
    pub fn roles(&self) -> BTreeSet<Role> {
        self.grants.iter().map(|grant| grant.role).collect()
    }
}
