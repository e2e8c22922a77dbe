//! A canary's judgement, with its numbers.

use facts::published::Judgement;
use facts::{Digest, EnvironmentName, Timestamp, Version};
use serde::Serialize;

/// A canary beside its baseline, and what the comparison came to so far.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Canary {
    /// Where.
    pub environment: EnvironmentName,
    /// What it came to; `Wait` while it runs.
    pub result: Judgement,
    /// Why, in sentences.
    pub reasons: Vec<String>,
    /// The chance of a wrong verdict that was accepted beforehand.
    pub alpha: f64,
    /// When the requests began to be compared.
    pub started_at: Timestamp,
    /// When it was decided; `None` while it runs.
    pub decided_at: Option<Timestamp>,
    /// When it ends at the latest.
    pub deadline: Option<Timestamp>,
    /// What happens then.
    pub on_deadline: OnDeadline,
    /// How many requests to the canary the margin needs, as said before the start.
    pub requests_needed: Option<u64>,
    /// Baseline and canary, and the rest (`stable`) where it is known.
    pub groups: Vec<CanaryGroup>,
    /// One for each metric.
    pub comparisons: Vec<Comparison>,
    /// The routes of the canary that failed most.
    pub failing_routes: Vec<RouteFailures>,
}

/// What a canary does when its deadline comes without a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDeadline {
    /// The environment goes back.
    Return,
    /// The canary goes on to everybody.
    GoOn,
}

/// Which instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupKind {
    /// Those that serve everybody.
    Stable,
    /// The old package, started beside the canary for a fair comparison.
    Baseline,
    /// The new package.
    Canary,
    /// The new package, complete, before traffic moves to it.
    Next,
}

/// What one group answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CanaryGroup {
    /// Which group.
    pub group: GroupKind,
    /// Its package's version.
    pub version: Option<Version>,
    /// Its package.
    pub package: Digest,
    /// Requests answered or tried.
    pub requests: u64,
    /// How many of them failed.
    pub errors: u64,
    /// The latency at the quantile that is judged, in milliseconds.
    pub latency_ms: Option<f64>,
}

/// One metric of the canary against the baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// What is compared, such as `failed requests` or `latency, 95th percentile`.
    pub metric: String,
    /// In what unit the numbers below are.
    pub unit: Unit,
    /// What it came to.
    pub result: Judgement,
    /// The baseline's value.
    pub baseline: Option<f64>,
    /// The canary's value.
    pub canary: Option<f64>,
    /// Canary minus baseline.
    pub estimate: Option<f64>,
    /// The lower end of the confidence interval of the difference; may be infinite.
    pub low: f64,
    /// Its upper end; may be infinite.
    pub high: f64,
    /// How much worse is still accepted.
    pub margin: f64,
}

/// The unit of a comparison's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// A share of 1; shown in percent, differences in percentage points.
    Share,
    /// Milliseconds.
    Milliseconds,
    /// A plain number.
    Number,
}

/// A route that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteFailures {
    /// The route, such as `GET /orders`.
    pub route: String,
    /// Requests to it.
    pub requests: u64,
    /// How many failed.
    pub errors: u64,
}
