//! Samples of runs and logs.

use facts::{Timestamp, Trust};

use super::{before, button, change, commit, component, main_line, package, place, run_id, step, usual};
use crate::links;
use crate::model::{
    Around, Attempt, Broken, ButtonWeight, ImageLine, LogLine, LogView, Outcome, Output, Progress, Question, RunKind,
    RunLine, RunPage, RunsFilter, RunsPage, ServiceLine, Step,
};

const DONE: Progress = Progress::Finished(Outcome::Succeeded);
const FAILED: Progress = Progress::Finished(Outcome::Failed);

fn line(key: &str, kind: RunKind, progress: Progress, ago: i64, took: Option<i64>) -> RunLine {
    RunLine {
        id: run_id(key),
        kind,
        component: component("shop/cart"),
        change: Some(change(
            "1.8.1",
            "Discounts are applied once per customer",
            "Ines Duarte",
        )),
        line: Some(main_line()),
        environment: None,
        progress,
        reason: None,
        requested_at: before(ago),
        started_at: Some(before(ago - 1)),
        finished_at: took.map(|took| before(ago - took)),
        by: Some("Ines Duarte".to_owned()),
        at_step: None,
    }
}

fn attempt(number: u32, progress: Progress, ago: i64, took: Option<i64>) -> Attempt {
    Attempt {
        number,
        progress,
        started_at: before(ago),
        finished_at: took.map(|took| before(ago - took)),
        message: None,
        has_log: true,
    }
}

fn one(name: &str, action: &str, needs: &[&str], progress: Progress, span: Option<(i64, Option<i64>)>) -> Step {
    let (started_at, finished_at) = match span {
        Some((ago, took)) => (Some(before(ago)), took.map(|took| before(ago - took))),
        None => (None, None),
    };
    Step {
        name: step(name),
        action: action.to_owned(),
        module: None,
        needs: needs.iter().map(|need| step(need)).collect(),
        progress,
        started_at,
        finished_at,
        message: None,
        attempts: span
            .map(|(ago, took)| attempt(1, progress, ago, took))
            .into_iter()
            .collect(),
        attempts_allowed: 1,
        tests: None,
        around: None,
        question: None,
        usually: None,
    }
}

fn image(name: &str) -> ImageLine {
    ImageLine {
        name: name.to_owned(),
        digest: package(name).to_string(),
        engine: "podman 4.3.1".to_owned(),
    }
}

/// A build with a step that is tried again and a log that is still written.
pub fn running_run() -> RunPage {
    let mut run = line("running", RunKind::Build, Progress::Running, 42, None);
    run.at_step = Some(step("acceptance"));
    let mut fetch = one("dependencies", "run", &[], DONE, Some((41, Some(6))));
    fetch.attempts = vec![
        Attempt {
            message: Some("exit code 101: could not connect".to_owned()),
            ..attempt(1, FAILED, 41, Some(2))
        },
        attempt(2, DONE, 38, Some(3)),
    ];
    fetch.attempts_allowed = 3;
    let mut units = one("unit-tests", "run", &["compile"], DONE, Some((21, Some(5))));
    units.module = Some("tools/pipelines/rust.yaml@v2 (4f1c22a9d0)".to_owned());
    units.around = Some(Around {
        image: Some(image("registry.example.org/build/rust-with-everything:1.80-bookworm")),
        limits: Some("2 processors and 3 GiB of memory for all processes together".to_owned()),
        services: vec![ServiceLine {
            name: "db".to_owned(),
            image: Some(image("postgres:16")),
            did: "ready after 1.8 s".to_owned(),
            is_well: true,
            last: Vec::new(),
        }],
    });
    RunPage {
        commit: run.change.as_ref().map(|change| change.commit.clone()),
        trust: Trust::Trusted,
        definition: Some(package("definition")),
        usually: Some(usual(64, 92, 48)),
        broken: None,
        rebuilt: None,
        steps: vec![
            fetch,
            one("lint", "run", &["dependencies"], DONE, Some((35, Some(3)))),
            one("compile", "run", &["dependencies"], DONE, Some((35, Some(14)))),
            units,
            one("acceptance", "run", &["compile"], Progress::Running, Some((21, None))),
            one(
                "licences",
                "run",
                &["dependencies"],
                Progress::Finished(Outcome::Skipped),
                None,
            ),
            one(
                "package",
                "package",
                &["lint", "unit-tests", "acceptance"],
                Progress::Waiting,
                None,
            ),
        ],
        more_steps: 0,
        log: Some(log()),
        actions: vec![button("Cancel", links::cancel(run.id), ButtonWeight::Danger)],
        run,
    }
}

/// A build whose step failed with a service that did not do as it should.
pub fn failed_build() -> RunPage {
    let mut run = line("failed-build", RunKind::Build, FAILED, 240, Some(31));
    run.reason = Some("The step `acceptance` failed: exit code 1.".to_owned());
    run.at_step = Some(step("acceptance"));
    let mut acceptance = one("acceptance", "run", &["compile"], FAILED, Some((225, Some(16))));
    acceptance.message = Some("exit code 1".to_owned());
    acceptance.around = Some(Around {
        image: None,
        limits: Some(
            "512 MiB of memory for each process by itself, and 2 processors not held: a step that is a process has no control group here"
                .to_owned(),
        ),
        services: vec![
            ServiceLine {
                name: "db".to_owned(),
                image: Some(image("postgres:16")),
                did: "ready after 1.8 s, ended before the step did (exit code 1)".to_owned(),
                is_well: false,
                last: [
                    "LOG:  database system is ready to accept connections",
                    "PANIC:  could not write to file \"pg_wal/xlogtemp.71\": No space left on device",
                ]
                .map(str::to_owned)
                .to_vec(),
            },
            ServiceLine {
                name: "message-broker".to_owned(),
                image: None,
                did: "ready after 240 ms".to_owned(),
                is_well: true,
                last: vec!["listening on 127.0.0.1:41877".to_owned()],
            },
        ],
    });
    RunPage {
        commit: run.change.as_ref().map(|change| change.commit.clone()),
        trust: Trust::Trusted,
        definition: Some(package("definition")),
        usually: None,
        broken: None,
        rebuilt: None,
        steps: vec![one("compile", "run", &[], DONE, Some((239, Some(14)))), acceptance],
        more_steps: 0,
        log: None,
        actions: vec![button("Retry", links::retry(run.id), ButtonWeight::Primary)],
        run,
    }
}

/// A deployment that failed, with a step that asks a person.
pub fn failed_run() -> RunPage {
    let mut run = line("failed", RunKind::Deployment, FAILED, 540, Some(71));
    run.environment = Some(place("staging"));
    run.reason = Some("The step smoke failed: GET /health answered 503 for 30 s.".to_owned());
    run.at_step = Some(step("smoke"));
    let mut smoke = one("smoke", "verify", &["rollout"], FAILED, Some((510, Some(30))));
    smoke.message = Some("GET /health answered 503 for 30 s".to_owned());
    let mut announce = one("announce", "run", &["migrate"], Progress::Asking, Some((530, None)));
    announce.question = Some(Question {
        text: "Was the announcement sent?".to_owned(),
        seen: Some("The attempt was lost in a restart, and its observe script could not say.".to_owned()),
        answers: vec![
            button(
                "It was sent",
                links::resolve(run.id, &announce.name),
                ButtonWeight::Primary,
            ),
            button(
                "It was not",
                links::resolve(run.id, &announce.name),
                ButtonWeight::Plain,
            ),
        ],
    });
    let mut notify = one(
        "mirror-package",
        "run",
        &["migrate"],
        Progress::Backoff { until: before(-8) },
        Some((500, None)),
    );
    notify.attempts_allowed = 5;
    RunPage {
        commit: run.change.as_ref().map(|change| change.commit.clone()),
        trust: Trust::Untrusted,
        definition: Some(package("definition")),
        usually: None,
        broken: None,
        rebuilt: None,
        steps: vec![
            one("migrate", "migrate", &[], DONE, Some((539, Some(1)))),
            one("configure", "configure", &["migrate"], DONE, Some((538, Some(1)))),
            announce,
            notify,
            one(
                "rollout",
                "rollout",
                &["configure"],
                Progress::Finished(Outcome::TimedOut),
                Some((537, Some(27))),
            ),
            smoke,
            one(
                "analyze",
                "analyze",
                &["smoke"],
                Progress::Finished(Outcome::Skipped),
                None,
            ),
            one(
                "report",
                "run",
                &["smoke"],
                Progress::Finished(Outcome::Cancelled),
                None,
            ),
            one("webhook", "run", &["smoke"], Progress::Finished(Outcome::Unknown), None),
        ],
        more_steps: 0,
        log: None,
        actions: vec![button("Retry", links::retry(run.id), ButtonWeight::Primary)],
        run,
    }
}

/// A run whose definition could not be read.
pub fn broken_run() -> RunPage {
    let mut run = line("broken", RunKind::Build, FAILED, 300, Some(0));
    run.started_at = None;
    run.reason = Some("The definition cannot be read.".to_owned());
    RunPage {
        commit: Some(commit("broken")),
        trust: Trust::Trusted,
        definition: None,
        usually: None,
        rebuilt: None,
        broken: Some(Broken {
            file: "throughline.yaml".to_owned(),
            line: 14,
            column: 5,
            message: "`need` is no key of a step".to_owned(),
            hint: Some("`needs` is the nearest key".to_owned()),
            excerpt: Some("    need: [compile]".to_owned()),
        }),
        steps: Vec::new(),
        more_steps: 0,
        log: None,
        actions: Vec::new(),
        run,
    }
}

/// Runs in every state.
pub fn run_list() -> RunsPage {
    let mut deployment = line("deployment", RunKind::Deployment, Progress::Running, 132, None);
    deployment.environment = Some(place("production"));
    deployment.change = Some(change(
        "1.8.0",
        "Carts keep their currency when a customer switches country",
        "Ines",
    ));
    deployment.at_step = Some(step("canary"));
    deployment.by = Some("the path".to_owned());
    let mut running = running_run().run;
    running.at_step = Some(step("acceptance"));
    let mut back = line("return", RunKind::Return, DONE, 489, Some(2));
    back.environment = Some(place("production"));
    back.change = Some(change(
        "1.8.0",
        "Carts keep their currency when a customer switches country",
        "Ines",
    ));
    back.reason = Some("The canary of 1.8.1 failed.".to_owned());
    back.by = Some("the canary's verdict".to_owned());
    RunsPage {
        filter: RunsFilter::default(),
        components: ["money/rates", "shop/cart", "shop/search"].map(component).to_vec(),
        runs: vec![
            running,
            deployment,
            failed_run().run,
            back,
            broken_run().run,
            line(
                "old",
                RunKind::Build,
                Progress::Finished(Outcome::Cancelled),
                8_000,
                Some(11),
            ),
            line(
                "older",
                RunKind::Other("dependency check".to_owned()),
                DONE,
                90_000,
                Some(3_725),
            ),
        ],
        newer: None,
        older: Some("before=run_x".to_owned()),
    }
}

/// A log with colours, error output, and things that must not be believed.
pub fn log() -> LogView {
    let texts: [(Output, &str); 18] = [
        (
            Output::Note,
            "attempt 1 in a folder of its own, 4 variables, no secrets",
        ),
        (Output::Out, "$ cargo test --test acceptance"),
        (
            Output::Err,
            "\u{1b}[1m\u{1b}[32m   Compiling\u{1b}[0m cart v1.8.1 (/srv/cart)",
        ),
        (
            Output::Err,
            "\u{1b}[1m\u{1b}[33mwarning\u{1b}[0m\u{1b}[1m: unused variable: `country`\u{1b}[0m",
        ),
        (
            Output::Err,
            "\u{1b}[1m\u{1b}[38;5;12m  --> \u{1b}[0msrc/discount.rs:41:9",
        ),
        (Output::Err, "\u{1b}[1m\u{1b}[38;5;12m   |\u{1b}[0m"),
        (
            Output::Err,
            "\u{1b}[1m\u{1b}[38;5;12m41 |\u{1b}[0m     let country = cart.country();",
        ),
        (
            Output::Err,
            "\u{1b}[1m\u{1b}[38;5;12m   |\u{1b}[0m         \u{1b}[33m^^^^^^^\u{1b}[0m help: prefix it with an underscore: `_country`",
        ),
        (
            Output::Err,
            "\u{1b}[1m\u{1b}[32m    Finished\u{1b}[0m `test` profile in 3.81s",
        ),
        (
            Output::Err,
            "\u{1b}[1m\u{1b}[32m     Running\u{1b}[0m tests/acceptance.rs (target/debug/deps/acceptance-9d2c1f)",
        ),
        (
            Output::Out,
            "Downloading fixtures  10 %\rDownloading fixtures  55 %\rDownloading fixtures 100 %",
        ),
        (Output::Out, "running 34 tests"),
        (Output::Out, "test a_cart_keeps_its_currency ... \u{1b}[32mok\u{1b}[0m"),
        (Output::Out, "test a_discount_is_applied_once ... \u{1b}[32mok\u{1b}[0m"),
        (
            Output::Out,
            "test a_title_with_markup_is_shown ... got <script>alert(1)</script> \u{1b}[32mok\u{1b}[0m",
        ),
        (
            Output::Out,
            "test a_total_is_rounded_per_line ... \u{1b}[41;97m FAILED \u{1b}[0m (tried again)",
        ),
        (Output::Out, "test an_order_has_a_number ... \u{1b}[32mok\u{1b}[0m"),
        (
            Output::Out,
            "\u{1b}[2mstill running: a_customer_switches_country, a_very_long_name_of_a_test_that_does_not_fit_into_the_width_of_a_small_screen_and_must_wrap_or_scroll\u{1b}[0m",
        ),
    ];
    let at = |index: usize| {
        let start = before(21);
        Timestamp::from_second(start.as_second() + index as i64).unwrap_or(start)
    };
    LogView {
        run: run_id("running"),
        step: step("acceptance"),
        attempt: 1,
        lines: texts
            .iter()
            .enumerate()
            .map(|(index, (output, text))| LogLine {
                number: index as u64 + 1,
                at: at(index),
                output: *output,
                text: (*text).to_owned(),
            })
            .collect(),
        skipped: 0,
        open: true,
        truncated: false,
        expired: false,
    }
}
