//! The difference of two error rates, valid at every look.
//!
//! For one group with `x` errors in `n` requests and any rate `p`, the beta-binomial mixture
//!
//! ```text
//! M(p) = B(a + x, b + n − x) / B(a, b) / (p^x · (1 − p)^(n − x))
//! ```
//!
//! is a non-negative martingale with mean 1 when `p` is the true rate (Robbins, "Statistical methods
//! related to the law of the iterated logarithm", Annals of Mathematical Statistics 41, 1970; the
//! same mixture in Howard, Ramdas, McAuliffe, Sekhon, "Time-uniform, nonparametric, nonasymptotic
//! confidence sequences", Annals of Statistics 49, 2021). The two groups fail independently, so the
//! product `M(canary) · M(baseline)` is one too, however the requests of the two interleave. By
//! Ville's inequality it ever reaches 1/α with probability at most α; so the pairs of rates at which
//! it stays below 1/α hold the true pair at all looks together with probability 1 − α or more. The
//! interval for the difference is the range of `canary − baseline` over these pairs. It is exact:
//! nothing is asymptotic, and zero errors of n are ordinary evidence. One product for both groups is
//! narrower than two intervals at α/2.
//!
//! The mixture is Beta(0.1, 5): most weight on small rates, some on all others. It decides how soon
//! an answer comes, never whether the level holds.

use serde::{Deserialize, Serialize};

use crate::special::{ln_beta, times_ln};

/// The parameters of the mixture, chosen so that 0 errors, which is the usual sight, cost little:
/// `ln(1 + n/5) · 0.1` instead of the `ln(πn) / 2` of the customary Beta(½, ½).
const MIXTURE: (f64, f64) = (0.1, 5.0);

/// What one group has answered since it appeared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arm {
    /// Requests answered or failed.
    pub requests: u64,
    /// How many of them failed; never more than `requests`.
    pub errors: u64,
}

/// A closed interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub lower: f64,
    /// Its upper end.
    pub upper: f64,
}

/// Counts that may be expected ones, hence no integers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    pub errors: f64,
    pub requests: f64,
}

impl From<Arm> for Counts {
    fn from(arm: Arm) -> Self {
        Self {
            errors: arm.errors.min(arm.requests) as f64,
            requests: arm.requests as f64,
        }
    }
}

impl Counts {
    pub(crate) fn rate(self) -> f64 {
        if self.requests > 0.0 {
            self.errors / self.requests
        } else {
            0.0
        }
    }

    /// ln of the mixture's likelihood.
    fn mixture(self) -> f64 {
        let (a, b) = MIXTURE;
        ln_beta(a + self.errors, b + self.requests - self.errors) - ln_beta(a, b)
    }

    fn log_likelihood(self, rate: f64) -> f64 {
        times_ln(self.errors, rate) + times_ln(self.requests - self.errors, 1.0 - rate)
    }
}

/// The two groups under comparison.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    canary: Counts,
    baseline: Counts,
    mixture: f64,
}

impl Pair {
    pub(crate) fn new(canary: Counts, baseline: Counts) -> Self {
        let mixture = canary.mixture() + baseline.mixture();
        Self {
            canary,
            baseline,
            mixture,
        }
    }

    pub(crate) fn estimate(&self) -> f64 {
        self.canary.rate() - self.baseline.rate()
    }

    /// ln of the smallest product of the two martingales among all pairs of rates that differ by
    /// `difference`. Convex in `difference`.
    fn evidence_against(&self, difference: f64) -> f64 {
        let against = |rate: f64| {
            self.mixture
                - self.canary.log_likelihood((rate + difference).clamp(0.0, 1.0))
                - self.baseline.log_likelihood(rate)
        };
        let (mut low, mut high) = ((-difference).max(0.0), (1.0 - difference).min(1.0));
        // `against` is convex: golden section, after which the ends are looked at too, since the
        // smallest value may lie at the edge (a rate of exactly 0).
        const SECTION: f64 = 0.618_033_988_749_894_9;
        let ends = against(low).min(against(high));
        let (mut left, mut right) = (high - SECTION * (high - low), low + SECTION * (high - low));
        let (mut at_left, mut at_right) = (against(left), against(right));
        for _ in 0..60 {
            if at_left <= at_right {
                high = right;
                (right, at_right) = (left, at_left);
                left = high - SECTION * (high - low);
                at_left = against(left);
            } else {
                low = left;
                (left, at_left) = (right, at_right);
                right = low + SECTION * (high - low);
                at_right = against(right);
            }
        }
        at_left.min(at_right).min(ends)
    }

    /// Whether the evidence speaks against `difference` at level `alpha`.
    pub(crate) fn excludes(&self, difference: f64, alpha: f64) -> bool {
        self.evidence_against(difference) >= -alpha.ln()
    }

    /// The always-valid interval at level `alpha`.
    pub(crate) fn interval(&self, alpha: f64) -> Interval {
        let estimate = self.estimate();
        let end = |outer: f64| {
            if !self.excludes(outer, alpha) {
                return outer;
            }
            // The excluded side stays the outer one, so rounding can only widen the interval.
            let (mut inside, mut outside) = (estimate, outer);
            for _ in 0..50 {
                let middle = f64::midpoint(inside, outside);
                if self.excludes(middle, alpha) {
                    outside = middle;
                } else {
                    inside = middle;
                }
            }
            outside
        };
        Interval {
            lower: end(-1.0),
            upper: end(1.0),
        }
    }
}

/// The always-valid interval, at level `alpha`, for the difference of the error rates `canary −
/// baseline`.
///
/// With probability `1 − alpha` it holds the true difference at all looks together. Without a
/// request on either side it is −1 to 1.
pub fn difference_interval(canary: Arm, baseline: Arm, alpha: f64) -> Interval {
    Pair::new(canary.into(), baseline.into()).interval(alpha)
}

/// Whether the evidence speaks, at level `alpha`, against the two error rates differing by exactly
/// `difference`: the same as `difference` lying outside [`difference_interval`], at a fraction of
/// the cost.
pub fn excludes(canary: Arm, baseline: Arm, difference: f64, alpha: f64) -> bool {
    Pair::new(canary.into(), baseline.into()).excludes(difference, alpha)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(errors: u64, requests: u64) -> Arm {
        Arm { requests, errors }
    }

    #[test]
    fn the_mixture_is_a_martingale_of_mean_one_whatever_the_rate() {
        for requests in [1_u32, 7, 60] {
            let total = f64::from(requests);
            // ln of the number of ways in which x of n requests can fail.
            let ways = |x: f64| -ln_beta(x + 1.0, total - x + 1.0) - (total + 1.0).ln();
            for rate in [0.001, 0.1, 0.5, 0.97] {
                let mean: f64 = (0..=requests)
                    .map(|errors| {
                        let counts = Counts {
                            errors: f64::from(errors),
                            requests: total,
                        };
                        let probability = ways(counts.errors) + counts.log_likelihood(rate);
                        (probability + counts.mixture() - counts.log_likelihood(rate)).exp()
                    })
                    .sum();
                assert!((mean - 1.0).abs() < 1e-9, "{mean} of {requests} at {rate}");
            }
        }
    }

    #[test]
    fn nothing_seen_says_nothing() {
        let interval = difference_interval(arm(0, 0), arm(0, 0), 0.05);
        assert_eq!((interval.lower, interval.upper), (-1.0, 1.0));
    }

    #[test]
    fn exchanging_the_groups_mirrors_the_interval() {
        let one = difference_interval(arm(3, 120), arm(1, 400), 0.05);
        let other = difference_interval(arm(1, 400), arm(3, 120), 0.05);
        assert!((one.lower + other.upper).abs() < 1e-9 && (one.upper + other.lower).abs() < 1e-9);
    }

    #[test]
    fn the_interval_holds_the_estimate_and_narrows_with_more_requests() {
        let mut width = 2.0;
        for scale in [1_u64, 10, 100, 1_000, 1_000_000] {
            let pair = Pair::new(arm(2 * scale, 40 * scale).into(), arm(scale, 40 * scale).into());
            let interval = pair.interval(0.05);
            assert!(interval.lower <= pair.estimate() && pair.estimate() <= interval.upper);
            assert!(interval.upper - interval.lower < width);
            width = interval.upper - interval.lower;
        }
        assert!(width < 0.001);
    }

    #[test]
    fn exclusion_and_the_interval_agree() {
        for (canary, baseline) in [
            (arm(0, 50), arm(0, 50)),
            (arm(9, 90), arm(0, 90)),
            (arm(200, 200), arm(0, 200)),
            (arm(7, 1000), arm(11, 900)),
        ] {
            let interval = difference_interval(canary, baseline, 0.05);
            for step in -100..=100 {
                let difference = f64::from(step) / 100.0;
                let outside = difference < interval.lower - 1e-9 || difference > interval.upper + 1e-9;
                let inside = difference > interval.lower + 1e-9 && difference < interval.upper - 1e-9;
                let excluded = excludes(canary, baseline, difference, 0.05);
                assert!(!outside || excluded, "{difference} {interval:?}");
                assert!(!inside || !excluded, "{difference} {interval:?}");
            }
        }
    }

    #[test]
    fn a_smaller_alpha_gives_a_wider_interval() {
        let wide = difference_interval(arm(5, 100), arm(1, 100), 0.001);
        let narrow = difference_interval(arm(5, 100), arm(1, 100), 0.1);
        assert!(wide.lower < narrow.lower && narrow.upper < wide.upper);
    }
}
