//! Samples of the ledger, of a package and of the settings.

use std::time::Duration;

use facts::Digest;
use facts::published::Judgement;

use super::{before, change, commit, component, package, place, run_id, version};
use crate::model::{
    Chain, Channel, DeliveryNote, DeliveryState, DeploymentKind, DifferingFile, EntryKind, FactFilter, FactLine,
    FactPage, LedgerPage, NotificationsView, OpenFile, OtherPackage, PackageDifference, PackageEntry, PackagePage,
    PackageVerdict, PersonLine, ServerLine, ServersView, SettingLine, SettingsPage, Stay, StayState, TokenLine,
    VerdictMark, Verification, VerifyPage,
};

pub(super) fn other(number: &str) -> OtherPackage {
    OtherPackage {
        digest: package(number),
        name: number.to_owned(),
    }
}

/// A package that is somewhere, compared with the one before.
pub fn package_page() -> PackagePage {
    let file = |path: &str, size, executable| PackageEntry {
        path: path.to_owned(),
        kind: EntryKind::File { size, executable },
    };
    let folder = |path: &str| PackageEntry {
        path: path.to_owned(),
        kind: EntryKind::Folder,
    };
    let stay = |environment: &str, key: &str, state, since| Stay {
        environment: place(environment),
        run: run_id(key),
        kind: DeploymentKind::Automatic,
        by: "throughline".to_owned(),
        since: before(since),
        state,
    };
    PackagePage {
        digest: package("1.8.0"),
        component: component("shop/cart"),
        version: Some(version("1.8.0")),
        change: change(
            "1.8.0",
            "Carts keep their currency when a customer switches country",
            "Ines Duarte",
        ),
        run: Some(run_id("build")),
        platform: "linux/amd64".to_owned(),
        definition: Digest::of("definition"),
        never_again: Vec::new(),
        stays: vec![
            stay("production", "d1", StayState::Coming, 96),
            stay("staging", "d2", StayState::Here, 400),
            stay("trial", "d3", StayState::Gone(before(9_000)), 90_000),
            stay("trial", "d4", StayState::Failed, 91_000),
        ],
        verdicts: vec![
            PackageVerdict {
                mark: VerdictMark {
                    about: "canary".to_owned(),
                    result: Judgement::Pass,
                    reasons: Vec::new(),
                },
                environment: Some(place("production")),
                reasons: vec!["Failed requests rose by less than 1 percentage point.".to_owned()],
                at: before(60),
            },
            PackageVerdict {
                mark: VerdictMark {
                    about: "smoke".to_owned(),
                    result: Judgement::Fail,
                    reasons: Vec::new(),
                },
                environment: None,
                reasons: vec![
                    "`/health` answered 503.".to_owned(),
                    "It was asked three times.".to_owned(),
                ],
                at: before(90_900),
            },
        ],
        config: (Digest::of("config"), 4_211),
        layers: vec![(Digest::of("layer"), 5_321_842)],
        contents: Some(vec![
            folder("app"),
            file("app/cart", 5_200_481, true),
            file("app/static/cart.css", 8_412, false),
            file("app/static/cart.js", 31_204, false),
            folder("migrations"),
            file("migrations/0007_currency.sql", 412, false),
            PackageEntry {
                path: "latest".to_owned(),
                kind: EntryKind::Link {
                    target: "app/cart".to_owned(),
                },
            },
            file("README.md", 1_900, false),
        ]),
        more_contents: 0,
        file: Some(OpenFile {
            path: "migrations/0007_currency.sql".to_owned(),
            size: 412,
            digest: Digest::of("file"),
            text: Some("ALTER TABLE carts ADD COLUMN currency TEXT NOT NULL DEFAULT 'EUR';\n".to_owned()),
        }),
        others: vec![other("1.7.3"), other("1.7.2")],
        difference: Some(PackageDifference {
            other: other("1.7.3"),
            files: vec![
                DifferingFile {
                    path: "app/cart".to_owned(),
                    before: Some(5_190_120),
                    after: Some(5_200_481),
                },
                DifferingFile {
                    path: "migrations/0007_currency.sql".to_owned(),
                    before: None,
                    after: Some(412),
                },
                DifferingFile {
                    path: "app/static/old.js".to_owned(),
                    before: Some(2_200),
                    after: None,
                },
            ],
            more_files: 0,
            config: vec!["commit".to_owned(), "document.migrations".to_owned()],
            encoding_only: false,
            making: Some(super::made::made_differently()),
        }),
        making: Some(super::made::made()),
    }
}

/// The newest facts.
pub fn ledger() -> LedgerPage {
    let fact = |position: u64, kind: &str, stream: String, by: &str| FactLine {
        position,
        at: before(i64::try_from(18_342 - position).unwrap_or_default() * 7),
        kind: kind.to_owned(),
        stream,
        by: by.to_owned(),
        hash: Digest::of(position.to_string()),
    };
    let run = run_id("d1");
    LedgerPage {
        filter: FactFilter::default(),
        kinds: vec![
            ("attempt.finished".to_owned(), 8_112),
            ("change.arrived".to_owned(), 1_204),
            ("run.finished".to_owned(), 1_190),
        ],
        facts: vec![
            fact(18_342, "run.finished", format!("run/{run}"), "throughline"),
            fact(18_341, "attempt.finished", format!("run/{run}"), "throughline"),
            fact(
                18_340,
                "verdict.recorded",
                format!("verdict/{}", package("1.8.0")),
                "run",
            ),
            fact(
                18_339,
                "approval.given",
                "delivery/component_01h455vb4pex5vsknk084sn02q".to_owned(),
                "Carol Ivens",
            ),
        ],
        as_of: 18_342,
        newest: None,
        older: Some("after=x".to_owned()),
        verification: Verification::Whole {
            facts: 18_000,
            hash: Digest::of("18000"),
            at: before(4_000),
            took: Duration::from_millis(640),
        },
    }
}

/// A fact and its place in the chain.
pub fn fact() -> FactPage {
    FactPage {
        position: 18_341,
        kind: "change.arrived".to_owned(),
        kind_version: 1,
        stream: "repository/component_01h455vb4pex5vsknk084sn02q".to_owned(),
        version: 412,
        about: None,
        id: "fact_01h455vb4pex5vsknk084sn02q".to_owned(),
        by: "Ines Duarte".to_owned(),
        actor: "user:actor_01h455vb4pex5vsknk084sn02q".to_owned(),
        recorded_at: Some(before(90)),
        occurred_at: Some(before(90)),
        more: vec![
            ("Trust".to_owned(), "trusted".to_owned()),
            (
                "Claims".to_owned(),
                format!("change:component_01h455vb4pex5vsknk084sn02q/main/{}", commit("1.8.1")),
            ),
        ],
        cause: Some(("fact_01h455vb4pex5vsknk084sn02r".to_owned(), Some(18_340))),
        body: format!(
            "{{\n  \"branch\": \"main\",\n  \"commit\": \"{}\",\n  \"tip\": true\n}}",
            commit("1.8.1")
        ),
        bytes: 512,
        chain: Chain {
            before: Digest::of("18340"),
            named: Digest::of("18340").to_string(),
            hash: Digest::of("18341"),
            computed: Digest::of("18341"),
            after: Some((18_342, Digest::of("18342"))),
        },
    }
}

/// A fact whose bytes were changed.
pub fn broken_fact() -> FactPage {
    let mut page = fact();
    page.chain.computed = Digest::of("tampered");
    page.chain.named = Digest::of("another").to_string();
    page.chain.after = None;
    page
}

/// A check of all facts: under way, and one that found something.
pub fn verifications() -> [VerifyPage; 3] {
    [
        Verification::Running {
            checked: 9_200,
            of: 18_342,
            since: before(2),
        },
        ledger().verification,
        Verification::Broken {
            first_bad: 4_711,
            problem: "its bytes do not have the hash stored with them".to_owned(),
            at: before(20),
        },
    ]
    .map(|verification| VerifyPage { verification })
}

/// One server that leads, one that stands by, and one that was stopped without having ended.
fn servers() -> ServersView {
    let server = |number: u32, leads: &[&str], heard: i64| ServerLine {
        url: Some(format!("https://deliver{number}.example.org")),
        this: number == 1,
        at_work: heard < 15,
        leads: leads.iter().map(|duty| ((*duty).to_owned(), before(86_000))).collect(),
        host: "deliver".to_owned(),
        process: 4_000 + number,
        version: "0.1.0".to_owned(),
        started_at: before(90_000),
        heard_at: before(heard),
    };
    ServersView {
        lines: vec![
            server(
                1,
                &["runs", "sources", "checkpoints", "notifications", "rules", "stores"],
                2,
            ),
            server(2, &[], 3),
            server(3, &[], 70),
        ],
        unled: vec!["retention".to_owned()],
    }
}

/// The settings as an admin sees them.
pub fn settings() -> SettingsPage {
    let setting = |name: &str, value: &str, source: Option<&str>| SettingLine {
        name: name.to_owned(),
        value: value.to_owned(),
        source: source.map(str::to_owned),
    };
    SettingsPage {
        actor: "user:actor_01h455vb4pex5vsknk084sn02q".to_owned(),
        roles: vec!["admin".to_owned()],
        version: "0.1.0".to_owned(),
        servers: servers(),
        settings: Some(vec![
            setting("data", "/var/lib/throughline", Some("--data")),
            setting("address", "127.0.0.1:8400", None),
            setting("max-parallel", "the number of processors", None),
            setting(
                "secret-key-file",
                "/etc/throughline/key",
                Some("`secret-key-file` in /etc/throughline/config.toml"),
            ),
        ]),
        policy: Some((
            package("policy"),
            "throughline: 1\nenvironments:\n  staging:\n    target: { kind: process, instances: 1 }\n".to_owned(),
        )),
        tokens: Some(vec![
            TokenLine {
                id: "token_01h455vb4pex5vsknk084sn02q".to_owned(),
                name: "administrator".to_owned(),
                roles: vec!["admin".to_owned()],
                created_at: before(900_000),
                expires_at: None,
                last_used_at: Some(before(20)),
                revoked: false,
            },
            TokenLine {
                id: "token_01h455vb4pex5vsknk084sn02r".to_owned(),
                name: "the old build machine".to_owned(),
                roles: vec!["developer".to_owned()],
                created_at: before(4_000_000),
                expires_at: Some(before(-900_000)),
                last_used_at: None,
                revoked: true,
            },
        ]),
        people: Some(vec![
            PersonLine {
                id: "actor_01h455vb4pex5vsknk084sn02s".to_owned(),
                name: Some("Ines Duarte".to_owned()),
                address: Some("ines@example.org".to_owned()),
                roles: vec!["developer".to_owned(), "operator".to_owned()],
                since: before(4_000_000),
            },
            PersonLine {
                id: "actor_01h455vb4pex5vsknk084sn02t".to_owned(),
                name: None,
                address: None,
                roles: Vec::new(),
                since: before(9_000_000),
            },
        ]),
        notifications: Some(notifications()),
    }
}

fn notifications() -> NotificationsView {
    let note = |to: &str, event: &str, title: &str, state, attempts, ago: i64, problem: Option<&str>| DeliveryNote {
        to: to.to_owned(),
        title: title.to_owned(),
        link: Some("/runs/run_01h455vb4pex5vsknk084sn02q".to_owned()),
        event: event.to_owned(),
        state,
        attempts,
        at: before(ago),
        problem: problem.map(str::to_owned),
    };
    let channel = |name: &str, how: &str| Channel {
        name: name.to_owned(),
        how: how.to_owned(),
    };
    NotificationsView {
        on: true,
        channels: vec![
            channel("mail", "mail.example.org:587 (starttls), as throughline"),
            channel("webhook:audit", "audit.example.org, as throughline, signed"),
            channel("webhook:chat", "the address in the secret hooks/chat, as slack"),
        ],
        rules: vec![
            "On `line-broken`, `line-recovered`: tells the authors, `webhook:chat`.".to_owned(),
            "On `approval-waits` in `production`: tells those who are asked.".to_owned(),
        ],
        deliveries: vec![
            note(
                "ops@example.org",
                "approval-waits",
                "shop/cart: 1.8.0 waits before production for an approval by operations",
                DeliveryState::Waiting,
                0,
                40,
                None,
            ),
            note(
                "webhook:audit",
                "line-broken",
                "shop/search: main is broken since “Suggestions are ranked by sales” (9f8e7d6c5b)",
                DeliveryState::Again(Some(before(-95))),
                3,
                320,
                Some("it answered 503 Service Unavailable"),
            ),
            note(
                "ines@example.org",
                "deployment-done",
                "shop/cart: 1.7.2 is in production",
                DeliveryState::Delivered,
                1,
                6_900,
                None,
            ),
            note(
                "webhook:old",
                "deployment-done",
                "shop/cart: 1.7.2 is in production",
                DeliveryState::GivenUp,
                1,
                6_900,
                Some("it answered 410 Gone"),
            ),
        ],
    }
}
