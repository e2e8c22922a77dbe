//! A target in memory that keeps to the contract of stamps, and everything a step needs around it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use delivery::actions;
use delivery::kinds::DeploymentIntended;
use delivery::path::{Canary, Strategy};
use delivery::plan::{RollOutInput, Shape};
use delivery::ports::{DatabasePlace, Databases, Packages, PortError, Scripts, Secrets, Targets};
use delivery::{ActionParts, DeploymentContext, Purpose};
use engine::{ActionOutcome, LogSink, RunRequest, StepAction, StepContext};
use facts::published::StateVector;
use facts::{
    Actor, Commit, ComponentId, ComponentName, DeploymentId, Digest, EnvironmentName, RunId, StepName, Trust, Version,
};
use pipeline::document::{DatabaseEngine, Health, PackageDocument, Service};
use pipeline::plan::{EffectClass, Plan};
use serde_json::{Value, json};
use target::error::Refused;
use target::{
    Desired, Evidence, GroupEvidence, Histogram, Observed, ObservedGroup, Placement, Stamp, Target, TargetError,
};
use testkit::ManualClock;
use tokio_util::sync::CancellationToken;

pub(crate) fn package(number: u64) -> Digest {
    Digest::of(format!("package {number}"))
}

/// A phase that was applied: its number, and each group with what it runs and how often.
pub(crate) type Applied = (u32, Vec<(String, Digest, u32)>);

/// What the target was told and what it shall answer.
#[derive(Default)]
pub(crate) struct Inside {
    pub(crate) accepted: Option<Stamp>,
    pub(crate) wanted: HashMap<Stamp, Desired>,
    /// Every application that changed something, in order.
    pub(crate) applied: Vec<Desired>,
    /// Packages whose instances never get healthy.
    pub(crate) sick: Vec<Digest>,
    /// Applications that fail for another reason.
    pub(crate) failures: usize,
    /// Cancelled with the application of this phase.
    pub(crate) cancel_at: Option<(u32, CancellationToken)>,
    /// What is answered when it is asked what was seen, one after the other; the last again and again.
    pub(crate) evidence: Vec<Result<Option<Evidence>, String>>,
    pub(crate) looks: usize,
}

/// A target that runs nothing.
#[derive(Clone, Default)]
pub(crate) struct MemoryTarget(Arc<Mutex<Inside>>);

impl MemoryTarget {
    pub(crate) fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap()
    }

    /// The stamps' phases and the groups with their instances, of all applications that changed something.
    pub(crate) fn phases(&self) -> Vec<Applied> {
        let applied = &self.inside().applied;
        let phases = applied.iter().map(|desired| {
            let groups = desired.groups.iter();
            let groups = groups.map(|group| (group.name.clone(), group.package, group.instances));
            (desired.stamp.phase, groups.collect())
        });
        phases.collect()
    }
}

fn unreachable(reason: &str) -> TargetError {
    TargetError::Unreachable {
        reason: reason.to_owned(),
        log: PathBuf::from("/nowhere"),
    }
}

#[async_trait]
impl Target for MemoryTarget {
    async fn apply(&self, desired: &Desired, _: target::Progress<'_>) -> Result<Observed, TargetError> {
        desired.check()?;
        let mut inside = self.inside();
        if let Some(accepted) = inside.accepted.filter(|accepted| desired.stamp < *accepted) {
            let asked = desired.stamp;
            return Err(TargetError::Stale { asked, accepted });
        }
        if inside
            .wanted
            .get(&desired.stamp)
            .is_some_and(|used| !used.wants_the_same(desired))
        {
            return Err(Refused::Reused { stamp: desired.stamp }.into());
        }
        inside.accepted = Some(desired.stamp);
        inside.wanted.insert(desired.stamp, desired.clone());
        if inside.failures > 0 {
            inside.failures -= 1;
            return Err(unreachable("it is handed over"));
        }
        if let Some(group) = desired.groups.iter().find(|group| inside.sick.contains(&group.package)) {
            let unhealthy = Refused::Unhealthy {
                group: group.name.clone(),
                package: group.package,
                reason: "the status is 500".to_owned(),
                log_tail: String::new(),
            };
            return Err(unhealthy.into());
        }
        if let Some((phase, cancel)) = &inside.cancel_at
            && *phase == desired.stamp.phase
        {
            cancel.cancel();
        }
        let before = inside.applied.last().map(|before| before.stamp);
        if before != Some(desired.stamp) {
            inside.applied.push(desired.clone());
        }
        Ok(observed(desired))
    }

    async fn observe(&self, _: &Placement) -> Result<Observed, TargetError> {
        Ok(self.inside().applied.last().map(observed).unwrap_or_default())
    }

    async fn stop(&self, _: &Placement) -> Result<(), TargetError> {
        Ok(())
    }

    async fn evidence(&self, _: &Placement) -> Result<Option<Evidence>, TargetError> {
        let mut inside = self.inside();
        let look = inside.looks.min(inside.evidence.len().saturating_sub(1));
        inside.looks += 1;
        match inside.evidence.get(look).cloned() {
            Some(Err(reason)) => Err(unreachable(&reason)),
            Some(Ok(evidence)) => Ok(evidence),
            None => Ok(None),
        }
    }
}

fn observed(desired: &Desired) -> Observed {
    let groups = desired.groups.iter().map(|group| ObservedGroup {
        name: group.name.clone(),
        package: group.package,
        configuration: group.configuration,
        instances: group.instances,
        healthy: group.instances,
        weight: group.weight,
        restarts: 0,
    });
    Observed {
        stamp: Some(desired.stamp),
        groups: groups.collect(),
        url: Some("http://127.0.0.1:8101".to_owned()),
    }
}

/// What a group of instances answered.
pub(crate) fn seen(group: &str, package: Digest, requests: u64, errors: u64) -> GroupEvidence {
    let mut latency = Histogram::default();
    (0..requests).for_each(|_| latency.add(5_000));
    GroupEvidence {
        group: group.to_owned(),
        package,
        configuration: Digest::of("configuration"),
        since_stamp: Stamp {
            generation: 2,
            phase: 1,
        },
        since: facts::Timestamp::UNIX_EPOCH,
        requests,
        errors,
        aborted: 0,
        latency,
        routes: Vec::new(),
    }
}

struct Around(MemoryTarget);

#[async_trait]
impl Packages for Around {
    async fn document(&self, _: Digest) -> Result<Arc<PackageDocument>, PortError> {
        Ok(Arc::new(PackageDocument {
            service: Some(Service {
                command: vec!["bin/serve".into()],
                health: Health::default(),
                port_variable: "PORT".into(),
                variables: BTreeMap::new(),
                stop_grace_seconds: 1,
            }),
            ..PackageDocument::default()
        }))
    }

    async fn verify(&self, _: Digest) -> Result<(), PortError> {
        Ok(())
    }

    async fn folder(&self, package: Digest) -> Result<PathBuf, PortError> {
        Ok(PathBuf::from("/packages").join(package.short()))
    }
}

#[async_trait]
impl Secrets for Around {
    async fn value(&self, name: &str, _: &ComponentName, _: &EnvironmentName) -> Result<String, PortError> {
        Err(PortError(format!("there is no secret `{name}`")))
    }
}

impl Targets for Around {
    fn of(&self, _: &EnvironmentName) -> Result<Arc<dyn Target>, PortError> {
        Ok(Arc::new(self.0.clone()))
    }
}

impl Databases for Around {
    fn location(&self, _: &ComponentName, _: &EnvironmentName, _: DatabaseEngine) -> Result<DatabasePlace, PortError> {
        Err(PortError("there is no database".into()))
    }
}

#[async_trait]
impl Scripts for Around {
    async fn perform(&self, _: StepContext, _: &str, _: PathBuf, _: Vec<(String, String)>) -> ActionOutcome {
        ActionOutcome::succeeded(json!({}))
    }
}

/// A deployment of package 2 over package 1.
pub(crate) struct Deployment {
    pub(crate) target: MemoryTarget,
    pub(crate) clock: ManualClock,
    pub(crate) cancel: CancellationToken,
    pub(crate) strategy: Strategy,
    pub(crate) generation: u64,
    pub(crate) instances: u32,
    pub(crate) purpose: Purpose,
    folder: tempfile::TempDir,
}

impl Deployment {
    pub(crate) fn new() -> Self {
        Self {
            target: MemoryTarget::default(),
            clock: ManualClock::new(),
            cancel: CancellationToken::new(),
            strategy: Strategy::Rolling,
            generation: 2,
            instances: 3,
            purpose: Purpose::Advance,
            folder: testkit::folder(),
        }
    }

    pub(crate) fn canary(policy: Canary) -> Self {
        Self {
            strategy: Strategy::Canary(policy),
            ..Self::new()
        }
    }

    fn context(&self) -> DeploymentContext {
        let from = StateVector {
            package: Some(package(1)),
            ..StateVector::default()
        };
        DeploymentContext {
            intent: DeploymentIntended {
                deployment: DeploymentId::of_key("deployment"),
                environment: EnvironmentName::new("production").unwrap(),
                generation: self.generation,
                purpose: self.purpose,
                package: package(2),
                from,
                run: RunId::of_key("run"),
                policy: Digest::of("policy"),
                reasons: Vec::new(),
            },
            component_name: ComponentName::new("shop/cart").unwrap(),
            version: Version::new("1.2.0").unwrap(),
            commit: Commit::new("2".repeat(40)).unwrap(),
            strategy: self.strategy.clone(),
            instances: self.instances,
            address: None,
        }
    }

    fn step(&self, name: &str, input: Value, outputs: BTreeMap<StepName, Value>) -> StepContext {
        let context = self.context();
        let request = RunRequest {
            run: context.intent.run,
            kind: "deployment".into(),
            key: "deployment".into(),
            component: ComponentId::of_key("shop/cart"),
            component_name: context.component_name.clone(),
            commit: None,
            line: None,
            environment: Some(context.intent.environment.clone()),
            definition: Digest::of("definition"),
            trust: Trust::Trusted,
            actor: Actor::System,
            cause: None,
            context: json!(context),
            plan: Ok(Plan::of(Vec::new())),
        };
        StepContext {
            run: request.run,
            kind: request.kind.clone(),
            step: StepName::new(name).unwrap(),
            attempt: 1,
            effect_key: format!("{}/{name}", request.run),
            request: Arc::new(request),
            input,
            outputs_of_needs: outputs,
            resources: None,
            effect: EffectClass::Idempotent,
            timeout: None,
            log: LogSink::new(self.folder.path().join("log"), Arc::new(self.clock.clone())),
            cancel: self.cancel.clone(),
            trust: Trust::Trusted,
        }
    }

    fn action(&self, kind: &str) -> Arc<dyn StepAction> {
        let around = || Arc::new(Around(self.target.clone()));
        let parts = ActionParts {
            packages: around(),
            targets: around(),
            databases: around(),
            secrets: around(),
            scripts: around(),
            clock: Arc::new(self.clock.clone()),
        };
        let mut all = actions::all(&parts).into_iter();
        all.find(|action| action.kind() == kind).unwrap()
    }

    pub(crate) async fn roll_out(&self, shape: Shape, first_phase: u32) -> ActionOutcome {
        let input = RollOutInput { shape, first_phase };
        let step = self.step("roll-out", json!(input), BTreeMap::new());
        self.action("roll-out").perform(step).await
    }

    pub(crate) async fn analyze(&self) -> ActionOutcome {
        let since = json!({ "since": facts::Clock::now(&self.clock) });
        let outputs = BTreeMap::from([(StepName::new("canary").unwrap(), since)]);
        let step = self.step("analyze", json!({}), outputs);
        self.action("analyze").perform(step).await
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}
