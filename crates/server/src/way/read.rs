//! What is read for the way of a change.

use std::sync::Arc;
use std::time::Duration;

use delivery::kinds::{DeploymentResult, Purpose};
use delivery::{GateVerdict, Path, State};
use engine::query::RunRow;
use facts::{Actor, Commit, ComponentId, DeploymentId, Digest, EnvironmentName, RunId, Timestamp};
use ledger::{Direction, Op, Row, Select};
use serde_json::json;

use crate::changes::{BUILD, Component, TAG};
use crate::error::ServerError;
use crate::house::House;

/// How many earlier ones say how long something usually takes.
const USUALLY: usize = 20;

/// A commit on a branch, as it was recorded.
#[derive(Debug, Clone)]
pub struct ChangeRow {
    /// Whose.
    pub component: ComponentId,
    /// The branch.
    pub branch: String,
    /// The commit.
    pub commit: Commit,
    /// The position that orders changes.
    pub position: u64,
    /// When it came.
    pub arrived_at: Timestamp,
    /// Who brought it.
    pub actor: Actor,
    /// The run that builds it.
    pub run: Option<RunId>,
}

impl ChangeRow {
    /// Reads a row of the table of changes.
    ///
    /// # Errors
    /// When the row has another shape.
    pub fn of(row: &Row) -> Result<Self, ledger::RowError> {
        Ok(Self {
            component: row.parse("component")?,
            branch: row.text("branch")?.to_owned(),
            commit: row.parse("head")?,
            position: row.natural("position")?,
            arrived_at: row.timestamp("arrived_at")?,
            actor: row.parse("actor")?,
            run: row.optional_parse("run")?,
        })
    }
}

/// A deployment, as the view has it.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// Its id.
    pub deployment: DeploymentId,
    /// Where.
    pub environment: EnvironmentName,
    /// Why.
    pub purpose: Purpose,
    /// What.
    pub package: Digest,
    /// What was there before.
    pub from: Option<Digest>,
    /// The run that did it.
    pub run: RunId,
    /// Who asked for it.
    pub actor: Actor,
    /// When it was decided.
    pub intended_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How it ended.
    pub result: Option<DeploymentResult>,
    /// Why it was made.
    pub why: Vec<String>,
    /// Why it ended so.
    pub reasons: Vec<String>,
}

impl Deployed {
    /// Reads a row of the table of deployments.
    ///
    /// # Errors
    /// When the row has another shape.
    pub fn of(row: &Row) -> Result<Self, ServerError> {
        Ok(Self {
            deployment: row.parse("deployment")?,
            environment: row.parse("environment")?,
            purpose: serde_json::from_value(json!(row.text("purpose")?))?,
            package: row.parse("package")?,
            from: row.optional_parse("from_package")?,
            run: row.parse("run")?,
            actor: row.parse("actor")?,
            intended_at: row.timestamp("intended_at")?,
            finished_at: row.optional_timestamp("finished_at")?,
            result: row
                .optional_text("result")?
                .map(|text| serde_json::from_value(json!(text)))
                .transpose()?,
            why: row.json("why")?,
            reasons: row.optional_json("reasons")?.unwrap_or_default(),
        })
    }
}

/// A verdict, as the view has it.
#[derive(Debug, Clone)]
pub struct VerdictRow {
    /// What was judged.
    pub about: String,
    /// Where.
    pub environment: Option<EnvironmentName>,
    /// What it came to.
    pub result: facts::published::Judgement,
    /// Why.
    pub reasons: Vec<String>,
    /// The numbers behind it.
    pub numbers: serde_json::Value,
    /// When.
    pub recorded_at: Timestamp,
    /// The run that came to it.
    pub run: Option<RunId>,
}

/// Everything that the way of one change is told from.
#[derive(Debug, Clone)]
pub struct Read {
    /// The component.
    pub component: Component,
    /// The change.
    pub change: ChangeRow,
    /// The run that builds it.
    pub build: Option<RunRow>,
    /// The other builds that this one waits for, each as a sentence.
    pub held: Vec<String>,
    /// Of a change that waits so, the newest of its branch that builds upon it: it holds this one too.
    pub overtaken: Option<Commit>,
    /// The run that tags the commit with its version, where one was asked for.
    pub tag: Option<RunRow>,
    /// What delivery knows of the component.
    pub state: Arc<State>,
    /// The policy in force.
    pub path: Arc<Path>,
    /// The package, once it was built.
    pub package: Option<Digest>,
    /// The deployments of the package and away from it, oldest first.
    pub deployments: Vec<Deployed>,
    /// The verdicts on the package, oldest first.
    pub verdicts: Vec<VerdictRow>,
    /// The gates that could let it in now.
    pub gates: Vec<(EnvironmentName, GateVerdict)>,
    /// How long a build usually takes.
    pub build_usually: Option<Duration>,
    /// How long a deployment usually takes, by environment.
    pub deployment_usually: Vec<(EnvironmentName, Duration)>,
}

/// Reads ways from the house.
pub struct Reader<'a>(pub &'a House);

fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

fn between(from: Timestamp, to: Option<Timestamp>) -> Option<Duration> {
    Duration::try_from(to?.duration_since(from)).ok()
}

impl Reader<'_> {
    /// The change that `name` means: a commit or the beginning of one, a version, the digest of a
    /// package, or a branch.
    ///
    /// # Errors
    /// When something cannot be read.
    pub async fn find(&self, component: &Component, name: &str) -> Result<Option<ChangeRow>, ServerError> {
        let state = self.0.delivery.state(component.id);
        let by_package = state.packages.values().find(|package| {
            package.version.as_str() == name
                || package.digest.to_string() == name
                || (name.len() >= 7 && package.digest.hex().starts_with(name))
        });
        let of_component = || {
            Select::from("changes")
                .filter("component", Op::Eq, component.id.to_string())
                .order("position", Direction::Desc)
        };
        let query = if let Some(package) = by_package {
            of_component().filter("head", Op::Eq, package.commit.as_str())
        } else if name.len() >= 4 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let name = name.to_ascii_lowercase();
            of_component()
                .filter("head", Op::Ge, name.as_str())
                .filter("head", Op::Lt, format!("{name}g"))
        } else {
            of_component().filter("branch", Op::Eq, name)
        };
        let rows = self.0.ledger.select(query).await?.rows;
        let changes = rows.iter().map(ChangeRow::of).collect::<Result<Vec<_>, _>>()?;
        // A commit may be on several branches: the one that is delivered tells most.
        let path = self.0.delivery.path();
        let delivered = |change: &&ChangeRow| change.branch.parse().is_ok_and(|line| path.delivers(&line));
        Ok(changes.iter().find(delivered).or(changes.first()).cloned())
    }

    /// Reads the way of a change.
    ///
    /// # Errors
    /// When something cannot be read.
    pub async fn way(&self, component: &Component, change: ChangeRow) -> Result<Read, ServerError> {
        let house = self.0;
        let state = house.delivery.state(component.id);
        let path = house.delivery.path();
        let build = match change.run {
            Some(run) => engine::query::run(&*house.ledger, run).await?,
            None => self.run_of(component, BUILD, &change.commit).await?,
        };
        let package = match state.packages.values().find(|package| package.commit == change.commit) {
            Some(package) => Some(package.digest),
            None => self.built_package(build.as_ref()).await?,
        };
        let (mut deployments, mut verdicts) = (Vec::new(), Vec::new());
        if let Some(package) = package {
            for column in ["package", "from_package"] {
                let query = Select::from(delivery::views::DEPLOYMENTS)
                    .filter("component", Op::Eq, component.id.to_string())
                    .filter(column, Op::Eq, package.to_string());
                for row in house.ledger.select(query).await?.rows {
                    deployments.push(Deployed::of(&row)?);
                }
            }
            deployments.sort_by_key(|deployed| (deployed.intended_at, deployed.deployment));
            deployments.dedup_by_key(|deployed| deployed.deployment);
            verdicts = self.verdicts(package).await?;
        }
        let gates = package.map(|package| {
            let waiting = house.delivery.waiting(component.id).into_iter();
            let of_package = waiting.filter_map(|(environment, packages)| {
                let verdict = packages.into_iter().find(|(digest, _)| *digest == package)?.1;
                Some((environment, verdict))
            });
            of_package.collect()
        });
        let held = house.builds.held_by(&change);
        let overtaken = match held.is_empty() {
            true => None,
            false => self.newer(component, &change).await?,
        };
        Ok(Read {
            build_usually: self.build_usually(component.id).await?,
            deployment_usually: self.deployment_usually(component.id, &path).await?,
            component: component.clone(),
            held,
            overtaken,
            tag: self.run_of(component, TAG, &change.commit).await?,
            change,
            build,
            state,
            path,
            package,
            deployments,
            verdicts,
            gates: gates.unwrap_or_default(),
        })
    }

    /// The newest change of the branch, where it builds upon this one.
    async fn newer(&self, component: &Component, change: &ChangeRow) -> Result<Option<Commit>, ServerError> {
        let query = Select::from("changes")
            .filter("component", Op::Eq, component.id.to_string())
            .filter("branch", Op::Eq, change.branch.as_str())
            .filter("position", Op::Gt, change.position)
            .order("position", Direction::Desc)
            .limit(1);
        let rows = self.0.ledger.select(query).await?.rows;
        let Some(newer) = rows.first().map(ChangeRow::of).transpose()? else {
            return Ok(None);
        };
        let repositories = &self.0.repositories;
        let is_behind = repositories.is_ancestor(&component.name, &change.commit, &newer.commit);
        Ok(is_behind.await?.then_some(newer.commit))
    }

    /// The verdicts on a package, oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn verdicts(&self, package: Digest) -> Result<Vec<VerdictRow>, ServerError> {
        let query = Select::from(delivery::views::VERDICTS)
            .filter("subject", Op::Eq, package.to_string())
            .order("seq", Direction::Asc);
        let rows = self.0.ledger.select(query).await?.rows;
        rows.iter()
            .map(|row| {
                Ok(VerdictRow {
                    about: row.text("about")?.to_owned(),
                    environment: row.optional_parse("environment")?,
                    result: serde_json::from_value(json!(row.text("result")?))?,
                    reasons: row.json("reasons")?,
                    numbers: row.optional_json("numbers")?.unwrap_or_default(),
                    recorded_at: row.timestamp("recorded_at")?,
                    run: row.optional_text("correlation")?.and_then(|run| run.parse().ok()),
                })
            })
            .collect()
    }

    /// The newest run of a kind for a commit.
    async fn run_of(&self, component: &Component, kind: &str, commit: &Commit) -> Result<Option<RunRow>, ServerError> {
        let filter = engine::query::RunFilter {
            component: Some(component.id),
            kind: Some(kind.to_owned()),
            commit: Some(commit.clone()),
            ..Default::default()
        };
        Ok(engine::query::runs(&*self.0.ledger, &filter, 1, None)
            .await?
            .rows
            .into_iter()
            .next())
    }

    pub(super) async fn built_package(&self, build: Option<&RunRow>) -> Result<Option<Digest>, ServerError> {
        let Some(build) = build else { return Ok(None) };
        let steps = engine::query::steps(&*self.0.ledger, build.id).await?.rows;
        Ok(steps
            .iter()
            .find_map(|step| step.outputs.as_ref()?.get("package")?.as_str()?.parse().ok()))
    }

    async fn build_usually(&self, component: ComponentId) -> Result<Option<Duration>, ServerError> {
        let filter = engine::query::RunFilter {
            component: Some(component),
            kind: Some(BUILD.to_owned()),
            result: Some(engine::RunResult::Succeeded),
            ..Default::default()
        };
        let runs = engine::query::runs(&*self.0.ledger, &filter, USUALLY, None).await?.rows;
        Ok(median(
            runs.iter()
                .filter_map(|run| between(run.requested_at, run.finished_at))
                .collect(),
        ))
    }

    async fn deployment_usually(
        &self,
        component: ComponentId,
        path: &Path,
    ) -> Result<Vec<(EnvironmentName, Duration)>, ServerError> {
        let mut usually = Vec::new();
        for policy in path.environments() {
            let query = Select::from(delivery::views::DEPLOYMENTS)
                .filter("component", Op::Eq, component.to_string())
                .filter("environment", Op::Eq, policy.name.as_str())
                .filter("result", Op::Eq, "succeeded")
                .order("generation", Direction::Desc)
                .limit(USUALLY);
            let rows = self.0.ledger.select(query).await?.rows;
            let deployed = rows.iter().map(Deployed::of).collect::<Result<Vec<_>, _>>()?;
            let times = deployed
                .iter()
                .filter_map(|one| between(one.intended_at, one.finished_at))
                .collect();
            usually.extend(median(times).map(|time| (policy.name.clone(), time)));
        }
        Ok(usually)
    }
}
