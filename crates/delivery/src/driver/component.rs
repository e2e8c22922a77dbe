//! One component in the driver: its state as of a position, and the appends made from it.

use std::sync::Arc;

use engine::{BrokenDefinition, RunRequest};
use facts::published::{STATE_OBSERVED, StateObserved};
use facts::{Actor, ComponentId, Digest, Fact, FactId, NewFact, Position, Stream, Timestamp, Trust};
use ledger::{Append, AppendError, Select};
use policy::gate::KnownVerdict;
use serde_json::json;

use super::{DeliveryError, Parts};
use crate::context::DeploymentContext;
use crate::decide::{self, RunEnded, RunResult, StepEnded};
use crate::kinds::{DeliveryFact, DeploymentIntended, state_stream, stream};
use crate::path::Path;
use crate::plan;
use crate::state::State;
use crate::views::VERDICTS;

/// A component whose facts are read up to a position.
pub(super) struct Loaded {
    pub(super) id: ComponentId,
    pub(super) state: State,
    version: u64,
    /// The position at which the stream was seen to end at `version`.
    read_at: Position,
}

impl Loaded {
    pub(super) fn new(id: ComponentId) -> Self {
        Self {
            id,
            state: State::default(),
            version: 0,
            read_at: 0,
        }
    }

    /// Reads the facts that came since.
    pub(super) async fn catch_up(&mut self, parts: &Parts) -> Result<(), DeliveryError> {
        // The head first: whatever comes after it makes an append at `read_at` conflict.
        let head = parts.ledger.head().await?;
        loop {
            let facts = parts.ledger.read_stream(&stream(self.id), self.version, 1_000).await?;
            if facts.is_empty() {
                break;
            }
            for fact in facts {
                self.take_in(&fact)?;
            }
        }
        self.read_at = self.read_at.max(head);
        Ok(())
    }

    fn take_in(&mut self, fact: &Fact) -> Result<(), serde_json::Error> {
        if let Some(known) = DeliveryFact::read(fact.kind(), &fact.new.body)? {
            self.state.evolve(&known, fact.new.occurred_at);
        }
        self.version = fact.stream_version;
        self.read_at = self.read_at.max(fact.seq);
        Ok(())
    }

    /// Decides and records until nothing is left to decide.
    pub(super) async fn settle(
        &mut self,
        parts: &Parts,
        path: impl Fn() -> Arc<Path>,
    ) -> Result<Option<Timestamp>, DeliveryError> {
        loop {
            self.catch_up(parts).await?;
            let (path, now) = (path(), parts.clock.now());
            let mut facts = Vec::new();
            let mut wake_at = None;
            for intent in self.open_intents() {
                if let Some(ended) = run_ended(parts, &intent).await? {
                    facts.extend(decide::finish(&intent, &ended));
                }
            }
            if facts.is_empty() {
                self.bring_verdicts(parts, &path).await?;
                let decision = decide::advance(self.id, &self.state, &path, now);
                wake_at = decision.wake_at;
                facts = decision.facts;
            }
            if facts.is_empty() {
                return Ok(wake_at);
            }
            // What follows an intent is decided again: its append may meet what somebody else recorded.
            if let Some(first) = facts.iter().position(|fact| matches!(fact, DeliveryFact::Intended(_))) {
                facts.truncate(first + 1);
            }
            match self.record(parts, &path, Actor::System, facts, now).await {
                Ok(()) | Err(DeliveryError::Append(AppendError::Conflict { .. })) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads the verdicts on the packages, when a condition could ask for them.
    async fn bring_verdicts(&mut self, parts: &Parts, path: &Path) -> Result<(), DeliveryError> {
        let asked = path.environments().iter().any(|policy| !policy.gates.is_empty());
        let packages = self.state.packages.values();
        let candidates: Vec<_> = packages
            .filter(|package| package.bar.is_none() && (asked || !package.gates.is_empty()))
            .map(|package| package.digest)
            .collect();
        for digest in candidates {
            let query = Select::from(VERDICTS).filter("subject", ledger::Op::Eq, digest.to_string());
            let rows = parts.ledger.select(query).await?.rows;
            let verdicts = rows.iter().map(known_verdict).collect::<Result<Vec<_>, _>>()?;
            self.state.verdicts.insert(digest, verdicts);
        }
        Ok(())
    }

    fn open_intents(&self) -> Vec<DeploymentIntended> {
        let open = self
            .state
            .environments
            .values()
            .filter_map(|environment| environment.open.as_ref());
        open.map(|open| open.intent.clone()).collect()
    }

    /// Records the facts in one append, together with the request of the intent's run. At most the
    /// last of them is an intent.
    pub(super) async fn record(
        &mut self,
        parts: &Parts,
        path: &Path,
        actor: Actor,
        facts: Vec<DeliveryFact>,
        now: Timestamp,
    ) -> Result<(), DeliveryError> {
        let mut gathered: Vec<NewFact> = Vec::new();
        for fact in facts {
            let place = gathered.len();
            gathered.push(self.envelope(&fact, place, actor, now));
            if let DeliveryFact::Finished(finished) = &fact {
                gathered.push(self.observed(finished, now));
            }
            if let DeliveryFact::Intended(intent) = &fact {
                let request = self.request(parts, path, intent, actor).await?;
                let together = self.append(std::mem::take(&mut gathered));
                match parts.engine.submit(request, together).await {
                    Ok(_) => {}
                    Err(engine::SubmitError::Append(error)) => return Err(error.into()),
                    Err(error) => return Err(DeliveryError::Engine(error.to_string())),
                }
                self.catch_up(parts).await?;
            }
        }
        if !gathered.is_empty() {
            let append = self.append(gathered);
            parts.ledger.append(append).await?;
            self.catch_up(parts).await?;
        }
        Ok(())
    }

    fn append(&self, facts: Vec<NewFact>) -> Append {
        Append::after(self.read_at, vec![stream(self.id)], facts)
    }

    fn envelope(&self, fact: &DeliveryFact, place: usize, actor: Actor, now: Timestamp) -> NewFact {
        let body = json!(fact);
        let (claim, correlation) = match fact {
            DeliveryFact::Accepted(body) => (
                Some(format!("version:{}/{}", self.id, body.version)),
                Some(body.run.to_string()),
            ),
            DeliveryFact::Intended(body) => {
                let generation = format!("generation:{}/{}/{}", self.id, body.environment, body.generation);
                (Some(generation), Some(body.run.to_string()))
            }
            DeliveryFact::Finished(body) => (None, Some(body.deployment.to_string())),
            _ => (None, None),
        };
        NewFact {
            stream: stream(self.id),
            id: self.fact_id(now, place, actor, &body),
            kind: fact.kind().to_owned(),
            kind_version: 1,
            occurred_at: now,
            actor,
            on_behalf_of: None,
            trust: Trust::Trusted,
            cause: None,
            correlation,
            external_key: claim,
            body,
        }
    }

    /// The id of a fact: the same for the same fact at the same place, so that sending it again is a
    /// repetition; another one for anything else that somebody decides at the same moment.
    fn fact_id(&self, now: Timestamp, place: usize, actor: Actor, body: &serde_json::Value) -> FactId {
        let content = Stream::new(
            "delivery",
            format!("{}/{actor}/{}", self.id, Digest::of(body.to_string())),
        );
        FactId::derived(
            now,
            &content,
            self.version + 1,
            u32::try_from(place).unwrap_or(u32::MAX),
        )
    }

    fn observed(&self, finished: &crate::kinds::DeploymentFinished, now: Timestamp) -> NewFact {
        NewFact {
            stream: state_stream(self.id, &finished.environment),
            id: FactId::derived(
                now,
                &state_stream(self.id, &finished.environment),
                finished.generation,
                2,
            ),
            kind: STATE_OBSERVED.to_owned(),
            kind_version: 1,
            occurred_at: now,
            actor: Actor::System,
            on_behalf_of: None,
            trust: Trust::Trusted,
            cause: None,
            correlation: Some(finished.deployment.to_string()),
            external_key: None,
            body: json!(StateObserved {
                component: self.id,
                environment: finished.environment.clone(),
                state: finished.state.clone(),
                generation: finished.generation,
            }),
        }
    }

    /// The run that carries out the intent. A package that cannot be read makes a run that fails and
    /// says so, instead of an intent without end.
    async fn request(
        &self,
        parts: &Parts,
        path: &Path,
        intent: &DeploymentIntended,
        actor: Actor,
    ) -> Result<RunRequest, DeliveryError> {
        let package = self
            .state
            .packages
            .get(&intent.package)
            .ok_or_else(|| DeliveryError::Package {
                package: intent.package,
                reason: "it is not on the path".to_owned(),
            })?;
        let policy = path
            .get(&intent.environment)
            .ok_or_else(|| decide::AskError::UnknownEnvironment(intent.environment.clone()))?;
        let unreadable = |message: String| BrokenDefinition {
            file: format!("package {}", intent.package.short()),
            line: 0,
            column: 0,
            message,
            hint: Some("restore the blob store from a backup, or build the commit again".to_owned()),
        };
        let plan = match parts.packages.document(intent.package).await {
            Err(error) => Err(unreadable(error.to_string())),
            Ok(document) => plan::plan(
                intent.purpose.is_return(),
                &policy.strategy,
                intent.from.package.is_some_and(|from| from != intent.package),
                &document,
            )
            .map_err(|error| error.to_string())
            .and_then(|plan| plan.check().map(|()| plan).map_err(|error| error.to_string()))
            .map_err(unreadable),
        };
        let context = DeploymentContext::new(intent, package, policy);
        Ok(RunRequest {
            run: intent.run,
            kind: if intent.purpose.is_return() {
                "return"
            } else {
                "deployment"
            }
            .to_owned(),
            key: intent.deployment.to_string(),
            component: self.id,
            component_name: package.component_name.clone(),
            commit: Some(package.commit.clone()),
            line: Some(package.line.clone()),
            environment: Some(intent.environment.clone()),
            definition: package.definition,
            trust: Trust::Trusted,
            actor,
            cause: None,
            context: json!(context),
            plan,
        })
    }
}

fn known_verdict(row: &ledger::Row) -> Result<KnownVerdict, DeliveryError> {
    Ok(KnownVerdict {
        about: row.text("about")?.to_owned(),
        environment: row.optional_parse("environment")?,
        result: serde_json::from_value(json!(row.text("result")?))?,
        numbers: row.optional_json("numbers")?.unwrap_or_default(),
    })
}

/// How the run of an intent ended; `None` while it goes on.
async fn run_ended(parts: &Parts, intent: &DeploymentIntended) -> Result<Option<RunEnded>, DeliveryError> {
    let ledger = &*parts.ledger;
    let Some(run) = engine::query::run(ledger, intent.run).await? else {
        return Ok(None);
    };
    if run.state != engine::State::Finished {
        return Ok(None);
    }
    let result = match run.result {
        Some(engine::RunResult::Succeeded) => RunResult::Succeeded,
        Some(engine::RunResult::Cancelled) => RunResult::Cancelled,
        Some(engine::RunResult::Unknown) => RunResult::Unknown,
        _ => RunResult::Failed,
    };
    let steps = engine::query::steps(ledger, intent.run).await?.rows;
    let steps = steps.into_iter().map(|step| StepEnded {
        action: step.action,
        began: step.started_at.is_some(),
        succeeded: step.result == Some(engine::RunResult::Succeeded),
        timed_out: step.result == Some(engine::RunResult::TimedOut),
        message: step.message,
        outputs: step.outputs.unwrap_or_default(),
    });
    Ok(Some(RunEnded {
        run: intent.run,
        result,
        reason: run.reason,
        steps: steps.collect(),
    }))
}
