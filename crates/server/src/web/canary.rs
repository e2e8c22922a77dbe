//! A canary's judgement as the pages show it: from the recorded verdict, or from what both groups
//! have answered until now.

use delivery::judge::{Answers, CanaryVerdict, RouteAnswers, judge, requests_for_a_pass};
use delivery::path::{Canary as Rules, OnDeadline as Then};
use delivery::shape::{BASELINE, CANARY};
use delivery::{DeploymentContext, State};
use engine::query::StepRow;
use facts::published::Judgement;
use facts::{Digest, EnvironmentName, Timestamp, Version};
use pages::model::{Canary, CanaryGroup, Comparison, GroupKind, OnDeadline, RouteFailures, Unit};
use statistics::{Conclusion, Histogram, Judged};
use target::{GroupEvidence, Placement};

use super::observations::evidence;
use crate::house::House;

/// How many failing routes are shown.
const ROUTES: usize = 5;
/// The quantile that is shown where latency is not judged.
const SHOWN_QUANTILE: f64 = 0.95;

/// Which packages are compared, and where.
pub(super) struct Compared<'a> {
    /// Where.
    pub environment: EnvironmentName,
    /// The new package.
    pub canary: Digest,
    /// The old package.
    pub baseline: Option<Digest>,
    /// How it is judged.
    pub rules: &'a Rules,
    /// The packages' versions.
    pub state: &'a State,
}

impl<'a> Compared<'a> {
    /// What the run of a deployment compares.
    pub fn of(context: &DeploymentContext, rules: &'a Rules, state: &'a State) -> Self {
        Self {
            environment: context.environment().clone(),
            canary: context.intent.package,
            baseline: context.intent.from.package,
            rules,
            state,
        }
    }

    fn version(&self, package: Digest) -> Option<Version> {
        self.state.packages.get(&package).map(|package| package.version.clone())
    }

    fn group(&self, group: GroupKind, package: Digest, answers: &Answers) -> CanaryGroup {
        let quantile = self.rules.latency.map_or(SHOWN_QUANTILE, |latency| latency.quantile);
        CanaryGroup {
            group,
            version: self.version(package),
            package,
            requests: answers.requests,
            errors: answers.errors,
            latency_ms: answers.latency.quantile(quantile).map(|us| us / 1_000.0),
        }
    }

    /// The card of a verdict; one that waits is of a canary that runs.
    pub fn card(&self, verdict: &CanaryVerdict) -> Canary {
        let mut groups = Vec::new();
        if let Some(baseline) = self.baseline {
            groups.push(self.group(GroupKind::Baseline, baseline, &verdict.baseline));
        }
        groups.push(self.group(GroupKind::Canary, self.canary, &verdict.canary));
        let mut comparisons = vec![errors(verdict)];
        if let (Some(judged), Some(rule)) = (&verdict.latency, self.rules.latency) {
            comparisons.push(latency(verdict, judged, rule.quantile));
        }
        let mut routes: Vec<&RouteAnswers> = verdict.canary.routes.iter().filter(|route| route.errors > 0).collect();
        routes.sort_by(|a, b| b.errors.cmp(&a.errors).then_with(|| a.route.cmp(&b.route)));
        let runs = verdict.judgement == Judgement::Wait;
        Canary {
            environment: self.environment.clone(),
            result: verdict.judgement,
            reasons: verdict
                .reasons
                .iter()
                .map(|reason| super::guard::sentence(reason))
                .collect(),
            alpha: verdict.alpha,
            started_at: verdict.started_at,
            decided_at: (!runs).then_some(verdict.decided_at),
            deadline: Some(verdict.deadline),
            on_deadline: match self.rules.on_deadline {
                Then::Return => OnDeadline::Return,
                Then::GoOn => OnDeadline::GoOn,
            },
            requests_needed: requests_for_a_pass(self.rules).ok(),
            groups,
            comparisons,
            failing_routes: routes
                .into_iter()
                .take(ROUTES)
                .map(|route| RouteFailures {
                    route: route.route.clone(),
                    requests: route.requests,
                    errors: route.errors,
                })
                .collect(),
        }
    }
}

fn judgement(conclusion: Conclusion) -> Judgement {
    match conclusion {
        Conclusion::Pass => Judgement::Pass,
        Conclusion::Fail => Judgement::Fail,
        Conclusion::Wait => Judgement::Wait,
    }
}

fn share(answers: &Answers) -> Option<f64> {
    (answers.requests > 0).then(|| answers.errors as f64 / answers.requests as f64)
}

fn errors(verdict: &CanaryVerdict) -> Comparison {
    compared(
        "failed requests",
        Unit::Share,
        &verdict.errors,
        share(&verdict.baseline),
        share(&verdict.canary),
        1.0,
    )
}

fn latency(verdict: &CanaryVerdict, judged: &Judged, quantile: f64) -> Comparison {
    let of = |answers: &Answers| answers.latency.quantile(quantile).map(|us| us / 1_000.0);
    let metric = format!("latency, {}", quantile_words(quantile));
    compared(
        &metric,
        Unit::Milliseconds,
        judged,
        of(&verdict.baseline),
        of(&verdict.canary),
        1_000.0,
    )
}

/// `95th percentile`, `99.9th percentile`.
fn quantile_words(quantile: f64) -> String {
    let percent = (quantile * 100_000.0).round() / 1_000.0;
    let ending = match percent {
        p if p.fract() != 0.0 => "th",
        p => match (p as u64 % 10, p as u64 % 100) {
            (_, 11..=13) => "th",
            (1, _) => "st",
            (2, _) => "nd",
            (3, _) => "rd",
            _ => "th",
        },
    };
    format!("{percent}{ending} percentile")
}

fn compared(
    metric: &str,
    unit: Unit,
    judged: &Judged,
    baseline: Option<f64>,
    canary: Option<f64>,
    per: f64,
) -> Comparison {
    Comparison {
        metric: metric.to_owned(),
        unit,
        result: judgement(judged.conclusion),
        baseline,
        canary,
        estimate: judged.estimate.map(|estimate| estimate / per),
        low: judged.lower.map_or(f64::NEG_INFINITY, |low| low / per),
        high: judged.upper.map_or(f64::INFINITY, |high| high / per),
        margin: judged.margin / per,
    }
}

/// The card of the canary that a deployment compares now; `None` when it compares nothing.
pub(super) async fn running(
    house: &House,
    state: &State,
    placement: &Placement,
    context: &DeploymentContext,
    steps: &[StepRow],
) -> Option<Canary> {
    let analyze = steps.iter().find(|step| step.action == delivery::plan::ANALYZE)?;
    if analyze.state == engine::State::Finished || analyze.started_at.is_none() {
        return None;
    }
    let since = steps
        .iter()
        .find_map(|step| step.outputs.as_ref()?.get("since")?.as_str()?.parse::<Timestamp>().ok());
    let started_at = since.or(analyze.started_at)?;
    let seen = evidence(house, placement).await?;
    let of = |name: &str| answers(seen.groups.iter().find(|group| group.group == name));
    let rules = context.canary();
    let verdict = judge(&rules, of(CANARY), of(BASELINE), started_at, house.clock.now()).ok()?;
    let mut card = Compared::of(context, &rules, state).card(&verdict);
    // What is decided here is only shown: the verdict that counts is the one that is recorded.
    if card.result != Judgement::Wait {
        card.result = Judgement::Wait;
        card.decided_at = None;
    }
    Some(card)
}

fn answers(seen: Option<&GroupEvidence>) -> Answers {
    let latency = seen.map_or_else(
        || Histogram::new(Vec::new()),
        |group| Histogram {
            bounds_us: group.latency.bounds_us.clone(),
            counts: group.latency.counts.clone(),
        },
    );
    let routes = seen
        .into_iter()
        .flat_map(|group| &group.routes)
        .map(|route| RouteAnswers {
            route: route.route.clone(),
            requests: route.requests,
            errors: route.errors,
        });
    Answers {
        requests: seen.map_or(0, |group| group.requests),
        errors: seen.map_or(0, |group| group.errors),
        routes: routes.collect(),
        latency,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_said_in_words() {
        assert_eq!(quantile_words(0.95), "95th percentile");
        assert_eq!(quantile_words(0.999), "99.9th percentile");
        assert_eq!(quantile_words(0.51), "51st percentile");
        assert_eq!(quantile_words(0.12), "12th percentile");
    }
}
