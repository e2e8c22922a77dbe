//! Tags of versions: a run of its own for each, that makes the tag here or pushes it to the followed
//! repository.
//!
//! That the attempt begins is a fact before anything is done, and what came of it is one after. Each attempt
//! looks first where the tag leads, so that one that died is only finished; and no tag is ever moved.

use std::sync::Arc;

use access::Access;
use async_trait::async_trait;
use engine::{ActionOutcome, RunRequest, StepAction, StepContext};
use facts::{Actor, Commit, Digest, RunId, StepName, Timestamp, Trust, Version};
use pipeline::Plan;
use pipeline::plan::{EffectClass, PlannedStep, Retries};
use serde::{Deserialize, Serialize};
use serde_json::json;
use source::{NewTag, RefName, SourceError};

use super::intake::Intake;
use super::register::{Component, Register};
use super::remotes::credential;
use super::repositories::{Repositories, RepositoryError};

/// The kind of runs that make a tag; also the action of their only step.
pub const TAG: &str = "tag";

/// How long an attempt may take, in seconds.
const TIMEOUT: u64 = 900;
/// A remote may not answer for a while: after 2 s, 8 s and so on, over some 20 minutes.
const RETRIES: Retries = Retries {
    times: 6,
    first_delay_ms: 2_000,
    factor: 4,
    longest_delay_ms: 600_000,
};

/// What a run that makes a tag is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagContext {
    /// The name of the tag.
    pub tag: String,
    /// The version it is made for.
    pub version: Version,
    /// The package of that version.
    pub package: Digest,
}

/// A package is tagged once: what its run claims.
pub(super) fn key(component: &Component, package: &delivery::Package) -> String {
    format!("tag:{}/{}", component.id, package.digest)
}

/// The run that tags the commit of a package.
pub(super) fn request(run: RunId, component: &Component, package: &delivery::Package, prefix: &str) -> RunRequest {
    let context = TagContext {
        tag: format!("{prefix}{}", package.version),
        version: package.version.clone(),
        package: package.digest,
    };
    #[allow(clippy::expect_used)] // a constant
    let name = StepName::new(TAG).expect("`tag` is a step's name");
    let mut step = PlannedStep::new(name, TAG, json!(context));
    step.timeout_seconds = Some(TIMEOUT);
    step.retries = RETRIES;
    step.effect = EffectClass::Idempotent;
    RunRequest {
        run,
        kind: TAG.to_owned(),
        key: key(component, package),
        component: component.id,
        component_name: component.name.clone(),
        commit: Some(package.commit.clone()),
        line: Some(package.line.clone()),
        environment: None,
        definition: package.definition,
        trust: Trust::Trusted,
        actor: Actor::System,
        cause: None,
        context: json!(context),
        plan: Ok(Plan::of(vec![step])),
    }
}

/// The action `tag`.
pub struct TagAction {
    register: Register,
    repositories: Arc<Repositories>,
    intake: Intake,
    access: Arc<Access>,
}

/// Where a tag leads.
enum Seen {
    Nothing,
    Here,
    Elsewhere(Commit),
}

/// Where the tag is made.
enum Place {
    /// In the repository that is hosted here.
    Hosted,
    /// In the followed one.
    Remote(String, source::remote::Credential),
}

impl TagAction {
    /// An action that tags in `repositories` and in what they follow.
    pub fn new(register: Register, repositories: Arc<Repositories>, intake: Intake, access: Arc<Access>) -> Self {
        Self {
            register,
            repositories,
            intake,
            access,
        }
    }

    async fn make(&self, step: &StepContext) -> Result<ActionOutcome, ActionOutcome> {
        let for_now = |reason: String| ActionOutcome::failed_for_now(reason);
        let context: TagContext = serde_json::from_value(step.input.clone())
            .map_err(|error| ActionOutcome::failed(format!("the step's input does not fit: {error}")))?;
        let commit = step.request.commit.as_ref();
        let commit = commit.ok_or_else(|| ActionOutcome::failed("the run has no commit"))?;
        let name = RefName::new(format!("refs/tags/{}", context.tag));
        let name = name.ok_or_else(|| ActionOutcome::failed(format!("`{}` is no name of a tag", context.tag)))?;
        let component = self.register.by_id(step.request.component).await;
        let component = component.map_err(|error| for_now(error.to_string()))?;
        let component = component.ok_or_else(|| ActionOutcome::failed("the component is gone"))?;
        let repository = self.register.repository(&component).await;
        let repository = repository.map_err(|error| for_now(error.to_string()))?;
        let place = match &repository.remote {
            None => Place::Hosted,
            Some(url) => {
                let credential = credential(&self.access, &repository)
                    .map_err(|error| for_now(format!("the remote's credentials cannot be used: {error}")))?;
                Place::Remote(url.clone(), credential)
            }
        };
        let shown = match &place {
            Place::Hosted => "the repository".to_owned(),
            Place::Remote(url, _) => url.clone(),
        };
        let outputs = |made: bool| json!({ "tag": context.tag, "commit": commit, "where": shown, "made": made });
        let elsewhere = |there: &Commit| {
            ActionOutcome::failed(format!(
                "the tag {} is there already and leads to {}, not to {}\nhint: it is never moved; remove it from {shown} and retry the run, or leave it as it is",
                context.tag,
                there.short(),
                commit.short(),
            ))
        };
        match self
            .seen(&component, &place, &name, commit)
            .await
            .map_err(|error| told(&error))?
        {
            Seen::Here => {
                step.log.out(&format!("{} is at {commit} already", context.tag));
                return Ok(ActionOutcome::succeeded(outputs(false)));
            }
            Seen::Elsewhere(there) => return Err(elsewhere(&there)),
            Seen::Nothing => {}
        }
        let at = self.repositories.commit(&component.name, commit).await;
        let at = at.map_err(|error| told(&error))?.committed_at;
        let made = self.write(&component, &place, &name, commit, at, &context).await;
        // Somebody may have made it in the same moment; and a push whose answer was lost has made it.
        let seen = match &made {
            Ok(()) => Seen::Here,
            Err(_) => self
                .seen(&component, &place, &name, commit)
                .await
                .unwrap_or(Seen::Nothing),
        };
        match (made, seen) {
            (_, Seen::Elsewhere(there)) => return Err(elsewhere(&there)),
            (Err(error), Seen::Nothing) => return Err(told(&error)),
            (_, Seen::Here) | (Ok(()), Seen::Nothing) => {}
        }
        step.log.out(&format!("{} is at {commit} in {shown}", context.tag));
        // The record knows of the tag as of a pushed one; from a remote it comes with the next look there.
        if matches!(place, Place::Hosted)
            && let Err(error) = self.intake.take_in(&repository, Actor::System).await
        {
            tracing::warn!(component = %component.name, %error, "a tag is recorded with the next push");
        }
        Ok(ActionOutcome::succeeded(outputs(true)))
    }

    async fn seen(
        &self,
        component: &Component,
        place: &Place,
        name: &RefName,
        commit: &Commit,
    ) -> Result<Seen, RepositoryError> {
        let there = match place {
            Place::Hosted => self.repositories.tag(&component.name, name).await?,
            Place::Remote(url, credential) => {
                self.repositories
                    .remote_tag(&component.name, url, credential, name)
                    .await?
            }
        };
        Ok(match there {
            None => Seen::Nothing,
            Some(there) if there == *commit => Seen::Here,
            Some(there) => Seen::Elsewhere(there),
        })
    }

    async fn write(
        &self,
        component: &Component,
        place: &Place,
        name: &RefName,
        commit: &Commit,
        at: Timestamp,
        context: &TagContext,
    ) -> Result<(), RepositoryError> {
        let message = format!(
            "{} {}\n\nPackage: {}\n",
            component.name, context.version, context.package
        );
        let tag = NewTag {
            name,
            commit,
            message: &message,
            at,
        };
        match place {
            Place::Hosted => self.repositories.make_tag(&component.name, tag).await,
            Place::Remote(url, credential) => self.repositories.push_tag(&component.name, url, credential, tag).await,
        }
    }
}

/// Trouble with a repository may pass.
fn told(error: &RepositoryError) -> ActionOutcome {
    let hint = match error {
        RepositoryError::Source(error @ SourceError::Git { complaint, .. }) => error.hint().or_else(|| {
            let may_not = ["denied", "not permitted", "403", "read-only", "protected"];
            may_not
                .iter()
                .any(|word| complaint.contains(word))
                .then_some("the credentials of the repository must be allowed to write tags; set them with `throughline secret set`")
        }),
        _ => None,
    };
    let hint = hint.map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    ActionOutcome::failed_for_now(format!("{error}{hint}"))
}

#[async_trait]
impl StepAction for TagAction {
    fn kind(&self) -> &'static str {
        TAG
    }

    async fn perform(&self, step: StepContext) -> ActionOutcome {
        tokio::select! {
            made = self.make(&step) => made.unwrap_or_else(|outcome| outcome),
            () = step.cancel.cancelled() => ActionOutcome::cancelled(),
        }
    }
}
