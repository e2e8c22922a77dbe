//! Latency: how often a verdict is wrong, and how soon it comes.

use statistics::{Conclusion, Histogram, LatencyRule, judge_latency};

use crate::random::Random;

const RULE: LatencyRule = LatencyRule {
    quantile: 0.95,
    margin_us: 100_000,
    alpha: 0.05,
    minimum_requests: 50,
};

/// Buckets that grow by a quarter, from 1 ms to about 20 s.
fn bounds() -> Vec<u64> {
    let mut bounds = vec![1_000_u64];
    while bounds[bounds.len() - 1] < 20_000_000 {
        bounds.push(bounds[bounds.len() - 1] * 5 / 4);
    }
    bounds
}

/// A latency with a long tail: exponential around 30 ms, and `extra`.
fn latency(random: &mut Random, extra: u64) -> u64 {
    (-(1.0 - random.share()).ln() * 30_000.0) as u64 + extra
}

fn judged(seed: u64, extra: u64, most: u64) -> (Conclusion, u64) {
    let mut random = Random::of_seed(seed);
    let (mut canary, mut baseline) = (Histogram::new(bounds()), Histogram::new(bounds()));
    for request in 1..=most {
        canary.record(latency(&mut random, extra));
        baseline.record(latency(&mut random, 0));
        if request.is_multiple_of(25) {
            let conclusion = judge_latency(&RULE, &canary, &baseline).unwrap().conclusion;
            if conclusion != Conclusion::Wait {
                return (conclusion, request);
            }
        }
    }
    (Conclusion::Wait, most)
}

#[test]
fn an_equally_fast_canary_passes_and_never_fails() {
    let results: Vec<_> = (0..60).map(|seed| judged(seed, 0, 1_000)).collect();
    assert!(results.iter().all(|(conclusion, _)| *conclusion != Conclusion::Fail));
    let passed = results
        .iter()
        .filter(|(conclusion, _)| *conclusion == Conclusion::Pass)
        .count();
    assert!(passed >= 54, "{passed} of 60");
}

#[test]
fn a_canary_that_is_only_slow_fails() {
    for extra in [250_000, 1_000_000] {
        for seed in 0..40 {
            let (conclusion, requests) = judged(100 + seed, extra, 600);
            assert_eq!(
                conclusion,
                Conclusion::Fail,
                "{extra} us, seed {seed}, after {requests}"
            );
            assert!(requests <= 300, "{requests}");
        }
    }
}

#[test]
fn the_interval_holds_the_true_difference_at_all_looks_together() {
    const HISTORIES: u64 = 120;
    // Both at one and the same latency half of the time: many equal values must not break the level.
    let draw = |random: &mut Random| {
        if random.chance(0.5) {
            20_000
        } else {
            latency(random, 5_000)
        }
    };
    let missed = (0..HISTORIES)
        .filter(|seed| {
            let mut random = Random::of_seed(500 + seed);
            let (mut canary, mut baseline) = (Histogram::new(bounds()), Histogram::new(bounds()));
            (0..80).any(|_| {
                for _ in 0..5 {
                    canary.record(draw(&mut random));
                    baseline.record(draw(&mut random));
                }
                let interval = statistics::quantile::difference_interval(&canary, &baseline, 0.5, 0.05).unwrap();
                interval.lower.is_some_and(|lower| lower > 0.0) || interval.upper.is_some_and(|upper| upper < 0.0)
            })
        })
        .count();
    assert!(missed as f64 <= 0.05 * HISTORIES as f64, "{missed} of {HISTORIES}");
}
