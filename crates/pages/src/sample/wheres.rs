//! Samples of the overview and of an environment.

use super::{
    approval, before, button, canary_running, change, commit, component, package, place, run_id, usual, version,
};
use crate::links;
use crate::model::{
    ButtonWeight, Cell, ChangeName, ChangeState, Column, Coming, ComponentRow, DeploymentKind, DeploymentLine,
    EnvironmentComponent, EnvironmentPage, GroupKind, Health, Outcome, Overview, Placed, Progress, RecentChange, Share,
    Standing, Trouble, WaitingChange,
};

fn cell(number: &str, title: &str, ago: i64, standing: Standing, health: Health) -> Cell {
    Cell {
        placed: Some(Placed {
            version: Some(version(number)),
            package: package(number),
            commit: commit(number),
            title: title.to_owned(),
            since: before(ago),
            standing,
            run: Some(run_id("production")),
        }),
        url: Some("http://127.0.0.1:8101".to_owned()),
        health,
        traffic: Vec::new(),
        coming: None,
        canary: None,
        waiting: None,
        returned_from: None,
    }
}

fn nothing() -> Cell {
    Cell {
        placed: None,
        url: None,
        health: Health::Unknown,
        traffic: Vec::new(),
        coming: None,
        canary: None,
        waiting: None,
        returned_from: None,
    }
}

fn of(name: &str, mut change: ChangeName) -> ChangeName {
    change.component = component(name);
    change
}

fn coming(change: ChangeName, doing: &str, ago: i64) -> Coming {
    Coming {
        change,
        run: run_id(doing),
        progress: Progress::Running,
        doing: doing.to_owned(),
        since: before(ago),
        usually: Some(usual(240, 420, 31)),
    }
}

/// Three components, two environments: one canary, one wait, one build, one that is down.
pub fn overview() -> Overview {
    let currency = change(
        "1.8.0",
        "Carts keep their currency when a customer switches country",
        "Ines Duarte",
    );
    let healthy = |instances| Health::Healthy { instances };
    let mut cart = cell(
        "1.7.2",
        "Checkout answers with the order number",
        6_858,
        Standing::Proven,
        healthy(2),
    );
    cart.traffic = vec![
        Share {
            group: GroupKind::Stable,
            version: Some(version("1.7.2")),
            package: package("1.7.2"),
            weight: 60,
        },
        Share {
            group: GroupKind::Baseline,
            version: Some(version("1.7.2")),
            package: package("1.7.2"),
            weight: 20,
        },
        Share {
            group: GroupKind::Canary,
            version: Some(version("1.8.0")),
            package: package("1.8.0"),
            weight: 20,
        },
    ];
    cart.coming = Some(coming(currency.clone(), "canary", 96));
    cart.canary = Some(canary_running());
    let mut rates = cell(
        "0.14.0",
        "Rates come from two sources",
        190_000,
        Standing::Proven,
        healthy(3),
    );
    rates.waiting = Some(WaitingChange {
        change: of(
            "money/rates",
            change(
                "0.15.0",
                "Rates are rounded to the currency's smallest unit",
                "Tom Brandt",
            ),
        ),
        waiting: approval(),
    });
    let mut search = cell(
        "2.3.1",
        "Suggestions know of plurals",
        540,
        Standing::Unverified,
        Health::Degraded {
            healthy: 1,
            instances: 2,
        },
    );
    search.returned_from = Some(of(
        "shop/search",
        change("2.4.0", "Suggestions are ranked by sales", "Mei Lin"),
    ));
    Overview {
        columns: [("staging", "rolling"), ("production", "canary")]
            .map(|(name, strategy)| Column {
                name: place(name),
                strategy: strategy.to_owned(),
            })
            .to_vec(),
        rows: vec![
            ComponentRow {
                name: component("money/rates"),
                coming: Vec::new(),
                cells: vec![
                    cell(
                        "0.15.0",
                        "Rates are rounded to the currency's smallest unit",
                        900,
                        Standing::Proven,
                        healthy(1),
                    ),
                    rates,
                ],
            },
            ComponentRow {
                name: component("shop/cart"),
                coming: vec![coming(
                    ChangeName {
                        version: None,
                        ..change("1.8.1", "Discounts are applied once per customer", "Ines Duarte")
                    },
                    "test",
                    12,
                )],
                cells: vec![
                    cell("1.8.0", &currency.title, 143, Standing::Verified, healthy(1)),
                    cart,
                ],
            },
            ComponentRow {
                name: component("shop/search"),
                coming: Vec::new(),
                cells: vec![
                    cell(
                        "2.4.0",
                        "Suggestions are ranked by sales",
                        700,
                        Standing::Verified,
                        healthy(1),
                    ),
                    search,
                ],
            },
            ComponentRow {
                name: component("shop/wishes"),
                coming: Vec::new(),
                cells: vec![
                    cell("0.1.0", "Wishes can be kept", 86_000, Standing::Proven, healthy(1)),
                    nothing(),
                ],
            },
        ],
        running: super::run_list()
            .runs
            .into_iter()
            .filter(|run| !run.progress.is_finished())
            .collect(),
        recent: recent(),
        troubles: vec![Trouble {
            component: component("shop/search"),
            since: before(42 * 60),
            told: "the remote cannot be fetched: git fetch failed: fatal: unable to access `https://code.example.org/shop/search.git`: the host does not answer".to_owned(),
            hint: Some("it is looked at again and again; check the address and the network".to_owned()),
        }],
        push_address: "http://127.0.0.1:8100/git/TEAM/NAME.git".to_owned(),
    }
}

fn recent() -> Vec<RecentChange> {
    let line = |change: ChangeName, state: ChangeState, reached: &[&str], ago: i64| RecentChange {
        change,
        state,
        reached: reached.iter().map(|name| place(name)).collect(),
        committed_at: before(ago + 60),
        moved_at: before(ago),
    };
    let currency = change(
        "1.8.0",
        "Carts keep their currency when a customer switches country",
        "Ines Duarte",
    );
    vec![
        line(
            ChangeName {
                version: None,
                ..change("1.8.1", "Discounts are applied once per customer", "Ines Duarte")
            },
            ChangeState::Underway,
            &[],
            12,
        ),
        line(currency.clone(), ChangeState::Underway, &["staging"], 96),
        line(
            of(
                "shop/search",
                change("2.4.0", "Suggestions are ranked by sales", "Mei Lin"),
            ),
            ChangeState::Returned,
            &["staging"],
            540,
        ),
        line(
            of(
                "money/rates",
                change(
                    "0.15.0",
                    "Rates are rounded to the currency's smallest unit",
                    "Tom Brandt",
                ),
            ),
            ChangeState::Waiting,
            &["staging"],
            840,
        ),
        line(
            change("1.7.3", "Log the country of a cart", "Ada Marten"),
            ChangeState::Superseded { by: currency },
            &["staging"],
            3_400,
        ),
        line(
            change("1.7.2", "Checkout answers with the order number", "Ines Duarte"),
            ChangeState::Delivered,
            &["staging", "production"],
            6_858,
        ),
        line(
            ChangeName {
                version: None,
                ..change("wip", "Try the new parser", "Mei Lin")
            },
            ChangeState::Failed,
            &[],
            91_000,
        ),
    ]
}

/// A server to which nothing was pushed yet.
pub fn empty_overview() -> Overview {
    Overview {
        columns: Vec::new(),
        rows: Vec::new(),
        running: Vec::new(),
        recent: Vec::new(),
        troubles: Vec::new(),
        push_address: "http://127.0.0.1:8100/git/TEAM/NAME.git".to_owned(),
    }
}

/// An environment with its deployments.
pub fn environment() -> EnvironmentPage {
    let rows = overview().rows;
    let components = rows
        .into_iter()
        .filter_map(|mut row| {
            let cell = row.cells.pop()?;
            let actions = match &cell.placed {
                Some(_) => vec![button(
                    "Roll back",
                    links::roll_back(&row.name, &place("production")),
                    ButtonWeight::Danger,
                )],
                None => Vec::new(),
            };
            Some(EnvironmentComponent {
                component: row.name,
                cell,
                configuration: Some(package("configuration")),
                schema: vec![("orders".to_owned(), "0007_currency".to_owned())],
                generation: 41,
                actions,
            })
        })
        .collect();
    let deployment =
        |key: &str, kind, number: &str, title: &str, progress, ago: i64, took: Option<i64>| DeploymentLine {
            run: run_id(key),
            kind,
            component: component("shop/cart"),
            change: change(number, title, "Ines Duarte"),
            package: package(number),
            from: Some(change("1.7.1", "Prices are shown with tax", "Ada Marten")),
            progress,
            reason: None,
            started_at: before(ago),
            finished_at: took.map(|took| before(ago - took)),
            by: "the path".to_owned(),
        };
    let done = Progress::Finished(Outcome::Succeeded);
    let mut failed = deployment(
        "d2",
        DeploymentKind::Automatic,
        "2.4.0",
        "Suggestions are ranked by sales",
        Progress::Finished(Outcome::Failed),
        600,
        Some(52),
    );
    failed.component = component("shop/search");
    failed.change.component = component("shop/search");
    failed.reason = Some("The canary failed: 148 of 1 284 requests; production went back to 2.3.1.".to_owned());
    EnvironmentPage {
        name: place("production"),
        after: vec![place("staging")],
        target: "process".to_owned(),
        strategy: "canary, 1 instance at 20 %".to_owned(),
        rules: vec![
            "The package must be proven in staging.".to_owned(),
            "One of the role operations approves, for components of the team money.".to_owned(),
            "It counts as proven after 10 s.".to_owned(),
        ],
        all: vec![place("staging"), place("production")],
        policy: Some(package("policy")),
        components,
        deployments: vec![
            deployment(
                "d1",
                DeploymentKind::Automatic,
                "1.8.0",
                "Carts keep their currency when a customer switches country",
                Progress::Running,
                132,
                None,
            ),
            deployment(
                "d3",
                DeploymentKind::Return,
                "2.3.1",
                "Suggestions know of plurals",
                done,
                548,
                Some(2),
            ),
            failed,
            deployment(
                "d4",
                DeploymentKind::Promotion,
                "1.7.2",
                "Checkout answers with the order number",
                done,
                7_120,
                Some(262),
            ),
        ],
        older: Some("before=17001".to_owned()),
    }
}
