//! Pass, fail or wait: the rule by which a canary is judged, and how many requests it takes.
//!
//! A canary *passes* when the interval's upper end is below the margin, *fails* when its lower end is
//! above zero and the estimate exceeds the margin, and else *waits*. The intervals are always valid,
//! so a canary that is no worse than its baseline ever fails with probability at most α, and one
//! that is worse by the margin or more ever passes with probability at most α. Each rule spends its
//! own α: whoever judges errors and latency together and wants α in all gives each a half.

use serde::{Deserialize, Serialize};

use crate::proportion::{Arm, Counts, Pair};
use crate::quantile::{self, Histogram, HistogramError};

/// What the evidence allows to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// Not worse by the margin.
    Pass,
    /// Worse, and the estimate exceeds the margin.
    Fail,
    /// Neither can be said yet.
    Wait,
}

/// What the numbers of a [`Judged`] count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// A share of requests, between 0 and 1.
    Share,
    /// Microseconds.
    Microseconds,
}

/// A rule that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RuleError {
    /// α out of range.
    #[error("alpha must lie between 0 and 1 and is {0}")]
    Alpha(f64),
    /// The margin of an error rate out of range.
    #[error("the margin of an error rate must lie between 0 and 1 and is {0}")]
    Margin(f64),
    /// The margin of a latency out of range.
    #[error("the margin of a latency must be more than 0 microseconds")]
    LatencyMargin,
    /// The quantile out of range.
    #[error("a quantile must lie between 0 and 1 and is {0}")]
    Quantile(f64),
    /// More errors than requests.
    #[error("{errors} errors of {requests} requests cannot be")]
    Counts {
        /// Requests counted.
        requests: u64,
        /// Errors counted.
        errors: u64,
    },
    /// Histograms that cannot be compared.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
}

/// How error rates are judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ErrorRule {
    /// By how much the canary's error rate may exceed the baseline's; between 0 and 1.
    pub margin: f64,
    /// The probability of a wrong verdict that is accepted; between 0 and 1.
    pub alpha: f64,
    /// With fewer requests to the baseline nothing is said, with fewer to the canary it cannot pass.
    pub minimum_requests: u64,
}

impl Default for ErrorRule {
    /// One percentage point at α = 0.05, from 50 requests.
    fn default() -> Self {
        Self {
            margin: 0.01,
            alpha: 0.05,
            minimum_requests: 50,
        }
    }
}

/// How latencies are judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LatencyRule {
    /// Which quantile; between 0 and 1.
    pub quantile: f64,
    /// By how much the canary's quantile may exceed the baseline's, in microseconds.
    pub margin_us: u64,
    /// The probability of a wrong verdict that is accepted; between 0 and 1.
    pub alpha: f64,
    /// With fewer requests to the baseline nothing is said, with fewer to the canary it cannot pass.
    pub minimum_requests: u64,
}

/// A judgement with the numbers it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// What may be said.
    pub conclusion: Conclusion,
    /// A sentence a person understands.
    pub reason: String,
    /// What the numbers count.
    pub unit: Unit,
    /// The difference seen, canary − baseline; `None` while one of them has no request.
    pub estimate: Option<f64>,
    /// The lower end of the always-valid interval; `None` is minus infinity.
    pub lower: Option<f64>,
    /// The upper end of the always-valid interval; `None` is infinity.
    pub upper: Option<f64>,
    /// The margin it was judged by.
    pub margin: f64,
    /// The α it was judged by.
    pub alpha: f64,
    /// The canary's requests.
    pub canary_requests: u64,
    /// The baseline's requests.
    pub baseline_requests: u64,
}

struct Ends {
    estimate: Option<f64>,
    lower: Option<f64>,
    upper: Option<f64>,
}

/// The rule itself, the same for shares and for microseconds.
fn conclude(ends: &Ends, margin: f64, canary_requests: u64, baseline_requests: u64, minimum: u64) -> Conclusion {
    if baseline_requests < minimum.max(1) || canary_requests == 0 {
        return Conclusion::Wait;
    }
    if ends.lower.is_some_and(|lower| lower > 0.0) && ends.estimate.is_some_and(|estimate| estimate > margin) {
        return Conclusion::Fail;
    }
    if canary_requests >= minimum && ends.upper.is_some_and(|upper| upper < margin) {
        return Conclusion::Pass;
    }
    Conclusion::Wait
}

fn check_alpha(alpha: f64) -> Result<(), RuleError> {
    if alpha > 0.0 && alpha < 1.0 {
        Ok(())
    } else {
        Err(RuleError::Alpha(alpha))
    }
}

fn check_margin(margin: f64) -> Result<(), RuleError> {
    if margin > 0.0 && margin < 1.0 {
        Ok(())
    } else {
        Err(RuleError::Margin(margin))
    }
}

fn too_few(canary: u64, baseline: u64, minimum: u64) -> Option<String> {
    if baseline < minimum.max(1) {
        Some(format!(
            "too few requests to compare with: the baseline has {baseline} of at least {}",
            minimum.max(1)
        ))
    } else if canary == 0 {
        Some("the canary has answered no request yet".to_owned())
    } else {
        None
    }
}

/// Judges the canary's errors against the baseline's.
///
/// # Errors
/// When the rule is out of range or a group has more errors than requests.
pub fn judge_errors(rule: &ErrorRule, canary: Arm, baseline: Arm) -> Result<Judged, RuleError> {
    check_alpha(rule.alpha)?;
    check_margin(rule.margin)?;
    for arm in [canary, baseline] {
        if arm.errors > arm.requests {
            return Err(RuleError::Counts {
                requests: arm.requests,
                errors: arm.errors,
            });
        }
    }
    let pair = Pair::new(canary.into(), baseline.into());
    let interval = pair.interval(rule.alpha);
    let ends = Ends {
        estimate: (canary.requests > 0 && baseline.requests > 0).then(|| pair.estimate()),
        lower: Some(interval.lower),
        upper: Some(interval.upper),
    };
    let conclusion = conclude(
        &ends,
        rule.margin,
        canary.requests,
        baseline.requests,
        rule.minimum_requests,
    );
    let seen = format!(
        "{} of {} requests to the canary failed, {} of {} to the baseline",
        canary.errors, canary.requests, baseline.errors, baseline.requests
    );
    let points = |share: f64| format!("{:.2}", share * 100.0);
    let bounds = format!(
        "the difference lies between {} and {} percentage points, the margin is {}",
        points(interval.lower),
        points(interval.upper),
        points(rule.margin)
    );
    let reason = match (
        conclusion,
        too_few(canary.requests, baseline.requests, rule.minimum_requests),
    ) {
        (_, Some(few)) => format!("{few}; {seen}"),
        (Conclusion::Pass, None) => format!("not worse by the margin: {seen}; {bounds}"),
        (Conclusion::Fail, None) => format!("the canary fails more often: {seen}; {bounds}"),
        (Conclusion::Wait, None) => format!("not decided yet: {seen}; {bounds}"),
    };
    Ok(Judged {
        conclusion,
        reason,
        unit: Unit::Share,
        estimate: ends.estimate,
        lower: ends.lower,
        upper: ends.upper,
        margin: rule.margin,
        alpha: rule.alpha,
        canary_requests: canary.requests,
        baseline_requests: baseline.requests,
    })
}

/// Judges the canary's latency against the baseline's.
///
/// # Errors
/// When the rule is out of range or the histograms cannot be compared.
pub fn judge_latency(rule: &LatencyRule, canary: &Histogram, baseline: &Histogram) -> Result<Judged, RuleError> {
    check_alpha(rule.alpha)?;
    check_quantile(rule.quantile)?;
    if rule.margin_us == 0 {
        return Err(RuleError::LatencyMargin);
    }
    let interval = quantile::difference_interval(canary, baseline, rule.quantile, rule.alpha)?;
    let (of_canary, of_baseline) = (canary.quantile(rule.quantile), baseline.quantile(rule.quantile));
    let ends = Ends {
        estimate: of_canary.zip(of_baseline).map(|(canary, baseline)| canary - baseline),
        lower: interval.lower,
        upper: interval.upper,
    };
    let margin = rule.margin_us as f64;
    let (canary_requests, baseline_requests) = (canary.total(), baseline.total());
    let conclusion = conclude(&ends, margin, canary_requests, baseline_requests, rule.minimum_requests);
    let milliseconds = |value: Option<f64>, without: &str| {
        value.map_or_else(|| without.to_owned(), |us| format!("{:.1} ms", us / 1_000.0))
    };
    let seen = format!(
        "the {} % quantile is {} at the canary ({canary_requests} requests) and {} at the baseline ({baseline_requests})",
        (rule.quantile * 1e6).round() / 1e4,
        milliseconds(of_canary, "unknown"),
        milliseconds(of_baseline, "unknown"),
    );
    let bounds = format!(
        "the difference lies between {} and {}, the margin is {}",
        milliseconds(interval.lower, "minus infinity"),
        milliseconds(interval.upper, "infinity"),
        milliseconds(Some(margin), "")
    );
    let reason = match (
        conclusion,
        too_few(canary_requests, baseline_requests, rule.minimum_requests),
    ) {
        (_, Some(few)) => format!("{few}; {seen}"),
        (Conclusion::Pass, None) => format!("not slower by the margin: {seen}; {bounds}"),
        (Conclusion::Fail, None) => format!("the canary is slower: {seen}; {bounds}"),
        (Conclusion::Wait, None) => format!("not decided yet: {seen}; {bounds}"),
    };
    Ok(Judged {
        conclusion,
        reason,
        unit: Unit::Microseconds,
        estimate: ends.estimate,
        lower: ends.lower,
        upper: ends.upper,
        margin,
        alpha: rule.alpha,
        canary_requests,
        baseline_requests,
    })
}

fn check_quantile(quantile: f64) -> Result<(), RuleError> {
    if quantile > 0.0 && quantile < 1.0 {
        Ok(())
    } else {
        Err(RuleError::Quantile(quantile))
    }
}

/// How many requests *each* of the two groups needs before a canary that is as good as its baseline
/// passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestsNeeded {
    /// When the groups fail exactly as often as expected: about even odds to have passed by then.
    pub typical: u64,
    /// When the canary is as unlucky as one time in ten: nine of ten have passed by then.
    pub likely: u64,
}

/// How many requests each group needs to pass at this `margin` and `alpha`, when both fail at
/// `baseline_rate`. Said before the start, so that nobody waits for what cannot come.
///
/// # Errors
/// When a number is out of range.
pub fn requests_needed(margin: f64, alpha: f64, baseline_rate: f64) -> Result<RequestsNeeded, RuleError> {
    check_alpha(alpha)?;
    check_margin(margin)?;
    if !(0.0..1.0).contains(&baseline_rate) {
        return Err(RuleError::Margin(baseline_rate));
    }
    let passes = |requests: u64, unlucky: f64| {
        let n = requests as f64;
        // The difference of two counts has the variance 2np(1 − p); half of the bad luck on each side.
        let shift = unlucky * (2.0 * n * baseline_rate * (1.0 - baseline_rate)).sqrt() / 2.0;
        let expected = n * baseline_rate;
        let group = |errors: f64| Counts {
            errors: errors.clamp(0.0, n),
            requests: n,
        };
        let pair = Pair::new(group(expected + shift), group(expected - shift));
        pair.estimate() < margin && pair.excludes(margin, alpha)
    };
    Ok(RequestsNeeded {
        typical: smallest(|n| passes(n, 0.0)),
        likely: smallest(|n| passes(n, 1.2816)),
    })
}

/// How many requests each group needs before anything can be said about a `quantile` of its latency.
/// A pass within a margin takes more, by as much as the latencies scatter.
///
/// # Errors
/// When a number is out of range.
pub fn latency_requests_needed(quantile: f64, alpha: f64) -> Result<u64, RuleError> {
    check_alpha(alpha)?;
    check_quantile(quantile)?;
    Ok(quantile::requests_to_bound(quantile, alpha))
}

/// The smallest number at which `holds`, for something that goes on holding; at most 2^40.
pub(crate) fn smallest(holds: impl Fn(u64) -> bool) -> u64 {
    const MOST: u64 = 1 << 40;
    let mut high = 1;
    while high < MOST && !holds(high) {
        high *= 2;
    }
    let mut low = high / 2;
    while low + 1 < high {
        let middle = u64::midpoint(low, high);
        if holds(middle) { high = middle } else { low = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(errors: u64, requests: u64) -> Arm {
        Arm { requests, errors }
    }

    fn errors(canary: Arm, baseline: Arm) -> Conclusion {
        judge_errors(&ErrorRule::default(), canary, baseline)
            .unwrap()
            .conclusion
    }

    #[test]
    fn no_baseline_is_never_a_pass_nor_a_fail() {
        assert_eq!(errors(arm(0, 100_000), arm(0, 0)), Conclusion::Wait);
        assert_eq!(errors(arm(100_000, 100_000), arm(0, 0)), Conclusion::Wait);
        assert_eq!(errors(arm(0, 100_000), arm(0, 49)), Conclusion::Wait);
        assert_eq!(errors(arm(0, 0), arm(0, 100_000)), Conclusion::Wait);
    }

    #[test]
    fn no_errors_at_all_pass_after_a_few_hundred_requests() {
        assert_eq!(errors(arm(0, 200), arm(0, 200)), Conclusion::Wait);
        assert_eq!(errors(arm(0, 600), arm(0, 600)), Conclusion::Pass);
    }

    #[test]
    fn ten_percent_against_none_fails_within_a_hundred_requests() {
        assert_eq!(errors(arm(10, 100), arm(0, 100)), Conclusion::Fail);
        assert_eq!(errors(arm(8, 8), arm(0, 60)), Conclusion::Fail);
    }

    #[test]
    fn a_difference_below_the_margin_is_no_failure_however_sure() {
        // 0.5 percentage points worse, beyond doubt: still within the margin of one.
        let judged = judge_errors(&ErrorRule::default(), arm(10_000, 1_000_000), arm(5_000, 1_000_000)).unwrap();
        assert!(judged.lower.unwrap() > 0.0);
        assert_eq!(judged.conclusion, Conclusion::Pass);
    }

    #[test]
    fn the_numbers_of_a_verdict_stand_in_its_document() {
        let judged = judge_errors(&ErrorRule::default(), arm(10, 100), arm(0, 100)).unwrap();
        let document = serde_json::to_value(&judged).unwrap();
        assert_eq!(document["conclusion"], "fail");
        assert_eq!(document["unit"], "share");
        assert_eq!(document["margin"], 0.01);
        assert_eq!(document["alpha"], 0.05);
        assert!(document["lower"].as_f64() < document["estimate"].as_f64());
        assert!(
            judged
                .reason
                .contains("10 of 100 requests to the canary failed, 0 of 100"),
            "{}",
            judged.reason
        );
    }

    #[test]
    fn rules_out_of_range_are_refused() {
        let rule = ErrorRule::default();
        for bad in [
            ErrorRule { alpha: 0.0, ..rule },
            ErrorRule {
                alpha: f64::NAN,
                ..rule
            },
            ErrorRule { margin: 1.0, ..rule },
            ErrorRule { margin: -0.1, ..rule },
        ] {
            assert!(judge_errors(&bad, arm(0, 1), arm(0, 1)).is_err());
        }
        assert!(judge_errors(&rule, arm(2, 1), arm(0, 1)).is_err());
        assert!(requests_needed(0.0, 0.05, 0.0).is_err());
        assert!(latency_requests_needed(1.0, 0.05).is_err());
    }

    #[test]
    fn the_requests_needed_are_those_at_which_a_good_canary_passes() {
        let needed = requests_needed(0.01, 0.05, 0.0).unwrap();
        assert_eq!(needed.typical, needed.likely, "without errors there is no luck");
        assert_eq!(errors(arm(0, needed.typical), arm(0, needed.typical)), Conclusion::Pass);
        assert_eq!(
            errors(arm(0, needed.typical - 1), arm(0, needed.typical - 1)),
            Conclusion::Wait
        );
        let with_errors = requests_needed(0.01, 0.05, 0.01).unwrap();
        assert!(needed.typical < with_errors.typical && with_errors.typical < with_errors.likely);
        assert!(requests_needed(0.05, 0.05, 0.0).unwrap().typical < needed.typical);
    }

    #[test]
    fn a_canary_that_is_only_slow_fails_and_an_equal_one_passes() {
        let bounds: Vec<u64> = (1..=100).map(|step| step * 10_000).collect();
        let of = |centre: u64, requests: u64| {
            let mut histogram = Histogram::new(bounds.clone());
            for request in 0..requests {
                histogram.record(centre + (request * 7_919) % 40_000);
            }
            histogram
        };
        let rule = LatencyRule {
            quantile: 0.95,
            margin_us: 100_000,
            alpha: 0.05,
            minimum_requests: 50,
        };
        let slow = judge_latency(&rule, &of(300_000, 200), &of(20_000, 200)).unwrap();
        assert_eq!(slow.conclusion, Conclusion::Fail, "{}", slow.reason);
        let equal = judge_latency(&rule, &of(20_000, 400), &of(20_000, 400)).unwrap();
        assert_eq!(equal.conclusion, Conclusion::Pass, "{}", equal.reason);
        let early = judge_latency(&rule, &of(20_000, 60), &of(20_000, 60)).unwrap();
        assert_eq!(early.conclusion, Conclusion::Wait, "{}", early.reason);
        assert!(latency_requests_needed(0.95, 0.05).unwrap() < 150);
    }
}
