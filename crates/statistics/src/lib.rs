//! The formulas by which a canary is judged, as pure functions of counts.
//!
//! Everything here holds its error rate *at every look*: a caller may judge after each request, as
//! often as it likes, and stop when it likes. No clock, no randomness, no input or output.
//!
//! - [`proportion`]: the difference of two error rates, from cumulative counts.
//! - [`quantile`]: the difference of a quantile, from two histograms with the same buckets.
//! - [`judgement`]: pass, fail or wait, with the numbers behind it; and how many requests it takes.
//!
//! What is assumed: requests of one group fail independently and with one rate. A failure that hits
//! both groups at once cancels out in the difference only on average, so a shared outage can widen or
//! move the estimate; the concurrent baseline keeps it from being blamed on the canary as a rule.

pub mod judgement;
pub mod proportion;
pub mod quantile;
mod special;

pub use judgement::{
    Conclusion, ErrorRule, Judged, LatencyRule, RequestsNeeded, RuleError, Unit, judge_errors, judge_latency,
    latency_requests_needed, requests_needed,
};
pub use proportion::{Arm, Interval};
pub use quantile::{Histogram, HistogramError};
