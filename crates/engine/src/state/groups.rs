//! The groups of a run: which it and its steps are in, and as whom.

use pipeline::plan::Concurrency;

use super::RunState;
use crate::groups::{Holding, Member, Wanted};

impl RunState {
    /// A group of this run, or of steps of it, among all groups of the ledger. Groups of runs and groups of
    /// steps are apart, whatever they are called: else a run in one group could wait with a step for another
    /// that a run is in which waits for the first.
    pub(crate) fn group_key(&self, group: &str, of_steps: bool) -> String {
        let kind = if of_steps { "steps" } else { "runs" };
        format!("{}/{}/{kind}/{group}", self.request.component, self.request.trust)
    }

    /// The group that the whole run is in.
    pub(crate) fn concurrency(&self) -> Option<&Concurrency> {
        self.request.plan.as_ref().ok()?.concurrency.as_ref()
    }

    /// The group that a step has to enter; not the run's own, which it is in already.
    pub(crate) fn concurrency_of(&self, place: usize) -> Option<&Concurrency> {
        let concurrency = self.planned(place).concurrency.as_ref()?;
        let is_own = self.concurrency().is_some_and(|own| own.group == concurrency.group);
        (!is_own).then_some(concurrency)
    }

    /// The groups that have to be entered before what is ready may begin. The run enters its own first, so
    /// that nobody holds a step's group while he waits for a run's.
    pub(crate) fn wanted(&self) -> Vec<Wanted> {
        let wanted = |concurrency: &Concurrency, place: Option<usize>| Wanted {
            key: self.group_key(&concurrency.group, place.is_some()),
            name: concurrency.group.clone(),
            member: self.member(place),
            rule: concurrency.rule,
        };
        let ready = || self.ready.iter().chain(&self.ready_free).copied();
        if let Some(concurrency) = self.concurrency()
            && self.run_turn.is_none()
        {
            return ready().next().map(|_| wanted(concurrency, None)).into_iter().collect();
        }
        ready()
            .filter(|place| self.steps[*place].turn.is_none())
            .filter_map(|place| Some(wanted(self.concurrency_of(place)?, Some(place))))
            .collect()
    }

    /// This run, or a step of it, as a member of a group.
    pub(crate) fn member(&self, place: Option<usize>) -> Member {
        Member {
            since: self.requested_at,
            run: self.request.run,
            place,
            step: place.map(|place| self.name(place).clone()),
        }
    }

    /// Who of this run is in the group `key`.
    pub(crate) fn holder(&self, key: &str) -> Option<Member> {
        let is_key = |concurrency: &Concurrency, of_steps| self.group_key(&concurrency.group, of_steps) == key;
        if self.run_turn.is_some() && self.concurrency().is_some_and(|own| is_key(own, false)) {
            return Some(self.member(None));
        }
        let holds = |place: &usize| {
            let concurrency = self.planned(*place).concurrency.as_ref();
            self.steps[*place].turn.is_some() && concurrency.is_some_and(|concurrency| is_key(concurrency, true))
        };
        (0..self.steps.len()).find(holds).map(|place| self.member(Some(place)))
    }

    /// The groups that this run is or was in.
    pub(crate) fn holding(&self) -> Holding<'_> {
        let now = self
            .had
            .keys()
            .filter_map(|key| Some((key.as_str(), self.holder(key)?)));
        Holding {
            had: &self.had,
            now: now.collect(),
        }
    }
}
