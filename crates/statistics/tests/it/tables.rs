//! The figures of docs/canary.md are those that the formulas give.
//!
//! `UPDATE_TABLES=1` writes them; without it they are compared.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use statistics::{Arm, Conclusion, ErrorRule, judge_errors, latency_requests_needed, requests_needed};

use crate::random::Random;

const ALPHA: f64 = 0.05;

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/canary.md")
}

/// Compares what stands in the page below a mark with what it should be.
fn published(name: &str, table: &str) {
    let text = std::fs::read_to_string(page()).unwrap();
    let (begin, end) = (format!("<!-- table {name} -->\n"), format!("<!-- end of {name} -->"));
    let from = text.find(&begin).map(|at| at + begin.len()).unwrap();
    let to = from + text[from..].find(&end).unwrap();
    if std::env::var_os("UPDATE_TABLES").is_some() {
        std::fs::write(page(), format!("{}{table}{}", &text[..from], &text[to..])).unwrap();
        return;
    }
    assert!(
        &text[from..to] == table,
        "the table `{name}` of docs/canary.md is stale: run `cargo xtask generate`; it should be\n{table}"
    );
}

fn percent(share: f64) -> String {
    format!("{} %", (share * 1e6).round() / 1e4)
}

fn requests() -> String {
    let rates = [0.0, 0.001, 0.005, 0.01];
    let mut table = String::from("| margin |");
    for rate in rates {
        write!(table, " both fail {} |", percent(rate)).unwrap();
    }
    table.push_str("\n|---:|");
    table.push_str(&"---:|".repeat(rates.len()));
    table.push('\n');
    for margin in [0.005, 0.01, 0.02, 0.05] {
        write!(table, "| {} |", percent(margin)).unwrap();
        for rate in rates {
            let needed = requests_needed(margin, ALPHA, rate).unwrap();
            write!(table, " {} / {} |", needed.typical, needed.likely).unwrap();
        }
        table.push('\n');
    }
    table
}

fn quantiles() -> String {
    let mut table = String::from("| quantile | requests |\n|---:|---:|\n");
    for quantile in [0.5, 0.9, 0.95, 0.99] {
        let needed = latency_requests_needed(quantile, ALPHA).unwrap();
        writeln!(table, "| {} | {needed} |", percent(quantile)).unwrap();
    }
    table
}

/// After how many requests to each group a canary that fails at `rate` was found out, judged after
/// every fifth request, beside a baseline that never fails.
fn found_out(seed: u64, rate: f64) -> u64 {
    let rule = ErrorRule {
        margin: 0.01,
        alpha: ALPHA,
        minimum_requests: 20,
    };
    let mut random = Random::of_seed(seed);
    let (mut requests, mut errors) = (0, 0);
    loop {
        requests += 1;
        errors += u64::from(random.chance(rate));
        let judged = |errors| judge_errors(&rule, Arm { requests, errors }, Arm { requests, errors: 0 }).unwrap();
        // Without an error there is nothing to find out, and no need to ask.
        if requests.is_multiple_of(5) && errors > 0 && judged(errors).conclusion == Conclusion::Fail {
            return requests;
        }
    }
}

fn power() -> String {
    const HISTORIES: u64 = 50;
    let mut table =
        String::from("| the canary fails | half were found out within | nine of ten within |\n|---:|---:|---:|\n");
    for rate in [0.02, 0.05, 0.1, 0.2, 0.5] {
        let mut needed: Vec<u64> = (0..HISTORIES).map(|seed| found_out(9_000 + seed, rate)).collect();
        needed.sort_unstable();
        let at = |share: usize| needed[needed.len() * share / 10];
        writeln!(table, "| {} | {} | {} |", percent(rate), at(5), at(9)).unwrap();
    }
    table
}

// One test, since it may write one file.
#[test]
fn the_tables_of_the_page_are_those_of_the_formulas() {
    published("requests", &requests());
    published("quantiles", &quantiles());
    published("power", &power());
}
