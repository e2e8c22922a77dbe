//! What is known of one component's way through the environments: a pure fold over its stream.

use std::collections::{BTreeMap, BTreeSet};

use facts::published::StateVector;
use facts::{
    Actor, Commit, ComponentId, ComponentName, Digest, EnvironmentName, ReleaseLine, RunId, Timestamp, Version,
};

use pipeline::document::Gate;
use policy::gate::KnownVerdict;

use crate::depends::Others;
use crate::kinds::{DeliveryFact, Dependency, DeploymentIntended, DeploymentResult, Purpose};
use crate::mutation::{self, Mutation};

/// A package that came onto the path.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// Its digest.
    pub digest: Digest,
    /// The name claimed for it.
    pub version: Version,
    /// The component's name when it was built.
    pub component_name: ComponentName,
    /// What it was built from.
    pub commit: Commit,
    /// The release line that it was built for.
    pub line: ReleaseLine,
    /// The release lines that its commit came to later.
    pub joined: BTreeSet<ReleaseLine>,
    /// The order of arrival; higher is newer.
    pub order: u64,
    /// The run that built it.
    pub run: RunId,
    /// Who pushed the commit.
    pub author: Actor,
    /// The digest of the definition that is frozen in it.
    pub definition: Digest,
    /// The gates that the component itself adds.
    pub gates: Vec<Gate>,
    /// The changes of other components that it depends on.
    pub depends_on: Vec<Dependency>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Why it must not be deployed again.
    pub bar: Option<Bar>,
}

impl Package {
    /// The release lines that its commit is on, the one it was built for first.
    pub fn lines(&self) -> impl Iterator<Item = &ReleaseLine> {
        std::iter::once(&self.line).chain(&self.joined)
    }
}

/// Why a package must not be deployed.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Where it was found bad.
    pub environment: EnvironmentName,
    /// What was found.
    pub reasons: Vec<String>,
    /// When.
    pub at: Timestamp,
}

/// A deployment under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Open {
    /// What was intended.
    pub intent: DeploymentIntended,
    /// When.
    pub at: Timestamp,
}

/// The last deployment that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Last {
    /// What was intended.
    pub intent: DeploymentIntended,
    /// How it ended.
    pub result: DeploymentResult,
    /// Whether the environment may hold traces of it, or of one that failed before it.
    pub disturbed: bool,
    /// Why it ended so.
    pub reasons: Vec<String>,
    /// When.
    pub at: Timestamp,
}

/// A state that was verified for as long as the soak time asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Proven {
    /// The package.
    pub package: Digest,
    /// The whole state.
    pub state: StateVector,
    /// When it became proven.
    pub at: Timestamp,
}

/// An approval that still counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    /// What is approved.
    pub package: Digest,
    /// The generation that was looked at.
    pub generation: u64,
    /// In which role.
    pub role: String,
    /// By whom.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
}

/// One environment, as far as this component goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Environment {
    /// The generation of the last intent.
    pub generation: u64,
    /// What is there.
    pub current: StateVector,
    /// When the current package came there and was verified.
    pub since: Option<Timestamp>,
    /// Whether the current state counts as proven.
    pub is_proven: bool,
    /// The deployment under way.
    pub open: Option<Open>,
    /// The last one that ended.
    pub last: Option<Last>,
    /// Proven states, oldest first; the same package appears once, where it was proven last.
    pub proven: Vec<Proven>,
    /// Approvals for what may come next.
    pub approvals: Vec<Approval>,
    /// Packages that had their automatic turn: they come again only when somebody asks.
    pub tried: BTreeSet<Digest>,
    /// Packages that were deployed here with success at some time. Nothing older than the newest of
    /// them comes by itself, not even after an earlier state was brought back.
    pub stood: BTreeSet<Digest>,
    /// Packages passed over, with what took their place.
    pub superseded: BTreeMap<Digest, Digest>,
    /// What somebody asked for and has not begun. It is void once something else was deployed or
    /// the package is found bad.
    pub requested: Option<(Digest, Actor)>,
}

/// What is to be done about an environment that may hold traces of a failed deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mend {
    /// This package has to be brought back.
    Return(Digest),
    /// Nothing was there before: the next package is simply deployed over the traces.
    GoOn,
    /// The return failed, or nothing may come back: a person has to say what should be there.
    Person,
}

impl Environment {
    /// Whether the package was ever proven here.
    pub fn has_proven(&self, package: Digest) -> bool {
        self.proven.iter().any(|proven| proven.package == package)
    }

    /// What is to be done when the last deployment failed and left traces; `None` when the
    /// environment is as `current` says.
    pub fn mend(&self, packages: &BTreeMap<Digest, Package>) -> Option<Mend> {
        let last = self
            .last
            .as_ref()
            .filter(|last| last.disturbed && last.result != DeploymentResult::Succeeded)?;
        if last.intent.purpose.is_return() {
            return Some(Mend::Person);
        }
        let Some(before) = last.intent.from.package else {
            return Some(if mutation::is(Mutation::WaitForNothing) {
                Mend::Person
            } else {
                Mend::GoOn
            });
        };
        let may_come = |digest: &Digest| {
            packages
                .get(digest)
                .is_some_and(|package| package.bar.is_none() || mutation::is(Mutation::ReturnToBarredPackages))
        };
        let back = Some(before)
            .filter(may_come)
            .or_else(|| Some(self.return_target(Some(before), packages)?.package));
        Some(back.map_or(Mend::Person, Mend::Return))
    }

    /// The newest proven state whose package is neither `without` nor barred.
    pub fn return_target(&self, without: Option<Digest>, packages: &BTreeMap<Digest, Package>) -> Option<&Proven> {
        self.proven.iter().rev().find(|proven| {
            Some(proven.package) != without
                && packages
                    .get(&proven.package)
                    .is_some_and(|package| package.bar.is_none())
        })
    }
}

/// Everything delivery knows of one component.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// The packages that came onto the path.
    pub packages: BTreeMap<Digest, Package>,
    /// The environments anything happened in.
    pub environments: BTreeMap<EnvironmentName, Environment>,
    /// The packages that depend on changes of other components.
    pub depending: BTreeSet<Digest>,
    /// The verdicts on packages that others published; the driver brings them.
    pub verdicts: BTreeMap<Digest, Vec<KnownVerdict>>,
    /// The components whose changes packages in the way depend on; the driver brings them.
    pub others: Others,
}

impl State {
    /// The environment, or an empty one where nothing happened yet.
    pub fn environment(&self, name: &EnvironmentName) -> Environment {
        self.environments.get(name).cloned().unwrap_or_default()
    }

    /// The other components whose changes any package depends on.
    pub fn neighbours(&self) -> BTreeSet<ComponentId> {
        let packages = self.depending.iter().filter_map(|digest| self.packages.get(digest));
        packages
            .flat_map(|package| &package.depends_on)
            .map(|dependency| dependency.component)
            .collect()
    }

    /// Takes in the next fact.
    pub fn evolve(&mut self, fact: &DeliveryFact, at: Timestamp) {
        match fact {
            DeliveryFact::Accepted(body) => {
                self.packages.entry(body.package).or_insert_with(|| Package {
                    digest: body.package,
                    version: body.version.clone(),
                    component_name: body.component_name.clone(),
                    commit: body.commit.clone(),
                    line: body.line.clone(),
                    joined: BTreeSet::new(),
                    order: body.order,
                    run: body.run,
                    author: body.author,
                    definition: body.definition,
                    gates: body.gates.clone(),
                    depends_on: Vec::new(),
                    accepted_at: at,
                    bar: None,
                });
            }
            DeliveryFact::Joined(body) => {
                if let Some(package) = self.packages.get_mut(&body.package) {
                    package.joined.insert(body.line.clone());
                    package.order = package.order.max(body.order);
                }
            }
            DeliveryFact::Depends(body) => {
                if let Some(package) = self.packages.get_mut(&body.package) {
                    package.depends_on.clone_from(&body.on);
                    self.depending.insert(body.package);
                }
            }
            DeliveryFact::Intended(body) => {
                let environment = self.environments.entry(body.environment.clone()).or_default();
                environment.generation = body.generation;
                environment.tried.insert(body.package);
                // A return only restores what whoever asked was looking at.
                if body.purpose != Purpose::Return {
                    environment.requested = None;
                }
                environment.open = Some(Open {
                    intent: body.clone(),
                    at,
                });
            }
            DeliveryFact::Finished(body) => {
                let environment = self.environments.entry(body.environment.clone()).or_default();
                let Some(open) = environment
                    .open
                    .take_if(|open| open.intent.deployment == body.deployment)
                else {
                    return;
                };
                let succeeded = body.result == DeploymentResult::Succeeded;
                // Traces stay until something was deployed over them, whatever failed in between.
                let disturbed = !succeeded
                    && (body.disturbed
                        || environment
                            .last
                            .as_ref()
                            .is_some_and(|last| last.disturbed && !mutation::is(Mutation::ForgetTraces)));
                if succeeded {
                    environment.since = Some(at);
                    environment.is_proven = false;
                    environment.stood.insert(open.intent.package);
                    // Whoever asked for it meanwhile has it now.
                    environment
                        .requested
                        .take_if(|(package, _)| *package == open.intent.package);
                }
                environment.current = body.state.clone();
                if !mutation::is(Mutation::KeepApprovals) {
                    environment.approvals.clear();
                }
                environment.last = Some(Last {
                    intent: open.intent,
                    result: body.result,
                    disturbed,
                    reasons: body.reasons.clone(),
                    at,
                });
            }
            DeliveryFact::Proven(body) => {
                let environment = self.environments.entry(body.environment.clone()).or_default();
                if environment.generation == body.generation && environment.current.package == Some(body.package) {
                    environment.is_proven = true;
                    environment.proven.retain(|proven| proven.package != body.package);
                    environment.proven.push(Proven {
                        package: body.package,
                        state: environment.current.clone(),
                        at,
                    });
                }
            }
            DeliveryFact::Barred(body) => {
                if let Some(package) = self.packages.get_mut(&body.package) {
                    package.bar = Some(Bar {
                        environment: body.environment.clone(),
                        reasons: body.reasons.clone(),
                        at,
                    });
                }
                for environment in self.environments.values_mut() {
                    environment.requested.take_if(|(package, _)| *package == body.package);
                }
                // What was found bad here is proven here no more, even once its cause is linked.
                if let Some(there) = self.environments.get_mut(&body.environment) {
                    there.proven.retain(|proven| proven.package != body.package);
                    there.is_proven &= there.current.package != Some(body.package);
                }
            }
            DeliveryFact::Unbarred(body) => {
                if let Some(package) = self.packages.get_mut(&body.package) {
                    package.bar = None;
                }
                for environment in self.environments.values_mut() {
                    environment.tried.remove(&body.package);
                    environment.stood.remove(&body.package);
                }
            }
            DeliveryFact::Superseded(body) => {
                let environment = self.environments.entry(body.environment.clone()).or_default();
                environment.superseded.insert(body.package, body.by);
            }
            DeliveryFact::Approved(body) => {
                let environment = self.environments.entry(body.environment.clone()).or_default();
                environment.approvals.push(Approval {
                    package: body.package,
                    generation: body.generation,
                    role: body.role.clone(),
                    by: body.by,
                    at,
                });
            }
            DeliveryFact::Requested(body) => {
                let environment = self.environments.entry(body.environment.clone()).or_default();
                environment.requested = Some((body.package, body.by));
            }
        }
    }
}
