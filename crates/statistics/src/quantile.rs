//! The difference of a quantile between two groups, valid at every look, from histograms.
//!
//! Let `Q` be the true `q`-quantile of a group. Each request lies at or below `Q` with probability
//! `q`, so the number of those that do is a count with a *known* rate, and
//!
//! ```text
//! M(k) = B(qr + k, (1 − q)r + n − k) / B(qr, (1 − q)r) / (q^k · (1 − q)^(n − k))
//! ```
//!
//! at that count `k` is a martingale with mean 1: the beta-binomial confidence sequence for a
//! quantile of Howard and Ramdas, "Sequential estimation of quantiles with applications to A/B
//! testing and best-arm identification", Bernoulli 28, 2022 (arXiv 1906.09712, theorem 1). Where `Q`
//! lies in a bucket, `k` lies between the cumulative counts at the bucket's two ends, and the
//! smallest `M` between them can only understate the evidence; so neither the buckets' width nor
//! many requests with one and the same latency break the level. As with
//! [`proportion`](crate::proportion), the groups' martingales are multiplied and the interval is the
//! range of `canary − baseline` over all pairs of buckets at which the product stays below 1/α.
//!
//! It cannot be narrower than the buckets: a histogram fit for a margin has buckets narrower than it.

use serde::{Deserialize, Serialize};

use crate::special::{ln_beta, times_ln};

/// How concentrated the mixture is around the quantile's rate (`r` above). Small, so that "all of n
/// requests were below" bounds a 95 % quantile after about a hundred requests.
const CONCENTRATION: f64 = 10.0;

/// Latencies counted in buckets.
///
/// `counts[i]` is the number of latencies above `bounds_us[i - 1]` (above zero for the first) and at
/// most `bounds_us[i]`; the last count, one more than there are bounds, is of those above all bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// Upper bounds of the buckets in microseconds, rising.
    pub bounds_us: Vec<u64>,
    /// Requests in each bucket.
    pub counts: Vec<u64>,
}

/// Histograms that cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistogramError {
    /// The bounds do not rise, or there are none.
    #[error("a histogram's bounds must rise and there must be at least one")]
    Bounds,
    /// The number of counts does not fit the number of bounds.
    #[error("a histogram with {bounds} bounds needs {} counts and has {counts}", bounds + 1)]
    Counts {
        /// How many bounds there are.
        bounds: usize,
        /// How many counts there are.
        counts: usize,
    },
    /// The two have different buckets.
    #[error("the two histograms have different buckets")]
    Different,
}

impl Histogram {
    /// An empty histogram.
    pub fn new(bounds_us: Vec<u64>) -> Self {
        let counts = vec![0; bounds_us.len() + 1];
        Self { bounds_us, counts }
    }

    /// Counts one latency.
    pub fn record(&mut self, latency_us: u64) {
        let bucket = self.bounds_us.partition_point(|bound| *bound < latency_us);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
    }

    /// How many latencies are counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn check(&self) -> Result<(), HistogramError> {
        if self.bounds_us.is_empty() || self.bounds_us.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(HistogramError::Bounds);
        }
        if self.counts.len() != self.bounds_us.len() + 1 {
            return Err(HistogramError::Counts {
                bounds: self.bounds_us.len(),
                counts: self.counts.len(),
            });
        }
        Ok(())
    }

    /// The lower and the upper end of a bucket; the last has no upper end.
    fn ends(&self, bucket: usize) -> (f64, Option<f64>) {
        let lower = if bucket == 0 {
            0.0
        } else {
            self.bounds_us[bucket - 1] as f64
        };
        (lower, self.bounds_us.get(bucket).map(|bound| *bound as f64))
    }

    /// The `quantile` in microseconds, interpolated within its bucket; in the last bucket, which has
    /// no end, its lower end. `None` without a request.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let wanted = quantile * total as f64;
        let mut below = 0_u64;
        for (bucket, count) in self.counts.iter().enumerate() {
            if *count > 0 && (below + count) as f64 >= wanted {
                let (lower, upper) = self.ends(bucket);
                let share = ((wanted - below as f64) / *count as f64).clamp(0.0, 1.0);
                return Some(upper.map_or(lower, |upper| lower + share * (upper - lower)));
            }
            below += count;
        }
        None
    }

    /// For each bucket, ln of the evidence against the true quantile lying in it.
    fn evidence(&self, quantile: f64) -> Vec<f64> {
        let total = self.total();
        // M(k + 1) >= M(k) exactly when k >= q(n − 1): it falls up to this count and rises after it.
        let smallest_at = (quantile * (total as f64 - 1.0)).ceil().max(0.0);
        let mut below = 0_u64;
        self.counts
            .iter()
            .map(|count| {
                let through = below + count;
                let nearest = smallest_at.clamp(below as f64, through as f64);
                below = through;
                evidence_at(nearest, total as f64, quantile)
            })
            .collect()
    }
}

/// ln M(k).
fn evidence_at(count: f64, total: f64, quantile: f64) -> f64 {
    let (a, b) = (quantile * CONCENTRATION, (1.0 - quantile) * CONCENTRATION);
    ln_beta(a + count, b + total - count)
        - ln_beta(a, b)
        - times_ln(count, quantile)
        - times_ln(total - count, 1.0 - quantile)
}

/// An interval whose ends may be unknown: a quantile beyond all buckets has no upper end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpenInterval {
    /// The lower end in microseconds; `None` is minus infinity.
    pub lower: Option<f64>,
    /// The upper end in microseconds; `None` is infinity.
    pub upper: Option<f64>,
}

/// The always-valid interval, at level `alpha`, for the difference `canary − baseline` of the
/// `quantile` (between 0 and 1), in microseconds.
///
/// # Errors
/// When the histograms are malformed or have different buckets.
pub fn difference_interval(
    canary: &Histogram,
    baseline: &Histogram,
    quantile: f64,
    alpha: f64,
) -> Result<OpenInterval, HistogramError> {
    canary.check()?;
    baseline.check()?;
    if canary.bounds_us != baseline.bounds_us {
        return Err(HistogramError::Different);
    }
    let limit = -alpha.ln();
    let of_canary = canary.evidence(quantile);
    let of_baseline = baseline.evidence(quantile);
    let mut lower = f64::INFINITY;
    let mut upper = f64::NEG_INFINITY;
    for (i, against_canary) in of_canary.iter().enumerate() {
        for (j, against_baseline) in of_baseline.iter().enumerate() {
            if against_canary + against_baseline >= limit {
                continue;
            }
            let (canary_low, canary_high) = canary.ends(i);
            let (baseline_low, baseline_high) = baseline.ends(j);
            lower = lower.min(baseline_high.map_or(f64::NEG_INFINITY, |high| canary_low - high));
            upper = upper.max(canary_high.map_or(f64::INFINITY, |high| high - baseline_low));
        }
    }
    Ok(OpenInterval {
        lower: lower.is_finite().then_some(lower),
        upper: upper.is_finite().then_some(upper),
    })
}

/// After how many requests a group's `quantile` is bounded from above at all, when both groups see
/// equally many: fewer requests say nothing about it, however fast they were.
pub(crate) fn requests_to_bound(quantile: f64, alpha: f64) -> u64 {
    let bounded = |n: u64| {
        let total = n as f64;
        evidence_at(total, total, quantile) + evidence_at(quantile * total, total, quantile) >= -alpha.ln()
    };
    crate::judgement::smallest(bounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds() -> Vec<u64> {
        (1..=50).map(|step| step * 10_000).collect()
    }

    fn of(latencies: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::new(bounds());
        for latency in latencies {
            histogram.record(latency);
        }
        histogram
    }

    #[test]
    fn a_latency_on_a_bound_belongs_to_the_bucket_below() {
        let histogram = of([10_000, 10_001, 500_000, 500_001]);
        assert_eq!((histogram.counts[0], histogram.counts[1]), (1, 1));
        assert_eq!((histogram.counts[49], histogram.counts[50]), (1, 1));
    }

    #[test]
    fn quantiles_are_interpolated_within_their_bucket() {
        let histogram = of((1..=100).map(|n| n * 1_000));
        assert!((histogram.quantile(0.5).unwrap() - 50_000.0).abs() < 1e-6);
        assert!((histogram.quantile(0.95).unwrap() - 95_000.0).abs() < 1e-6);
        assert_eq!(of([]).quantile(0.5), None);
        assert_eq!(of([9_000_000]).quantile(0.5), Some(500_000.0));
    }

    #[test]
    fn the_mixture_is_a_martingale_of_mean_one_and_smallest_near_its_centre() {
        for (requests, quantile) in [(1_u32, 0.5), (30, 0.95), (80, 0.2)] {
            let total = f64::from(requests);
            let ways = |k: f64| -ln_beta(k + 1.0, total - k + 1.0) - (total + 1.0).ln();
            let all: Vec<f64> = (0..=requests)
                .map(|k| evidence_at(f64::from(k), total, quantile))
                .collect();
            let mean: f64 = (0..=requests)
                .zip(&all)
                .map(|(k, evidence)| {
                    let k = f64::from(k);
                    (ways(k) + times_ln(k, quantile) + times_ln(total - k, 1.0 - quantile) + evidence).exp()
                })
                .sum();
            assert!((mean - 1.0).abs() < 1e-9, "{mean}");
            // One bucket that holds everything is as little evidence as any count could be.
            let mut histogram = Histogram::new(vec![10]);
            histogram.counts[0] = u64::from(requests);
            let smallest = all.iter().copied().fold(f64::INFINITY, f64::min);
            assert!((histogram.evidence(quantile)[0] - smallest).abs() < 1e-12);
        }
    }

    #[test]
    fn nothing_seen_bounds_nothing() {
        let interval = difference_interval(&of([]), &of([]), 0.95, 0.05).unwrap();
        assert_eq!(
            interval,
            OpenInterval {
                lower: None,
                upper: None
            }
        );
    }

    #[test]
    fn a_shift_of_the_whole_distribution_is_found() {
        let baseline = of((0..400).map(|n| 20_000 + n % 10_000));
        let canary = of((0..400).map(|n| 220_000 + n % 10_000));
        let interval = difference_interval(&canary, &baseline, 0.95, 0.05).unwrap();
        assert!(interval.lower.unwrap() >= 180_000.0, "{interval:?}");
        assert!(interval.upper.unwrap() <= 220_000.0, "{interval:?}");
    }

    #[test]
    fn malformed_or_different_histograms_are_refused() {
        let good = of([1]);
        let mut short = good.clone();
        short.counts.pop();
        assert!(matches!(
            difference_interval(&short, &good, 0.5, 0.05),
            Err(HistogramError::Counts { .. })
        ));
        let other = Histogram::new(vec![1, 2]);
        assert_eq!(
            difference_interval(&other, &good, 0.5, 0.05),
            Err(HistogramError::Different)
        );
        let falling = Histogram::new(vec![2, 1]);
        assert_eq!(
            difference_interval(&falling, &good, 0.5, 0.05),
            Err(HistogramError::Bounds)
        );
    }
}
