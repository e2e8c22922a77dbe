//! What stands before an environment, and why it may not enter yet.

use access::{Action, Resource};
use delivery::{EnvironmentPolicy, GateVerdict, Requirement, State, WaitsFor};
use facts::ComponentName;
use facts::published::Judgement;
use pages::links;
use pages::model::{Button, ButtonWeight, WaitReason, Waiting};

use super::visit::Visit;
use crate::way::stands_since;

/// Where something waits.
pub(super) struct Before<'a> {
    /// Who looks.
    pub visit: &'a Visit,
    /// The component's name.
    pub component: &'a ComponentName,
    /// What is known of the component.
    pub state: &'a State,
    /// The environment's policy.
    pub policy: &'a EnvironmentPolicy,
    /// What waits.
    pub package: &'a delivery::Package,
}

impl Before<'_> {
    /// All that holds it.
    pub fn all(&self, gate: &GateVerdict) -> Vec<Waiting> {
        let unmet = gate.requirements.iter().filter(|one| one.judgement != Judgement::Pass);
        unmet.filter_map(|one| self.one(one)).collect()
    }

    /// What holds it most: a person before anything that passes by itself.
    pub fn foremost(&self, gate: &GateVerdict) -> Option<Waiting> {
        let mut all = self.all(gate);
        all.sort_by_key(|waiting| waiting.whom.is_empty());
        all.into_iter().next()
    }

    fn one(&self, requirement: &Requirement) -> Option<Waiting> {
        let here = self.state.environment(&self.policy.name);
        let (reason, whom, since, until, answers) = match &requirement.waits_for {
            Some(WaitsFor::Environment { .. }) => return None,
            Some(WaitsFor::Soak { environment, until }) => {
                let since = self.state.environment(environment).since;
                (WaitReason::Soak, Vec::new(), since, Some(*until), Vec::new())
            }
            Some(WaitsFor::Deployment { .. }) => {
                let since = here.open.as_ref().map(|open| open.at);
                (WaitReason::Turn, Vec::new(), since, None, Vec::new())
            }
            Some(WaitsFor::Approval { role, missing }) => {
                let whom = if *missing == 1 {
                    role.clone()
                } else {
                    format!("{missing} of {role}")
                };
                (WaitReason::Approval, vec![whom], None, None, self.approve(role))
            }
            Some(WaitsFor::Change { .. }) => (WaitReason::Gate, Vec::new(), None, None, Vec::new()),
            Some(WaitsFor::Person { .. }) | None => {
                (WaitReason::Gate, vec!["a person".to_owned()], None, None, Vec::new())
            }
        };
        Some(Waiting {
            reason,
            gate: requirement.name.clone(),
            what: super::guard::sentence(&requirement.reason),
            whom,
            since: since.unwrap_or_else(|| stands_since(self.state, self.policy, self.package)),
            until,
            usually: None,
            answers,
        })
    }

    fn approve(&self, role: &str) -> Vec<Button> {
        let place = Resource::Placement(self.component.clone(), self.policy.name.clone());
        let principal = &self.visit.caller.principal;
        let given = self
            .state
            .environment(&self.policy.name)
            .approvals
            .iter()
            .any(|approval| {
                Some(approval.by) == principal.actor()
                    && approval.role == role
                    && approval.package == self.package.digest
            });
        let may = self.visit.may(Action::Approve, &place)
            && principal.has_duty(role)
            && principal.actor() != Some(self.package.author)
            && !given;
        if !may {
            return Vec::new();
        }
        vec![Button {
            label: format!("Approve as {role}"),
            path: links::approve(self.component, &self.package.commit, &self.policy.name),
            fields: vec![("role".to_owned(), role.to_owned())],
            weight: ButtonWeight::Primary,
            asks: None,
        }]
    }
}
