//! The documents of `throughline run --json`.

use std::path::PathBuf;

use build::around::Around;
use build::reports::TestReport;
use engine::query::StepRow;
use facts::{Digest, StepName};
use local::Foreseen;
use serde::Serialize;

use super::Wanted;
use super::follow::Ended;
use super::tell::commit;
use crate::commands::explain::OfModule;
use crate::show::time::between;

/// What came of a run.
#[derive(Debug, Serialize)]
pub(super) struct RunDocument {
    schema: &'static str,
    component: String,
    /// The commit that is checked out; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    /// How many files differ from it.
    uncommitted: usize,
    definition: Digest,
    result: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    seconds: f64,
    steps: Vec<StepDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<PackageDocument>,
}

/// What came of a step.
#[derive(Debug, Serialize)]
struct StepDocument {
    name: String,
    /// The modules that it comes from, the outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    modules: Vec<OfModule>,
    result: String,
    /// Whether its result was put back instead of made.
    kept: bool,
    /// Why it ran.
    why: Vec<String>,
    attempts: u32,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// What its tests say.
    #[serde(skip_serializing_if = "Option::is_none")]
    tests: Option<TestReport>,
    /// The container that it ran in.
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<executor::Contained>,
    /// What it was limited to, and how far it was held to that.
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<String>,
    /// What ran beside it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    services: Vec<executor::Served>,
    /// The file that holds its log.
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<PathBuf>,
}

/// The package that was put together.
#[derive(Debug, Serialize)]
struct PackageDocument {
    digest: Digest,
    /// The bytes of its layers.
    size: u64,
}

impl RunDocument {
    /// The document of a run that is over; `log` says where the log of a step lies.
    pub fn of(
        wanted: &Wanted,
        ended: &Ended,
        package: Option<&artifact::Package>,
        log: &dyn Fn(&StepRow) -> Option<PathBuf>,
    ) -> Self {
        let seconds = |from: Option<facts::Timestamp>, to: Option<facts::Timestamp>| {
            from.zip(to).map_or(0.0, |(from, to)| between(from, to).as_secs_f64())
        };
        let of_modules = wanted.of_modules();
        let step = |step: &StepRow| {
            let outputs = step.outputs.clone().unwrap_or_default();
            let why = outputs
                .get("why")
                .and_then(|why| serde_json::from_value(why.clone()).ok());
            let around = Around::of_outputs(&outputs).unwrap_or_default();
            StepDocument {
                container: around.container,
                limits: around.limits,
                services: around.services,
                modules: of_modules
                    .get(&step.step)
                    .map(|step| OfModule::all(step))
                    .unwrap_or_default(),
                name: step.step.to_string(),
                result: step.result.map(|result| result.to_string()).unwrap_or_default(),
                kept: outputs.get("kept").is_some(),
                why: why.unwrap_or_default(),
                attempts: step.attempt,
                seconds: seconds(step.started_at, step.finished_at),
                message: step.message.clone(),
                tests: TestReport::of_outputs(&outputs),
                log: log(step),
            }
        };
        Self {
            schema: "run/1",
            component: wanted.here.component.name.to_string(),
            commit: commit(wanted),
            uncommitted: wanted.here.changed.as_ref().map_or(0, Vec::len),
            definition: wanted.definition.digest(),
            result: ended.run.result.map(|result| result.to_string()).unwrap_or_default(),
            reason: ended.run.reason.clone(),
            seconds: seconds(ended.run.started_at, ended.run.finished_at),
            steps: ended.steps.iter().map(step).collect(),
            package: package.map(|package| PackageDocument {
                digest: package.digest,
                size: package.manifest.layers.iter().map(|layer| layer.size).sum(),
            }),
        }
    }
}

/// What a run would do.
#[derive(Debug, Serialize)]
pub(super) struct PlanDocument {
    schema: &'static str,
    component: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    steps: Vec<ForeseenDocument>,
}

/// What would become of a step.
#[derive(Debug, Serialize)]
struct ForeseenDocument {
    name: String,
    /// The modules that it comes from, the outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    modules: Vec<OfModule>,
    /// `runs`, `kept`, `depends` or `conditional`.
    what: &'static str,
    why: Vec<String>,
}

/// The packages of components, in words.
pub(super) fn packages(names: &[String]) -> String {
    match names {
        [one] => format!("the package of {one}"),
        several => format!("the packages of {}", several.join(", ")),
    }
}

/// The document of a look ahead.
pub(super) fn plan(wanted: &Wanted, foreseen: &[(StepName, Foreseen)]) -> PlanDocument {
    let of_modules = wanted.of_modules();
    let step = |(name, what): &(StepName, Foreseen)| {
        let (what, why) = match what {
            Foreseen::Runs(why) => ("runs", why.clone()),
            Foreseen::Kept => ("kept", Vec::new()),
            Foreseen::Depends(need) => ("depends", vec![format!("what `{need}` leaves")]),
            Foreseen::DependsOnPackages(names) => ("depends", vec![packages(names)]),
            Foreseen::Conditional => ("conditional", Vec::new()),
        };
        ForeseenDocument {
            modules: of_modules.get(name).map(|step| OfModule::all(step)).unwrap_or_default(),
            name: name.to_string(),
            what,
            why,
        }
    };
    PlanDocument {
        schema: "plan/1",
        component: wanted.here.component.name.to_string(),
        commit: commit(wanted),
        steps: foreseen.iter().map(step).collect(),
    }
}
