//! How a definition says what its package is called.

use pipeline::Definition;

use crate::definition::check;

#[test]
fn the_version_s_scheme_is_frozen_into_the_package() {
    let scheme = |line: &str| {
        let text = format!("throughline: 1\n{line}\npackage: {{files: [{{from: a}}]}}\n");
        let definition = Definition::parse(&text, "t.yaml").unwrap_or_else(|wrong| panic!("{wrong}"));
        serde_json::to_value(definition.document()).unwrap()
    };
    assert_eq!(
        scheme("version: calendar"),
        serde_json::json!({ "version_scheme": "calendar" })
    );
    assert_eq!(scheme("version: semantic"), serde_json::json!({}), "as without it");
    check(
        "throughline: 1\nversion: command\npackage: {files: [{from: a}]}",
        &[
            "2:10 `version` must be `semantic` or `calendar`, not `command` | write the command itself: `version: { command: ./version.sh }`",
        ],
    );
    check(
        "throughline: 1\nversion: calender\npackage: {files: [{from: a}]}",
        &["2:10 `version` must be `semantic` or `calendar`, not `calender` | did you mean `calendar`?"],
    );
    check(
        "throughline: 1\nversion: calendar\nsteps: {a: {run: x}}",
        &["2:1 `version` is without effect: there is no `package` | say what goes into the package, or remove it"],
    );
}

#[test]
fn a_version_by_a_command_is_a_step_before_the_package() {
    let text = "throughline: 1\nsteps: {a: {run: x}, b: {run: y}}\npackage: {needs: [a], files: [{from: a}]}\n\
        version: {command: ./version.sh, needs: [b], tag: true, prefix: shop/v}\n";
    let definition = Definition::parse(text, "t.yaml").unwrap_or_else(|wrong| panic!("{wrong}"));
    let plan = definition.plan();
    let needs = |name: &str| -> Vec<String> {
        let step = plan.steps.iter().find(|step| step.name.as_str() == name).unwrap();
        step.needs.iter().map(ToString::to_string).collect()
    };
    assert_eq!(needs("version"), ["b"]);
    assert_eq!(needs("package"), ["a", "version"]);
    let step = &plan.steps[2];
    assert_eq!((step.action.as_str(), step.timeout_seconds), ("version", Some(300)));
    assert_eq!(step.input, serde_json::json!({ "script": "./version.sh" }));
    assert_eq!(definition.tag(), Some("shop/v"));
    assert_eq!(
        serde_json::to_value(definition.document()).unwrap(),
        serde_json::json!({ "version_scheme": "command" }),
        "neither the command nor the tag is in the package"
    );
    let tagged = |version: &str| {
        let text = format!("throughline: 1\nversion: {version}\npackage: {{files: [{{from: a}}]}}\n");
        Definition::parse(&text, "t.yaml").unwrap().tag().map(str::to_owned)
    };
    assert_eq!(tagged("{ tag: true }").as_deref(), Some("v"));
    assert_eq!(
        tagged("{ scheme: calendar, tag: true, prefix: '' }").as_deref(),
        Some("")
    );
    assert_eq!(tagged("{ scheme: calendar }"), None);
}

#[test]
fn what_is_wrong_with_a_version_is_said_at_its_place() {
    let wrong = |version: &str, wanted: &[&str]| {
        let text =
            format!("throughline: 1\nsteps: {{a: {{run: x}}}}\npackage: {{files: [{{from: a}}]}}\nversion: {version}");
        check(&text, wanted);
    };
    wrong(
        "{scheme: semantic, command: x}",
        &["4:11 `scheme` and `command` are two ways to make the version | keep one of them"],
    );
    wrong(
        "{prefix: v, needs: [a], timeout: 1m}",
        &[
            "4:11 `prefix` is without effect: there is to be no tag | write `tag: true`, or remove it",
            "4:22 `needs` is without effect: there is no `command` | write the `command`, or remove it",
            "4:34 `timeout` is without effect: there is no `command` | write the `command`, or remove it",
        ],
    );
    wrong(
        "{tag: true, prefix: 'v v'}",
        &["4:30 `v v1.0.0` is no name of a tag | begin it with a word such as `v` or `shop/v`, at most 64 characters"],
    );
    wrong(
        "{command: '', needs: [b]}",
        &[
            "4:20 `command` is empty | write the commands, or remove it",
            "4:32 there is no step `b` | did you mean `a`?",
        ],
    );
    wrong(
        "{comand: x}",
        &["4:11 `version` has no key `comand` | did you mean `command`?"],
    );
    wrong("[a]", &["4:10 `version` must be a text or a map, this is a list"]);
    check(
        "throughline: 1\nsteps: {version: {run: x}}\npackage: {files: [{from: a}]}\nversion: {command: x}",
        &["2:9 `version` is the name of the step that prints the version | choose another name"],
    );
}
