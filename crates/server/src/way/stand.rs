//! Packages that stand before an environment.

use delivery::{EnvironmentPolicy, GateVerdict, Package, Requirement, State, WaitsFor};
use facts::Timestamp;
use facts::published::Judgement;

/// Whether a package stands before the environment itself, and not still before an earlier one.
pub(crate) fn has_come_so_far(gate: &GateVerdict) -> bool {
    let on_the_way = |one: &Requirement| matches!(one.waits_for, Some(WaitsFor::Environment { .. }));
    gate.judgement != Judgement::Pass && !gate.requirements.iter().any(on_the_way)
}

/// Since when a package stands before an environment: since it was proven in all that comes before.
pub(crate) fn stands_since(state: &State, policy: &EnvironmentPolicy, package: &Package) -> Timestamp {
    let proven = policy.after.iter().filter_map(|earlier| {
        let there = state.environments.get(earlier)?;
        let proven = there.proven.iter().find(|proven| proven.package == package.digest);
        proven.map(|proven| proven.at)
    });
    proven.max().unwrap_or(package.accepted_at)
}
