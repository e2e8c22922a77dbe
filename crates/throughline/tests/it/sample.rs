//! Documents as a server sends them.

use facts::{Digest, Timestamp};
use throughline::wire::*;

pub const COMMIT: &str = "0f3a9c1d2e4b5a69788796a5b4c3d2e1f0a1b2c3";
pub const RUN: &str = "run_01hx3v9qk2e7w8r5t6y4p0a1bc";

pub fn at(time: &str) -> Timestamp {
    format!("2026-03-01T{time}Z").parse().unwrap()
}

pub fn change_line(state: &str) -> ChangeLine {
    ChangeLine {
        component: "shop/cart".into(),
        commit: COMMIT.into(),
        branch: "main".into(),
        title: "Add a wish list".into(),
        author: Some("Ada Lovelace".into()),
        arrived_at: at("14:00:00"),
        version: Some("1.2.0".into()),
        package: Some(Digest::of("1.2.0")),
        state: state.into(),
    }
}

pub fn station(place: Place, state: StationState) -> Station {
    Station {
        place,
        state,
        started_at: None,
        reached_at: None,
        run: None,
        note: None,
        usually_seconds: None,
    }
}

fn reached(place: Place, state: StationState, from: &str, to: &str) -> Station {
    Station {
        started_at: Some(at(from)),
        reached_at: Some(at(to)),
        ..station(place, state)
    }
}

fn built() -> Vec<Station> {
    vec![
        reached(Place::Commit, StationState::Reached, "14:00:00", "14:00:00"),
        reached(Place::Run, StationState::Reached, "14:00:01", "14:00:43"),
        reached(Place::Package, StationState::Reached, "14:00:43", "14:00:43"),
        reached(
            Place::Environment("staging".into()),
            StationState::Proven,
            "14:00:44",
            "14:01:02",
        ),
    ]
}

/// A change that is under way to production by canary.
pub fn deploying() -> Change {
    let mut stations = built();
    stations.push(Station {
        started_at: Some(at("14:04:20")),
        note: Some("the canary takes 20 % of the requests; 1843 of about 3200 needed were seen".into()),
        usually_seconds: Some(95),
        ..station(Place::Environment("production".into()), StationState::Underway)
    });
    Change {
        schema: "change/1".into(),
        page: Some("http://127.0.0.1:8400/components/shop/cart/changes/one".into()),
        change: change_line("deploying"),
        stations,
        waiting: vec![],
        verdicts: vec![verdict(
            "tests",
            Some("staging"),
            "pass",
            &["smoke test `orders` passed"],
        )],
        never_again: None,
        depends_on: vec![],
        depended_on_by: vec![],
    }
}

fn verdict(about: &str, environment: Option<&str>, result: &str, reasons: &[&str]) -> Verdict {
    Verdict {
        about: about.into(),
        environment: environment.map(Into::into),
        result: result.into(),
        reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
        numbers: serde_json::json!({}),
        recorded_at: at("14:04:48"),
    }
}

/// A change that waits for a person.
pub fn waiting() -> Change {
    let mut stations = built();
    stations.push(Station {
        usually_seconds: Some(1_500),
        ..station(Place::Environment("production".into()), StationState::Waiting)
    });
    let approval = Waiting {
        environment: "production".into(),
        gate: "approval".into(),
        what: "one approval is missing".into(),
        whom: Some("operations".into()),
        until: None,
    };
    let freeze = Waiting {
        environment: "production".into(),
        gate: "freeze".into(),
        what: "nothing is deployed during the sale".into(),
        whom: None,
        until: Some(at("18:00:00")),
    };
    Change {
        schema: "change/1".into(),
        page: Some("http://127.0.0.1:8400/components/shop/cart/changes/one".into()),
        change: change_line("waiting"),
        stations,
        waiting: vec![approval, freeze],
        verdicts: vec![],
        never_again: None,
        depends_on: vec![],
        depended_on_by: vec![],
    }
}

/// A change that went back.
pub fn returned() -> Change {
    let mut stations = built();
    stations.push(Station {
        run: Some(RUN.parse().unwrap()),
        ..reached(
            Place::Environment("production".into()),
            StationState::Returned,
            "14:02:00",
            "14:04:48",
        )
    });
    Change {
        schema: "change/1".into(),
        page: Some("http://127.0.0.1:8400/components/shop/cart/changes/one".into()),
        change: change_line("rolled-back"),
        stations,
        waiting: vec![],
        verdicts: vec![verdict(
            "canary",
            Some("production"),
            "fail",
            &[
                "the canary failed 61 of 402 requests (15.2 %), the baseline 0 of 398; the difference is above the margin of 1 % (α = 0.05)",
            ],
        )],
        never_again: Some(vec!["the canary in production failed".into()]),
        depends_on: vec![],
        depended_on_by: vec![],
    }
}

pub fn changes() -> Changes {
    let older = ChangeLine {
        commit: "7b1c0a9d8e7f60514233241506f7e8d9cabb0c1d".into(),
        title: "Show the price with tax in the basket and on every page that lists an article".into(),
        version: Some("1.1.0".into()),
        arrived_at: at("11:20:00"),
        ..change_line("in-production")
    };
    let failed = ChangeLine {
        commit: "99aa0a9d8e7f60514233241506f7e8d9cabb0c1d".into(),
        branch: "wish-list".into(),
        title: "Try another colour\u{1b}[2J".into(),
        version: None,
        package: None,
        arrived_at: "2026-02-26T09:00:00Z".parse().unwrap(),
        ..change_line("build-failed")
    };
    Changes {
        schema: "changes/1".into(),
        changes: vec![change_line("deploying"), older, failed],
        next: None,
    }
}

fn placed(version: &str) -> Placed {
    Placed {
        component: "shop/cart".into(),
        generation: 3,
        package: Some(Digest::of(version)),
        version: Some(version.into()),
        commit: Some(COMMIT.into()),
        configuration: None,
        schema_state: [("main".to_owned(), "0002".to_owned())].into(),
        since: Some(at("14:01:02")),
        proven: true,
        url: Some("http://127.0.0.1:8101".into()),
        coming: None,
        run: None,
        traffic: vec![],
    }
}

fn group(name: &str, version: &str, instances: u32, healthy: u32, weight: u32) -> Traffic {
    Traffic {
        group: name.into(),
        package: Digest::of(version),
        instances,
        healthy,
        weight,
    }
}

pub fn environments() -> Environments {
    let staging = EnvironmentLine {
        name: "staging".into(),
        after: vec![],
        strategy: "rolling".into(),
        soak_seconds: 0,
        components: vec![placed("1.2.0")],
    };
    let production = EnvironmentLine {
        name: "production".into(),
        after: vec!["staging".into()],
        strategy: "canary".into(),
        soak_seconds: 600,
        components: vec![Placed {
            since: Some(at("11:24:00")),
            commit: Some("7b1c0a9d8e7f60514233241506f7e8d9cabb0c1d".into()),
            coming: Some("1.2.0".into()),
            run: Some(RUN.parse().unwrap()),
            url: Some("http://127.0.0.1:8102".into()),
            traffic: vec![
                group("stable", "1.1.0", 2, 2, 60),
                group("baseline", "1.1.0", 1, 1, 20),
                group("canary", "1.2.0", 1, 1, 20),
            ],
            ..placed("1.1.0")
        }],
    };
    let empty = EnvironmentLine {
        name: "archive".into(),
        after: vec!["production".into()],
        strategy: "blue-green".into(),
        soak_seconds: 0,
        components: vec![],
    };
    Environments {
        schema: "environments/1".into(),
        policy: Digest::of("policy"),
        environments: vec![staging, production, empty],
    }
}

pub fn run_line(kind: &str, state: &str, result: Option<&str>) -> RunLine {
    RunLine {
        id: RUN.parse().unwrap(),
        kind: kind.into(),
        component: "shop/cart".into(),
        commit: Some(COMMIT.into()),
        line: Some("main".into()),
        environment: (kind != "build").then(|| "production".into()),
        state: state.into(),
        result: result.map(Into::into),
        reason: None,
        requested_at: at("14:00:00"),
        started_at: Some(at("14:00:01")),
        finished_at: (state == "finished").then(|| at("14:00:43")),
    }
}

pub fn step(name: &str, state: &str, result: Option<&str>) -> StepLine {
    StepLine {
        name: name.into(),
        action: "run".into(),
        modules: vec![],
        needs: vec![],
        state: state.into(),
        result: result.map(Into::into),
        message: None,
        outputs: serde_json::Value::Null,
        started_at: None,
        finished_at: None,
        attempts: vec![],
    }
}

pub fn attempt(number: u32, result: Option<&str>, code: Option<i32>) -> AttemptLine {
    AttemptLine {
        attempt: number,
        result: result.map(Into::into),
        code,
        started_at: at("14:00:01"),
        finished_at: result.map(|_| at("14:00:20")),
        log: None,
    }
}

/// A build whose tests failed at the second attempt.
pub fn failed_run() -> Run {
    let mut compile = step("compile", "finished", Some("succeeded"));
    compile.started_at = Some(at("14:00:01"));
    compile.finished_at = Some(at("14:00:20"));
    compile.attempts = vec![attempt(1, Some("succeeded"), Some(0))];
    let mut test = step("test", "finished", Some("failed"));
    test.started_at = Some(at("14:00:20"));
    test.finished_at = Some(at("14:00:43"));
    test.message = Some("exit code 101".into());
    test.attempts = vec![
        attempt(1, Some("failed"), Some(101)),
        attempt(2, Some("failed"), Some(101)),
    ];
    let package = step("package", "finished", Some("skipped"));
    let mut line = run_line("build", "finished", Some("failed"));
    line.reason = Some("the step `test` failed".into());
    Run {
        schema: "run/1".into(),
        page: None,
        run: line,
        steps: vec![compile, test, package],
    }
}

pub fn repositories() -> Repositories {
    let line = |component: &str, remote: Option<&str>| RepositoryLine {
        component: component.into(),
        push_url: format!("http://127.0.0.1:8400/git/{component}.git"),
        remote: remote.map(Into::into),
        trouble: None,
        trouble_since: None,
        created_at: at("09:00:00"),
    };
    Repositories {
        schema: "repositories/1".into(),
        repositories: vec![
            line("shop/cart", None),
            line("shop/search", Some("https://code.example.org/shop/search.git")),
        ],
    }
}

pub fn servers() -> Servers {
    let led = |duty: &str| Led {
        duty: duty.into(),
        since: at("09:00:00"),
    };
    Servers {
        schema: "servers/1".into(),
        servers: vec![Server {
            url: Some("http://127.0.0.1:8400".into()),
            process: 4711,
            host: "delta".into(),
            version: "0.1.0".into(),
            started_at: at("09:00:00"),
            heard_at: at("14:00:00"),
            at_work: true,
            this: false,
            leads: vec![led("runs"), led("retention")],
        }],
        unled: Vec::new(),
    }
}

pub fn whoami() -> Whoami {
    Whoami {
        schema: "whoami/1".into(),
        actor: "token:token_01hx3v9qk2e7w8r5t6y4p0a1bc".into(),
        name: "ada".into(),
        roles: vec!["admin".into()],
        grants: Vec::new(),
        duties: Vec::new(),
        version: "0.1.0".into(),
    }
}
