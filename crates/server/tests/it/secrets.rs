//! Secrets: handed to the steps and services that ask for them, and nowhere else.

use base64::Engine as _;

use crate::house::{House, bytes_of};
use crate::repository::{Repository, command, service, steps};

/// Long enough for every window of its encodings to be its own, and with what shells and JSON escape.
const CANARY: &str = "kanarie\"vogel$(id) & 100% gelb";
const SECOND_LINE: &str = "zweite-zeile-4711";

/// The forms in which the canary must not be found anywhere.
fn forms() -> Vec<(&'static str, Vec<u8>)> {
    let base64 = base64::engine::general_purpose::STANDARD.encode(CANARY);
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let json = serde_json::to_string(CANARY).unwrap();
    vec![
        ("raw", CANARY.as_bytes().to_vec()),
        ("json", json.trim_matches('"').as_bytes().to_vec()),
        ("base64", base64.trim_end_matches('=').as_bytes()[..36].to_vec()),
        ("hex", hex.into_bytes()),
        ("second line", SECOND_LINE.as_bytes().to_vec()),
    ]
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// Asserts that no file of the server holds a form of the canary, compressed ones unpacked.
fn nowhere(house: &House) {
    let mut looked_at = 0;
    let mut check = |what: &str, bytes: &[u8]| {
        looked_at += 1;
        for (form, needle) in forms() {
            assert!(!holds(bytes, &needle), "{what} holds the secret: {form}");
        }
    };
    for path in house.files() {
        let bytes = bytes_of(&path);
        let name = path.display().to_string();
        check(&name, &bytes);
        if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            let plain = command(house.folder(), "zstd", &["-dc", &name]);
            assert!(plain.is_success(), "{name}: {}", plain.complaint());
            check(&format!("unpacked {name}"), &plain.stdout);
        }
    }
    check("the server's log", house.log().as_bytes());
    check("the export", &house.get("/api/v1/ledger/export").body);
    assert!(looked_at > 20, "only {looked_at} places were looked at");
}

#[test]
fn a_step_gets_its_secrets_and_its_log_and_the_house_keep_them_hidden() {
    let house = House::new();
    house.set_secret("canary", &format!("{CANARY}\n{SECOND_LINE}"));
    let repository = Repository::new();
    let script = r#"
      test "$(stat -c %a "$THROUGHLINE_SECRETS/canary")" = 400
      value="$(cat "$THROUGHLINE_SECRETS/canary")"
      test "$value" = "$CANARY"
      test ${#value} -gt 30
      printf '%s\n' "$value"
      printf '%s' "$value" | base64 -w0; echo
      printf ' %s' "$value" | base64 -w0; echo
      printf '%s' "$value" | od -An -v -tx1 | tr -d ' \n'; echo
      printf '%s' "$value" | while IFS= read -r -n 1 char; do printf '%s' "$char"; sleep 0.01; done; echo
      set -x
      : "$value"
      echo "$value" >&2
      echo all said
"#;
    let definition = steps(&format!(
        "  uses:\n    shell: bash\n    secrets: [{{ secret: canary, variable: CANARY }}]\n    run: |\n{}\n  \
         other:\n    needs: [uses]\n    run: 'test -z \"${{CANARY:-}}\"; test ! -e \"${{THROUGHLINE_SECRETS:-/nowhere}}/canary\"'\n  \
         lacks:\n    needs: [other]\n    secrets: [{{ secret: no-such-secret }}]\n    run: 'true'\n",
        script.trim_matches('\n')
    ));
    let commit = repository.push_definition(&house, "team/app", &definition);
    let build = house.built(&commit);
    let id = build["run"]["id"].as_str().unwrap();
    let log = house.log_of(id, "uses");
    assert_eq!(house.step(id, "uses")["result"], "succeeded", "{log}");
    assert_eq!(house.step(id, "other")["result"], "succeeded");
    assert!(log.contains("all said") && log.contains("***"), "{log}");
    let message = house.step(id, "lacks")["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("no-such-secret") && message.contains("hint: throughline secret set"),
        "{message}"
    );
    let listed = house.get("/api/v1/secrets").is(200);
    assert_eq!(listed["secrets"][0]["name"], "canary");
    assert!(!listed.to_string().contains("vogel"));
    nowhere(&house);
}

#[test]
fn a_service_gets_the_secrets_of_its_configuration_and_the_house_keeps_them_hidden() {
    let mut house = House::new();
    house.set_secret("pay", CANARY);
    let repository = Repository::of_service("one");
    repository.define(&service(
        "VERSION: one",
        "configuration:
  schema: { secret: { type: string, secret: true } }
  values: { default: { secret: { secret: pay } } }
",
    ));
    let commit = repository.commit("feat: pay");
    repository.push(&house, "team/app", &["main"]);
    let place = house.comes_to("team/app", "production", &commit);
    let url = format!("{}/secret", place["url"].as_str().unwrap());
    assert_eq!(crate::house::ask("GET", &url, &[], b"").unwrap().text(), CANARY);
    nowhere(&house);
    house.kill();
    house.start();
    assert_eq!(crate::house::ask("GET", &url, &[], b"").unwrap().text(), CANARY);
    nowhere(&house);
}

#[test]
fn a_secret_that_is_missing_holds_a_deployment_back_with_its_name() {
    let house = House::new();
    let repository = Repository::of_service("one");
    repository.define(&service(
        "VERSION: one",
        "configuration:
  schema: { secret: { type: string, secret: true } }
  values: { default: { secret: { secret: nowhere-to-be-found } } }
",
    ));
    repository.commit("feat: pay");
    repository.push(&house, "team/app", &["main"]);
    let run = house.until("a failed deployment", || {
        let runs = house.runs("kind=deployment&state=finished");
        runs.into_iter().find(|run| run["result"] == "failed")
    });
    let reason = run["reason"].as_str().unwrap();
    assert!(reason.contains("nowhere-to-be-found"), "{reason}");
    assert!(reason.contains("hint: throughline secret set"), "{reason}");
}
