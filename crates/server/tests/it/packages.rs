//! Packages: how they were made, and how that differs from how others were.

use serde_json::Value;

use crate::house::House;
use crate::repository::{Repository, steps};

fn definition(mode: &str, tool: &str) -> String {
    let build = format!(
        "  build:
    run: 'echo $MODE > made'
    variables: {{ MODE: {mode} }}
    inputs: [throughline.yaml]
    outputs: [made]
    tools: [\"echo {tool}\"]
"
    );
    format!("{}package: {{ files: [{{ from: made }}] }}\n", steps(&build))
}

fn part<'a>(parts: &'a Value, what: &str) -> Option<&'a Value> {
    parts.as_array().unwrap().iter().find(|part| part["what"] == what)
}

#[test]
fn the_record_says_how_a_package_was_made_and_in_what_another_was_made_differently() {
    let house = House::new();
    let repository = Repository::new();
    let packages = ["fast", "slow"].map(|mode| {
        let commit = repository.push_definition(&house, "team/tool", &definition(mode, "v1"));
        let run = house.built(&commit)["run"]["id"].as_str().unwrap().to_owned();
        let package = house.step(&run, "package")["outputs"]["package"]
            .as_str()
            .unwrap()
            .to_owned();
        (commit, run, package)
    });
    let [(first, run, before), (second, _, after)] = &packages;
    let made = house.get(&format!("/api/v1/packages/{before}")).is(200)["made"].clone();
    assert_eq!(
        (made["run"].as_str(), made["actor"].as_str().map(|actor| &actor[..5])),
        (Some(run.as_str()), Some("user:"))
    );
    for (what, value) in [
        ("commit", first.as_str()),
        ("trust", "trusted"),
        ("commands", "echo $MODE > made"),
        ("variable MODE", "fast"),
        ("tool echo v1", "v1"),
        ("result", "came of this run"),
    ] {
        assert_eq!(
            part(&made["parts"], what).unwrap_or_else(|| panic!("{what}: {made}"))["value"],
            value
        );
    }

    let difference = house
        .get(&format!("/api/v1/packages/{before}/difference/{after}"))
        .is(200);
    let differs = &difference["made"];
    let variable = part(differs, "variable MODE").unwrap();
    assert_eq!(
        (&variable["before"], &variable["after"]),
        (&"fast".into(), &"slow".into()),
        "{differs}"
    );
    assert!(
        part(differs, "commands").is_none() && part(differs, "tool echo v1").is_none(),
        "{differs}"
    );

    let page = house.get(&format!("/packages/{after}?against={before}")).text();
    for text in [
        "How it was made",
        "How they were made",
        "variable <code>MODE</code>",
        "slow",
        "fast",
        second,
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
}
