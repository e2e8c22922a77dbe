//! Whether a package may enter an environment: a pure function of state and policy.
//!
//! The same function answers for automatic deployments, for people who ask, for the pages and for a
//! dry run.

use facts::published::Judgement;
use facts::{Commit, ComponentName, Digest, EnvironmentName, Timestamp};
use policy::gate::{CandidatePackage, EnteredEnvironment};
use policy::{Condition, Gate, GateInput};
use serde::{Deserialize, Serialize};

use crate::depends;
use crate::kinds::{Dependency, DeploymentResult};
use crate::mutation::{self, Mutation};
use crate::path::{EnvironmentPolicy, Path, takes};
use crate::state::{Environment, Mend, Package, State};

/// What would have to happen before a requirement is met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum WaitsFor {
    /// The package has to be deployed and verified elsewhere first.
    Environment {
        /// Where.
        environment: EnvironmentName,
    },
    /// Time has to pass while it runs verified.
    Soak {
        /// Where.
        environment: EnvironmentName,
        /// Until when.
        until: Timestamp,
    },
    /// Another deployment has to end here.
    Deployment {
        /// The package that is being deployed.
        package: Digest,
    },
    /// A change of another component has to be deployed and proven here first.
    Change {
        /// The other component.
        component: ComponentName,
        /// Its change.
        commit: Commit,
        /// Where.
        environment: EnvironmentName,
    },
    /// People have to approve.
    Approval {
        /// In which role.
        role: String,
        /// How many approvals are missing.
        missing: u32,
    },
    /// A person has to decide what to do.
    Person {
        /// What to look at.
        about: String,
    },
}

/// One thing a gate asks for, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Requirement {
    /// Its name, such as `proven in staging`.
    pub name: String,
    /// What came of it.
    pub judgement: Judgement,
    /// Why, as a sentence.
    pub reason: String,
    /// What it waits for, when it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<WaitsFor>,
}

/// A gate's verdict: its requirements and what they come to together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateVerdict {
    /// Fail when one fails, else unknown when one is unknown, else wait when one waits, else pass.
    pub judgement: Judgement,
    /// Each requirement.
    pub requirements: Vec<Requirement>,
}

impl GateVerdict {
    fn of(requirements: Vec<Requirement>) -> Self {
        let has = |judgement| requirements.iter().any(|r| r.judgement == judgement);
        let judgement = [Judgement::Fail, Judgement::Unknown, Judgement::Wait]
            .into_iter()
            .find(|judgement| has(*judgement))
            .unwrap_or(Judgement::Pass);
        Self {
            judgement,
            requirements,
        }
    }

    /// The first requirement that does not pass, worst first.
    pub fn obstacle(&self) -> Option<&Requirement> {
        self.requirements
            .iter()
            .find(|r| r.judgement == self.judgement && r.judgement != Judgement::Pass)
    }
}

fn pass(name: impl Into<String>, reason: impl Into<String>) -> Requirement {
    Requirement {
        name: name.into(),
        judgement: Judgement::Pass,
        reason: reason.into(),
        waits_for: None,
    }
}

fn fail(name: impl Into<String>, reason: impl Into<String>) -> Requirement {
    Requirement {
        name: name.into(),
        judgement: Judgement::Fail,
        reason: reason.into(),
        waits_for: None,
    }
}

fn wait(name: impl Into<String>, reason: impl Into<String>, waits_for: WaitsFor) -> Requirement {
    Requirement {
        name: name.into(),
        judgement: Judgement::Wait,
        reason: reason.into(),
        waits_for: Some(waits_for),
    }
}

/// Judges whether `package` may enter `policy`'s environment now.
pub fn judge(state: &State, path: &Path, policy: &EnvironmentPolicy, package: &Package, now: Timestamp) -> GateVerdict {
    let here = state.environment(&policy.name);
    let mut requirements = vec![not_barred(package), line(policy, package)];
    for earlier in policy
        .after
        .iter()
        .filter(|_| !mutation::is(Mutation::SkipEarlierEnvironments))
    {
        requirements.push(proven_in(state, path, earlier, package, now));
    }
    for dependency in depends::of(state, &here, package)
        .into_iter()
        .filter(|_| !mutation::is(Mutation::IgnoreDependencies))
    {
        requirements.push(depends_on(state, policy, dependency));
    }
    requirements.push(free(&here, package));
    requirements.extend(whole(&here, state, package));
    for approval in &policy.approvals {
        requirements.push(approved(&here, package, &approval.role, approval.of));
    }
    requirements.extend(conditions(&here, state, policy, package));
    GateVerdict::of(requirements)
}

fn not_barred(package: &Package) -> Requirement {
    match &package.bar {
        _ if mutation::is(Mutation::LetBarredPackagesIn) => pass("not barred", ""),
        None => pass("not barred", "nothing is known against the package"),
        Some(bar) => fail(
            "not barred",
            format!(
                "the package was found bad in {} ({}); it may come again once its cause is linked",
                bar.environment,
                bar.reasons.first().map_or("no reason recorded", String::as_str)
            ),
        ),
    }
}

fn line(policy: &EnvironmentPolicy, package: &Package) -> Requirement {
    match package.lines().find(|line| takes(policy, line)) {
        Some(line) => pass("release line", format!("`{line}` is delivered here")),
        None => fail(
            "release line",
            format!("`{}` is not delivered to {}", package.line, policy.name),
        ),
    }
}

fn proven_in(state: &State, path: &Path, earlier: &EnvironmentName, package: &Package, now: Timestamp) -> Requirement {
    let name = format!("proven in {earlier}");
    let there = state.environment(earlier);
    if there.has_proven(package.digest) {
        return pass(
            name,
            format!("it was verified in {earlier}, for as long as the soak time asks"),
        );
    }
    if there.current.package == Some(package.digest) {
        let soak = path
            .get(earlier)
            .map_or(std::time::Duration::ZERO, |policy| policy.soak);
        let until = there
            .since
            .and_then(|since| since.checked_add(soak).ok())
            .unwrap_or(now);
        return wait(
            name,
            format!("it is verified in {earlier} and soaks there"),
            WaitsFor::Soak {
                environment: earlier.clone(),
                until,
            },
        );
    }
    if let Some(last) = &there.last
        && last.intent.package == package.digest
        && last.result != DeploymentResult::Succeeded
        && there.open.is_none()
    {
        return fail(
            name,
            format!(
                "its deployment to {earlier} did not succeed: {}",
                last.reasons.first().map_or("no reason recorded", String::as_str)
            ),
        );
    }
    wait(
        name,
        format!("it has not been verified in {earlier} yet"),
        WaitsFor::Environment {
            environment: earlier.clone(),
        },
    )
}

fn depends_on(state: &State, policy: &EnvironmentPolicy, dependency: &Dependency) -> Requirement {
    let name = format!("depends on {}", dependency.component_name);
    let standing = depends::standing(state, policy, dependency);
    let reason = standing.tell(dependency, &policy.name);
    if standing.is_met() {
        return pass(name, reason);
    }
    let waits_for = WaitsFor::Change {
        component: dependency.component_name.clone(),
        commit: dependency.commit.clone(),
        environment: policy.name.clone(),
    };
    wait(name, reason, waits_for)
}

fn free(here: &Environment, package: &Package) -> Requirement {
    match &here.open {
        Some(open) if open.intent.package != package.digest => wait(
            "environment is free",
            "another deployment is under way here",
            WaitsFor::Deployment {
                package: open.intent.package,
            },
        ),
        Some(_) => pass("environment is free", "this package is being deployed here"),
        None => pass("environment is free", "no deployment is under way here"),
    }
}

/// After a return that failed, a person has to say what should be there; asking for a package says it.
fn whole(here: &Environment, state: &State, package: &Package) -> Option<Requirement> {
    let name = "environment is whole";
    if here.open.is_some() || here.mend(&state.packages) != Some(Mend::Person) {
        return None;
    }
    if here.requested.is_some_and(|(asked, _)| asked == package.digest) {
        return Some(pass(name, "the way back failed, and somebody asked for this package"));
    }
    Some(wait(
        name,
        "the way back failed: the environment may hold traces of the package that failed",
        WaitsFor::Person {
            about: "ask for a rollback, or for a package".to_owned(),
        },
    ))
}

fn approved(here: &Environment, package: &Package, role: &str, of: u32) -> Requirement {
    let name = format!("approved by {role}");
    let mut people: Vec<_> = here
        .approvals
        .iter()
        .filter(|approval| {
            approval.package == package.digest
                && (approval.generation == here.generation || mutation::is(Mutation::KeepApprovals))
                && approval.role == role
                && approval.by != package.author
        })
        .map(|approval| approval.by)
        .collect();
    people.sort_unstable();
    people.dedup();
    let given = u32::try_from(people.len()).unwrap_or(u32::MAX);
    if given >= of {
        pass(name, format!("{given} of {of} approvals are there"))
    } else {
        wait(
            name,
            format!("{given} of {of} approvals are there; the author's own does not count"),
            WaitsFor::Approval {
                role: role.to_owned(),
                missing: of - given,
            },
        )
    }
}

/// The conditions of the organisation, and those that the component itself adds.
fn conditions(here: &Environment, state: &State, policy: &EnvironmentPolicy, package: &Package) -> Vec<Requirement> {
    let mut gates = policy.gates.clone();
    let mut requirements = Vec::new();
    let own = package
        .gates
        .iter()
        .filter(|gate| gate.environment.as_ref().is_none_or(|name| *name == policy.name));
    for gate in own {
        match Condition::compile_for(&gate.when, &policy::scope::GATE) {
            Ok(when) => gates.push(Gate {
                name: gate.name.clone(),
                when,
                message: gate.message.clone(),
            }),
            Err(error) => requirements.push(Requirement {
                name: gate.name.clone(),
                judgement: Judgement::Unknown,
                reason: format!("its condition cannot be read: {error}"),
                waits_for: Some(WaitsFor::Person {
                    about: format!("mend the gate `{}`", gate.name),
                }),
            }),
        }
    }
    let verdict = policy::evaluate(&gates, &gate_input(here, state, policy, package));
    requirements.extend(verdict.reasons.into_iter().map(|reason| Requirement {
        name: reason.gate,
        judgement: reason.result,
        waits_for: matches!(reason.result, Judgement::Wait | Judgement::Unknown).then(|| WaitsFor::Person {
            about: reason.reason.clone(),
        }),
        reason: reason.reason,
    }));
    requirements
}

/// What conditions see.
fn gate_input(here: &Environment, state: &State, policy: &EnvironmentPolicy, package: &Package) -> GateInput {
    let proven_in = state
        .environments
        .iter()
        .filter(|(_, environment)| environment.has_proven(package.digest));
    GateInput {
        candidate: CandidatePackage {
            digest: package.digest,
            version: Some(package.version.clone()),
            commit: package.commit.clone(),
            line: package.line.clone(),
            barred: package.bar.is_some(),
        },
        environment: EnteredEnvironment {
            name: policy.name.clone(),
            generation: here.generation,
            package: here.current.package,
            proven: here.is_proven,
        },
        proven_in: proven_in.map(|(name, _)| name.clone()).collect(),
        verdicts: state.verdicts.get(&package.digest).cloned().unwrap_or_default(),
    }
}
