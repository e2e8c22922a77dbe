//! What follows when a build ended well: its package comes onto the path under a version that is claimed
//! for it, and its commit gets a tag where that is asked for.

use std::sync::{Arc, PoisonError};

use build::Published;
use delivery::{DeliveryError, PackageAccepted};
use engine::query::{RunRow, StepRow};
use engine::{RunResult, State};
use facts::published::Judgement;
use facts::{Digest, ReleaseLine, RunId, Trust, Version};
use ledger::{Append, AppendError, Op, Select};
use pipeline::Definition;
use pipeline::definition::modules::LARGEST_KEPT;
use pipeline::document::VersionScheme;
use pipeline::plan::VERSION;
use serde_json::json;
use source::version::{Scheme, after};

use super::builds::{Builds, Change, DEFINITION, is_without_caches};
use super::register::Component;
use super::tags;
use super::versions::Asked;
use super::view::CHANGES;
use crate::error::ServerError;

/// How many definitions' tags are kept in memory.
const KEPT_DEFINITIONS: usize = 256;

impl Builds {
    /// Brings the package of a run that ended well onto the path, when the change is trusted and
    /// came to a release line.
    pub(super) async fn accept(&self, change: &Change, run: RunId) -> Result<(), ServerError> {
        let Some(row) = engine::query::run(&*self.ledger, run).await? else {
            return Ok(());
        };
        if row.state != State::Finished || row.result != Some(RunResult::Succeeded) || row.trust != Trust::Trusted {
            return Ok(());
        }
        let Ok(line) = ReleaseLine::new(&change.branch) else {
            return Ok(());
        };
        if change.trust != Trust::Trusted || !self.delivery.path().delivers(&line) {
            return Ok(());
        }
        if !self.may_come_to(&row, &line).await? {
            return Ok(());
        }
        let steps = engine::query::steps(&*self.ledger, run).await?.rows;
        let packaged = steps
            .iter()
            .find_map(|step| step.outputs.as_ref()?.get("package")?.as_str()?.parse().ok());
        let Some(package) = packaged else { return Ok(()) };
        let state = self.delivery.state(change.component);
        let known = state.packages.get(&package);
        let Some(component) = self.register.by_id(change.component).await? else {
            return Ok(());
        };
        if known.is_none()
            && let Some(names) = self.names(change, row.line.as_ref()).await?
            && names.branch != change.branch
        {
            Box::pin(self.accept(&names, run)).await?;
        }
        let state = self.delivery.state(change.component);
        let known = state.packages.get(&package);
        if let Some(known) = known.filter(|known| known.lines().any(|known| *known == line)) {
            return self.tag(&component, known).await;
        }
        let document = delivery::ports::Packages::document(&*self.packages, package).await;
        let document = document.map_err(|error| ServerError::Internal(error.to_string()))?;
        // A package keeps the version it was given first, whatever lines its commit comes to.
        let name = match (known, document.version_scheme) {
            (Some(known), _) => Name::Only(known.version.clone()),
            (None, VersionScheme::Command) => Name::Only(printed(&steps)?),
            (None, VersionScheme::Semantic) => {
                Name::From(self.version(&component, change, &line, Scheme::Semantic).await?)
            }
            (None, VersionScheme::Calendar) => {
                Name::From(self.version(&component, change, &line, Scheme::Calendar).await?)
            }
        };
        let accepted = |version| PackageAccepted {
            package,
            version,
            component_name: component.name.clone(),
            commit: change.commit.clone(),
            line: line.clone(),
            order: change.position,
            run,
            author: change.actor,
            definition: row.definition,
            gates: document.gates.clone(),
        };
        let mut depends_on = super::depends::dependencies(&row.context);
        depends_on.extend(self.inherited(change).await?);
        depends_on.sort();
        depends_on.dedup();
        let claimed = claim(&name, |version| {
            self.delivery.accept(change.component, accepted(version), &depends_on)
        })
        .await;
        if let Err(DeliveryError::Append(AppendError::Claimed { .. })) = &claimed {
            return self.name_is_taken(&row, package, &name).await;
        }
        claimed?;
        let state = self.delivery.state(change.component);
        match state.packages.get(&package) {
            Some(package) => self.tag(&component, package).await,
            None => Ok(()),
        }
    }

    /// The change that names a commit that came to several lines at once: that of the line whose build was
    /// asked for, or else the first that came to a line that is delivered. So its name does not hang on which
    /// is looked at first.
    async fn names(&self, change: &Change, asked_for: Option<&ReleaseLine>) -> Result<Option<Change>, ServerError> {
        let query = Select::from(CHANGES)
            .filter("component", Op::Eq, change.component.to_string())
            .filter("head", Op::Eq, change.commit.as_str());
        let mut first: Option<Change> = None;
        for row in self.ledger.select(query).await?.rows {
            let other = super::builds::change(&row)?;
            let line = ReleaseLine::new(&other.branch).ok();
            let Some(line) = line.filter(|line| self.delivery.path().delivers(line)) else {
                continue;
            };
            if Some(&line) == asked_for {
                return Ok(Some(other));
            }
            if first.as_ref().is_none_or(|first| other.position < first.position) {
                first = Some(other);
            }
        }
        Ok(first)
    }

    async fn version(
        &self,
        component: &Component,
        change: &Change,
        line: &ReleaseLine,
        scheme: Scheme,
    ) -> Result<Version, ServerError> {
        let asked = Asked {
            component: component.id,
            name: &component.name,
            member: component.place.as_ref().map(|place| place.member.as_str()),
            commit: &change.commit,
            line,
            position: change.position,
        };
        Ok(self.versions.of(asked, scheme).await?)
    }

    /// A command printed a version that another package got in the same moment: it does not come onto the
    /// path, and a verdict says why.
    async fn name_is_taken(&self, run: &RunRow, package: Digest, name: &Name) -> Result<(), ServerError> {
        let (Name::Only(version) | Name::From(version)) = name;
        let reason = format!(
            "the version {version} that its command printed is that of another package; print another one for each commit"
        );
        let verdict = Published {
            about: "version",
            result: Judgement::Fail,
            reasons: vec![reason],
            numbers: json!({ "version": version }),
            evidence: Vec::new(),
        };
        let at = run.finished_at.unwrap_or_else(|| self.clock.now());
        let fact = verdict.fact(package, run.id, at, 0);
        self.ledger.append(Append::unconditional(vec![fact])).await?;
        Ok(())
    }

    /// Gives the package's commit its tag, where its definition asks for one. Saying it twice changes
    /// nothing.
    async fn tag(&self, component: &Component, package: &delivery::Package) -> Result<(), ServerError> {
        let Some(prefix) = self.tag_prefix(component, package.definition).await? else {
            return Ok(());
        };
        let claim = engine::kinds::claim_of(&tags::key(component, package));
        if self.ledger.find_claim(&claim).await?.is_some() {
            return Ok(());
        }
        crashpoint::reach("server.tag.before");
        let request = tags::request(
            RunId::new(self.clock.now(), &*self.entropy),
            component,
            package,
            &prefix,
        );
        let submitted = self.engine.submit(request, Append::unconditional(Vec::new())).await;
        submitted.map_err(|error| ServerError::Engine(error.to_string()))?;
        Ok(())
    }

    /// What the tag's name begins with, by a definition that was built; `None` where there is to be none.
    async fn tag_prefix(&self, component: &Component, definition: Digest) -> Result<Option<String>, ServerError> {
        let member = component.place.as_ref().map(|place| place.member.as_str());
        let definition = self.built_definition(definition).await?;
        Ok(definition.and_then(|definition| definition.tag_of(member)))
    }

    /// A definition that was built: it was read then, so it can be read again.
    async fn built_definition(&self, digest: Digest) -> Result<Option<Arc<Definition>>, ServerError> {
        if let Some(known) = self.read.lock().unwrap_or_else(PoisonError::into_inner).get(&digest) {
            return Ok(known.clone());
        }
        let store = self.store.clone();
        let read = tokio::task::spawn_blocking(move || store.read(&digest, LARGEST_KEPT)).await;
        let text = read.map_err(|panic| ServerError::Internal(panic.to_string()))??;
        let definition = Definition::parse_kept(&text, DEFINITION).ok().map(Arc::new);
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT_DEFINITIONS {
            known.clear();
        }
        known.insert(digest, definition.clone());
        Ok(definition)
    }

    /// Whether what a run built may come to a line: where the line forbids tools' caches, it had none.
    async fn may_come_to(&self, run: &RunRow, line: &ReleaseLine) -> Result<bool, ServerError> {
        if is_without_caches(&run.key) {
            return Ok(true);
        }
        let definition = self.built_definition(run.definition).await?;
        Ok(!definition.is_some_and(|definition| definition.forbids_tool_caches(line.as_str())))
    }
}

/// What a package is to be called.
enum Name {
    /// This, or the next one that is free: a rewritten branch or another line can come to a version that
    /// another commit has.
    From(Version),
    /// This and no other.
    Only(Version),
}

/// What the run's command printed.
fn printed(steps: &[StepRow]) -> Result<Version, ServerError> {
    let of_step = |step: &StepRow| step.outputs.as_ref()?.get("version")?.as_str()?.parse().ok();
    let printed = steps.iter().filter(|step| step.action == VERSION).find_map(of_step);
    printed.ok_or_else(|| ServerError::Internal("the run printed no version".to_owned()))
}

/// Accepts under the name, or under the next one that is free where it may be another.
async fn claim<Accepted>(name: &Name, mut accept: impl FnMut(Version) -> Accepted) -> Result<(), DeliveryError>
where
    Accepted: Future<Output = Result<(), DeliveryError>>,
{
    let mut version = match name {
        Name::Only(version) => return accept(version.clone()).await,
        Name::From(version) => version.clone(),
    };
    loop {
        let refused = match accept(version.clone()).await {
            Err(DeliveryError::Append(error @ AppendError::Claimed { .. })) => error,
            other => return other,
        };
        let next = after(&version, &version);
        if next == version {
            return Err(refused.into());
        }
        version = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Where it ends with these versions claimed by others.
    async fn claimed(name: impl Fn(Version) -> Name, version: &str, others: &[&str]) -> Result<String, DeliveryError> {
        let taken: BTreeSet<Version> = others.iter().map(|other| Version::new(*other).unwrap()).collect();
        let mut got = None;
        claim(&name(Version::new(version).unwrap()), |version| {
            let refused = taken.contains(&version).then(|| AppendError::Claimed {
                key: format!("version:shop/{version}"),
                by: 7,
            });
            got = Some(version.to_string());
            std::future::ready(refused.map_or(Ok(()), |error| Err(error.into())))
        })
        .await?;
        Ok(got.unwrap())
    }

    #[tokio::test]
    async fn a_version_that_another_commit_has_gives_way_to_the_next_free_one() {
        assert_eq!(claimed(Name::From, "1.4.0", &[]).await.unwrap(), "1.4.0");
        assert_eq!(
            claimed(Name::From, "1.4.0", &["1.4.0", "1.4.1", "1.5.0"])
                .await
                .unwrap(),
            "1.4.2"
        );
        assert_eq!(
            claimed(Name::From, "1.4.0-login.5", &["1.4.0-login.5"]).await.unwrap(),
            "1.4.0-login.6"
        );
        assert_eq!(
            claimed(Name::From, "2026.11.3", &["2026.11.3"]).await.unwrap(),
            "2026.11.4"
        );
    }

    #[tokio::test]
    async fn what_a_command_printed_is_not_replaced_by_another_one() {
        assert_eq!(claimed(Name::Only, "1.4.0", &["1.3.0"]).await.unwrap(), "1.4.0");
        for name in ["nightly", "1.4.0"] {
            let refused = claimed(Name::Only, name, &[name]).await;
            assert!(matches!(
                refused,
                Err(DeliveryError::Append(AppendError::Claimed { .. }))
            ));
        }
    }
}
