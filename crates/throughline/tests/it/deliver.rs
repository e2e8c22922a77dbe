//! Commands by which people steer.

use serde_json::json;
use throughline::Exit;
use throughline::wire::{Done, RolledBack};

use crate::sample;
use crate::support::{Home, Server};

fn body(server: &Server) -> serde_json::Value {
    serde_json::from_str(&server.wrote().body).unwrap()
}

#[test]
fn an_approval_names_component_change_and_role() {
    let server = Server::new().on(
        "POST /api/v1/environments/production/approve",
        &Done::new("shop/cart 1.2.0 is approved for production"),
    );
    let called = Home::at(&server).call(&[
        "approve",
        "1.2.0",
        "production",
        "--role",
        "operations",
        "--component",
        "shop/cart",
    ]);
    assert_eq!(
        (called.exit, called.err.as_str()),
        (Exit::Done, "✓ shop/cart 1.2.0 is approved for production\n")
    );
    assert_eq!(
        body(&server),
        json!({"component": "shop/cart", "change": "1.2.0", "role": "operations"})
    );
    let asked = server.wrote();
    assert_eq!(asked.headers["authorization"], "Bearer tl_test");
    assert_eq!(asked.headers["idempotency-key"].len(), 32);
}

#[test]
fn a_promotion_is_asked_for() {
    let server = Server::new().on("POST /api/v1/environments/production/promote", &Done::new("on its way"));
    assert_eq!(
        Home::at(&server)
            .call(&["promote", "1.2.0", "production", "-c", "shop/cart"])
            .exit,
        Exit::Done
    );
    assert_eq!(body(&server), json!({"component": "shop/cart", "change": "1.2.0"}));
}

#[test]
fn a_rollback_needs_a_reason_and_prints_the_run() {
    let answer = RolledBack {
        schema: "rolled-back/1".into(),
        run: Some(sample::RUN.parse().unwrap()),
    };
    let server = Server::new().on("POST /api/v1/environments/production/rollback", &answer);
    let home = Home::at(&server).with("THROUGHLINE_COMPONENT", "shop/cart");
    assert_eq!(home.call(&["rollback", "production"]).exit, Exit::Usage);
    let called = home.call(&["rollback", "production", "--reason", "orders fail", "--to", "1.1.0"]);
    assert_eq!(called.out, format!("{}\n", sample::RUN));
    assert_eq!(
        body(&server),
        json!({"component": "shop/cart", "to": "1.1.0", "reason": "orders fail"})
    );
}

#[test]
fn a_package_is_unbarred_by_its_version_too() {
    let change = sample::returned();
    let package = change.change.package.unwrap();
    let server = Server::new()
        .on("GET /api/v1/components/shop/cart/changes/1.2.0", &change)
        .on(
            &format!("POST /api/v1/packages/sha256%3A{}/unbar", package.hex()),
            &Done::new("not barred any more"),
        );
    let called = Home::at(&server).call(&["unbar", "1.2.0", "--cause", "the database was down", "-c", "shop/cart"]);
    assert_eq!(called.exit, Exit::Done, "{}", called.err);
    assert_eq!(
        body(&server),
        json!({"component": "shop/cart", "cause": "the database was down"})
    );
}

#[test]
fn runs_are_cancelled_retried_and_resolved() {
    let run = sample::RUN;
    let server = Server::new()
        .on(&format!("POST /api/v1/runs/{run}/cancel"), &Done::new("cancelled"))
        .on(&format!("POST /api/v1/runs/{run}/retry"), &Done::new("retried"))
        .on(
            &format!("POST /api/v1/runs/{run}/steps/migrate/resolve"),
            &Done::new("resolved"),
        );
    let home = Home::at(&server);
    assert_eq!(home.call(&["cancel", run]).err, "✓ cancelled\n");
    assert_eq!(home.call(&["retry", run]).exit, Exit::Done);
    assert_eq!(home.call(&["resolve", run, "migrate"]).exit, Exit::Usage);
    assert_eq!(
        home.call(&["resolve", run, "migrate", "--done", "--not-done"]).exit,
        Exit::Usage
    );
    assert_eq!(home.call(&["resolve", run, "migrate", "--not-done"]).exit, Exit::Done);
    assert_eq!(body(&server), json!({"done": false}));
}

#[test]
fn a_component_that_is_not_clear_is_asked_for() {
    let server = Server::new().on("GET /api/v1/repositories", &sample::repositories());
    let called = Home::at(&server).call(&["promote", "1.2.0", "production"]);
    assert_eq!(called.exit, Exit::Usage);
    assert_eq!(
        called.err,
        "error: it is not clear which component is meant\nhint: say --component NAME, one of shop/cart, shop/search\n"
    );
}

#[test]
fn the_only_component_need_not_be_named() {
    let mut repositories = sample::repositories();
    repositories.repositories.truncate(1);
    let server = Server::new()
        .on("GET /api/v1/repositories", &repositories)
        .on("POST /api/v1/environments/production/promote", &Done::new("on its way"));
    assert_eq!(
        Home::at(&server).call(&["promote", "1.2.0", "production"]).exit,
        Exit::Done
    );
    assert_eq!(body(&server)["component"], "shop/cart");
}

#[test]
fn the_server_goes_down_and_services_stay_unless_everything_is_meant() {
    let server = Server::new().on("POST /api/v1/down", &Done::new("the server stops"));
    assert_eq!(Home::at(&server).call(&["down"]).exit, Exit::Done);
    assert_eq!(body(&server), json!({"everything": false}));
    assert_eq!(Home::at(&server).call(&["down", "--everything"]).exit, Exit::Done);
    assert_eq!(body(&server), json!({"everything": true}));
}
