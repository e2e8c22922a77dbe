//! What goes wrong, and what a person is told.

use insta::assert_snapshot;
use throughline::Exit;

use crate::sample;
use crate::support::{Home, Server};

#[test]
fn without_any_server_the_way_to_one_is_told() {
    assert_snapshot!(Home::new().call(&["status"]).shown());
    assert_snapshot!(Home::new().call(&["status", "--data", "nowhere"]).shown());
}

#[test]
fn a_server_that_does_not_answer_is_named() {
    let address = format!("http://{}", testkit::free_port());
    let mut home = Home::new();
    home.hide(&address, "http://SERVER");
    let called = home.call(&["runs", "--server", &address]);
    assert_eq!(called.exit, Exit::NotReachable);
    assert_snapshot!(called.shown());
}

#[test]
fn an_address_that_is_none_is_refused() {
    for address in ["deliver.example.org", "http://", "http://[", "ftp:/x y"] {
        let called = Home::new().call(&["whoami", "--server", address]);
        assert!(
            matches!(called.exit, Exit::Usage | Exit::NotReachable),
            "{address}: {called:?}"
        );
        assert!(called.err.starts_with("error: "), "{address}: {}", called.err);
    }
}

#[test]
fn refusals_keep_the_servers_words_and_hints() {
    let server = Server::new()
        .problem("GET /api/v1/whoami", 401, "log-in", "nobody is logged in", None)
        .problem(
            "GET /api/v1/tokens",
            403,
            "denied",
            "the role `viewer` may not list tokens",
            Some("ask an admin for the role"),
        )
        .problem("GET /api/v1/secrets", 503, "stopping", "the server is stopping", None)
        .problem(
            "POST /api/v1/environments/production/promote",
            409,
            "refused",
            "the package is barred in production:\n  the canary failed",
            None,
        )
        .reply("GET /api/v1/repositories", 502, "text/html", "<h1>bad gateway</h1>")
        .reply("GET /api/v1/environments", 200, "text/html", "<h1>hello</h1>")
        .on(
            "GET /api/v1/runs?limit=20",
            &serde_json::json!({"schema": "runs/9", "rows": []}),
        );
    let home = Home::at(&server);
    let mut shown = String::new();
    for arguments in [
        &["whoami"][..],
        &["token", "list"],
        &["secret", "list"],
        &["promote", "1.2.0", "production", "-c", "shop/cart"],
        &["repo", "list"],
        &["environments"],
        &["runs"],
        &["runs", sample::RUN],
        &["promote", "1.2.0", "production", "-c", "Shop"],
    ] {
        shown.push_str(&format!(
            "$ throughline {}\n{}\n",
            arguments.join(" "),
            home.call(arguments).shown()
        ));
    }
    assert_snapshot!(shown);
}

#[test]
fn not_logged_in_is_told_apart_from_a_wrong_token() {
    let server = Server::new().problem("GET /api/v1/whoami", 401, "log-in", "nobody is logged in", None);
    let mut home = Home::new();
    home.hide(&server.url, "http://SERVER");
    let called = home.call(&["whoami", "--server", &server.url]);
    assert_eq!(
        called.err,
        "error: not logged in to http://SERVER\nhint: log in with `throughline login http://SERVER`\n"
    );
}

#[test]
fn a_redirect_is_told_and_not_followed_with_the_token() {
    let server = Server::new().reply("GET /api/v1/whoami", 308, "text/plain", "");
    let called = Home::at(&server).call(&["whoami"]);
    assert_eq!(called.exit, Exit::Failed);
}

#[test]
fn misuse_ends_with_its_own_code_and_a_near_name() {
    let home = Home::new();
    assert_snapshot!(home.call(&["statsu"]).shown());
    assert_eq!(home.call(&["status", "--no-such"]).exit, Exit::Usage);
    assert_eq!(home.call(&["secret", "set", "name", "value"]).exit, Exit::Usage);
    assert_eq!(
        home.call(&["token", "create", "ci", "--for", "forever"]).exit,
        Exit::Usage
    );
    assert_eq!(home.call(&["--help"]).exit, Exit::Done);
    assert_eq!(home.call(&["--version"]).out, "throughline 0.1.0\n");
}

#[test]
fn files_of_tokens_and_certificates_are_checked() {
    let server = Server::new().on("GET /api/v1/whoami", &sample::whoami());
    let home = Home::at(&server);
    home.file("empty", "\n");
    home.file("binary", "tl_\u{7}x\n");
    for arguments in [
        ["whoami", "--token-file", "missing"],
        ["whoami", "--token-file", "empty"],
        ["whoami", "--token-file", "binary"],
        ["whoami", "--ca-file", "missing"],
        ["whoami", "--ca-file", "empty"],
    ] {
        assert_eq!(home.call(&arguments).exit, Exit::Usage, "{arguments:?}");
    }
    home.file("token", "tl_filed\n");
    assert_eq!(home.call(&["whoami", "--token-file", "token"]).exit, Exit::Done);
    assert_eq!(
        server.asked().last().unwrap().headers["authorization"],
        "Bearer tl_filed"
    );
}

#[test]
fn a_login_store_that_is_broken_says_what_to_do() {
    let mut home = Home::new();
    let home_folder = home.folder.path().display().to_string();
    home.hide(&home_folder, "HOME");
    std::fs::create_dir_all(home.configuration()).unwrap();
    std::fs::write(home.configuration().join("logins.json"), "{").unwrap();
    let called = home.call(&["whoami"]);
    assert_eq!(called.exit, Exit::BadFile);
    assert!(
        called.err.contains("hint: remove the file and log in again"),
        "{}",
        called.err
    );
}
