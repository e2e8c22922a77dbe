//! Judging a canary: pure, from what both groups answered so far.
//!
//! Errors and latency are judged together; each spends its share of α, so that α holds for the whole
//! verdict. Both intervals are always valid: looking often costs nothing.

use facts::Timestamp;
use facts::published::Judgement;
use serde::{Deserialize, Serialize};
use statistics::{
    Arm, Conclusion, ErrorRule, Histogram, Judged, LatencyRule, RuleError, judge_errors, judge_latency,
    latency_requests_needed, requests_needed,
};

use crate::path::{Canary, OnDeadline};

/// What a group of instances answered since the canary began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// Requests.
    pub requests: u64,
    /// Answers of class 5xx, and requests that got none.
    pub errors: u64,
    /// How long the answers took.
    pub latency: Histogram,
    /// Where requests fail: route, requests, errors; the worst first.
    #[serde(default)]
    pub routes: Vec<RouteAnswers>,
}

impl Answers {
    /// No answers yet, in these buckets of latency.
    pub fn none(bounds_us: Vec<u64>) -> Self {
        // One bucket for everything, where none are known.
        let bounds_us = if bounds_us.is_empty() { vec![1] } else { bounds_us };
        Self {
            requests: 0,
            errors: 0,
            latency: Histogram::new(bounds_us),
            routes: Vec::new(),
        }
    }
}

/// What a group answered on one route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteAnswers {
    /// Method and path.
    pub route: String,
    /// Requests.
    pub requests: u64,
    /// Errors among them.
    pub errors: u64,
}

/// A verdict on a canary with all its numbers, as it is recorded and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CanaryVerdict {
    /// What it came to.
    pub judgement: Judgement,
    /// Sentences.
    pub reasons: Vec<String>,
    /// The accepted probability of a wrong verdict.
    pub alpha: f64,
    /// Error rates compared.
    pub errors: Judged,
    /// Latencies compared, where the environment asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Judged>,
    /// What the baseline answered.
    pub baseline: Answers,
    /// What the canary answered.
    pub canary: Answers,
    /// When the canary began.
    pub started_at: Timestamp,
    /// When this was decided.
    pub decided_at: Timestamp,
    /// When it would have been decided without evidence.
    pub deadline: Timestamp,
    /// Whether the evidence decided, and not the deadline.
    pub by_evidence: bool,
}

fn rules(policy: &Canary) -> (ErrorRule, Option<LatencyRule>) {
    let parts = if policy.latency.is_some() { 2.0 } else { 1.0 };
    let errors = ErrorRule {
        margin: policy.margin,
        alpha: policy.alpha / parts,
        minimum_requests: policy.minimum_requests,
    };
    let latency = policy.latency.map(|latency| LatencyRule {
        quantile: latency.quantile,
        margin_us: u64::try_from(latency.margin.as_micros()).unwrap_or(u64::MAX),
        alpha: policy.alpha / parts,
        minimum_requests: policy.minimum_requests,
    });
    (errors, latency)
}

/// How many requests the canary, and as many the baseline, are expected to need for a pass when the
/// package is good: told before the start.
///
/// # Errors
/// When the policy's numbers are out of range.
pub fn requests_for_a_pass(policy: &Canary) -> Result<u64, RuleError> {
    let (errors, latency) = rules(policy);
    let for_errors = requests_needed(errors.margin, errors.alpha, 0.0)?.likely;
    let for_latency = match latency {
        Some(rule) => latency_requests_needed(rule.quantile, rule.alpha)?,
        None => 0,
    };
    Ok(for_errors.max(for_latency).max(policy.minimum_requests))
}

/// Judges the canary at `now`.
///
/// # Errors
/// When the policy's numbers are out of range, or a group has more errors than requests.
pub fn judge(
    policy: &Canary,
    canary: Answers,
    baseline: Answers,
    started_at: Timestamp,
    now: Timestamp,
) -> Result<CanaryVerdict, RuleError> {
    let (error_rule, latency_rule) = rules(policy);
    let arm = |answers: &Answers| Arm {
        requests: answers.requests,
        errors: answers.errors,
    };
    let errors = judge_errors(&error_rule, arm(&canary), arm(&baseline))?;
    let latency = match latency_rule {
        Some(rule) => Some(compare_latency(&rule, &canary.latency, &baseline.latency)?),
        None => None,
    };
    let deadline = started_at.checked_add(policy.deadline).unwrap_or(Timestamp::MAX);
    let parts: Vec<&Judged> = std::iter::once(&errors).chain(latency.as_ref()).collect();
    let mut reasons: Vec<String> = parts.iter().map(|part| part.reason.clone()).collect();
    let (judgement, by_evidence) = if parts.iter().any(|part| part.conclusion == Conclusion::Fail) {
        (Judgement::Fail, true)
    } else if parts.iter().all(|part| part.conclusion == Conclusion::Pass) {
        (Judgement::Pass, true)
    } else if now >= deadline {
        let (judgement, outcome) = match policy.on_deadline {
            OnDeadline::Return => (Judgement::Unknown, "the environment goes back"),
            OnDeadline::GoOn => (Judgement::Pass, "the environment's policy lets it go on"),
        };
        reasons.insert(0, format!("the deadline passed without a verdict; {outcome}"));
        (judgement, false)
    } else {
        (Judgement::Wait, false)
    };
    // The worst first: what failed is what people want to read.
    if judgement == Judgement::Fail
        && let Some(failed) = parts.iter().position(|part| part.conclusion == Conclusion::Fail)
    {
        reasons.swap(0, failed);
    }
    Ok(CanaryVerdict {
        judgement,
        reasons,
        alpha: policy.alpha,
        errors,
        latency,
        baseline,
        canary,
        started_at,
        decided_at: now,
        deadline,
        by_evidence,
    })
}

/// Judges latencies. Histograms that cannot be compared, such as those of two proxies of different
/// versions, are no evidence: the canary waits, as it does without requests.
fn compare_latency(rule: &LatencyRule, canary: &Histogram, baseline: &Histogram) -> Result<Judged, RuleError> {
    match judge_latency(rule, canary, baseline) {
        Err(RuleError::Histogram(error)) => {
            let nothing = Answers::none(Vec::new()).latency;
            let judged = judge_latency(rule, &nothing, &nothing)?;
            Ok(Judged {
                reason: format!("the latencies cannot be compared: {error}"),
                ..judged
            })
        }
        judged => judged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Latency;
    use std::time::Duration;

    fn answers(requests: u64, errors: u64, latency_us: u64) -> Answers {
        let mut latency = Histogram::new(vec![1_000, 10_000, 50_000, 100_000, 500_000, 1_000_000]);
        for _ in 0..requests {
            latency.record(latency_us);
        }
        Answers {
            requests,
            errors,
            latency,
            routes: Vec::new(),
        }
    }

    fn policy() -> Canary {
        Canary {
            latency: Some(Latency {
                quantile: 0.9,
                margin: Duration::from_millis(100),
            }),
            deadline: Duration::from_secs(60),
            ..Canary::default()
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_good_canary_passes_once_there_are_as_many_requests_as_were_announced() {
        let needed = requests_for_a_pass(&policy()).unwrap();
        let verdict = judge(
            &policy(),
            answers(needed, 0, 5_000),
            answers(needed, 0, 5_000),
            at(0),
            at(1),
        )
        .unwrap();
        assert_eq!(verdict.judgement, Judgement::Pass, "{verdict:?}");
        let verdict = judge(&policy(), answers(20, 0, 5_000), answers(20, 0, 5_000), at(0), at(1)).unwrap();
        assert_eq!(verdict.judgement, Judgement::Wait);
    }

    #[test]
    fn a_canary_that_is_only_slow_fails() {
        let verdict = judge(
            &policy(),
            answers(2_000, 0, 400_000),
            answers(2_000, 0, 5_000),
            at(0),
            at(1),
        )
        .unwrap();
        assert_eq!(verdict.judgement, Judgement::Fail);
        assert!(verdict.reasons[0].contains("slower"), "{:?}", verdict.reasons);
    }

    #[test]
    fn latencies_that_cannot_be_compared_are_no_evidence() {
        let unlike = Answers {
            latency: Histogram::new(Vec::new()),
            ..answers(2_000, 0, 5_000)
        };
        for (canary, baseline) in [
            (answers(2_000, 0, 5_000), unlike.clone()),
            (unlike.clone(), answers(2_000, 0, 5_000)),
            (unlike.clone(), unlike),
            (answers(2_000, 0, 5_000), Answers::none(Vec::new())),
        ] {
            let verdict = judge(&policy(), canary.clone(), baseline.clone(), at(0), at(1)).unwrap();
            assert_eq!(verdict.judgement, Judgement::Wait, "{:?}", verdict.reasons);
            let verdict = judge(&policy(), canary, baseline, at(0), at(60)).unwrap();
            assert_eq!(verdict.judgement, Judgement::Unknown, "{:?}", verdict.reasons);
            let told = verdict
                .reasons
                .iter()
                .any(|reason| reason.contains("cannot be compared"));
            assert!(told, "{:?}", verdict.reasons);
        }
    }

    #[test]
    fn no_requests_until_the_deadline_are_never_a_pass() {
        let verdict = judge(&policy(), answers(0, 0, 1), answers(0, 0, 1), at(0), at(60)).unwrap();
        assert_eq!((verdict.judgement, verdict.by_evidence), (Judgement::Unknown, false));
    }

    #[test]
    fn the_chance_of_a_mistake_is_shared_by_what_is_compared() {
        let (errors, latency) = rules(&policy());
        assert_eq!(
            (errors.alpha, latency.unwrap().alpha),
            (policy().alpha / 2.0, policy().alpha / 2.0)
        );
        let alone = Canary {
            latency: None,
            ..policy()
        };
        let (errors, latency) = rules(&alone);
        assert_eq!((errors.alpha, latency.is_none()), (alone.alpha, true));
    }
}
