//! What a monitoring system reads of the server itself, as text in the exposition format of Prometheus
//! (version 0.0.4): `GET /metrics`, with the token of anybody who may enter.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use access::{Action, Resource};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::auth::Caller;
use crate::duties::Duty;
use crate::error::ServerError;
use crate::house::House;
use crate::problem::Problem;

/// The rules that are watched, by the names of docs/reliability.md.
const RULES: &[&str] = &[
    "I1", "I2", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I11", "ask", "backoff", "bar", "effect", "observe",
    "proof", "request", "resolve", "retries", "shape", "state",
];

/// The text's media type.
const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers what is measured now.
///
/// # Errors
/// When nobody known asks, or the store fails.
pub(crate) async fn measurements(State(house): State<Arc<House>>, caller: Caller) -> Result<Response, Problem> {
    caller.may(Action::Enter, &Resource::Server)?;
    let head = house.ledger.head().await.map_err(ServerError::from)?;
    let open = engine::query::open_runs(&*house.ledger)
        .await
        .map_err(ServerError::from)?;
    let seen = house.watched.seen();
    let mut page = Page::default();
    page.gauge(
        "throughline_build_info",
        "The program; always 1.",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1,
    );
    page.counter("throughline_facts_total", "Facts in the ledger.", &[], head);
    page.gauge(
        "throughline_views_position",
        "The fact up to which all followed views have come.",
        &[],
        *house.ledger.follow_views().borrow(),
    );
    page.gauge(
        "throughline_open_runs",
        "Runs that have not ended.",
        &[],
        open.len() as u64,
    );
    for duty in Duty::ALL {
        page.gauge(
            "throughline_leads",
            "Whether this server leads a duty.",
            &[("duty", duty.name())],
            u64::from(house.duties.leads(duty)),
        );
    }
    page.gauge(
        "throughline_invariants_position",
        "The fact up to which the rules of the protocol were checked.",
        &[],
        seen.position,
    );
    // Those that hold are there too, so that an alarm can be set on them before one is broken.
    let rules: BTreeSet<&str> = RULES.iter().chain(seen.broken.keys()).copied().collect();
    for rule in rules {
        let count = seen.broken.get(rule).copied().unwrap_or(0);
        page.counter(
            "throughline_invariants_broken_total",
            "Facts that break a rule of the protocol, found since the server started.",
            &[("rule", rule)],
            count,
        );
    }
    for (verdict, count) in house.hooks.all() {
        page.counter(
            "throughline_webhooks_total",
            "Webhooks that came since the server started, by what they were taken for.",
            &[("verdict", verdict)],
            count,
        );
    }
    for file in ["ledger.db", "ledger.db-wal", "ledger-followed.db", "operations.db"] {
        if let Ok(about) = std::fs::metadata(house.settings.data.join(file)) {
            page.gauge(
                "throughline_store_bytes",
                "The size of a file of the stores.",
                &[("file", file)],
                about.len(),
            );
        }
    }
    if let Some(bytes) = resident_bytes() {
        page.gauge(
            "process_resident_memory_bytes",
            "Memory of the server that is in use.",
            &[],
            bytes,
        );
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        page.gauge(
            "process_open_fds",
            "Open file descriptors of the server.",
            &[],
            open.count() as u64,
        );
    }
    Ok(([(header::CONTENT_TYPE, TYPE)], page.text).into_response())
}

/// The memory of this process that is in use, in bytes.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The text, line by line.
#[derive(Default)]
struct Page {
    text: String,
    /// The name that was written last: its description stands once, before its first value.
    last: &'static str,
}

impl Page {
    fn gauge(&mut self, name: &'static str, help: &str, labels: &[(&str, &str)], value: u64) {
        self.line("gauge", name, help, labels, value);
    }

    fn counter(&mut self, name: &'static str, help: &str, labels: &[(&str, &str)], value: u64) {
        self.line("counter", name, help, labels, value);
    }

    fn line(&mut self, kind: &str, name: &'static str, help: &str, labels: &[(&str, &str)], value: u64) {
        // Writing to a text cannot fail.
        if self.last != name {
            let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            self.last = name;
        }
        let escaped = |text: &str| text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        let _ = writeln!(self.text, "{name}{labels} {value}");
    }
}
