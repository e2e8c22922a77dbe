//! The plan of a deployment: which actions, in which order. A pure function of purpose, strategy and
//! what the package carries.

use facts::{NameError, StepName};
use pipeline::document::PackageDocument;
use pipeline::plan::{EffectClass, Plan, PlannedStep, Retries};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::path::Strategy;

/// The action that checks the package and the way back before anything is touched.
pub const ADMIT: &str = "admit";
/// The action that brings the database's schema forward.
pub const MIGRATE: &str = "migrate";
/// The action that renders the configuration and says what changes.
pub const CONFIGURE: &str = "configure";
/// The action that starts, shifts and stops instances.
pub const ROLL_OUT: &str = "roll-out";
/// The action that judges the canary beside its baseline.
pub const ANALYZE: &str = "analyze";
/// The action that runs one of the package's own checks against the environment.
pub const VERIFY: &str = "verify";

/// What a roll-out brings about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// A few new instances beside the old ones, and as many old ones as a baseline.
    Canary,
    /// One instance after another.
    Rolling,
    /// All new instances first, then all traffic at once.
    BlueGreen,
    /// All new instances, and the old ones gone.
    Full,
}

/// The input of the action [`ROLL_OUT`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollOutInput {
    /// What to bring about.
    pub shape: Shape,
    /// The first phase of the generation's stamp that the action may use; it uses at most
    /// [`PHASES_PER_ROLL_OUT`].
    pub first_phase: u32,
}

/// How many phases one roll-out may use.
pub const PHASES_PER_ROLL_OUT: u32 = 1_000;

/// The input of the action [`VERIFY`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyInput {
    /// The check's name.
    pub name: String,
    /// Its commands.
    pub script: String,
}

/// Plans the deployment of a package with this document.
///
/// `beside` says whether an earlier package runs there, beside which a canary can be judged. A
/// return goes straight to the full shape: what it brings back is proven already, and time counts.
///
/// # Errors
/// When one of the package's checks has a name that no step may have.
pub fn plan(is_return: bool, strategy: &Strategy, beside: bool, document: &PackageDocument) -> Result<Plan, NameError> {
    let mut steps: Vec<PlannedStep> = Vec::new();
    let push =
        |steps: &mut Vec<PlannedStep>, name: &str, action: &str, input: serde_json::Value| -> Result<(), NameError> {
            let mut step = PlannedStep::new(StepName::new(name)?, action, input);
            step.needs = steps.last().map(|last| last.name.clone()).into_iter().collect();
            step.effect = EffectClass::Idempotent;
            steps.push(step);
            Ok(())
        };
    push(&mut steps, "admit", ADMIT, json!({}))?;
    // A return leaves the schema where it is: that the earlier package works on it was checked
    // before the deployment began.
    if document.database.is_some() && !is_return {
        push(&mut steps, "migrate", MIGRATE, json!({}))?;
    }
    push(&mut steps, "configure", CONFIGURE, json!({}))?;
    if document.service.is_some() {
        let mut phase = 1;
        let mut roll_out = |steps: &mut Vec<PlannedStep>, name: &str, shape: Shape| {
            let input = RollOutInput {
                shape,
                first_phase: phase,
            };
            phase += PHASES_PER_ROLL_OUT;
            push(steps, name, ROLL_OUT, json!(input))
        };
        match strategy {
            _ if is_return || !beside => roll_out(&mut steps, "roll-out", Shape::Full)?,
            Strategy::Rolling => roll_out(&mut steps, "roll-out", Shape::Rolling)?,
            Strategy::BlueGreen => roll_out(&mut steps, "roll-out", Shape::BlueGreen)?,
            Strategy::Canary(_) => {
                roll_out(&mut steps, "canary", Shape::Canary)?;
                push(&mut steps, "analyze", ANALYZE, json!({}))?;
                roll_out(&mut steps, "promote", Shape::Full)?;
            }
        }
    }
    // What is around the package may fail for a moment: a database that restarts, a proxy that is
    // handed over. And a health check that just missed its deadline on a busy machine deserves a
    // second look before a package is given up. What says for sure that it is bad is not repeated.
    for step in &mut steps {
        step.retries = Retries {
            times: 2,
            ..Retries::default()
        };
    }
    for check in &document.verify {
        let input = VerifyInput {
            name: check.name.clone(),
            script: check.script.clone(),
        };
        push(&mut steps, &format!("verify-{}", check.name), VERIFY, json!(input))?;
        if let Some(step) = steps.last_mut() {
            step.timeout_seconds = Some(check.timeout_seconds);
            step.retries = Retries {
                times: 1,
                ..Retries::default()
            };
        }
    }
    Ok(Plan::of(steps))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Canary;
    use pipeline::document::{DatabaseEngine, DatabaseNeeds, Health, Service, VerifyStep};

    fn document() -> PackageDocument {
        PackageDocument {
            service: Some(Service {
                command: vec!["bin/serve".into()],
                health: Health::default(),
                port_variable: "PORT".into(),
                variables: Default::default(),
                stop_grace_seconds: 1,
            }),
            database: Some(DatabaseNeeds {
                migrations: "migrations".into(),
                engine: DatabaseEngine::Sqlite,
            }),
            verify: vec![VerifyStep {
                name: "smoke".into(),
                script: "true".into(),
                timeout_seconds: 5,
            }],
            ..Default::default()
        }
    }

    fn names(plan: &Plan) -> Vec<&str> {
        plan.steps.iter().map(|step| step.name.as_str()).collect()
    }

    #[test]
    fn a_canary_is_judged_before_everybody_gets_the_package() {
        let plan = plan(false, &Strategy::Canary(Canary::default()), true, &document()).unwrap();
        assert_eq!(
            names(&plan),
            [
                "admit",
                "migrate",
                "configure",
                "canary",
                "analyze",
                "promote",
                "verify-smoke"
            ]
        );
        plan.check().unwrap();
        // What is around the package may fail for a moment; its own check gets one second look.
        let times: Vec<u32> = plan.steps.iter().map(|step| step.retries.times).collect();
        assert_eq!(times, [2, 2, 2, 2, 2, 2, 1]);
        // A target refuses phases that do not rise.
        let phases = plan.steps.iter().filter_map(|step| step.input["first_phase"].as_u64());
        assert_eq!(phases.collect::<Vec<_>>(), [1, 1 + u64::from(PHASES_PER_ROLL_OUT)]);
    }

    #[test]
    fn the_first_package_has_nothing_to_be_compared_with() {
        let plan = plan(false, &Strategy::Canary(Canary::default()), false, &document()).unwrap();
        assert_eq!(
            names(&plan),
            ["admit", "migrate", "configure", "roll-out", "verify-smoke"]
        );
    }

    #[test]
    fn a_return_goes_straight_back_and_leaves_the_schema() {
        let plan = plan(true, &Strategy::Canary(Canary::default()), true, &document()).unwrap();
        assert_eq!(names(&plan), ["admit", "configure", "roll-out", "verify-smoke"]);
    }

    #[test]
    fn a_package_without_service_or_database_is_only_configured() {
        let plan = plan(false, &Strategy::Rolling, true, &PackageDocument::default()).unwrap();
        assert_eq!(names(&plan), ["admit", "configure"]);
    }
}
