//! What must hold of every run's history, whatever crashes: checked fact by fact, without the core.
//!
//! This is deliberately a second, simpler reading of the facts than [`RunState`](crate::RunState): a
//! fault of the core cannot hide in it. The simulation and the tests check with it.

use std::collections::BTreeMap;

use facts::{Fact, RunId, StepName, Timestamp};
use pipeline::within::Part;
use pipeline::{EffectClass, PlannedStep};

use crate::kinds::{Next, RunFact, Seen};
use crate::result::RunResult;

/// A rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: fact {seq} of {stream}: {text}")]
pub struct Violation {
    /// Which rule: the numbers are those of the list of invariants; words name rules of runs alone.
    pub rule: &'static str,
    /// The fact.
    pub seq: u64,
    /// Its stream.
    pub stream: String,
    /// What does not hold.
    pub text: String,
}

/// One step, as far as the rules need it.
#[derive(Debug)]
struct Known {
    planned: PlannedStep,
    attempt: u32,
    open: bool,
    result: Option<RunResult>,
    asking: bool,
    doubt: bool,
    failures: u32,
    not_before: Timestamp,
}

/// Checks the history of one run.
#[derive(Debug, Default)]
pub struct History {
    version: u64,
    requested: bool,
    finished: bool,
    steps: BTreeMap<StepName, Known>,
}

impl History {
    /// Takes in the next fact of the run's stream.
    ///
    /// # Errors
    /// When a rule does not hold.
    pub fn check(&mut self, fact: &Fact) -> Result<(), Violation> {
        let violation = |(rule, text): (&'static str, String)| Violation {
            rule,
            seq: fact.seq,
            stream: fact.stream().to_string(),
            text,
        };
        self.version += 1;
        if fact.stream_version != self.version {
            let text = format!("version {} follows {}", fact.stream_version, self.version - 1);
            return Err(violation(("I1", text)));
        }
        match RunFact::read(&fact.new) {
            Ok(Some(read)) => self.rules(&read, fact.new.occurred_at).map_err(violation),
            Ok(None) => Ok(()),
            Err(error) => Err(violation(("shape", error.to_string()))),
        }
    }

    /// Whether the run is finished.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    fn rules(&mut self, read: &RunFact, at: Timestamp) -> Result<(), (&'static str, String)> {
        let first = matches!(read, RunFact::Requested(_));
        if first == self.requested {
            return Err(("request", "a run is requested once, and first".to_owned()));
        }
        self.requested = true;
        if self.finished && !matches!(read, RunFact::Reopened(_)) {
            return Err(("I6", format!("`{}` after the run was finished", read.kind())));
        }
        match read {
            RunFact::Requested(_)
            | RunFact::Started(_)
            | RunFact::CancelRequested(_)
            | RunFact::GroupEntered(_)
            | RunFact::Superseded(_) => {}
            RunFact::Planned(body) => {
                for planned in &body.steps {
                    let known = Known {
                        planned: planned.clone(),
                        attempt: 0,
                        open: false,
                        result: None,
                        asking: false,
                        doubt: false,
                        failures: 0,
                        not_before: Timestamp::MIN,
                    };
                    self.steps.insert(planned.name.clone(), known);
                }
            }
            RunFact::AttemptStarted(body) => {
                self.may_begin(&body.step, at)?;
                let known = self.step(&body.step)?;
                if body.attempt != known.attempt + 1 {
                    return Err((
                        "I4",
                        format!("attempt {} of `{}` follows {}", body.attempt, body.step, known.attempt),
                    ));
                }
                known.attempt = body.attempt;
                known.open = true;
            }
            RunFact::AttemptFinished(body) => {
                let known = self.step(&body.step)?;
                if !known.open || known.attempt != body.attempt {
                    return Err(("I4", format!("attempt {} of `{}` is not open", body.attempt, body.step)));
                }
                known.open = false;
                if !body.lost && matches!(body.result, RunResult::Failed | RunResult::TimedOut) {
                    known.failures += 1;
                    let again = matches!(body.next, Next::Again { .. });
                    if again && known.failures > known.planned.retries.times {
                        return Err(("retries", format!("`{}` failed {} times", body.step, known.failures)));
                    }
                }
                known.doubt = known.planned.effect == EffectClass::Effect && body.result != RunResult::Succeeded;
                known.follow(&body.step, body.next)?;
            }
            RunFact::Observed(body) => {
                let known = self.step(&body.step)?;
                if known.open || known.attempt != body.attempt {
                    return Err((
                        "observe",
                        format!("attempt {} of `{}` is not the last", body.attempt, body.step),
                    ));
                }
                known.doubt = body.seen == Seen::Unknown;
                known.follow(&body.step, body.next)?;
            }
            RunFact::Resolved(body) => {
                let known = self.step(&body.step)?;
                if !known.asking {
                    return Err(("resolve", format!("nobody was asked about `{}`", body.step)));
                }
                known.doubt = false;
                known.follow(&body.step, body.next)?;
            }
            RunFact::Settled(body) => {
                for name in &body.steps {
                    let known = self.step(name)?;
                    if known.open {
                        return Err(("I4", format!("`{name}` has an open attempt")));
                    }
                    known.follow(name, Next::Finished { result: body.result })?;
                }
            }
            RunFact::Reopened(_) => {
                if !self.finished {
                    return Err(("I6", "reopened before it was finished".to_owned()));
                }
                self.finished = false;
            }
            RunFact::Reset(body) => {
                for name in &body.steps {
                    let known = self.step(name)?;
                    if matches!(known.result, None | Some(RunResult::Succeeded)) {
                        return Err(("I6", format!("`{name}` is attempted again: {:?}", known.result)));
                    }
                    known.result = None;
                    known.failures = 0;
                    known.not_before = Timestamp::MIN;
                }
            }
            RunFact::Finished(body) => self.may_finish(body.result)?,
        }
        Ok(())
    }

    fn may_begin(&self, name: &StepName, at: Timestamp) -> Result<(), (&'static str, String)> {
        let Some(known) = self.steps.get(name) else {
            return Err(("I5", format!("there is no `{name}`")));
        };
        if known.open {
            return Err(("I4", format!("`{name}` has an open attempt")));
        }
        if known.result.is_some() {
            return Err(("I6", format!("`{name}` is finished")));
        }
        if known.asking {
            return Err(("ask", format!("a person is asked about `{name}`")));
        }
        if known.doubt {
            return Err(("effect", format!("the effect of `{name}` was not observed")));
        }
        if at < known.not_before {
            return Err(("backoff", format!("`{name}` begins before its pause is over")));
        }
        let conditions: Vec<bool> = known.planned.conditions().map(|when| when.is_some()).collect();
        for need in &known.planned.needs {
            let other = self.steps.get(need);
            let result = other.and_then(|other| other.result);
            let seen = other.map(|other| known.planned.sees(&other.planned));
            let asks = seen
                .and_then(|seen| conditions.get(seen.depth))
                .is_some_and(|asks| *asks);
            let fits = match result {
                Some(_) if asks => true,
                Some(RunResult::Succeeded) => true,
                // One of a module's steps, of which others succeeded.
                Some(RunResult::Skipped) => seen.is_some_and(|seen| {
                    let succeeded = |known: &&Known| known.result == Some(RunResult::Succeeded);
                    let mut others = known.planned.needs.iter().filter_map(|need| self.steps.get(need));
                    seen.part == Part::OfModule
                        && others.any(|other| succeeded(&other) && known.planned.sees(&other.planned) == seen)
                }),
                _ => false,
            };
            if !fits {
                return Err(("I5", format!("`{name}` begins but its need `{need}` is {result:?}")));
            }
        }
        Ok(())
    }

    fn may_finish(&mut self, result: RunResult) -> Result<(), (&'static str, String)> {
        self.finished = true;
        let mut failed = false;
        for (name, known) in &self.steps {
            match known.result {
                None => return Err(("I6", format!("the run is finished but `{name}` is not"))),
                Some(result) => failed |= !matches!(result, RunResult::Succeeded | RunResult::Skipped),
            }
        }
        if result == RunResult::Succeeded && failed {
            return Err(("result", "the run succeeded but a step did not".to_owned()));
        }
        Ok(())
    }

    fn step(&mut self, name: &StepName) -> Result<&mut Known, (&'static str, String)> {
        self.steps
            .get_mut(name)
            .ok_or_else(|| ("I5", format!("there is no step `{name}`")))
    }
}

/// Who is in which group, over all runs: never two in one, and nobody begins who should be in one and is
/// not.
#[derive(Debug, Default)]
pub struct Groups {
    runs: BTreeMap<RunId, GroupsOfRun>,
    /// By group, who is in it.
    inside: BTreeMap<String, (RunId, Option<StepName>)>,
}

#[derive(Debug, Default)]
struct GroupsOfRun {
    /// What comes before the names of its groups.
    scope: String,
    own: Option<String>,
    steps: BTreeMap<StepName, String>,
}

impl Groups {
    /// Takes in the next fact of the ledger.
    ///
    /// # Errors
    /// When a rule does not hold.
    pub fn check(&mut self, fact: &Fact) -> Result<(), Violation> {
        let (Ok(run), Ok(Some(read))) = (fact.stream().key().parse::<RunId>(), RunFact::read(&fact.new)) else {
            return Ok(());
        };
        self.take(run, read).map_err(|text| Violation {
            rule: "group",
            seq: fact.seq,
            stream: fact.stream().to_string(),
            text,
        })
    }

    fn take(&mut self, run: RunId, read: RunFact) -> Result<(), String> {
        let known = self.runs.entry(run).or_default();
        let mut left: Vec<StepName> = Vec::new();
        let mut follow = |step: StepName, next: Next| {
            if matches!(next, Next::Finished { .. }) {
                left.push(step);
            }
        };
        match read {
            RunFact::Requested(body) => {
                known.scope = format!("{}/{}", body.component, body.trust);
                known.own = body.concurrency.map(|concurrency| concurrency.group);
            }
            RunFact::Planned(body) => {
                for step in body.steps {
                    let group = step.concurrency.map(|concurrency| concurrency.group);
                    known.steps.extend(group.map(|group| (step.name, group)));
                }
            }
            RunFact::GroupEntered(body) => {
                let group = format!("{}/{}/{}", known.scope, body.step.is_some(), body.group);
                if let Some((other, step)) = self.inside.insert(group, (run, body.step)) {
                    return Err(format!("`{}` is entered while {other} {step:?} is in it", body.group));
                }
            }
            RunFact::AttemptStarted(body) => {
                let own = known.own.iter().map(|group| (group, None));
                let is_other = |group: &&String| known.own.as_ref() != Some(*group);
                let of_step = known
                    .steps
                    .get(&body.step)
                    .filter(is_other)
                    .map(|group| (group, Some(body.step.clone())));
                for (group, member) in own.chain(of_step) {
                    if self
                        .inside
                        .get(&format!("{}/{}/{group}", known.scope, member.is_some()))
                        != Some(&(run, member))
                    {
                        return Err(format!("`{}` begins outside of its group `{group}`", body.step));
                    }
                }
            }
            RunFact::AttemptFinished(body) => follow(body.step, body.next),
            RunFact::Observed(body) => follow(body.step, body.next),
            RunFact::Resolved(body) => follow(body.step, body.next),
            RunFact::Settled(body) => left = body.steps,
            RunFact::Finished(_) => self.inside.retain(|_, inside| *inside != (run, None)),
            RunFact::Started(_)
            | RunFact::Superseded(_)
            | RunFact::CancelRequested(_)
            | RunFact::Reopened(_)
            | RunFact::Reset(_) => {}
        }
        self.inside
            .retain(|_, (other, step)| *other != run || step.as_ref().is_none_or(|step| !left.contains(step)));
        Ok(())
    }
}

impl Known {
    fn follow(&mut self, name: &StepName, next: Next) -> Result<(), (&'static str, String)> {
        if self.result.is_some() {
            return Err(("I6", format!("`{name}` is finished")));
        }
        self.asking = false;
        match next {
            Next::Finished { result } => self.result = Some(result),
            Next::Again { at } => self.not_before = at,
            Next::Ask => self.asking = true,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
