//! What people ask for: approve, promote, roll back, lift a bar.

use facts::published::Judgement;
use facts::{Actor, ComponentId, Digest, EnvironmentName, Timestamp};

use super::advance::intend;
use crate::gate;
use crate::kinds::{
    ApprovalGiven, DeliveryFact, Dependency, PackageAccepted, PackageBarred, PackageDepends, PackageJoined,
    PackageUnbarred, PromotionRequested, Purpose,
};
use crate::path::{EnvironmentPolicy, Path};
use crate::state::{Package, State};

/// Why something that was asked for cannot be done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AskError {
    /// There is no such environment.
    #[error("there is no environment `{0}`")]
    UnknownEnvironment(EnvironmentName),
    /// The package never came onto the path.
    #[error("the package {} is not on the path of this component", .0.short())]
    UnknownPackage(Digest),
    /// The gate says no, and waiting does not help.
    #[error("the gate of {environment} does not let it in: {reason}")]
    Refused {
        /// Where.
        environment: EnvironmentName,
        /// Why.
        reason: String,
    },
    /// Nothing earlier is proven here.
    #[error("no earlier package that is proven in {0} may come back")]
    NothingToReturnTo(EnvironmentName),
    /// A deployment is under way.
    #[error("a deployment is under way in {0}; cancel it or wait for its end")]
    Busy(EnvironmentName),
    /// Nobody asked for an approval in this role.
    #[error("{environment} asks for no approval by `{role}`")]
    NoSuchApproval {
        /// Where.
        environment: EnvironmentName,
        /// The role.
        role: String,
    },
    /// Who brought the change may not approve it.
    #[error("who brought the change may not approve it")]
    OwnChange,
    /// The package is not barred.
    #[error("the package {} is not barred", .0.short())]
    NotBarred(Digest),
}

fn policy<'a>(path: &'a Path, environment: &EnvironmentName) -> Result<&'a EnvironmentPolicy, AskError> {
    path.get(environment)
        .ok_or_else(|| AskError::UnknownEnvironment(environment.clone()))
}

fn package(state: &State, digest: Digest) -> Result<&Package, AskError> {
    state.packages.get(&digest).ok_or(AskError::UnknownPackage(digest))
}

/// A trusted build finished well, or its commit came to another release line: the package comes onto
/// the path with what it depends on, or joins the line without another build. Nothing when both are known.
pub fn accept(state: &State, accepted: &PackageAccepted, depends_on: &[Dependency]) -> Vec<DeliveryFact> {
    match state.packages.get(&accepted.package) {
        None => {
            let depends = PackageDepends {
                package: accepted.package,
                on: depends_on.to_vec(),
            };
            let depends = (!depends_on.is_empty()).then(|| depends.into());
            std::iter::once(accepted.clone().into()).chain(depends).collect()
        }
        Some(package) if package.lines().any(|line| *line == accepted.line) => Vec::new(),
        Some(_) => {
            let (package, line, order) = (accepted.package, accepted.line.clone(), accepted.order);
            vec![PackageJoined { package, line, order }.into()]
        }
    }
}

/// Somebody approves `digest` for `environment` in `role`.
///
/// # Errors
/// When nobody asked for it, a deployment is under way, or the approver brought the change.
pub fn approve(
    state: &State,
    path: &Path,
    environment: &EnvironmentName,
    digest: Digest,
    role: &str,
    by: Actor,
) -> Result<DeliveryFact, AskError> {
    let policy = policy(path, environment)?;
    let package = package(state, digest)?;
    let here = state.environment(environment);
    // The end of what is under way would make the approval void at once.
    if here.open.is_some() {
        return Err(AskError::Busy(environment.clone()));
    }
    if !policy.approvals.iter().any(|approval| approval.role == role) {
        return Err(AskError::NoSuchApproval {
            environment: environment.clone(),
            role: role.to_owned(),
        });
    }
    if package.author == by {
        return Err(AskError::OwnChange);
    }
    Ok(ApprovalGiven {
        package: digest,
        environment: environment.clone(),
        generation: here.generation,
        role: role.to_owned(),
        by,
    }
    .into())
}

/// Somebody asks for `digest` in `environment`; it begins as soon as the gate lets it in.
///
/// # Errors
/// When the gate will never let it in as things stand.
pub fn promote(
    state: &State,
    path: &Path,
    environment: &EnvironmentName,
    digest: Digest,
    by: Actor,
    now: Timestamp,
) -> Result<DeliveryFact, AskError> {
    let policy = policy(path, environment)?;
    let verdict = gate::judge(state, path, policy, package(state, digest)?, now);
    if verdict.judgement == Judgement::Fail {
        let reason = verdict.obstacle().map(|r| r.reason.clone()).unwrap_or_default();
        return Err(AskError::Refused {
            environment: environment.clone(),
            reason,
        });
    }
    Ok(PromotionRequested {
        package: digest,
        environment: environment.clone(),
        by,
    }
    .into())
}

/// Somebody asks to go back in `environment`: to `to`, or to the newest proven package that is not
/// the current one. The current package is barred, so that it does not come again by itself.
///
/// Where the way back had failed, the state to go back to is the one that should be there: without
/// `to` that one is tried again.
///
/// # Errors
/// When a deployment is under way or there is nothing to go back to.
#[allow(clippy::too_many_arguments)]
pub fn roll_back(
    component: ComponentId,
    state: &State,
    path: &Path,
    environment: &EnvironmentName,
    to: Option<Digest>,
    why: &str,
    now: Timestamp,
) -> Result<Vec<DeliveryFact>, AskError> {
    let policy = policy(path, environment)?;
    let here = state.environment(environment);
    if here.open.is_some() {
        return Err(AskError::Busy(environment.clone()));
    }
    let may_come = |digest: &Digest| {
        let package = state.packages.get(digest);
        package.is_some_and(|package| package.bar.is_none())
    };
    let should_be_there = here
        .current
        .package
        .filter(may_come)
        .filter(|_| here.mend(&state.packages).is_some());
    let digest = match to {
        Some(digest) if here.has_proven(digest) || should_be_there == Some(digest) => digest,
        Some(_) => return Err(AskError::NothingToReturnTo(environment.clone())),
        None => match should_be_there {
            Some(digest) => digest,
            None => {
                here.return_target(here.current.package, &state.packages)
                    .ok_or_else(|| AskError::NothingToReturnTo(environment.clone()))?
                    .package
            }
        },
    };
    let target = package(state, digest)?;
    if target.bar.is_some() {
        return Err(AskError::NothingToReturnTo(environment.clone()));
    }
    let reasons = vec![format!("asked for: {why}")];
    let intent = intend(
        component,
        path,
        policy,
        &here,
        Purpose::Rollback,
        target,
        reasons.clone(),
        now,
    );
    let mut facts = Vec::new();
    if let Some(current) = here.current.package
        && current != digest
        && state
            .packages
            .get(&current)
            .is_some_and(|package| package.bar.is_none())
    {
        facts.push(
            PackageBarred {
                package: current,
                environment: environment.clone(),
                deployment: intent.deployment,
                reasons,
            }
            .into(),
        );
    }
    facts.push(intent.into());
    Ok(facts)
}

/// The cause of a bar is linked: the package may come again.
///
/// # Errors
/// When the package is not barred.
pub fn unbar(state: &State, digest: Digest, cause: &str) -> Result<DeliveryFact, AskError> {
    if package(state, digest)?.bar.is_none() {
        return Err(AskError::NotBarred(digest));
    }
    Ok(PackageUnbarred {
        package: digest,
        cause: cause.to_owned(),
    }
    .into())
}
