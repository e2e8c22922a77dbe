//! What a file says of lines.

use pipeline::Definition;
use pipeline::plan::RunInput;

use crate::text;

const FILE: &str = r#"
    throughline: 1
    lines: { "release/*": { tool_caches: forbidden } }
    steps:
      build: { run: make, inputs: [src], outputs: [out], cache: [{ path: target, key: k }] }
      test: { run: make test, inputs: [src] }
    "#;

fn inputs(line: &str) -> Vec<RunInput> {
    let definition = Definition::parse(&text(FILE), "t.yaml").unwrap();
    let steps = definition.plan_on(line).steps;
    steps
        .into_iter()
        .map(|step| serde_json::from_value(step.input).unwrap())
        .collect()
}

#[test]
fn a_line_that_forbids_caches_has_none_and_nothing_of_them_is_kept() {
    let [build, test] = inputs("release/2.x").try_into().unwrap();
    assert!(build.cache.is_empty());
    assert_eq!(build.unkept, ["target"]);
    assert!(build.fresh, "a kept result may have been made with a cache");
    assert!(!test.fresh && test.unkept.is_empty(), "it has no cache");
}

#[test]
fn other_lines_are_as_before() {
    for line in ["main", "release", "my-release/2.x", ""] {
        let [build, _] = inputs(line).try_into().unwrap();
        assert_eq!(build.cache.len(), 1, "{line}");
        assert!(build.unkept.is_empty() && !build.fresh, "{line}");
    }
}

#[test]
fn what_is_wrong_with_lines_is_said_with_its_place() {
    let of = |lines: &str| format!("throughline: 1\nlines: {lines}\nsteps: {{ a: {{ run: b }} }}\n");
    for (lines, expected) in [
        ("{}", "no line is named"),
        ("{ main: {} }", "tool_caches"),
        (
            "{ main: { tool_caches: allowed } }",
            "caches are allowed where nothing forbids them",
        ),
        (
            "{ '!main': { tool_caches: forbidden } }",
            "a pattern of lines leaves none out",
        ),
        ("{ '[': { tool_caches: forbidden } }", "["),
    ] {
        let wrong = Definition::parse(&of(lines), "t.yaml").unwrap_err().to_string();
        assert!(wrong.contains(expected), "{lines}: {wrong}");
    }
}
