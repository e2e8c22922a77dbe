//! How a package was made, read from the facts of its build.

use std::collections::BTreeMap;

use build::making::{Part, parts};
use engine::kinds::{Planned, Requested};
use engine::query::{RunFilter, RunRow};
use facts::{Actor, RunId, Stream, Timestamp};

use super::Reader;
use crate::changes::{BUILD, Component};
use crate::error::ServerError;

/// So many facts of a run are read at a time.
const PAGE: usize = 64;
/// So many builds of a commit are looked at for the one that made a package.
const BUILDS: usize = 20;

/// How a package was made.
#[derive(Debug, Clone)]
pub(crate) struct Making {
    /// The build.
    pub run: RunId,
    /// Who asked for it.
    pub actor: Actor,
    /// When.
    pub requested_at: Timestamp,
    /// What is known of it.
    pub parts: Vec<Part>,
}

impl Reader<'_> {
    /// How a package was made; nothing where no build here made it.
    ///
    /// # Errors
    /// When something cannot be read.
    pub(crate) async fn making(
        &self,
        component: &Component,
        package: &artifact::Package,
    ) -> Result<Option<Making>, ServerError> {
        let state = self.0.delivery.state(component.id);
        let accepted = state.packages.get(&package.digest);
        let run = match accepted {
            Some(accepted) => engine::query::run(&*self.0.ledger, accepted.run).await?,
            None => self.made_by(component, package).await?,
        };
        let Some(run) = run else { return Ok(None) };
        let Some((requested, plan)) = self.asked(run.id).await? else {
            return Ok(None);
        };
        let steps = engine::query::steps(&*self.0.ledger, run.id).await?.rows;
        let outputs: BTreeMap<_, _> = steps
            .into_iter()
            .filter_map(|step| Some((step.step, step.outputs?)))
            .collect();
        let mut all = vec![Part::of_build("platform", package.config.platform.to_string())];
        all.extend(parts(&requested, &plan, &outputs));
        Ok(Some(Making {
            run: run.id,
            actor: run.actor,
            requested_at: run.requested_at,
            parts: all,
        }))
    }

    /// The build of the package's commit that made it.
    async fn made_by(&self, component: &Component, package: &artifact::Package) -> Result<Option<RunRow>, ServerError> {
        let filter = RunFilter {
            component: Some(component.id),
            kind: Some(BUILD.to_owned()),
            commit: Some(package.config.commit.clone()),
            ..RunFilter::default()
        };
        for run in engine::query::runs(&*self.0.ledger, &filter, BUILDS, None).await?.rows {
            if self.built_package(Some(&run)).await? == Some(package.digest) {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// What a run was asked to do.
    async fn asked(&self, run: RunId) -> Result<Option<(Requested, Vec<pipeline::PlannedStep>)>, ServerError> {
        let stream = Stream::new("run", run);
        let mut requested: Option<Requested> = None;
        let (mut plan, mut version) = (Vec::new(), 0);
        loop {
            let facts = self.0.ledger.read_stream(&stream, version, PAGE).await?;
            let is_last = facts.len() < PAGE;
            for fact in facts {
                version += 1;
                match fact.kind() {
                    engine::kinds::REQUESTED => requested = Some(fact.body()?),
                    engine::kinds::PLANNED => plan.extend(fact.body::<Planned>()?.steps),
                    _ => {}
                }
            }
            let is_whole = requested.as_ref().is_some_and(|one| plan.len() as u64 >= one.steps);
            if is_last || is_whole {
                return Ok(requested.map(|requested| (requested, plan)));
            }
        }
    }
}

/// The name of what is compared first of two: who asked for them.
pub(crate) const ASKED_BY: &str = "asked for by";

/// How `after` was made in another way than `before`, where both are known. People are named by `name`.
pub(crate) fn differing(
    before: Option<&Making>,
    after: Option<&Making>,
    name: impl Fn(Actor) -> String,
) -> Option<Vec<build::making::Differing>> {
    let parts = |making: &Making| {
        let mut parts = vec![Part::of_build(ASKED_BY, name(making.actor))];
        parts.extend(making.parts.iter().cloned());
        parts
    };
    Some(build::making::differing(&parts(before?), &parts(after?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asked_is_compared_by_name_and_what_is_unknown_not_at_all() {
        let making = |actor| Making {
            run: RunId::of_key("r"),
            actor,
            requested_at: Timestamp::UNIX_EPOCH,
            parts: Vec::new(),
        };
        let (person, system) = (
            making(Actor::User(facts::ActorId::of_key("ada"))),
            making(Actor::System),
        );
        let name = |actor: Actor| if actor == Actor::System { "Throughline" } else { "Ada" }.to_owned();
        let found = differing(Some(&person), Some(&system), name).unwrap();
        let [one] = &found[..] else { panic!("{found:?}") };
        let value = |part: &Option<Part>| part.as_ref().unwrap().value.clone();
        assert_eq!(
            (value(&one.before), value(&one.after)),
            ("Ada".to_owned(), "Throughline".to_owned())
        );
        assert!(differing(None, Some(&system), name).is_none());
        assert_eq!(differing(Some(&system), Some(&system), name), Some(Vec::new()));
    }
}
