//! The two files, checked without a server.

use insta::assert_snapshot;
use throughline::Exit;

use crate::support::Home;

const DEFINITION: &str =
    "throughline: 1\nsteps:\n  compile:\n    run: make\n  test:\n    run: make test\n    needs: [compile]\n";
const ENVIRONMENTS: &str = "throughline: 1\nenvironments:\n  staging:\n    target: { kind: process }\n  production:\n    after: [staging]\n    target: { kind: process }\n";

#[test]
fn right_files_say_what_they_hold() {
    let home = Home::new();
    home.file("throughline.yaml", DEFINITION);
    home.file("environments.yaml", ENVIRONMENTS);
    assert_snapshot!(home.call(&["check"]).shown());
    assert_eq!(home.call(&["check", "throughline.yaml"]).exit, Exit::Done);
    assert_eq!(home.call(&["check", "--json"]).exit, Exit::Done);
}

#[test]
fn each_mistake_is_placed_and_has_a_mend() {
    let home = Home::new();
    home.file(
        "throughline.yaml",
        "throughline: 1\nsteps:\n  test:\n    run: make test\n    needs: [compil]\n  compile:\n    rnu: make\n",
    );
    let called = home.call(&["check"]);
    assert_eq!(called.exit, Exit::BadFile);
    assert_snapshot!(called.shown());
    let json: serde_json::Value = serde_json::from_str(&home.call(&["check", "--json"]).out).unwrap();
    assert_eq!(json["schema"], "check/1");
    assert_eq!(json["files"][0]["right"], false);
    assert!(json["files"][0]["wrong"][0]["line"].as_u64().unwrap() > 1);
}

#[test]
fn a_plan_is_explained_without_running_anything() {
    let home = Home::new();
    home.file(
        "throughline.yaml",
        "throughline: 1\nsteps:\n  test:\n    run: x\n    matrix: { V: [a, b] }\n    inputs: [src]\n  site:\n    run: y\n    needs: [test]\n    when: needs.test.result == 'succeeded' && run.line == 'main'\n    secrets: [{ secret: token }]\n    concurrency: site\n",
    );
    let shown = home.call(&["check", "--explain"]).out;
    for line in [
        "● test-a",
        "● site",
        "after test (all 2)",
        "kept by src: its log",
        "secrets token",
        "in the group site (queue)",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let other = home.call(&["check", "--explain", "--line", "topic"]).out;
    assert!(
        other.contains("skipped on topic when all before it goes well"),
        "{other}"
    );
    let json: serde_json::Value = serde_json::from_str(&home.call(&["check", "--explain", "--json"]).out).unwrap();
    let site = &json["files"][0]["plan"]["steps"][2];
    assert_eq!((site["wave"].as_u64(), site["would"].as_str()), (Some(2), Some("runs")));
    assert_eq!(site["secrets"][0], "token");
}

#[test]
fn a_folder_without_the_files_says_where_to_go() {
    let called = Home::new().call(&["check"]);
    assert_eq!(called.exit, Exit::NotFound);
    assert_snapshot!(called.shown());
}

#[test]
fn a_file_that_is_none_is_refused() {
    let home = Home::new();
    home.file("throughline.yaml", "");
    std::fs::write(home.current.join("garbage.yaml"), [0_u8, 159, 146, 150, 255]).unwrap();
    std::fs::create_dir(home.current.join("folder")).unwrap();
    assert_eq!(home.call(&["check", "garbage.yaml"]).exit, Exit::BadFile);
    assert_eq!(home.call(&["check", "throughline.yaml"]).exit, Exit::BadFile);
    assert_eq!(home.call(&["check", "folder"]).exit, Exit::BadFile);
    assert_eq!(home.call(&["check", "missing.yaml"]).exit, Exit::NotFound);
}

#[test]
fn a_file_of_another_name_can_be_said_to_be_environments() {
    let home = Home::new();
    home.file("policy.yaml", ENVIRONMENTS);
    assert_eq!(home.call(&["check", "policy.yaml"]).exit, Exit::BadFile);
    assert_eq!(
        home.call(&["check", "policy.yaml", "--as", "environments"]).exit,
        Exit::Done
    );
}

#[test]
fn schemas_are_json_schemas() {
    for kind in ["definition", "environments"] {
        let schema: serde_json::Value = serde_json::from_str(&Home::new().call(&["schema", kind]).out).unwrap();
        assert!(schema["$schema"].is_string(), "{kind}");
    }
}

#[test]
fn the_definitions_of_listed_components_are_checked_too() {
    let home = Home::new();
    home.file(
        "throughline.yaml",
        "throughline: 1\ncomponents: { web: {}, api: { path: services/api }, gone: {} }\n",
    );
    home.file("web/throughline.yaml", DEFINITION);
    home.file(
        "services/api/throughline.yaml",
        "throughline: 1\nsteps: { test: { rnu: make } }\n",
    );
    let called = home.call(&["check"]);
    assert_eq!(called.exit, Exit::BadFile);
    let shown = called.shown();
    for expected in [
        "throughline.yaml is right",
        "web/throughline.yaml is right",
        "services/api/throughline.yaml:2:18: `test` has no key `rnu`",
        "gone/throughline.yaml: a component is listed here",
    ] {
        assert!(shown.to_string().contains(expected), "{expected}: {shown}");
    }
}
