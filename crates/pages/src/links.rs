//! The paths of the pages and of their forms: the one place that spells them.
//!
//! The server mounts these; names are checked types, so nothing here needs percent-encoding except
//! what [`with_query`] is given.

use facts::{Commit, ComponentName, Digest, EnvironmentName, Position, RunId, StepName};

/// The first page.
pub const OVERVIEW: &str = "/";
/// The list of runs; query `component`, `show` (`open`, `failed`), `before`, `after`.
pub const RUNS: &str = "/runs";
/// Search; query `q`.
pub const SEARCH: &str = "/search";
/// The ledger; query `stream`, `kind`, `actor`, `since`, `until`, `after`.
pub const LEDGER: &str = "/ledger";
/// GET: the check of all facts; POST: begins it.
pub const VERIFY: &str = "/ledger/verify";
/// The stream (SSE) that says when the check has come further.
pub const VERIFY_LIVE: &str = "/ledger/verify/live";
/// The settings of the server.
pub const SETTINGS: &str = "/settings";
/// The page that shows the parts of the design.
pub const PARTS: &str = "/parts";
/// GET: the login page (query `next`); POST: fields `token`, `next`.
pub const LOGIN: &str = "/login";
/// POST: ends the session.
pub const LOGOUT: &str = "/logout";
/// POST: fields `theme` (`system`, `light`, `dark`) and `next`; keeps the theme in a cookie.
pub const THEME: &str = "/theme";
/// The stream of events (SSE): ids are ledger positions; query `after`. Pages look at the messages
/// without a name (`event:`) only, and at none of their data: each is a reason to look again.
pub const EVENTS: &str = "/live";

/// The page of a change.
pub fn change(component: &ComponentName, commit: &Commit) -> String {
    format!("/components/{component}/changes/{commit}")
}

/// The page of a component.
pub fn component(component: &ComponentName) -> String {
    format!("/components/{component}")
}

/// The runs of a component.
pub fn component_runs(component: &ComponentName) -> String {
    format!("{RUNS}?component={component}")
}

/// The page of a package; query `file` opens a file, `against` compares with another package.
pub fn package(package: &Digest) -> String {
    format!("/packages/{package}")
}

/// One fact.
pub fn fact(position: Position) -> String {
    format!("{LEDGER}/facts/{position}")
}

/// The facts that somebody brought about.
pub fn facts_of(actor: &str) -> String {
    with_query(LEDGER, "actor", actor)
}

/// The page of an environment; query `before`.
pub fn environment(environment: &EnvironmentName) -> String {
    format!("/environments/{environment}")
}

/// The page that compares an environment with another; query `with`.
pub fn compare(environment: &EnvironmentName) -> String {
    format!("/environments/{environment}/compare")
}

/// The page of a run; query `step`, `attempt` open a log.
pub fn run(run: RunId) -> String {
    format!("/runs/{run}")
}

/// The page of a run with a log open.
pub fn run_log(run: RunId, step: &StepName, attempt: u32) -> String {
    format!("/runs/{run}?step={step}&attempt={attempt}#log")
}

/// The raw text of a log, `text/plain`.
pub fn log_text(run: RunId, step: &StepName, attempt: u32) -> String {
    format!("/api/v1/runs/{run}/steps/{step}/log?attempt={attempt}")
}

/// The lines of a log that come after line `after`, as they come (SSE): each message's id is the
/// number of its last line and its data is what [`crate::log::rows`] renders; an event `end` says
/// that no more will come.
pub fn log_live(run: RunId, step: &StepName, attempt: u32, after: u64) -> String {
    format!("/runs/{run}/steps/{step}/attempts/{attempt}/live?after={after}")
}

/// POST: cancels a run.
pub fn cancel(run: RunId) -> String {
    format!("/runs/{run}/cancel")
}

/// POST: runs the steps again that did not succeed.
pub fn retry(run: RunId) -> String {
    format!("/runs/{run}/retry")
}

/// POST: answers a step that asks; field `done` (`yes`, `no`).
pub fn resolve(run: RunId, step: &StepName) -> String {
    format!("/runs/{run}/steps/{step}/resolve")
}

/// POST: builds a change again and compares what comes out with its package.
pub fn rebuild(component: &ComponentName, commit: &Commit) -> String {
    format!("/components/{component}/changes/{commit}/rebuild")
}

/// POST: ends the waiting of a change, or its build.
pub fn cancel_change(component: &ComponentName, commit: &Commit) -> String {
    format!("/components/{component}/changes/{commit}/cancel")
}

/// POST: approves a change for an environment, or refuses it; field `answer` (`approve`, `refuse`).
pub fn approve(component: &ComponentName, commit: &Commit, environment: &EnvironmentName) -> String {
    format!("/components/{component}/changes/{commit}/environments/{environment}/approve")
}

/// POST: brings a change into an environment.
pub fn promote(component: &ComponentName, commit: &Commit, environment: &EnvironmentName) -> String {
    format!("/components/{component}/changes/{commit}/environments/{environment}/promote")
}

/// POST: lets a package be deployed again that was found bad; field `reason`.
pub fn unbar(component: &ComponentName, commit: &Commit) -> String {
    format!("/components/{component}/changes/{commit}/unbar")
}

/// POST: takes an environment back to its last proven state; field `reason`.
pub fn roll_back(component: &ComponentName, environment: &EnvironmentName) -> String {
    format!("/components/{component}/environments/{environment}/roll-back")
}

/// A path with one more query parameter, its value percent-encoded.
pub fn with_query(path: &str, name: &str, value: &str) -> String {
    let mut out = format!("{path}{}{name}=", if path.contains('?') { '&' } else { '?' });
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
