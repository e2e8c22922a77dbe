//! What people and machines outside are told.

use insta::assert_snapshot;
use serde_json::json;
use throughline::Exit;
use throughline::wire::{DeliveryLine, Done, Notifications};

use crate::sample;
use crate::support::{Home, Server};

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
