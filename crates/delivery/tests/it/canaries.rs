//! Canaries on simulated traffic, judged as they are in a deployment: look after look, until the
//! evidence or the deadline decides. By seed: how often a bad commit fails, on which share of the
//! routes, from which request on, and how many requests come between two looks.

use std::path::Path;
use std::time::Duration;

use delivery::judge::{Answers, judge};
use delivery::path::{Canary, Latency};
use facts::Timestamp;
use facts::published::Judgement;

/// Histories of each kind.
const HISTORIES: u64 = 50;
/// What may go wrong in as many, at an alpha of 5 %.
const ALLOWED: usize = 2;
/// Requests of each group until the deadline.
const MOST: u64 = 12_000;

/// A seeded source of random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn of_seed(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn chance(&mut self, share: f64) -> bool {
        self.share() < share
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.share()
    }
}

/// How a package answers.
#[derive(Clone, Copy)]
struct Behaviour {
    /// The share of requests that fail whatever the package.
    usual: f64,
    /// The share of requests that go to the broken route.
    routed: f64,
    /// How often the broken route fails.
    fails: f64,
    /// From which request on.
    onset: u64,
    /// How much longer each answer takes.
    slower_us: u64,
}

const GOOD: Behaviour = Behaviour {
    usual: 0.0,
    routed: 0.0,
    fails: 0.0,
    onset: 0,
    slower_us: 0,
};

impl Behaviour {
    fn answer(&self, answers: &mut Answers, random: &mut Random) {
        let broken = answers.requests >= self.onset && random.chance(self.routed) && random.chance(self.fails);
        let failed = random.chance(self.usual) || broken;
        answers.requests += 1;
        answers.errors += u64::from(failed);
        // Most answers are quick, some take much longer.
        let latency = 4_000.0 * (-random.share().max(1e-9).ln()).exp().min(100.0);
        answers.latency.record(latency as u64 + self.slower_us);
    }
}

struct Ended {
    judgement: Judgement,
    requests: u64,
    looks: u64,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// One canary from its start to its verdict.
fn canary(policy: &Canary, canary: Behaviour, baseline: Behaviour, random: &mut Random) -> Ended {
    let bounds = target::Histogram::default().bounds_us;
    let (mut new, mut old) = (Answers::none(bounds.clone()), Answers::none(bounds));
    // Some services are asked much more often than others.
    let between_looks = 5 + random.next() % if baseline.usual > 0.005 { 200 } else { 40 };
    for looks in 1.. {
        for _ in 0..between_looks {
            canary.answer(&mut new, random);
            baseline.answer(&mut old, random);
        }
        let now = if new.requests >= MOST { at(601) } else { at(1) };
        let verdict = judge(policy, new.clone(), old.clone(), at(0), now).unwrap();
        if verdict.judgement != Judgement::Wait {
            return Ended {
                judgement: verdict.judgement,
                requests: new.requests,
                looks,
            };
        }
    }
    unreachable!("the deadline ends it")
}

struct Tally {
    passed: usize,
    failed: usize,
    undecided: usize,
    requests: Vec<u64>,
    looks: Vec<u64>,
}

impl Tally {
    fn of(ended: impl Iterator<Item = Ended>) -> Self {
        let mut tally = Self {
            passed: 0,
            failed: 0,
            undecided: 0,
            requests: Vec::new(),
            looks: Vec::new(),
        };
        for ended in ended {
            match ended.judgement {
                Judgement::Pass => tally.passed += 1,
                Judgement::Fail => tally.failed += 1,
                _ => tally.undecided += 1,
            }
            tally.requests.push(ended.requests);
            tally.looks.push(ended.looks);
        }
        tally.requests.sort_unstable();
        tally.looks.sort_unstable();
        tally
    }

    fn row(&self, name: &str) -> String {
        let of = |sorted: &[u64], tenths: usize| sorted[(sorted.len() * tenths / 10).min(sorted.len() - 1)];
        format!(
            "| {name} | {} | {} | {} | {} / {} | {} / {} |\n",
            self.passed,
            self.failed,
            self.undecided,
            of(&self.requests, 5),
            of(&self.requests, 9),
            of(&self.looks, 5),
            of(&self.looks, 9),
        )
    }
}

fn policy() -> Canary {
    Canary {
        deadline: Duration::from_secs(600),
        ..Canary::default()
    }
}

fn with_latency() -> Canary {
    Canary {
        latency: Some(Latency {
            quantile: 0.95,
            margin: Duration::from_millis(100),
        }),
        ..policy()
    }
}

fn histories(kind: u64, one: impl Fn(&mut Random) -> Ended) -> Tally {
    Tally::of((0..HISTORIES).map(|seed| one(&mut Random::of_seed(kind * 1_000_003 + seed))))
}

fn bad(low: f64, high: f64) -> Tally {
    histories((low * 1_000.0) as u64, |random| {
        let bad = Behaviour {
            routed: 1.0,
            fails: random.between(low, high),
            onset: random.next() % 200,
            ..GOOD
        };
        // The same failures, gathered on a part of the routes.
        let routed = random.between(bad.fails.max(0.2), 1.0);
        let bad = Behaviour {
            routed,
            fails: bad.fails / routed,
            ..bad
        };
        canary(&policy(), bad, GOOD, random)
    })
}

fn good(usual: f64, policy: &Canary) -> Tally {
    let kind = 7_000 + (usual * 10_000.0) as u64 + u64::from(policy.latency.is_some());
    histories(kind, |random| {
        let same = Behaviour { usual, ..GOOD };
        canary(policy, same, same, random)
    })
}

fn slow() -> Tally {
    histories(9_000, |random| {
        let slow = Behaviour {
            slower_us: random.between(200_000.0, 1_000_000.0) as u64,
            ..GOOD
        };
        canary(&with_latency(), slow, GOOD, random)
    })
}

/// Compares what stands in docs/canary.md below a mark with what it should be; writes it when
/// `UPDATE_TABLES` is set.
fn published(name: &str, table: &str) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/canary.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (begin, end) = (format!("<!-- table {name} -->\n"), format!("<!-- end of {name} -->"));
    let from = text.find(&begin).map(|at| at + begin.len()).unwrap();
    let to = from + text[from..].find(&end).unwrap();
    if std::env::var_os("UPDATE_TABLES").is_some() {
        std::fs::write(page, format!("{}{table}{}", &text[..from], &text[to..])).unwrap();
        return;
    }
    assert!(
        &text[from..to] == table,
        "the table `{name}` of docs/canary.md is stale: run `cargo xtask generate`; it should be\n{table}"
    );
}

type Kind = (&'static str, fn() -> Tally);

const BAD: [Kind; 4] = [
    ("fails 2 to 5 % of requests", || bad(0.02, 0.05)),
    ("fails 5 to 10 %", || bad(0.05, 0.1)),
    ("fails 10 to 50 %", || bad(0.1, 0.5)),
    ("never fails and is 0.2 to 1 s slower", slow),
];

const GOOD_ONES: [Kind; 4] = [
    ("is as good as its baseline, none fail", || good(0.0, &policy())),
    ("is as good, 0.1 % fail", || good(0.001, &policy())),
    ("is as good, 1 % fail", || good(0.01, &policy())),
    ("is as good and as fast, none fail", || good(0.0, &with_latency())),
];

#[test]
fn bad_canaries_go_back_good_ones_do_not_and_slow_ones_do() {
    let kinds: Vec<Kind> = BAD.into_iter().chain(GOOD_ONES).collect();
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let threads: Vec<_> = kinds.iter().map(|(_, tally)| scope.spawn(tally)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut table = String::from(
        "| the canary | passed | failed | undecided | requests: half / nine of ten | looks: half / nine of ten |\n\
         |---|---:|---:|---:|---:|---:|\n",
    );
    for ((name, _), tally) in kinds.iter().zip(&tallies) {
        table.push_str(&tally.row(name));
    }
    let all = HISTORIES as usize;
    for ((name, _), tally) in kinds.iter().zip(&tallies).take(BAD.len()) {
        assert!(tally.passed <= ALLOWED, "{name}: {} passed", tally.passed);
        assert!(tally.failed + ALLOWED >= all, "{name}: {} failed", tally.failed);
    }
    for ((name, _), tally) in kinds.iter().zip(&tallies).skip(BAD.len()) {
        assert!(tally.failed <= ALLOWED, "{name}: {} failed", tally.failed);
        assert!(tally.passed + ALLOWED >= all, "{name}: {} passed", tally.passed);
    }
    published("canaries", &table);
}

#[test]
fn without_requests_there_is_no_verdict_and_never_a_pass() {
    let nothing = || Answers::none(target::Histogram::default().bounds_us);
    for policy in [policy(), with_latency()] {
        let before = judge(&policy, nothing(), nothing(), at(0), at(599)).unwrap();
        assert_eq!(before.judgement, Judgement::Wait);
        let after = judge(&policy, nothing(), nothing(), at(0), at(600)).unwrap();
        assert_eq!((after.judgement, after.by_evidence), (Judgement::Unknown, false));
    }
}
