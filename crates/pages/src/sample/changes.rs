//! Samples of changes and canaries.

use facts::published::Judgement;
use facts::{Timestamp, Trust};

use super::{before, button, change, main_line, package, place, run_id, usual, version};
use crate::links;
use crate::model::{
    ButtonWeight, Canary, CanaryGroup, ChangePage, ChangePart, ChangeState, Comparison, Entry, GroupKind, NeverAgain,
    OnDeadline, Place, Return, RouteFailures, Station, StationState, Tone, Unit, VerdictMark,
};

fn verdict(about: &str, result: Judgement) -> VerdictMark {
    VerdictMark {
        about: about.to_owned(),
        result,
        reasons: vec![format!("{about}: {result}")],
    }
}

fn stop(place: Place, state: StationState, from: Option<i64>, to: Option<i64>) -> Station {
    Station {
        place,
        state,
        started_at: from.map(before),
        reached_at: to.map(before),
        note: None,
        verdicts: Vec::new(),
        run: None,
        usually: None,
    }
}

/// Commit, run and package, all well, `ago` seconds before now.
fn built(ago: i64) -> Vec<Station> {
    let mut run = stop(Place::Run, StationState::Reached, Some(ago - 1), Some(ago - 24));
    run.note = Some("6 steps".to_owned());
    run.verdicts = vec![verdict("tests", Judgement::Pass)];
    run.run = Some(run_id("build"));
    let mut made = stop(Place::Package, StationState::Reached, Some(ago - 24), Some(ago - 26));
    made.note = Some(package("1.8.0").short());
    vec![stop(Place::Commit, StationState::Reached, None, Some(ago)), run, made]
}

fn staging(ago: i64) -> Station {
    let mut staging = stop(
        Place::Environment(place("staging")),
        StationState::Proven,
        Some(ago - 26),
        Some(ago - 71),
    );
    staging.verdicts = vec![verdict("smoke", Judgement::Pass)];
    staging.run = Some(run_id("staging"));
    staging
}

fn page(number: &str, title: &str, ago: i64, state: ChangeState, stations: Vec<Station>) -> ChangePage {
    ChangePage {
        change: change(number, title, "Ines Duarte"),
        body: "Carts remember their currency; the old column stays until no running version reads it.\n\n\
               Reviewed-by: Ada Marten"
            .to_owned(),
        committed_at: before(ago),
        arrived_at: before(ago),
        line: Some(main_line()),
        trust: Trust::Trusted,
        package: Some(package(number)),
        parts: vec![ChangePart::Code, ChangePart::Migration, ChangePart::Configuration],
        state,
        stations,
        held: Vec::new(),
        overtaken: None,
        waiting: Vec::new(),
        usually: Some(usual(412, 1_130, 57)),
        concern: None,
        together: Vec::new(),
        depends_on: Vec::new(),
        depended_on_by: Vec::new(),
        canaries: Vec::new(),
        returns: Vec::new(),
        never_again: None,
        entries: Vec::new(),
        actions: Vec::new(),
    }
}

fn entry(ago: i64, tone: Tone, text: &str, detail: Option<&str>, by: Option<&str>) -> Entry {
    Entry {
        at: before(ago),
        tone,
        text: text.to_owned(),
        detail: detail.map(str::to_owned),
        by: by.map(str::to_owned),
        link: None,
    }
}

/// A change whose build waits for others.
pub fn held() -> ChangePage {
    let mut run = stop(Place::Run, StationState::Waiting, None, None);
    run.note = Some("waits for other builds".to_owned());
    let stations = vec![
        stop(Place::Commit, StationState::Reached, None, Some(300)),
        run,
        stop(Place::Package, StationState::NotYet, None, None),
        stop(Place::Environment(place("staging")), StationState::NotYet, None, None),
        stop(
            Place::Environment(place("production")),
            StationState::NotYet,
            None,
            None,
        ),
    ];
    ChangePage {
        package: None,
        held: vec![
            "shop/front.web at f2c81a44be is built first".to_owned(),
            "the build of shop/front.assets at 0b1bdc2244 did not succeed; mend it, or retry it".to_owned(),
        ],
        ..page(
            "held",
            "The kiosk shows prices with tax",
            300,
            ChangeState::Waiting,
            stations,
        )
    }
}

/// A change whose canary runs.
pub fn under_way() -> ChangePage {
    let mut stations = built(214);
    stations.push(staging(214));
    let mut production = stop(
        Place::Environment(place("production")),
        StationState::Underway,
        Some(132),
        None,
    );
    production.note = Some("canary at 20 %".to_owned());
    production.verdicts = vec![
        verdict("migration", Judgement::Pass),
        verdict("canary", Judgement::Wait),
    ];
    production.run = Some(run_id("production"));
    production.usually = Some(usual(240, 420, 31));
    stations.push(production);
    let mut users = stop(Place::Users, StationState::Underway, None, None);
    users.note = Some("20 % of requests".to_owned());
    stations.push(users);
    let title = "Carts keep their currency when a customer switches country";
    let mut page = page("1.8.0", title, 214, ChangeState::Underway, stations);
    page.canaries = vec![canary_running()];
    page.entries = vec![
        entry(
            96,
            Tone::Active,
            "Canary started in production",
            Some("1 instance, 20 % of requests"),
            None,
        ),
        entry(
            130,
            Tone::Good,
            "Migration 0007_currency applied",
            Some("expand, 38 ms"),
            None,
        ),
        entry(132, Tone::Active, "Deployment to production started", None, None),
        entry(
            143,
            Tone::Good,
            "Verified in staging",
            Some("smoke: 4 checks passed"),
            None,
        ),
        entry(188, Tone::Good, "Package made", Some("2.4 MB, 3 files"), None),
        entry(214, Tone::Quiet, "Pushed to main", None, Some("Ines Duarte")),
    ];
    page
}

/// A change that waits for an approval.
pub fn waits() -> ChangePage {
    let mut stations = built(960);
    stations.push(staging(960));
    let mut production = stop(
        Place::Environment(place("production")),
        StationState::Waiting,
        Some(840),
        None,
    );
    production.verdicts = vec![
        verdict("can-return", Judgement::Pass),
        verdict("operations", Judgement::Wait),
    ];
    production.usually = Some(usual(1_260, 9_000, 34));
    stations.push(production);
    stations.push(stop(Place::Users, StationState::NotYet, None, None));
    let mut page = page(
        "1.9.0",
        "Totals are rounded per line, not per cart",
        960,
        ChangeState::Waiting,
        stations,
    );
    page.waiting = vec![super::approval()];
    page.entries = vec![
        entry(
            840,
            Tone::Attention,
            "Waits for approval",
            Some("gate operations"),
            None,
        ),
        entry(889, Tone::Good, "Verified in staging", None, None),
        entry(960, Tone::Quiet, "Pushed to main", None, Some("Ines Duarte")),
    ];
    page
}

/// A change that reached everybody.
pub fn delivered() -> ChangePage {
    let mut stations = built(7_200);
    stations.push(staging(7_200));
    let mut production = stop(
        Place::Environment(place("production")),
        StationState::Proven,
        Some(7_120),
        Some(6_858),
    );
    production.verdicts = vec![
        verdict("migration", Judgement::Pass),
        verdict("canary", Judgement::Pass),
        verdict("smoke", Judgement::Pass),
    ];
    production.run = Some(run_id("production"));
    stations.push(production);
    let mut users = stop(Place::Users, StationState::Reached, None, Some(6_858));
    users.note = Some("100 % of requests".to_owned());
    stations.push(users);
    let mut page = page(
        "1.7.2",
        "Checkout answers with the order number",
        7_200,
        ChangeState::Delivered,
        stations,
    );
    page.canaries = vec![canary_decided_good()];
    page.entries = vec![
        entry(
            6_848,
            Tone::Good,
            "Proven in production",
            Some("verified and stable for 10 s"),
            None,
        ),
        entry(6_858, Tone::Good, "In production for everybody", None, None),
        entry(7_200, Tone::Quiet, "Pushed to main", None, Some("Ines Duarte")),
    ];
    page
}

/// A change that a canary found bad.
pub fn returned() -> ChangePage {
    let mut stations = built(620);
    stations.push(staging(620));
    if let Some(made) = stations.get_mut(2) {
        made.state = StationState::Returned;
    }
    let mut production = stop(
        Place::Environment(place("production")),
        StationState::Returned,
        Some(540),
        Some(488),
    );
    production.verdicts = vec![
        verdict("migration", Judgement::Pass),
        verdict("canary", Judgement::Fail),
    ];
    production.run = Some(run_id("production"));
    stations.push(production);
    let mut users = stop(Place::Users, StationState::Returned, None, Some(488));
    users.note = Some("20 % of requests for 41 s".to_owned());
    stations.push(users);
    let mut page = page(
        "1.8.1",
        "Discounts are applied once per customer",
        620,
        ChangeState::Returned,
        stations,
    );
    page.canaries = vec![canary_decided_bad()];
    page.returns = vec![Return {
        environment: place("production"),
        to: change(
            "1.8.0",
            "Carts keep their currency when a customer switches country",
            "Ines Duarte",
        ),
        to_package: package("1.8.0"),
        decided_at: before(489),
        finished_at: Some(before(487)),
        by: "the canary's verdict".to_owned(),
        reasons: vec!["Failed requests rose by 11.5 percentage points, and 1 was accepted.".to_owned()],
        with: vec!["configuration".to_owned()],
        run: Some(run_id("return")),
    }];
    page.never_again = Some(NeverAgain {
        package: package("1.8.1"),
        since: before(489),
        reason: "Its canary failed in production.".to_owned(),
        hint: "push a change that mends it: it becomes a new package".to_owned(),
    });
    page.entries = vec![
        entry(
            487,
            Tone::Good,
            "Production is back on 1.8.0",
            Some("package and configuration, 2.1 s"),
            None,
        ),
        entry(
            489,
            Tone::Bad,
            "The canary failed",
            Some("148 of 1 284 requests failed; baseline 0 of 1 302"),
            None,
        ),
        entry(
            530,
            Tone::Active,
            "Canary started in production",
            Some("1 instance, 20 % of requests"),
            None,
        ),
        entry(620, Tone::Quiet, "Pushed to main", None, Some("Ines Duarte")),
    ];
    page.actions = vec![button(
        "Deploy again to staging",
        links::promote(&page.change.component, &page.change.commit, &place("staging")),
        ButtonWeight::Plain,
    )];
    page
}

fn group(group: GroupKind, of: &str, requests: u64, errors: u64, latency_ms: f64) -> CanaryGroup {
    CanaryGroup {
        group,
        version: Some(version(of)),
        package: package(of),
        requests,
        errors,
        latency_ms: Some(latency_ms),
    }
}

fn canary(result: Judgement, started_at: Timestamp, decided_at: Option<Timestamp>) -> Canary {
    Canary {
        environment: place("production"),
        result,
        reasons: Vec::new(),
        alpha: 0.05,
        started_at,
        decided_at,
        deadline: Some(before(-204)),
        on_deadline: OnDeadline::Return,
        requests_needed: Some(2_400),
        groups: Vec::new(),
        comparisons: Vec::new(),
        failing_routes: Vec::new(),
    }
}

fn errors(result: Judgement, baseline: f64, canary: f64, low: f64, high: f64) -> Comparison {
    Comparison {
        metric: "failed requests".to_owned(),
        unit: Unit::Share,
        result,
        baseline: Some(baseline),
        canary: Some(canary),
        estimate: Some(canary - baseline),
        low,
        high,
        margin: 0.01,
    }
}

fn latency(result: Judgement, baseline: f64, canary: f64, low: f64, high: f64) -> Comparison {
    Comparison {
        metric: "latency, 95th percentile".to_owned(),
        unit: Unit::Milliseconds,
        result,
        baseline: Some(baseline),
        canary: Some(canary),
        estimate: Some(canary - baseline),
        low,
        high,
        margin: 100.0,
    }
}

/// A canary that still gathers evidence.
pub fn canary_running() -> Canary {
    let mut canary = canary(Judgement::Wait, before(96), None);
    canary.reasons = vec!["Failed requests: the interval still reaches past the margin.".to_owned()];
    canary.groups = vec![
        group(GroupKind::Baseline, "1.7.2", 968, 1, 18.4),
        group(GroupKind::Canary, "1.8.0", 951, 2, 19.9),
    ];
    canary.comparisons = vec![
        errors(Judgement::Wait, 0.001, 0.0021, -0.0092, 0.0131),
        latency(Judgement::Pass, 18.4, 19.9, -22.0, 31.0),
    ];
    canary
}

/// A canary that was as good as the baseline.
pub fn canary_decided_good() -> Canary {
    let mut canary = canary(Judgement::Pass, before(7_090), Some(before(6_880)));
    canary.reasons = vec!["Every metric stays within its margin.".to_owned()];
    canary.groups = vec![
        group(GroupKind::Baseline, "1.7.1", 2_811, 2, 17.9),
        group(GroupKind::Canary, "1.7.2", 2_790, 2, 17.2),
    ];
    canary.comparisons = vec![
        errors(Judgement::Pass, 0.0007, 0.0007, -0.0059, 0.006),
        latency(Judgement::Pass, 17.9, 17.2, -14.0, 12.0),
    ];
    canary
}

/// A canary that failed.
pub fn canary_decided_bad() -> Canary {
    let mut canary = canary(Judgement::Fail, before(530), Some(before(489)));
    canary.reasons = vec![
        "Failed requests rose by 11.5 percentage points, and 1 was accepted; the interval lies above 0.".to_owned(),
        "Latency says nothing against it.".to_owned(),
    ];
    canary.groups = vec![
        group(GroupKind::Stable, "1.8.0", 10_412, 3, 18.2),
        group(GroupKind::Baseline, "1.8.0", 1_302, 0, 18.0),
        group(GroupKind::Canary, "1.8.1", 1_284, 148, 18.9),
    ];
    canary.comparisons = vec![
        errors(Judgement::Fail, 0.0, 0.1153, 0.0871, 0.1449),
        latency(Judgement::Wait, 18.0, 18.9, f64::NEG_INFINITY, f64::INFINITY),
    ];
    canary.failing_routes = vec![
        RouteFailures {
            route: "POST /carts/{id}/discounts".to_owned(),
            requests: 160,
            errors: 141,
        },
        RouteFailures {
            route: "GET /carts/{id}".to_owned(),
            requests: 902,
            errors: 7,
        },
    ];
    canary
}
