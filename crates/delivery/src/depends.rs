//! What packages depend on: changes of other components that have to be deployed and proven in an
//! environment before. Pure.
//!
//! A package has everything behind it: it also depends on what the packages depend on that it passes over.
//! Whether a package of the other component holds a change is a matter of its commit graph; the driver brings
//! the answers, together with what is known of the other component's way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use facts::{Commit, ComponentId, Digest, EnvironmentName, Version};

use crate::kinds::Dependency;
use crate::path::{EnvironmentPolicy, takes};
use crate::state::{Environment, Package, State};

/// The other components that packages in the way depend on, by component and commit.
pub type Others = BTreeMap<(ComponentId, Commit), Other>;

/// What is known of the component that a change belongs to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Other {
    /// Its way through the environments.
    pub state: Arc<State>,
    /// The packages of it that hold the change, of those that matter.
    pub holders: BTreeSet<Digest>,
}

/// How far a change is in an environment that a package depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Its build makes no package: there is nothing to deploy.
    NotDelivered,
    /// This version holds it and is there, proven.
    Proven(Version),
    /// This version holds it and is there, not proven yet.
    There(Version),
    /// This version holds it and is being deployed there.
    Coming(Version),
    /// It was there, and an earlier state was brought back; this is there now.
    WentBack(Option<Version>),
    /// The last deployment of the other component left traces there: what is there is not sure.
    Disturbed,
    /// Each package that holds it was found bad; the first reason for the newest.
    FoundBad {
        /// Where.
        environment: EnvironmentName,
        /// Why.
        reason: String,
    },
    /// It is in these environments, and not in this one yet.
    Elsewhere(Vec<EnvironmentName>),
    /// A package holds it, and is nowhere yet.
    OnThePath(Version),
    /// Packages hold it, but none on a release line that is delivered here.
    OtherLine,
    /// No package on the path holds it.
    NotOnThePath,
}

/// What has to be in the environment before `package` comes there: what it depends on itself, and what those
/// depend on that lie between it and what is there.
pub fn of<'a>(state: &'a State, here: &Environment, package: &'a Package) -> Vec<&'a Dependency> {
    let there = here.current.package.and_then(|digest| state.packages.get(&digest));
    let from = there.map_or(0, |there| there.order);
    let behind = |other: &&Package| {
        let shares = other.lines().any(|line| package.lines().any(|other| line == other));
        other.digest == package.digest || (other.order > from && other.order < package.order && shares)
    };
    let depending = state.depending.iter().filter_map(|digest| state.packages.get(digest));
    let mut found: Vec<&Dependency> = depending.filter(behind).flat_map(|one| &one.depends_on).collect();
    // Where two know the same commit differently, the one counts that waits for it.
    found.sort_by_key(|one| (&one.component_name, &one.commit, !one.delivered));
    found.dedup_by_key(|one| (one.component, &one.commit));
    found
}

/// How far a change is in the environment, by what the driver brought of its component.
pub fn standing(state: &State, policy: &EnvironmentPolicy, on: &Dependency) -> Standing {
    if !on.delivered {
        return Standing::NotDelivered;
    }
    let Some(other) = state.others.get(&(on.component, on.commit.clone())) else {
        return Standing::NotOnThePath;
    };
    other.standing(policy)
}

impl Other {
    fn package(&self, digest: Digest) -> Option<&Package> {
        self.holders
            .contains(&digest)
            .then(|| self.state.packages.get(&digest))?
    }

    /// How far the change is in the environment.
    pub fn standing(&self, policy: &EnvironmentPolicy) -> Standing {
        let there = self.state.environment(&policy.name);
        let version = |digest: Digest| self.state.packages.get(&digest).map(|package| package.version.clone());
        let current = there.current.package.and_then(|digest| self.package(digest));
        if let Some(current) = current {
            let proven = there.is_proven || there.proven.iter().any(|one| self.holders.contains(&one.package));
            return if there.mend(&self.state.packages).is_some() {
                Standing::Disturbed
            } else if current.bar.is_some() {
                self.found_bad().unwrap_or(Standing::Disturbed)
            } else if proven {
                Standing::Proven(current.version.clone())
            } else {
                Standing::There(current.version.clone())
            };
        }
        let opened = there.open.as_ref().and_then(|open| self.package(open.intent.package));
        if let Some(coming) = opened {
            return Standing::Coming(coming.version.clone());
        }
        if let Some(bad) = self.found_bad() {
            return bad;
        }
        if there.stood.iter().any(|digest| self.holders.contains(digest)) {
            return Standing::WentBack(there.current.package.and_then(version));
        }
        let mut holders: Vec<&Package> = self.holders.iter().filter_map(|digest| self.package(*digest)).collect();
        holders.sort_by_key(|package| package.order);
        let Some(newest) = holders.last() else {
            return Standing::NotOnThePath;
        };
        if !holders.iter().any(|one| one.lines().any(|line| takes(policy, line))) {
            return Standing::OtherLine;
        }
        let holds = |environment: &Environment| {
            let current = environment.current.package;
            current.is_some_and(|digest| self.holders.contains(&digest))
        };
        let places = self
            .state
            .environments
            .iter()
            .filter(|(_, environment)| holds(environment));
        let places: Vec<EnvironmentName> = places.map(|(name, _)| name.clone()).collect();
        if places.is_empty() {
            Standing::OnThePath(newest.version.clone())
        } else {
            Standing::Elsewhere(places)
        }
    }

    /// Whether each package that holds the change was found bad, and where the newest was.
    fn found_bad(&self) -> Option<Standing> {
        let holders: Vec<&Package> = self.holders.iter().filter_map(|digest| self.package(*digest)).collect();
        let newest = holders.iter().max_by_key(|package| package.order)?;
        let bar = newest.bar.as_ref()?;
        holders
            .iter()
            .all(|package| package.bar.is_some())
            .then(|| Standing::FoundBad {
                environment: bar.environment.clone(),
                reason: bar
                    .reasons
                    .first()
                    .cloned()
                    .unwrap_or_else(|| "no reason recorded".to_owned()),
            })
    }
}

impl Standing {
    /// Whether what depends on the change may come.
    pub fn is_met(&self) -> bool {
        matches!(self, Self::NotDelivered | Self::Proven(_))
    }

    /// A sentence about it.
    pub fn tell(&self, on: &Dependency, environment: &EnvironmentName) -> String {
        let change = format!("{} of {}", on.commit.short(), on.component_name);
        match self {
            Self::NotDelivered => format!("{change} makes no package: there is nothing to wait for"),
            Self::Proven(version) => format!("{change} is proven in {environment}, in {version}"),
            Self::There(version) => format!("{change} is in {environment}, in {version}, and not proven there yet"),
            Self::Coming(version) => format!("{change} is being deployed to {environment}, in {version}"),
            Self::WentBack(Some(version)) => {
                format!("{change} was in {environment} and is not any more: {version} was brought back")
            }
            Self::WentBack(None) => format!("{change} was in {environment} and is not any more"),
            Self::Disturbed => format!(
                "{change} was in {environment}; a deployment of {} there failed since, and has to be mended first",
                on.component_name
            ),
            Self::FoundBad { environment, reason } => format!(
                "{change} was found bad in {environment} ({reason}); a change of {} that mends it has to come",
                on.component_name
            ),
            Self::Elsewhere(places) => {
                let places: Vec<&str> = places.iter().map(EnvironmentName::as_str).collect();
                format!("{change} is in {}, and not in {environment} yet", places.join(", "))
            }
            Self::OnThePath(version) => {
                format!("{change} is on the path in {version}, and has not come to {environment} yet")
            }
            Self::OtherLine => format!("{change} is on no release line that is delivered to {environment}"),
            Self::NotOnThePath => format!(
                "no package of {} on the path holds {}; it has to come to a release line that is delivered to {environment}",
                on.component_name,
                on.commit.short()
            ),
        }
    }
}
