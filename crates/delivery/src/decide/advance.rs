//! What should happen next in each environment, without anybody asking.

use facts::published::Judgement;
use facts::{ComponentId, DeploymentId, Digest, RunId, Timestamp};

use crate::gate::{self, GateVerdict};
use crate::kinds::{DeliveryFact, DeploymentIntended, EnvironmentProven, PackageSuperseded, Purpose, state_stream};
use crate::mutation::{self, Mutation};
use crate::path::{EnvironmentPolicy, Path, takes};
use crate::state::{Environment, Mend, Package, State};

/// What was decided.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// Facts to record, in order. A `deployment.intended` among them means that its run is to be
    /// submitted in the same append.
    pub facts: Vec<DeliveryFact>,
    /// When to decide again even though nothing happened.
    pub wake_at: Option<Timestamp>,
}

impl Decision {
    fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |other| other.min(at)));
    }
}

/// Decides for all environments of the path, in its order.
///
/// Decisions of one environment show in the next: the state evolves as facts are decided, so that,
/// for example, what becomes proven in staging may enter production in the same decision.
pub fn advance(component: ComponentId, state: &State, path: &Path, now: Timestamp) -> Decision {
    let mut state = state.clone();
    let mut decision = Decision::default();
    for policy in path.environments() {
        let mut decided = Vec::new();
        one(component, &state, path, policy, now, &mut decided, &mut decision);
        for fact in decided {
            state.evolve(&fact, now);
            decision.facts.push(fact);
        }
    }
    decision
}

fn one(
    component: ComponentId,
    state: &State,
    path: &Path,
    policy: &EnvironmentPolicy,
    now: Timestamp,
    facts: &mut Vec<DeliveryFact>,
    decision: &mut Decision,
) {
    let here = state.environment(&policy.name);
    if here.open.is_some() && !mutation::is(Mutation::DeployTwiceAtATime) {
        return;
    }
    match here.mend(&state.packages) {
        Some(Mend::Return(digest)) => {
            if let Some(package) = state.packages.get(&digest) {
                let failed = here.last.as_ref().map(|last| version_of(state, last.intent.package));
                let reasons = vec![format!(
                    "the deployment of {} failed; the environment returns to {} as a whole",
                    failed.unwrap_or_default(),
                    package.version
                )];
                facts.push(intend(component, path, policy, &here, Purpose::Return, package, reasons, now).into());
            }
            return;
        }
        // The gate lets in only what a person asks for.
        Some(Mend::Person | Mend::GoOn) => {}
        None => prove(state, policy, &here, now, facts, decision),
    }
    if let Some((digest, _)) = here.requested
        && let Some(package) = state.packages.get(&digest)
    {
        let verdict = gate::judge(state, path, policy, package, now);
        if verdict.judgement == Judgement::Pass {
            let reasons = reasons(&verdict);
            facts.push(
                intend(
                    component,
                    path,
                    policy,
                    &here,
                    Purpose::Promotion,
                    package,
                    reasons,
                    now,
                )
                .into(),
            );
            return;
        }
    }
    let waiting = candidates(state, policy, &here);
    let chosen = waiting.iter().rev().find_map(|package| {
        let verdict = gate::judge(state, path, policy, package, now);
        (verdict.judgement == Judgement::Pass).then_some((*package, verdict))
    });
    if let Some((package, verdict)) = chosen {
        for older in waiting.iter().filter(|other| other.order < package.order) {
            facts.push(
                PackageSuperseded {
                    package: older.digest,
                    environment: policy.name.clone(),
                    by: package.digest,
                }
                .into(),
            );
        }
        facts.push(
            intend(
                component,
                path,
                policy,
                &here,
                Purpose::Advance,
                package,
                reasons(&verdict),
                now,
            )
            .into(),
        );
    }
}

/// What was verified for as long as the soak time asks is proven, unless it was found bad elsewhere.
fn prove(
    state: &State,
    policy: &EnvironmentPolicy,
    here: &Environment,
    now: Timestamp,
    facts: &mut Vec<DeliveryFact>,
    decision: &mut Decision,
) {
    let (Some(package), Some(since), false) = (here.current.package, here.since, here.is_proven) else {
        return;
    };
    if state
        .packages
        .get(&package)
        .is_some_and(|package| package.bar.is_some())
    {
        return;
    }
    match since.checked_add(policy.soak) {
        Ok(until) if until > now && !mutation::is(Mutation::SkipTheSoak) => {
            if !mutation::is(Mutation::SleepThroughTheSoak) {
                decision.wake(until);
            }
        }
        _ => facts.push(
            EnvironmentProven {
                environment: policy.name.clone(),
                generation: here.generation,
                package,
            }
            .into(),
        ),
    }
}

/// The packages that could come next by themselves, oldest first: newer than all that ever stood here,
/// on a line that is delivered here, not barred, not tried before and not passed over.
pub fn candidates<'a>(state: &'a State, policy: &EnvironmentPolicy, here: &Environment) -> Vec<&'a Package> {
    let newest = here
        .stood
        .iter()
        .chain(&here.current.package)
        .filter_map(|digest| state.packages.get(digest))
        .map(|package| package.order)
        .max()
        .unwrap_or(0);
    let mut found: Vec<_> = state
        .packages
        .values()
        .filter(|package| {
            (package.order > newest || mutation::is(Mutation::TakeOlderPackages))
                && package.bar.is_none()
                && package.lines().any(|line| takes(policy, line))
                && (!here.tried.contains(&package.digest) || mutation::is(Mutation::TryAgainAndAgain))
                && !here.superseded.contains_key(&package.digest)
        })
        .collect();
    found.sort_by_key(|package| package.order);
    found
}

fn reasons(verdict: &GateVerdict) -> Vec<String> {
    verdict
        .requirements
        .iter()
        .map(|requirement| format!("{}: {}", requirement.name, requirement.reason))
        .collect()
}

fn version_of(state: &State, digest: Digest) -> String {
    state
        .packages
        .get(&digest)
        .map_or_else(|| digest.short(), |package| package.version.to_string())
}

/// The intent to bring `package` into the environment. Its ids follow from the place and the
/// generation, so that deciding again gives the same ones.
#[allow(clippy::too_many_arguments)] // each is a part of the intent
pub(super) fn intend(
    component: ComponentId,
    path: &Path,
    policy: &EnvironmentPolicy,
    here: &Environment,
    purpose: Purpose,
    package: &Package,
    reasons: Vec<String>,
    now: Timestamp,
) -> DeploymentIntended {
    let generation = here.generation + 1;
    let place = state_stream(component, &policy.name);
    DeploymentIntended {
        deployment: DeploymentId::derived(now, &place, generation, 0),
        environment: policy.name.clone(),
        generation,
        purpose,
        package: package.digest,
        from: here.current.clone(),
        run: RunId::derived(now, &place, generation, 1),
        policy: path.revision,
        reasons,
    }
}
