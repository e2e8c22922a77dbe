//! Error rates: how often a verdict is wrong, and how soon it comes.

use statistics::{Arm, Conclusion, ErrorRule, judge_errors, proportion};

use crate::random::Random;

const RULE: ErrorRule = ErrorRule {
    margin: 0.01,
    alpha: 0.05,
    minimum_requests: 20,
};

/// Sends requests to both groups in turn.
struct Canary {
    random: Random,
    rates: (f64, f64),
    canary: Arm,
    baseline: Arm,
}

impl Canary {
    fn new(seed: u64, canary: f64, baseline: f64) -> Self {
        let none = Arm { requests: 0, errors: 0 };
        Self {
            random: Random::of_seed(seed),
            rates: (canary, baseline),
            canary: none,
            baseline: none,
        }
    }

    fn request(&mut self) {
        self.canary.requests += 1;
        self.baseline.requests += 1;
        self.canary.errors += u64::from(self.random.chance(self.rates.0));
        self.baseline.errors += u64::from(self.random.chance(self.rates.1));
    }

    fn worse(&self) -> bool {
        self.canary.errors * self.baseline.requests > self.baseline.errors * self.canary.requests
    }

    /// Judged at each look, as the driver does; after how many requests it said so, at most `most`.
    fn judged(&mut self, every: u64, most: u64) -> (Conclusion, u64) {
        while self.canary.requests < most {
            self.request();
            if self.canary.requests.is_multiple_of(every) {
                let conclusion = judge_errors(&RULE, self.canary, self.baseline).unwrap().conclusion;
                if conclusion != Conclusion::Wait {
                    return (conclusion, self.canary.requests);
                }
            }
        }
        (Conclusion::Wait, most)
    }
}

#[test]
fn equal_rates_are_told_apart_at_most_as_often_as_alpha_allows_though_every_request_is_looked_at() {
    const HISTORIES: u64 = 400;
    for rate in [0.0, 0.001, 0.01, 0.05, 0.3] {
        let wrong = (0..HISTORIES)
            .filter(|seed| {
                let mut canary = Canary::new(*seed, rate, rate);
                (0..1_000).any(|_| {
                    canary.request();
                    canary.worse() && proportion::excludes(canary.canary, canary.baseline, 0.0, 0.05)
                })
            })
            .count();
        println!("{rate}: {wrong} of {HISTORIES} told apart");
        // Even the lower end above zero alone, without the margin, must be rare: at most α of the
        // histories, and the seeds are fixed.
        assert!(
            wrong as f64 <= 0.05 * HISTORIES as f64,
            "{wrong} of {HISTORIES} at a rate of {rate}"
        );
    }
}

#[test]
fn the_interval_holds_the_true_difference_at_all_looks_together() {
    const HISTORIES: u64 = 300;
    for (canary_rate, baseline_rate) in [(0.02, 0.0), (0.1, 0.05), (0.5, 0.5), (0.003, 0.001)] {
        let missed = (0..HISTORIES)
            .filter(|seed| {
                let mut canary = Canary::new(1_000 + seed, canary_rate, baseline_rate);
                (0..600).any(|_| {
                    canary.request();
                    proportion::excludes(canary.canary, canary.baseline, canary_rate - baseline_rate, 0.05)
                })
            })
            .count();
        assert!(
            missed as f64 <= 0.05 * HISTORIES as f64,
            "{missed} at {canary_rate} and {baseline_rate}"
        );
    }
}

#[test]
fn a_bad_canary_fails_and_the_worse_it_is_the_sooner() {
    const HISTORIES: u64 = 60;
    // Failure rate; requests within which at least nine of ten histories have failed.
    for (rate, within) in [(0.02, 800), (0.05, 320), (0.1, 160), (0.2, 80), (0.5, 40)] {
        let mut needed: Vec<u64> = (0..HISTORIES)
            .map(|seed| match Canary::new(2_000 + seed, rate, 0.0).judged(5, 4_000) {
                (Conclusion::Fail, requests) => requests,
                (other, requests) => panic!("{other:?} after {requests} requests at a rate of {rate}, seed {seed}"),
            })
            .collect();
        needed.sort_unstable();
        let nine_of_ten = needed[needed.len() * 9 / 10];
        println!(
            "{rate}: half within {}, nine of ten within {nine_of_ten}",
            needed[needed.len() / 2]
        );
        assert!(nine_of_ten <= within, "{nine_of_ten} requests at a rate of {rate}");
    }
}

#[test]
fn a_good_canary_passes_within_the_requests_that_were_announced() {
    const HISTORIES: u64 = 60;
    for rate in [0.0, 0.001, 0.005] {
        let needed = statistics::requests_needed(RULE.margin, RULE.alpha, rate).unwrap();
        println!("{rate}: {needed:?}");
        let mut failed = 0;
        let passed = (0..HISTORIES)
            .filter(|seed| {
                let (conclusion, _) =
                    Canary::new(3_000 + seed, rate, rate).judged(20, needed.likely.next_multiple_of(20));
                failed += u64::from(conclusion == Conclusion::Fail);
                conclusion == Conclusion::Pass
            })
            .count();
        assert_eq!(failed, 0, "at a rate of {rate}");
        assert!(
            passed as f64 >= 0.85 * HISTORIES as f64,
            "{passed} of {HISTORIES} at a rate of {rate}"
        );
    }
}

#[test]
fn a_canary_worse_by_the_margin_passes_at_most_as_often_as_alpha_allows() {
    const HISTORIES: u64 = 100;
    let passed = (0..HISTORIES)
        .filter(|seed| Canary::new(4_000 + seed, 0.01, 0.0).judged(10, 2_000).0 == Conclusion::Pass)
        .count();
    println!("{passed} of {HISTORIES} passed");
    assert!(passed as f64 <= 0.05 * HISTORIES as f64, "{passed} of {HISTORIES}");
}
