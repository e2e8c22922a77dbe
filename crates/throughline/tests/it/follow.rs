//! Commands that show how things go.

use insta::assert_snapshot;
use throughline::Exit;

use crate::sample;
use crate::support::{Home, Server};

const CHANGE: &str = "GET /api/v1/components/shop/cart/changes/1.2.0";

fn status(change: &throughline::wire::Change) -> String {
    let server = Server::new().on(CHANGE, change);
    Home::at(&server)
        .call(&["status", "1.2.0", "--component", "shop/cart"])
        .shown()
}

#[test]
fn a_change_under_way_shows_its_stations_and_when_it_usually_arrives() {
    assert_snapshot!(status(&sample::deploying()));
}

#[test]
fn a_waiting_change_says_what_and_whom_it_waits_for_and_what_to_type() {
    assert_snapshot!(status(&sample::waiting()));
}

#[test]
fn a_change_that_went_back_says_why_with_numbers() {
    assert_snapshot!(status(&sample::returned()));
}

#[test]
fn on_a_narrow_terminal_sentences_are_broken_and_colours_repeat_the_words() {
    let server = Server::new().on(CHANGE, &sample::returned());
    let called = Home::at(&server)
        .on_terminal(60)
        .call(&["status", "1.2.0", "--component", "shop/cart"]);
    assert_snapshot!(called.out.replace('\u{1b}', "^"));
}

#[test]
fn without_a_change_everything_is_shown() {
    let server = Server::new()
        .on("GET /api/v1/environments", &sample::environments())
        .on("GET /api/v1/changes?limit=10", &sample::changes())
        .on("GET /api/v1/repositories", &sample::repositories())
        .on("GET /api/v1/servers", &sample::servers());
    assert_snapshot!(Home::at(&server).call(&["status"]).shown());
    let json: serde_json::Value = serde_json::from_str(&Home::at(&server).call(&["status", "--json"]).out).unwrap();
    assert_eq!(json["schema"], "overview/1");
    assert_eq!(json["changes"]["schema"], "changes/1");
    assert_eq!(json["repositories"]["schema"], "repositories/1");
}

#[test]
fn a_remote_that_cannot_be_reached_is_told_with_since_when_and_what_to_do() {
    let mut repositories = sample::repositories();
    let followed = repositories
        .repositories
        .iter_mut()
        .find(|line| line.remote.is_some())
        .unwrap();
    followed.trouble =
        Some("the remote cannot be fetched: there is no machine of that name\nhint: check the address".into());
    followed.trouble_since = Some(sample::at("13:58:00"));
    let server = Server::new()
        .on("GET /api/v1/environments", &sample::environments())
        .on("GET /api/v1/changes?limit=10", &sample::changes())
        .on("GET /api/v1/repositories", &repositories)
        .on("GET /api/v1/servers", &sample::servers());
    assert_snapshot!(Home::at(&server).call(&["repo", "list"]).shown());
    let status = Home::at(&server).call(&["status"]).out;
    assert!(
        status.contains("✗ shop/search is not followed, since 13:58:00\n"),
        "{status}"
    );
    assert!(status.ends_with("hint: check the address\n"), "{status}");
    let json: serde_json::Value =
        serde_json::from_str(&Home::at(&server).call(&["repo", "list", "--json"]).out).unwrap();
    assert!(
        json["repositories"]
            .to_string()
            .contains("\"trouble_since\":\"2026-03-01T13:58:00Z\""),
        "{json}"
    );
}

#[test]
fn several_servers_are_listed_with_what_each_leads() {
    let mut servers = sample::servers();
    let mut second = servers.servers[0].clone();
    second.url = Some("http://127.0.0.1:8401".into());
    second.this = true;
    second.leads.clear();
    let third = throughline::wire::Server {
        at_work: false,
        this: false,
        url: None,
        ..second.clone()
    };
    servers.servers.extend([second, third]);
    servers.unled = vec!["sources".into()];
    let server = Server::new()
        .on("GET /api/v1/environments", &sample::environments())
        .on("GET /api/v1/changes?limit=10", &sample::changes())
        .on("GET /api/v1/repositories", &sample::repositories())
        .on("GET /api/v1/servers", &servers);
    let shown = Home::at(&server).call(&["status"]).out;
    let (_, listed) = shown.split_once("\n\nServers\n").unwrap();
    assert_eq!(
        listed,
        "  ● http://127.0.0.1:8400  leads runs, retention, since 09:00:00
  ○ http://127.0.0.1:8401  stands by  answered this
  ✗ process 4711 on delta  has not been at work since 14:00:00
  ! nobody leads sources now; a server takes over within 15 seconds
"
    );
    let json: serde_json::Value = serde_json::from_str(&Home::at(&server).call(&["status", "--json"]).out).unwrap();
    assert_eq!(json["servers"]["schema"], "servers/1");
}

#[test]
fn titles_are_cut_to_the_terminal() {
    let server = Server::new()
        .on("GET /api/v1/environments", &sample::environments())
        .on("GET /api/v1/changes?limit=10", &sample::changes())
        .on("GET /api/v1/repositories", &sample::repositories())
        .on("GET /api/v1/servers", &sample::servers());
    let called = Home::at(&server)
        .on_terminal(72)
        .call(&["status", "--all", "--color", "never"]);
    assert_snapshot!(called.out);
}

#[test]
fn nothing_there_yet_is_said_so() {
    let mut environments = sample::environments();
    environments.environments.truncate(1);
    environments.environments[0].components.clear();
    let mut changes = sample::changes();
    changes.changes.clear();
    let server = Server::new()
        .on("GET /api/v1/environments", &environments)
        .on("GET /api/v1/changes?limit=10", &changes)
        .on("GET /api/v1/repositories", &sample::repositories())
        .on("GET /api/v1/servers", &sample::servers());
    assert_snapshot!(Home::at(&server).call(&["status"]).shown());
}

#[test]
fn in_a_repository_the_commit_that_is_checked_out_is_meant() {
    let home = Home::new();
    home.git(&["init", "--quiet", "--initial-branch=main"]);
    home.git(&["commit", "--quiet", "--allow-empty", "--message=Begin"]);
    home.git(&[
        "remote",
        "add",
        "origin",
        "https://ada@code.example.org/shop/search.git",
    ]);
    let commit = home.git(&["rev-parse", "HEAD"]);
    let mut change = sample::deploying();
    change.change.component = "shop/search".into();
    let server = Server::new()
        .on("GET /api/v1/repositories", &sample::repositories())
        .on(&format!("GET /api/v1/components/shop/search/changes/{commit}"), &change);
    let home = home.with("THROUGHLINE_SERVER", &server.url);
    let called = home.call(&["status"]);
    assert_eq!(called.exit, Exit::Done, "{}", called.err);
    assert!(
        called.out.starts_with("shop/search 1.2.0 ◐ deploying"),
        "{}",
        called.out
    );
    let named = home.call(&["status", "HEAD"]);
    assert_eq!(named.out, called.out, "{}", named.err);
    let before = home.call(&["status", "HEAD~1"]);
    assert_eq!(before.exit, Exit::NotFound);
    assert!(
        before
            .err
            .starts_with("error: git knows no commit `HEAD~1` in this folder\n"),
        "{}",
        before.err
    );
}

#[test]
fn a_document_is_printed_as_it_came_even_when_the_server_says_more() {
    let mut document = serde_json::to_value(sample::deploying()).unwrap();
    document["something_new"] = true.into();
    let server = Server::new().on(CHANGE, &document);
    let called = Home::at(&server).call(&["status", "1.2.0", "--component", "shop/cart", "--json"]);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&called.out).unwrap(),
        document
    );
}

#[test]
fn a_followed_change_is_shown_anew_until_its_end() {
    let server = Server::new()
        .on(CHANGE, &sample::returned())
        .open("GET /api/v1/events", "id: 1\ndata: {}\n\n");
    let called = Home::at(&server).call(&["status", "1.2.0", "--component", "shop/cart", "--follow"]);
    assert_eq!(called.exit, Exit::Done);
    assert_eq!(called.out.matches("Never again").count(), 1);
}

#[test]
fn runs_are_listed_newest_first() {
    let mut asking = sample::run_line("return", "asking", None);
    asking.reason = Some("nobody knows whether `migrate` was done".into());
    let runs = throughline::wire::Runs {
        schema: "runs/1".into(),
        runs: vec![
            sample::run_line("deployment", "running", None),
            asking,
            sample::failed_run().run,
            sample::run_line("build", "finished", Some("succeeded")),
        ],
        next: Some("more".into()),
    };
    let server = Server::new().on("GET /api/v1/runs?environment=production&limit=20", &runs);
    assert_snapshot!(Home::at(&server).call(&["runs", "--environment", "production"]).shown());
}

#[test]
fn a_run_shows_its_steps_and_where_to_read_on() {
    let server = Server::new().on(&format!("GET /api/v1/runs/{}", sample::RUN), &sample::failed_run());
    assert_snapshot!(Home::at(&server).call(&["runs", sample::RUN]).shown());
}

#[test]
fn a_run_that_asks_says_what_to_type() {
    let mut run = sample::failed_run();
    run.run = sample::run_line("deployment", "asking", None);
    run.steps = vec![
        sample::step("migrate", "asking", None),
        sample::step("roll-out", "waiting", None),
    ];
    let server = Server::new().on(&format!("GET /api/v1/runs/{}", sample::RUN), &run);
    assert_snapshot!(Home::at(&server).call(&["runs", sample::RUN]).shown());
}

#[test]
fn a_run_is_found_by_the_end_of_its_id() {
    let runs = throughline::wire::Runs {
        schema: "runs/1".into(),
        runs: vec![sample::failed_run().run],
        next: None,
    };
    let server = Server::new()
        .on("GET /api/v1/runs?limit=500", &runs)
        .on(&format!("GET /api/v1/runs/{}", sample::RUN), &sample::failed_run());
    assert_eq!(Home::at(&server).call(&["runs", "0a1bc"]).exit, Exit::Done);
    let called = Home::at(&server).call(&["runs", "zzzzz"]);
    assert_eq!(
        (called.exit, called.err.as_str()),
        (
            Exit::NotFound,
            "error: there is no run `zzzzz`\nhint: `throughline runs` lists them\n"
        )
    );
}

const LOG: &str =
    "1772373601000 o    Compiling cart\n1772373602500 e \u{1b}[31merror\u{1b}[0m: no\u{1b}[2J such thing\n";

fn log_address(step: &str, query: &str) -> String {
    format!("GET /api/v1/runs/{}/steps/{step}/log{query}", sample::RUN)
}

#[test]
fn a_log_is_printed_without_what_steers_a_terminal() {
    let server = Server::new().reply(&log_address("test", ""), 200, "text/plain", LOG);
    let plain = Home::at(&server).call(&["logs", sample::RUN, "test"]);
    assert_eq!(plain.out, "   Compiling cart\nerror: no such thing\n");
    let terminal = Home::at(&server).on_terminal(80).call(&["logs", sample::RUN, "test"]);
    assert_eq!(
        terminal.out,
        "   Compiling cart\n\u{1b}[31merror\u{1b}[0m: no such thing\u{1b}[0m\n"
    );
    let times = Home::at(&server).call(&["logs", sample::RUN, "test", "--times"]);
    assert_eq!(
        times.out,
        "14:00:01.000      Compiling cart\n14:00:02.500 ! error: no such thing\n"
    );
    let json = Home::at(&server).call(&["logs", sample::RUN, "test", "--json"]);
    let first: serde_json::Value = serde_json::from_str(json.out.lines().next().unwrap()).unwrap();
    assert_eq!(first["at"], "2026-03-01T14:00:01Z");
    assert_eq!(first["schema"], "log-line/1");
}

#[test]
fn the_logs_of_all_steps_stand_behind_their_names() {
    let server = Server::new()
        .on(&format!("GET /api/v1/runs/{}", sample::RUN), &sample::failed_run())
        .reply(&log_address("compile", ""), 200, "text/plain", "1772373601000 o one\n")
        .reply(&log_address("test", ""), 200, "text/plain", "1772373602000 e two\n");
    assert_eq!(
        Home::at(&server).call(&["logs", sample::RUN]).out,
        "compile │ one\ntest    │ two\n"
    );
}

#[test]
fn a_followed_run_is_read_attempt_by_attempt_until_it_has_ended() {
    let server = Server::new()
        .on(&format!("GET /api/v1/runs/{}", sample::RUN), &sample::failed_run())
        .open("GET /api/v1/events", "")
        .reply(
            &log_address("compile", "?attempt=1&follow=true"),
            200,
            "text/plain",
            "1772373601000 o one\n",
        )
        .reply(
            &log_address("test", "?attempt=1&follow=true"),
            200,
            "text/plain",
            "1772373602000 e two\n",
        )
        .reply(
            &log_address("test", "?attempt=2&follow=true"),
            200,
            "text/plain",
            "1772373603000 e three\n",
        );
    let called = Home::at(&server).call(&["logs", "--follow", sample::RUN]);
    let mut lines: Vec<&str> = called.out.lines().collect();
    lines.sort_unstable();
    assert_eq!(called.exit, Exit::Done, "{}", called.err);
    assert_eq!(lines, ["compile │ one", "test    │ three", "test    │ two"]);
}

#[test]
fn environments_show_what_is_where_and_how_requests_are_shared() {
    let server = Server::new().on("GET /api/v1/environments", &sample::environments());
    assert_snapshot!(Home::at(&server).call(&["environments"]).shown());
}

#[test]
fn a_difference_is_told_by_component() {
    let differing =
        |component: Option<&str>, what: &str, left: Option<&str>, right: Option<&str>| throughline::wire::Differing {
            component: component.map(Into::into),
            what: what.into(),
            left: left.map(Into::into),
            right: right.map(Into::into),
        };
    let difference = throughline::wire::Difference {
        schema: "difference/1".into(),
        left: "staging".into(),
        right: "production".into(),
        differing: vec![
            differing(Some("shop/cart"), "version", Some("1.2.0"), Some("1.1.0")),
            differing(
                Some("shop/cart"),
                "package",
                Some(&facts::Digest::of("1").to_string()),
                Some(&facts::Digest::of("2").to_string()),
            ),
            differing(Some("shop/cart"), "setting PAGE_SIZE", Some("50"), None),
            differing(None, "strategy", Some("rolling"), Some("canary")),
        ],
    };
    let server = Server::new().on("GET /api/v1/environments/staging/difference/production", &difference);
    assert_snapshot!(Home::at(&server).call(&["diff", "staging", "production"]).shown());
    let same = throughline::wire::Difference {
        differing: vec![],
        ..difference
    };
    let server = Server::new().on("GET /api/v1/environments/staging/difference/production", &same);
    assert_eq!(
        Home::at(&server).call(&["diff", "staging", "production"]).out,
        "staging and production do not differ.\n"
    );
}

#[test]
fn what_is_found_is_listed_by_kind_with_names_that_commands_take() {
    let hit = |id: &str, title: &str, component: Option<&str>, note: Option<&str>, at: Option<&str>| {
        throughline::wire::SearchHit {
            id: id.into(),
            title: title.into(),
            component: component.map(Into::into),
            note: note.map(Into::into),
            at: at.map(sample::at),
            path: None,
        }
    };
    let group = |kind: &str, hits: Vec<throughline::wire::SearchHit>, more: bool| throughline::wire::SearchGroup {
        kind: kind.into(),
        hits,
        more,
    };
    let cart = Some("shop/cart");
    let commit = "1a2b3c4d5e6f7081920a1b2c3d4e5f6071829304";
    let digest = facts::Digest::of("1").to_string();
    let found = throughline::wire::Search {
        schema: "search/1".into(),
        query: "cart".into(),
        as_of: 812,
        groups: vec![
            group(
                "component",
                vec![hit("shop/cart", "shop/cart", None, None, None)],
                false,
            ),
            group(
                "environment",
                vec![hit("cart-trial", "cart-trial", None, None, None)],
                false,
            ),
            group(
                "change",
                vec![hit(
                    commit,
                    "Carts keep their order",
                    cart,
                    Some("main"),
                    Some("13:58:00"),
                )],
                true,
            ),
            group(
                "package",
                vec![hit(&digest, "1.2.0", cart, None, Some("13:59:00"))],
                false,
            ),
            group(
                "run",
                vec![hit(
                    "run_01h455vb4pex5vsknk084sn02q",
                    "build",
                    cart,
                    Some("failed"),
                    Some("13:58:30"),
                )],
                false,
            ),
            group(
                "person",
                vec![hit("actor_01h455vb4pex5vsknk084sn02q", "Carter Voss", None, None, None)],
                false,
            ),
        ],
    };
    let server = Server::new().on("GET /api/v1/search?q=cart%20order&limit=10", &found);
    assert_snapshot!(Home::at(&server).call(&["search", "cart", "order"]).shown());
    let json: serde_json::Value =
        serde_json::from_str(&Home::at(&server).call(&["search", "cart", "order", "--json"]).out).unwrap();
    assert_eq!(json["schema"], "search/1");
    let nothing = throughline::wire::Search {
        groups: Vec::new(),
        ..found
    };
    let server = Server::new().on("GET /api/v1/search?q=wisent&limit=10", &nothing);
    assert_snapshot!(Home::at(&server).call(&["search", "wisent"]).shown());
}
