//! Builds: one run for each change, and what follows when it ends well.

use std::sync::Arc;

use artifact::BlobStore;
use delivery::{Delivery, DeliveryError, PackageAccepted};
use engine::query::RunFilter;
use engine::{BrokenDefinition, Engine, RunRequest, RunResult, State};
use facts::{Actor, Clock, Commit, ComponentId, Digest, Entropy, ReleaseLine, RunId, Trust, Version};
use ledger::{Append, AppendError, Direction, Ledger, Op, Row, Select, Value};
use pipeline::document::VersionScheme;
use pipeline::{Definition, Diagnostics, PackageDocument, Plan};
use serde_json::json;
use source::SourceError;
use source::version::{Scheme, after};

use super::register::{Component, Register};
use super::repositories::{Repositories, RepositoryError};
use super::versions::{Asked, Versions};
use super::view::CHANGES;
use crate::error::ServerError;
use crate::ports::StoredPackages;

/// The kind of runs that build.
pub const BUILD: &str = "build";
/// The file that says how a component is built.
const DEFINITION: &str = "throughline.yaml";
/// The largest definition that is read, in bytes.
const LARGEST_DEFINITION: u64 = 4 * 1024 * 1024;
/// How many changes that were not built yet are looked at in one go after a restart.
const PAGE: usize = 500;

/// The key that makes sure that a commit is built once for each definition and trust.
pub fn build_key(component: ComponentId, commit: &Commit, definition: Digest, trust: Trust) -> String {
    format!("build:{component}/{commit}/{definition}/{trust}")
}

/// What is told of all that is wrong with a definition: the first thing that comes with a hint, for it
/// often is the cause of others, or else the first.
fn broken(diagnostics: &Diagnostics) -> BrokenDefinition {
    let told = diagnostics.iter().find(|diagnostic| diagnostic.hint.is_some());
    let told = told.unwrap_or_else(|| diagnostics.first());
    let message = match diagnostics.iter().len() - 1 {
        0 => told.message.clone(),
        more => format!("{} (and {more} more)", told.message),
    };
    let otherwise = || "`throughline check` lists all that is wrong before a push".to_owned();
    BrokenDefinition {
        file: told.file.clone(),
        line: told.line,
        column: told.column,
        message,
        hint: Some(told.hint.clone().unwrap_or_else(otherwise)),
    }
}

/// Starts builds, and brings their packages onto the path.
pub struct Builds {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    engine: Arc<Engine>,
    delivery: Delivery,
    register: Register,
    repositories: Arc<Repositories>,
    versions: Versions,
    packages: Arc<StoredPackages>,
    store: Arc<BlobStore>,
}

/// What builds work with.
pub struct BuildParts {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub entropy: Arc<dyn Entropy>,
    /// What drives the runs.
    pub engine: Arc<Engine>,
    /// The path of packages.
    pub delivery: Delivery,
    /// The components.
    pub register: Register,
    /// Their repositories.
    pub repositories: Arc<Repositories>,
    /// The stored packages.
    pub packages: Arc<StoredPackages>,
    /// The blobs, in which definitions are kept.
    pub store: Arc<BlobStore>,
}

/// A change as it was recorded.
struct Change {
    component: ComponentId,
    branch: String,
    commit: Commit,
    position: u64,
    actor: Actor,
    trust: Trust,
}

fn change(row: &Row) -> Result<Change, ServerError> {
    Ok(Change {
        component: row.parse("component")?,
        branch: row.text("branch")?.to_owned(),
        commit: row.parse("head")?,
        position: row.natural("position")?,
        actor: row.parse("actor")?,
        trust: serde_json::from_value(json!(row.text("trust")?))?,
    })
}

impl Builds {
    /// Builds with these parts.
    pub fn new(parts: BuildParts) -> Self {
        let BuildParts {
            ledger,
            clock,
            entropy,
            engine,
            delivery,
            register,
            repositories,
            packages,
            store,
        } = parts;
        Self {
            versions: Versions::new(ledger.clone(), repositories.clone()),
            ledger,
            clock,
            entropy,
            engine,
            delivery,
            register,
            repositories,
            packages,
            store,
        }
    }

    /// Goes through the changes after `position` that have no build yet, and starts it. Whether each has
    /// one now; what could not be built is logged, and is to be tried again.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn catch_up(&self, mut position: u64) -> Result<bool, ServerError> {
        let mut all = true;
        loop {
            let query = Select::from(CHANGES)
                .filter("run", Op::Eq, Value::Null)
                .filter("position", Op::Gt, position)
                .order("position", Direction::Asc)
                .limit(PAGE);
            let rows = self.ledger.select(query).await?.rows;
            for row in &rows {
                let change = change(row)?;
                position = position.max(change.position);
                let considered = self.consider(&change).await;
                if let Err(ServerError::Repository(RepositoryError::Source(SourceError::NoCommit(gone)))) = &considered
                {
                    tracing::warn!(commit = %gone, "a change is gone from its repository and is not built");
                } else if let Err(error) = considered {
                    tracing::error!(commit = %change.commit, %error, "a change could not be built; it is tried again soon");
                    all = false;
                }
            }
            if rows.len() < PAGE {
                return Ok(all);
            }
        }
    }

    /// Looks at the newest builds again, for those that ended while nobody looked.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn recover(&self) -> Result<(), ServerError> {
        let filter = RunFilter {
            kind: Some(BUILD.to_owned()),
            result: Some(RunResult::Succeeded),
            ..RunFilter::default()
        };
        for run in engine::query::runs(&*self.ledger, &filter, PAGE, None).await?.rows {
            self.ended(run.id).await?;
        }
        Ok(())
    }

    /// A build has ended: when it ended well, its package comes onto the path of every release line
    /// its commit is on.
    ///
    /// # Errors
    /// When something cannot be read or recorded.
    pub async fn ended(&self, run: RunId) -> Result<(), ServerError> {
        let Some(row) = engine::query::run(&*self.ledger, run).await? else {
            return Ok(());
        };
        let Some(commit) = row.commit.filter(|_| row.kind == BUILD) else {
            return Ok(());
        };
        let query = Select::from(CHANGES)
            .filter("component", Op::Eq, row.component.to_string())
            .filter("head", Op::Eq, commit.as_str());
        for row in self.ledger.select(query).await?.rows {
            self.accept(&change(&row)?, run).await?;
        }
        Ok(())
    }

    async fn consider(&self, change: &Change) -> Result<(), ServerError> {
        let Some(component) = self.register.by_id(change.component).await? else {
            return Ok(());
        };
        let (definition, plan) = self.definition(&component, &change.commit).await?;
        let request = RunRequest {
            run: RunId::new(self.clock.now(), &*self.entropy),
            kind: BUILD.to_owned(),
            key: build_key(change.component, &change.commit, definition, change.trust),
            component: change.component,
            component_name: component.name.clone(),
            commit: Some(change.commit.clone()),
            line: ReleaseLine::new(&change.branch).ok(),
            environment: None,
            definition,
            trust: change.trust,
            actor: change.actor,
            cause: None,
            context: json!({ "branch": change.branch }),
            plan,
        };
        let submitted = self
            .engine
            .submit(request, Append::unconditional(Vec::new()))
            .await
            .map_err(|error| ServerError::Engine(error.to_string()))?;
        if submitted.repeated {
            self.accept(change, submitted.run).await?;
        }
        Ok(())
    }

    /// The definition at a commit: its digest, and its plan or what is wrong with it. The text is
    /// kept as a blob under its digest.
    async fn definition(
        &self,
        component: &Component,
        commit: &Commit,
    ) -> Result<(Digest, Result<Plan, BrokenDefinition>), ServerError> {
        let read = self
            .repositories
            .file(&component.name, commit, DEFINITION, LARGEST_DEFINITION)
            .await;
        let unreadable = |message: String, hint: String| {
            let whole_file = BrokenDefinition {
                file: DEFINITION.to_owned(),
                line: 0,
                column: 0,
                message,
                hint: Some(hint),
            };
            Ok((Digest::of(""), Err(whole_file)))
        };
        let text = match read {
            Ok(Some(text)) => text,
            Ok(None) => {
                return unreadable(
                    "the commit has no definition".to_owned(),
                    format!("add a {DEFINITION} that says how to build it; docs/pipeline.md has examples"),
                );
            }
            Err(RepositoryError::Source(SourceError::NotAFile { kind, .. })) => {
                return unreadable(
                    format!("it is {kind}, not a file"),
                    "the definition is one plain file in the component's folder".to_owned(),
                );
            }
            Err(RepositoryError::Source(SourceError::TooLarge { size, limit, .. })) => {
                return unreadable(
                    format!("it has {size} bytes, more than the {limit} that are read"),
                    "move long scripts into files of their own and call them from the steps".to_owned(),
                );
            }
            Err(error) => return Err(error.into()),
        };
        let (store, kept) = (self.store.clone(), text.clone());
        let stored = tokio::task::spawn_blocking(move || store.put_bytes(&kept)).await;
        let digest = stored
            .map_err(|panic| ServerError::Internal(panic.to_string()))??
            .digest;
        let plan = match Definition::parse_bytes(&text, DEFINITION) {
            Ok(definition) => Ok(definition.plan()),
            Err(diagnostics) => Err(broken(&diagnostics)),
        };
        Ok((digest, plan))
    }

    /// Brings the package of a run that ended well onto the path, when the change is trusted and
    /// came to a release line.
    async fn accept(&self, change: &Change, run: RunId) -> Result<(), ServerError> {
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
        let steps = engine::query::steps(&*self.ledger, run).await?.rows;
        let packaged = steps
            .iter()
            .find_map(|step| step.outputs.as_ref()?.get("package")?.as_str()?.parse().ok());
        let Some(package) = packaged else { return Ok(()) };
        let state = self.delivery.state(change.component);
        let known = state.packages.get(&package);
        if known.is_some_and(|known| known.lines().any(|known| *known == line)) {
            return Ok(());
        }
        let Some(component) = self.register.by_id(change.component).await? else {
            return Ok(());
        };
        let document = delivery::ports::Packages::document(&*self.packages, package).await;
        let document = document.map_err(|error| ServerError::Internal(error.to_string()))?;
        // A package keeps the version it was given first, whatever lines its commit comes to.
        let version = match known {
            Some(known) => known.version.clone(),
            None => {
                let asked = Asked {
                    component: change.component,
                    name: &component.name,
                    commit: &change.commit,
                    line: &line,
                    position: change.position,
                };
                self.versions.of(asked, scheme(&document)).await?
            }
        };
        let accepted = PackageAccepted {
            package,
            version,
            component_name: component.name.clone(),
            commit: change.commit.clone(),
            line,
            order: change.position,
            run,
            author: change.actor,
            definition: row.definition,
            gates: document.gates.clone(),
        };
        claim(&accepted.version, |version| {
            let accepted = PackageAccepted {
                version,
                ..accepted.clone()
            };
            self.delivery.accept(change.component, accepted)
        })
        .await?;
        Ok(())
    }
}

/// How the package's version is made.
fn scheme(document: &PackageDocument) -> Scheme {
    match document.version_scheme {
        VersionScheme::Semantic => Scheme::Semantic,
        VersionScheme::Calendar => Scheme::Calendar,
    }
}

/// Accepts under `version`, or under the next one that is free: a rewritten branch can come to a
/// version that another commit has.
async fn claim<Accepted>(version: &Version, mut accept: impl FnMut(Version) -> Accepted) -> Result<(), DeliveryError>
where
    Accepted: Future<Output = Result<(), DeliveryError>>,
{
    let mut version = version.clone();
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
    async fn claimed(version: &str, others: &[&str]) -> Result<String, DeliveryError> {
        let taken: BTreeSet<Version> = others.iter().map(|other| Version::new(*other).unwrap()).collect();
        let mut got = None;
        claim(&Version::new(version).unwrap(), |version| {
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
        assert_eq!(claimed("1.4.0", &[]).await.unwrap(), "1.4.0");
        assert_eq!(claimed("1.4.0", &["1.4.0", "1.4.1", "1.5.0"]).await.unwrap(), "1.4.2");
        assert_eq!(
            claimed("1.4.0-login.5", &["1.4.0-login.5"]).await.unwrap(),
            "1.4.0-login.6"
        );
        assert_eq!(claimed("2026.11.3", &["2026.11.3"]).await.unwrap(), "2026.11.4");
    }

    #[tokio::test]
    async fn a_name_that_has_no_next_one_stays_refused() {
        let refused = claimed("nightly", &["nightly"]).await;
        assert!(matches!(
            refused,
            Err(DeliveryError::Append(AppendError::Claimed { .. }))
        ));
    }
}
