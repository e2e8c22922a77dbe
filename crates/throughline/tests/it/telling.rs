//! What is found, and what people and machines outside are told.

use insta::assert_snapshot;
use serde_json::json;
use throughline::Exit;
use throughline::wire::{DeliveryLine, Done, Notifications, Search, SearchGroup, SearchHit};

use crate::sample;
use crate::support::{Home, Server};

#[test]
fn what_is_found_is_shown_by_kinds_with_what_a_command_takes_for_each() {
    let hit = |id: &str, title: &str, component: Option<&str>, note: Option<&str>| SearchHit {
        id: id.into(),
        title: title.into(),
        component: component.map(str::to_owned),
        note: note.map(str::to_owned),
        at: component.map(|_| sample::at("13:58:00")),
        path: None,
    };
    let group = |kind: &str, hits, more| SearchGroup {
        kind: kind.into(),
        hits,
        more,
    };
    let cart = Some("shop/cart");
    let found = Search {
        schema: "search/1".into(),
        query: "cart".into(),
        as_of: 812,
        groups: vec![
            group("component", vec![hit("shop/cart", "shop/cart", None, None)], false),
            group(
                "change",
                vec![hit(
                    "1a2b3c4d1a2b3c4d1a2b3c4d1a2b3c4d1a2b3c4d",
                    "Carts keep\u{1b}[31m their order",
                    cart,
                    Some("main"),
                )],
                true,
            ),
            group(
                "package",
                vec![hit(&format!("sha256:{}", "ab".repeat(32)), "1.4.0", cart, None)],
                false,
            ),
            group("run", vec![hit(sample::RUN, "build", cart, Some("failed"))], false),
        ],
    };
    let server = Server::new().on("GET /api/v1/search?q=cart", &found);
    assert_snapshot!(Home::at(&server).call(&["search", "cart"]).shown());
    let nothing = Search {
        groups: Vec::new(),
        ..found
    };
    let server = Server::new().on("GET /api/v1/search?q=cart", &nothing);
    assert_snapshot!(Home::at(&server).call(&["search", "cart"]).shown());
}

#[test]
fn what_was_told_is_listed_with_the_reason_of_what_was_not_taken() {
    let line = |to: &str, event: &str, title: &str, state: &str, attempts, problem: Option<&str>| DeliveryLine {
        id: "notification_1".into(),
        to: to.into(),
        event: event.into(),
        title: title.into(),
        url: "https://deliver.example.org/runs/x".into(),
        state: state.into(),
        attempts,
        at: sample::at("13:58:00"),
        next_at: None,
        finished_at: None,
        problem: problem.map(str::to_owned),
    };
    let busy = Some("it answered 503 Service Unavailable");
    let told = Notifications {
        schema: "notifications/1".into(),
        on: true,
        named: vec!["webhook:audit".into()],
        deliveries: vec![
            line(
                "ops@example.org",
                "approval-waits",
                "shop/cart: 1.8.0 waits",
                "waiting",
                0,
                None,
            ),
            line(
                "webhook:audit",
                "run-failed",
                "shop/cart: the build failed",
                "waiting",
                3,
                busy,
            ),
            line(
                "ada@example.org",
                "deployment-done",
                "shop/cart: 1.7.2 is in production",
                "delivered",
                1,
                None,
            ),
            line(
                "webhook:old",
                "deployment-done",
                "shop/cart: 1.7.2 is in production",
                "given-up",
                1,
                Some("it answered 410 Gone"),
            ),
        ],
    };
    let server = Server::new().on("GET /api/v1/notifications", &told);
    assert_snapshot!(Home::at(&server).call(&["notifications", "list"]).shown());
    let off = Notifications {
        on: false,
        deliveries: Vec::new(),
        ..told
    };
    let server = Server::new().on("GET /api/v1/notifications", &off);
    assert_snapshot!(Home::at(&server).call(&["notifications", "list"]).shown());
}

#[test]
fn a_test_names_whom_it_goes_to() {
    let server = Server::new().on(
        "POST /api/v1/notifications/test",
        &Done::new("webhook:chat took the test"),
    );
    let called = Home::at(&server).call(&["notifications", "test", "chat"]);
    assert_eq!(
        (called.exit, called.err.as_str()),
        (Exit::Done, "✓ webhook:chat took the test\n")
    );
    let body: serde_json::Value = serde_json::from_str(&server.wrote().body).unwrap();
    assert_eq!(body, json!({ "to": "chat" }));
}
