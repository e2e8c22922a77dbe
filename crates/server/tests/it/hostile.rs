//! Requests that nobody means well with: each is answered, none by an internal error, and the server goes on.

use serde_json::{Value, json};

use crate::house::House;

/// What stands in the place of a part of a path or a value of a query.
const WORDS: [&str; 14] = [
    "%00",
    "..%2f..%2fetc",
    "%ff",
    "a%0ab",
    "-1",
    "0",
    "18446744073709551616",
    "%F0%9F%92%A9",
    "sha256:00",
    "%27%22%3B--",
    "W10",
    "bnVsbA",
    "run_00000000000000000000000000",
    "x",
];
/// What stands in the place of a member of a body.
const VALUES: [&str; 9] = [
    "null",
    "-1",
    "1e308",
    "18446744073709551615",
    "\"\"",
    "\"\\u0000\\u001b[31m\"",
    "[]",
    "{\"a\":{\"b\":[]}}",
    "true",
];
/// What is asked for but would end what the test needs, or never ends.
const LEFT_OUT: [&str; 2] = ["/api/v1/down", "/api/v1/events"];

/// An operation as the API's document has it.
struct Operation {
    method: String,
    path: String,
    query: Vec<String>,
    /// The members of its body; nothing where it takes none.
    members: Option<Vec<String>>,
}

fn operations(house: &House) -> Vec<Operation> {
    let document = house.get("/api/v1/openapi.json").is(200);
    let members = |body: &Value| {
        let schema = body.pointer("/content/application~1json/schema/$ref")?.as_str()?;
        let properties = document.pointer(&format!("{}/properties", schema.trim_start_matches('#')))?;
        Some(properties.as_object()?.keys().cloned().collect())
    };
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let in_query = parameters.filter(|parameter| parameter["in"] == "query");
            found.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                query: in_query
                    .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
                    .collect(),
                members: operation
                    .get("requestBody")
                    .map(|body| members(body).unwrap_or_default()),
            });
        }
    }
    found.retain(|operation| !LEFT_OUT.contains(&operation.path.as_str()));
    assert!(found.len() > 30, "the API has fewer operations than it had");
    found
}

/// The path with `word` in each place that is open.
fn filled(path: &str, word: &str) -> String {
    let parts = path
        .split('/')
        .map(|part| if part.starts_with('{') { word } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// Bodies that are none, and bodies with one member that nobody expects.
fn bodies(members: &[String]) -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = ["", "{}", "[]", "null", "\"x\"", "{", "{\"a\":1,\"a\":2}", "\u{feff}{}"]
        .map(|text| text.as_bytes().to_vec())
        .to_vec();
    bodies.push(b"\xff\xfe{".to_vec());
    bodies.push("[".repeat(5_000).into_bytes());
    bodies.push(format!("{{\"name\":\"{}\"}}", "x".repeat(100_000)).into_bytes());
    for (place, member) in members.iter().enumerate() {
        let value = |at: usize| VALUES[(place + at) % VALUES.len()];
        bodies.extend((0..3).map(|at| format!("{{\"{member}\":{}}}", value(at * 3)).into_bytes()));
    }
    bodies
}

#[test]
fn no_request_brings_the_api_to_an_internal_error() {
    let house = House::new();
    let operations = operations(&house);
    let mut asked = 0;
    let mut ask = |method: &str, path: &str, body: &[u8]| {
        let answer = house.ask_as(
            &house.token,
            method,
            path,
            body,
            &[("content-type", "application/json")],
        );
        asked += 1;
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        assert!(
            answer.status < 500,
            "{method} {path} {shown}: {} {}",
            answer.status,
            answer.text()
        );
        if answer.status >= 400 && path.starts_with("/api/") && method != "HEAD" {
            assert_eq!(
                answer.header("content-type"),
                "application/problem+json",
                "{method} {path}: {}",
                answer.text()
            );
        }
    };
    for (number, operation) in operations.iter().enumerate() {
        let word = |at: usize| WORDS[(number + at) % WORDS.len()];
        if operation.path.contains('{') {
            for at in 0..WORDS.len() {
                ask(&operation.method, &filled(&operation.path, word(at)), b"{}");
            }
        }
        let path = filled(&operation.path, "x");
        for (place, name) in operation.query.iter().enumerate() {
            for at in 0..4 {
                ask(
                    &operation.method,
                    &format!("{path}?{name}={}", word(place + at * 3)),
                    b"",
                );
            }
        }
        for body in operation.members.iter().flat_map(|members| bodies(members)) {
            ask(&operation.method, &path, &body);
        }
        ask("OPTIONS", &path, b"");
    }
    for word in WORDS {
        for place in [
            "/runs/",
            "/components/x/",
            "/packages/",
            "/environments/",
            "/search?q=",
            "/facts/",
            "/v2/",
            "/git/x/",
        ] {
            ask("GET", &format!("{place}{word}"), b"");
        }
    }
    assert!(asked > 600, "{asked}");
    assert_eq!(house.get("/api/v1/whoami").status, 200);
    house
        .post("/api/v1/tokens", &json!({ "name": "after", "role": "viewer" }))
        .is(201);
}
