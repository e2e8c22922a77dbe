//! One component in the driver: its state as of a position, and the appends made from it.

use std::sync::Arc;

use engine::{BrokenDefinition, RunRequest};
use facts::published::{STATE_OBSERVED, StateObserved};
use facts::{Actor, ComponentId, Digest, Fact, FactId, NewFact, Position, Stream, Timestamp, Trust};
use ledger::{Append, AppendError};
use serde_json::json;

use super::DeliveryError;
use super::neighbours::{Neighbours, rests_on};
use super::runs::Reach;
use super::verdicts::Verdicts;
use crate::context::DeploymentContext;
use crate::decide::{self, AskError};
use crate::kinds::{DeliveryFact, DeploymentIntended, INTENDED, state_stream, stream, version_claim};
use crate::mutation::{self, Mutation};
use crate::path::Path;
use crate::plan;
use crate::state::State;

/// A component whose facts are read up to a position.
pub(crate) struct Loaded {
    pub(crate) id: ComponentId,
    pub(crate) state: State,
    version: u64,
    /// The position at which the stream was seen to end at `version`.
    read_at: Position,
    verdicts: Verdicts,
    neighbours: Neighbours,
}

impl Loaded {
    pub(crate) fn new(id: ComponentId) -> Self {
        Self {
            id,
            state: State::default(),
            version: 0,
            read_at: 0,
            verdicts: Verdicts::default(),
            neighbours: Neighbours::default(),
        }
    }

    /// How many facts of its stream were read.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Reads the facts that came since.
    pub(crate) async fn catch_up(&mut self, reach: &Reach) -> Result<(), DeliveryError> {
        // The head first: whatever comes after it makes an append at `read_at` conflict.
        let head = reach.ledger.head().await?;
        loop {
            let facts = reach.ledger.read_stream(&stream(self.id), self.version, 1_000).await?;
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

    /// Takes in what came, with what gates ask about, and decides nothing.
    pub(crate) async fn look_on(&mut self, reach: &Reach, path: &Path) -> Result<(), DeliveryError> {
        self.catch_up(reach).await?;
        self.verdicts.bring(&mut self.state, reach, path).await?;
        self.neighbours.bring(&mut self.state, reach, path).await
    }

    /// Decides and records until nothing is left to decide.
    pub(crate) async fn settle(
        &mut self,
        reach: &Reach,
        path: impl Fn() -> Arc<Path>,
    ) -> Result<Option<Timestamp>, DeliveryError> {
        loop {
            self.catch_up(reach).await?;
            let (path, now) = (path(), reach.clock.now());
            let mut facts = Vec::new();
            let mut wake_at = None;
            for intent in self.open_intents() {
                if let Some(ended) = reach.runs.ended(intent.run).await? {
                    facts.extend(decide::finish(&intent, &ended));
                }
            }
            if facts.is_empty() {
                self.verdicts.bring(&mut self.state, reach, &path).await?;
                self.neighbours.bring(&mut self.state, reach, &path).await?;
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
            match self.record(reach, &path, Actor::System, facts, now).await {
                Ok(()) | Err(DeliveryError::Append(AppendError::Conflict { .. })) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Records what somebody's wish comes to; decides again when somebody else was faster.
    pub(crate) async fn ask(
        &mut self,
        reach: &Reach,
        path: impl Fn() -> Arc<Path>,
        by: Actor,
        mut decide: impl FnMut(&State, &Path, Timestamp) -> Result<Vec<DeliveryFact>, AskError>,
    ) -> Result<(), DeliveryError> {
        loop {
            self.catch_up(reach).await?;
            let (path, now) = (path(), reach.clock.now());
            let facts = decide(&self.state, &path, now)?;
            match self.record(reach, &path, by, facts, now).await {
                Err(DeliveryError::Append(AppendError::Conflict { .. })) => {}
                other => return other,
            }
        }
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
    pub(crate) async fn record(
        &mut self,
        reach: &Reach,
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
                let request = self.request(reach, path, intent, actor).await?;
                let mut together = self.append(std::mem::take(&mut gathered));
                if mutation::is(Mutation::IntendBeforeTheRun) {
                    reach.ledger.append(together).await?;
                    together = Append::unconditional(Vec::new());
                }
                reach.runs.submit(request, together).await?;
                self.catch_up(reach).await?;
            }
        }
        if !gathered.is_empty() {
            let append = self.append(gathered);
            reach.ledger.append(append).await?;
            self.catch_up(reach).await?;
        }
        Ok(())
    }

    fn append(&self, facts: Vec<NewFact>) -> Append {
        if mutation::is(Mutation::DropTheCondition) {
            return Append::unconditional(facts);
        }
        let mut subjects = vec![stream(self.id)];
        // What it depends on must still be as it was seen.
        let lets_in = |fact: &NewFact| fact.kind == INTENDED;
        if facts.iter().any(lets_in) && !mutation::is(Mutation::TrustWhatWasSeen) {
            subjects.extend(rests_on(&self.state.others));
        }
        Append::after(self.read_at, subjects, facts)
    }

    fn envelope(&self, fact: &DeliveryFact, place: usize, actor: Actor, now: Timestamp) -> NewFact {
        let body = json!(fact);
        let (claim, correlation) = match fact {
            DeliveryFact::Accepted(body) => (Some(version_claim(self.id, &body.version)), Some(body.run.to_string())),
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
        if mutation::is(Mutation::SameIdsEverywhere) {
            return FactId::derived(now, &stream(self.id), self.version + 1, place as u32);
        }
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
        reach: &Reach,
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
            .ok_or_else(|| AskError::UnknownEnvironment(intent.environment.clone()))?;
        let unreadable = |message: String| BrokenDefinition {
            file: format!("package {}", intent.package.short()),
            line: 0,
            column: 0,
            message,
            hint: Some("restore the blob store from a backup, or build the commit again".to_owned()),
        };
        let plan = match reach.packages.document(intent.package).await {
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
