//! Logging in, tokens, secrets, repositories, policy and the ledger.

use std::os::unix::fs::PermissionsExt as _;

use facts::{Digest, TokenId};
use insta::assert_snapshot;
use serde_json::json;
use throughline::Exit;
use throughline::wire::*;

use crate::sample;
use crate::support::{Home, Server};

fn link() -> LoginLink {
    LoginLink {
        schema: "login-link/1".into(),
        url: "http://127.0.0.1:8400/login?code=once".into(),
        expires_at: sample::at("14:15:00"),
    }
}

#[test]
fn a_login_is_kept_for_this_user_alone_and_used_from_then_on() {
    let server = Server::new()
        .on("GET /api/v1/whoami", &sample::whoami())
        .on("POST /api/v1/login-link", &link());
    let mut home = Home::new().typing("tl_typed\n");
    home.hide(&server.url, "http://SERVER");
    let called = home.call(&["login", &server.url]);
    assert_snapshot!(called.shown());
    let store = home.configuration().join("logins.json");
    assert_eq!(std::fs::metadata(&store).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        std::fs::metadata(home.configuration()).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(home.call(&["whoami"]).exit, Exit::Done);
    assert_eq!(
        server.asked().last().unwrap().headers["authorization"],
        "Bearer tl_typed"
    );
}

#[test]
fn a_token_that_the_server_does_not_accept_is_not_kept() {
    let server = Server::new().problem("GET /api/v1/whoami", 401, "log-in", "nobody is logged in", None);
    let mut home = Home::new().typing("tl_wrong\n");
    home.hide(&server.url, "http://SERVER");
    let called = home.call(&["login", &server.url]);
    assert_eq!(
        (called.exit, called.err.as_str()),
        (
            Exit::Refused,
            "error: http://SERVER does not accept the token\nhint: log in with `throughline login http://SERVER`\n"
        )
    );
    assert!(!home.configuration().join("logins.json").exists());
}

#[test]
fn logging_out_forgets_the_token_and_asks_no_server() {
    let store = |home: &Home| -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(home.configuration().join("logins.json")).unwrap()).unwrap()
    };
    let home = Home::new();
    let called = home.call(&["logout"]);
    assert_eq!(
        (called.exit, called.err.as_str()),
        (Exit::NotFound, "error: not logged in\n")
    );
    let logins = json!({"current": "https://a.example", "tokens": {
        "https://a.example": "tl_a", "https://b.example": "tl_b", "https://c.example": "tl_c"}});
    std::fs::create_dir_all(home.configuration()).unwrap();
    std::fs::write(home.configuration().join("logins.json"), logins.to_string()).unwrap();
    let called = home.call(&["logout"]);
    assert_eq!(
        (called.exit, called.err.as_str()),
        (
            Exit::Done,
            "✓ logged out of https://a.example\nhint: the token itself goes on working; `throughline token revoke` ends it\n"
        )
    );
    assert_eq!(
        store(&home),
        json!({"tokens": {"https://b.example": "tl_b", "https://c.example": "tl_c"}})
    );
    let called = home.call(&["logout"]);
    assert_eq!(
        (called.exit, called.err.as_str()),
        (
            Exit::NotFound,
            "error: not logged in\nhint: name one of https://b.example, https://c.example, or say --all\n"
        )
    );
    assert_eq!(home.call(&["logout", "b.example/"]).exit, Exit::Done);
    assert_eq!(store(&home), json!({"tokens": {"https://c.example": "tl_c"}}));
    assert_eq!(home.call(&["logout", "https://other.example"]).exit, Exit::NotFound);
    assert_eq!(home.call(&["logout", "--all"]).exit, Exit::Done);
    assert_eq!(store(&home), json!({"tokens": {}}));
}

#[test]
fn a_token_does_not_travel_in_the_clear() {
    let called = Home::new()
        .typing("tl_x\n")
        .call(&["login", "http://deliver.example.org"]);
    assert_eq!(called.exit, Exit::Usage);
    assert_eq!(
        called.err,
        "error: a token must not travel to http://deliver.example.org for everybody to read\nhint: use its https address\n"
    );
}

#[test]
fn a_local_server_is_found_by_its_data_folder() {
    let server = Server::new().on("GET /api/v1/whoami", &sample::whoami());
    let mut home = Home::new().with("THROUGHLINE_TOKEN", "tl_test");
    home.hide(&server.url, "http://SERVER");
    home.file("data/server.json", &json!({"url": server.url, "pid": 1}).to_string());
    assert_snapshot!(home.call(&["whoami", "--data", "data"]).shown());
}

#[test]
fn a_token_is_printed_alone_so_that_it_can_be_stored() {
    let id: TokenId = TokenId::of_key("ci");
    let made = MadeToken {
        schema: "token/1".into(),
        id,
        token: "tl_fresh".into(),
    };
    let server = Server::new().on("POST /api/v1/tokens", &made);
    let called = Home::at(&server).call(&["token", "create", "ci", "--role", "viewer", "--for", "30d"]);
    assert_snapshot!(called.shown());
    let body: serde_json::Value = serde_json::from_str(&server.wrote().body).unwrap();
    assert_eq!(
        body,
        json!({"name": "ci", "role": "viewer", "lifetime_seconds": 2_592_000})
    );
    let place = [
        "--of",
        "shop/*",
        "--of",
        "pay/api",
        "--in",
        "production",
        "--duty",
        "operations",
    ];
    let create = ["token", "create", "grace", "--role", "operator"];
    let called = Home::at(&server).call(&[&create[..], &place[..]].concat());
    assert_eq!(
        called.err,
        "the token of `grace` (operator of shop/*, pay/api in production; approves as operations); it is shown this once:\n"
    );
    let body: serde_json::Value = serde_json::from_str(&server.wrote().body).unwrap();
    assert_eq!(
        body,
        json!({"name": "grace", "role": "operator", "components": ["shop/*", "pay/api"], "environments": ["production"],
            "duties": ["operations"], "lifetime_seconds": null})
    );
}

fn tokens() -> Tokens {
    let line = |name: &str, key: &str| TokenLine {
        id: TokenId::of_key(key),
        name: name.into(),
        roles: vec!["developer".into()],
        grants: Vec::new(),
        duties: Vec::new(),
        created_at: sample::at("09:00:00"),
        expires_at: None,
        last_used_at: None,
        revoked: false,
    };
    let mut admin = line("admin", "1");
    admin.roles = vec!["admin".into()];
    admin.grants = vec![Grant {
        role: "admin".into(),
        components: "shop/*".into(),
        environment: "production".into(),
    }];
    admin.duties = vec!["operations".into()];
    admin.last_used_at = Some(sample::at("14:04:58"));
    let mut ended = line("laptop", "2");
    ended.expires_at = Some(sample::at("12:00:00"));
    let mut soon = line("ci", "3");
    soon.expires_at = Some("2026-03-20T00:00:00Z".parse().unwrap());
    let mut revoked = line("old", "4");
    revoked.revoked = true;
    Tokens {
        schema: "tokens/1".into(),
        tokens: vec![admin, soon, ended, revoked],
    }
}

#[test]
fn tokens_are_listed_and_revoked_by_name() {
    let ci = TokenId::of_key("3");
    let server = Server::new()
        .on("GET /api/v1/tokens", &tokens())
        .on(&format!("DELETE /api/v1/tokens/{ci}"), &Done::new("revoked"));
    assert_snapshot!(Home::at(&server).call(&["token", "list"]).shown());
    assert_eq!(Home::at(&server).call(&["token", "revoke", "ci"]).exit, Exit::Done);
    assert_eq!(Home::at(&server).call(&["token", "revoke", "old"]).exit, Exit::NotFound);
}

#[test]
fn a_secret_comes_from_standard_input_or_a_file() {
    let server = Server::new()
        .on(
            "PUT /api/v1/secrets/shop/registry",
            &Done::new("the secret `shop/registry` is set"),
        )
        .on("PUT /api/v1/secrets/key", &Done::new("the secret `key` is set"));
    let home = Home::at(&server).typing("hunter2\n");
    assert_eq!(
        home.call(&["secret", "set", "shop/registry"]).err,
        "✓ the secret `shop/registry` is set\n"
    );
    assert_eq!(server.wrote().body, r#"{"value":"hunter2"}"#);
    home.file("key.pem", "-----BEGIN\nabc\n");
    assert_eq!(
        home.call(&["secret", "set", "key", "--file", "key.pem"]).exit,
        Exit::Done
    );
    assert_eq!(server.wrote().body, r#"{"value":"-----BEGIN\nabc\n"}"#);
    assert_eq!(Home::at(&server).call(&["secret", "set", "key"]).exit, Exit::Usage);
    assert_eq!(
        Home::at(&server).call(&["secret", "set", "key", "value"]).exit,
        Exit::Usage
    );
}

#[test]
fn secrets_and_repositories_are_listed() {
    let secrets = Secrets {
        schema: "secrets/1".into(),
        secrets: vec![SecretLine {
            name: "shop/registry".into(),
            version: 2,
            set_at: sample::at("13:05:00"),
        }],
    };
    let server = Server::new()
        .on("GET /api/v1/secrets", &secrets)
        .on("GET /api/v1/repositories", &sample::repositories());
    assert_snapshot!(Home::at(&server).call(&["secret", "list"]).shown());
    assert_snapshot!(Home::at(&server).call(&["repo", "list"]).shown());
}

#[test]
fn a_followed_repository_is_called_as_its_url_ends() {
    let server = Server::new().on("POST /api/v1/repositories", &Done::new("followed"));
    let url = "https://code.example.org/shop/search.git";
    assert_eq!(
        Home::at(&server)
            .call(&["repo", "add", url, "--credentials", "git/forge"])
            .exit,
        Exit::Done
    );
    let body: serde_json::Value = serde_json::from_str(&server.wrote().body).unwrap();
    assert_eq!(
        body,
        json!({"component": "shop/search", "url": url, "credentials": "git/forge"})
    );
    assert_eq!(
        Home::at(&server)
            .call(&["repo", "add", "https://code.example.org/search"])
            .exit,
        Exit::Usage
    );
}

#[test]
fn the_policy_is_printed_as_it_is_and_checked_before_it_is_sent() {
    let server = Server::new()
        .reply("GET /api/v1/policy", 200, "text/yaml", "throughline: 1\n")
        .on("PUT /api/v1/policy", &Done::new("in force"));
    let home = Home::at(&server);
    assert_eq!(home.call(&["policy", "show"]).out, "throughline: 1\n");
    home.file(
        "environments.yaml",
        "throughline: 1\nenvironments:\n  staging:\n    target: { kind: process }\n",
    );
    let called = home.call(&["policy", "set", "environments.yaml"]);
    assert_eq!(called.exit, Exit::Done, "{}{}", called.out, called.err);
    assert_eq!(server.wrote().headers["content-type"], "text/yaml");
    home.file(
        "wrong.yaml",
        "throughline: 1\nenvironments:\n  staging:\n    targt: { kind: process }\n",
    );
    let called = home.call(&["policy", "set", "wrong.yaml"]);
    assert_eq!(called.exit, Exit::BadFile);
    assert_snapshot!(called.shown());
}

#[test]
fn a_ledger_that_was_tampered_with_makes_verify_fail() {
    let good = Verified {
        schema: "ledger-verified/1".into(),
        verified: true,
        facts: 1234,
        hash: Some(Digest::of("last")),
        first_bad: None,
        problem: None,
        checkpoints: 0,
    };
    let server = Server::new().on("GET /api/v1/ledger/verify", &good);
    assert_snapshot!(Home::at(&server).call(&["ledger", "verify"]).shown());
    let bad = Verified {
        verified: false,
        first_bad: Some(77),
        problem: Some("its hash is not the hash of its bytes".into()),
        ..good
    };
    let server = Server::new().on("GET /api/v1/ledger/verify", &bad);
    assert_snapshot!(Home::at(&server).call(&["ledger", "verify"]).shown());
    assert_eq!(
        Home::at(&server).call(&["ledger", "verify", "--json"]).exit,
        Exit::Failed
    );
}

#[test]
fn views_are_rebuilt_and_facts_exported() {
    let view = |name: &str, differed| RebuiltView {
        name: name.into(),
        differed,
    };
    let rebuilt = Rebuilt {
        schema: "ledger-rebuilt/1".into(),
        position: 1234,
        views: vec![view("runs", false), view("delivery", true)],
    };
    let facts = "{\"seq\":6}\n{\"seq\":7}\n";
    let server = Server::new().on("POST /api/v1/ledger/rebuild", &rebuilt).reply(
        "GET /api/v1/ledger/export?after=5",
        200,
        "application/jsonl",
        facts,
    );
    assert_snapshot!(Home::at(&server).call(&["ledger", "rebuild"]).shown());
    assert_eq!(Home::at(&server).call(&["ledger", "export", "--after", "5"]).out, facts);
}
