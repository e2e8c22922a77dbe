//! `environments.yaml`: what comes out of a good one, and what is said about a bad one.

use std::time::Duration;

use facts::Digest;
use pipeline::Environments;
use pipeline::environments::{Canary, Latency, OnDeadline, Strategy, Target};

use crate::text;

const WHOLE: &str = include_str!("../examples/environments.yaml");

#[track_caller]
fn check(written: &str, expected: &[&str]) {
    let written = text(written);
    let found = Environments::parse(&written, "e.yaml").map(|_| ()).expect_err(&written);
    let said: Vec<String> = found
        .iter()
        .map(|each| {
            let hint = each.hint.as_ref().map(|hint| format!(" | {hint}")).unwrap_or_default();
            format!("{}:{} {}{hint}", each.line, each.column, each.message)
        })
        .collect();
    assert_eq!(said, expected, "{written}");
}

#[test]
fn environments_come_after_those_they_depend_on() {
    let environments = Environments::parse(WHOLE, "environments.yaml").unwrap_or_else(|wrong| panic!("{wrong}"));
    let names: Vec<&str> = environments
        .iter()
        .map(|environment| environment.name.as_str())
        .collect();
    assert_eq!(names, ["staging", "load-test", "production", "edge"]);
    assert_eq!(environments.revision(), Digest::of(WHOLE));
    let staging = environments.get(&"staging".parse().unwrap()).unwrap();
    assert_eq!(staging.target, Target::Process { instances: 1 });
    assert_eq!(staging.address, Some("127.0.0.1:8101".parse().unwrap()));
    assert_eq!(staging.strategy, Strategy::Rolling);
    let production = environments.get(&"production".parse().unwrap()).unwrap();
    assert_eq!(
        production.after.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        ["staging", "load-test"]
    );
    assert_eq!(production.soak, Duration::from_secs(600));
    assert_eq!(
        (production.approvals[0].role.as_str(), production.approvals[0].of),
        ("operations", 2)
    );
    assert_eq!(production.lines[0].as_str(), "main");
    assert_eq!(production.gates[0].name, "load-tested");
    assert_eq!(
        production.strategy,
        Strategy::Canary(Canary {
            instances: 1,
            weight: 10,
            margin: 0.005,
            deadline: Duration::from_secs(1800),
            on_deadline: OnDeadline::Return,
            latency: Some(Latency {
                quantile: 0.95,
                margin: Duration::from_millis(100)
            }),
            ..Canary::default()
        })
    );
    let edge = environments.get(&"edge".parse().unwrap()).unwrap();
    assert!(matches!(&edge.target, Target::Command { weight: None, .. }));
    assert_eq!(edge.strategy, Strategy::BlueGreen);
}

#[test]
fn staging_and_production_are_there_without_a_file() {
    let environments = Environments::default();
    let names: Vec<&str> = environments
        .iter()
        .map(|environment| environment.name.as_str())
        .collect();
    assert_eq!(names, ["staging", "production"]);
    assert_eq!(
        environments
            .iter()
            .map(|environment| environment.target.instances())
            .collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(
        environments,
        Environments::parse(pipeline::environments::DEFAULT, "x").unwrap()
    );
}

#[test]
fn an_environment_may_say_nothing_at_all() {
    let environments = Environments::parse("throughline: 1\nenvironments:\n  only: {}\n", "e").unwrap();
    let only = environments.iter().next().unwrap();
    assert_eq!(
        (only.target.instances(), only.strategy.clone(), only.soak),
        (1, Strategy::Rolling, Duration::ZERO)
    );
    assert!(only.database.is_none() && only.approvals.is_empty() && only.gates.is_empty() && only.lines.is_empty());
}

#[test]
fn circles_and_strangers_are_refused() {
    check(
        "
        throughline: 1
        environments:
          a: { after: [c] }
          b: { after: [a] }
          c: { after: [b] }
        ",
        &["3:16 environments come after one another: a -> c -> b -> a | take one of these away"],
    );
    check(
        "throughline: 1\nenvironments:\n  staging: {}\n  production: { after: [stagging] }",
        &["4:25 there is no environment `stagging` | did you mean `staging`?"],
    );
    check(
        "throughline: 1\nenvironments: {}",
        &["2:1 there must be 1 to 200 environments"],
    );
    check("throughline: 1", &["1:1 the file lacks `environments`"]);
    check(
        "throughline: 1\nenvironments: { default: {} }",
        &["2:17 `default` cannot be an environment: it names the values that all share"],
    );
}

#[test]
fn nothing_accepted_is_without_effect() {
    check(
        "
        throughline: 1
        environments:
          a:
            target: { kind: process, apply: x }
            strategy: { kind: rolling, weight: 20 }
          b:
            target: { kind: command, instances: 2, apply: x, observe: y, stop: z }
            strategy: { kind: canary }
          c:
            target: { kind: command, apply: x }
        ",
        &[
            "4:30 `apply` belongs to `kind: command` | remove it, or change the kind",
            "5:32 `weight` belongs to `kind: canary` | remove it, or change the kind",
            "7:30 `instances` belongs to `kind: process` | remove it, or change the kind",
            "8:23 a canary on `kind: command` needs the target's `weight` | say how requests are shared out, or choose another strategy",
            "10:21 `kind: command` needs `observe`",
            "10:21 `kind: command` needs `stop`",
        ],
    );
}

#[test]
fn what_comes_later_says_so() {
    check(
        "
        throughline: 1
        roles: {}
        environments:
          a:
            freezes: []
            target: { kind: kubernetes }
            strategy: { kind: shadow }
            metrics: []
        ",
        &[
            "2:1 `roles` is not supported by this version of Throughline | remove it; see docs/pipeline.md",
            "5:5 `freezes` is not supported by this version of Throughline | remove it; see docs/pipeline.md",
            "6:21 `kind`: `kubernetes` is not supported by this version of Throughline",
            "7:23 `kind`: `shadow` is not supported by this version of Throughline",
            "8:5 `metrics` is not supported by this version of Throughline | remove it; see docs/pipeline.md",
        ],
    );
}

#[test]
fn a_database_of_a_server_is_named_by_an_address_and_its_password_by_a_secret() {
    let environments = Environments::parse(
        "throughline: 1\nenvironments:\n  a: { database: { kind: postgres, url: \"postgres://shop@db/{component}\", password: { secret: shop-db } } }\n",
        "e.yaml",
    );
    let environments = environments.unwrap_or_else(|wrong| panic!("{wrong}"));
    let only = environments.iter().next().unwrap().database.as_ref().unwrap();
    assert_eq!(only.url.as_deref(), Some("postgres://shop@db/{component}"));
    assert_eq!(only.password.as_deref(), Some("shop-db"));
    check(
        "
        throughline: 1
        environments:
          a: { database: { kind: postgres } }
          b: { database: { kind: postgres, url: \"postgres://shop:s3cret@db/shop\" } }
          c: { database: { kind: sqlite, password: { secret: x } } }
          d: { database: { kind: postgres, url: shop.db, password: { secret: \"-\" } } }
          e: { database: { kind: mysql, url: \"mysql://db/shop\", password: { secret: x } } }
        ",
        &[
            "3:26 `kind: postgres` needs `url` | write where it is, such as `url: postgres://shop@db.internal:5432/shop`",
            "4:41 a password stands in the address | put it into a secret (`throughline secret set NAME`), and name that here: `password: { secret: NAME }`",
            "5:44 a file of SQLite has no password | remove it, or change the kind",
            "6:41 the address of a database of kind postgres begins with `postgres://` | write it like `postgres://shop@db.internal:5432/shop`",
            "6:70 `-` is no name of a secret | letters, digits and `-_.` between them",
            "7:38 the address names no user whose password it is | write it like `mysql://shop@db.internal:3306/shop`",
        ],
    );
}

#[test]
fn numbers_times_addresses_and_names_are_checked() {
    check(
        "
        throughline: 1
        environments:
          a:
            target: { kind: process, instances: 0 }
            strategy: { kind: canary, weight: 60, margin: 0, alpha: 1, on_deadline: stay, latency: { quantile: 1 } }
        ",
        &[
            "4:41 `instances` must be at least 1",
            "5:39 `weight` must be at most 50",
            "5:51 `margin` must be more than 0",
            "5:61 `alpha` must be at most 0.5",
            "5:77 `on_deadline` must be `return` or `go-on`, not `stay`",
            "5:83 `latency` lacks `margin`",
            "5:104 `quantile` must be less than 1",
        ],
    );
    check(
        "
        throughline: 1
        environments:
          a:
            address: localhost:80
            soak: soon
            lines: [-x]
            approvals: [{ role: ops }, { role: ops }]
            gates: [{ name: g, when: package.line == 'main' }]
          b:
            address: 127.0.0.1:0
            strategy: { kind: canary, deadline: 0s }
          c: { address: 127.0.0.1:81 }
          d: { address: 127.0.0.1:81 }
        ",
        &[
            "4:14 `localhost:80` is no address with a port | write an address and a port, such as 127.0.0.1:8101",
            "5:11 `soon` is no length of time | a length of time is written `500ms`, `10s`, `5m`, `2h`, `7d` or `1h30m`",
            "6:13 `-x` is no branch name: a git branch name is expected, without `..`, spaces or control characters, and not beginning with `-`",
            "7:40 the role `ops` is asked twice | ask it once, with `of`",
            "8:30 `when`: `package` is a reserved word of CEL | a candidate for an environment is called `candidate`",
            "10:14 the port must not be 0 | leave `address` out for a free port",
            "11:41 the deadline must be longer than nothing",
            "13:17 `c` has the address 127.0.0.1:81 too | choose another port",
        ],
    );
}
