//! Worked examples run on small projects, where their tools are there.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use process::Spec;
use serde_json::Value;

use crate::program::PROGRAM;

/// Whether a program is on the path.
fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Runs an example with these files; `None` where a tool is not there.
fn run(example: &str, tools: &[&str], files: &[(&str, &str)], steps: &[&str]) -> Option<Value> {
    if !tools.iter().all(|tool| is_there(tool)) {
        testkit::skip(
            testkit::Need::Toolchains,
            &format!("{example} is not run: {tools:?} are not all there"),
        );
        return None;
    }
    let folder = testkit::folder();
    let work = folder.path().join("work");
    let definition = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/examples")
        .join(example);
    let definition = std::fs::read_to_string(definition).unwrap();
    for (path, text) in files.iter().chain(&[("throughline.yaml", definition.as_str())]) {
        let place = work.join(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, text).unwrap();
    }
    let variables: BTreeMap<String, String> = [("PATH".to_owned(), std::env::var("PATH").unwrap())].into();
    let spec = Spec::new(PROGRAM)
        .args(["run", "--json"])
        .args(steps)
        .folder(work)
        .variables(&variables)
        .variable("HOME", folder.path().join("home"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let running = process::run(spec, b"", Duration::from_secs(120), 1 << 20);
    let output = runtime.block_on(running).unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text} {}", String::from_utf8_lossy(&output.stderr));
    }))
}

fn tests_of<'a>(run: &'a Value, step: &str) -> &'a Value {
    let steps = run["steps"].as_array().unwrap();
    let step = steps.iter().find(|each| each["name"] == step).unwrap();
    &step["tests"]
}

#[test]
fn node_tells_its_tests_also_when_one_fails() {
    let files = [
        ("package.json", r#"{ "name": "app", "version": "0.0.0" }"#),
        (
            "package-lock.json",
            r#"{ "name": "app", "version": "0.0.0", "lockfileVersion": 3, "packages": {} }"#,
        ),
        (
            "cart.test.mjs",
            "import test from 'node:test';\nimport assert from 'node:assert';\n\
             test('adds', () => assert.equal(1 + 1, 2));\ntest('rounds', () => assert.equal(1, 2));\n",
        ),
    ];
    let Some(run) = run("node.yaml", &["node", "npm"], &files, &["test"]) else {
        return;
    };
    assert_eq!(run["result"], "failed", "{run}");
    let tests = tests_of(&run, "test");
    assert_eq!(
        (tests["passed"].as_u64(), tests["failed"].as_u64()),
        (Some(1), Some(1)),
        "{run}"
    );
    assert_eq!(tests["failures"][0]["name"], "rounds");
}

#[test]
fn cmake_builds_each_kind_and_ctest_tells_its_tests() {
    let files = [
        (
            "CMakeLists.txt",
            "cmake_minimum_required(VERSION 3.21)\nproject(app CXX)\nenable_testing()\nadd_executable(app app.cpp)\n\
             add_test(NAME answers COMMAND app)\n",
        ),
        ("app.cpp", "int main() { return 0; }\n"),
    ];
    let Some(run) = run("cpp.yaml", &["cmake", "ctest", "g++", "make"], &files, &[]) else {
        return;
    };
    assert_eq!(run["result"], "succeeded", "{run}");
    for step in ["test-debug", "test-release"] {
        assert_eq!(tests_of(&run, step)["passed"], 1, "{run}");
    }
    assert!(run["package"]["digest"].is_string());
}

#[test]
fn go_is_built_into_a_package() {
    let files = [
        ("go.mod", "module example.org/app\n\ngo 1.18\n"),
        ("main.go", "package main\n\nfunc main() { println(\"hello\") }\n"),
        (
            "main_test.go",
            "package main\n\nimport \"testing\"\n\nfunc TestNothing(t *testing.T) {}\n",
        ),
    ];
    let Some(run) = run("go.yaml", &["go"], &files, &[]) else {
        return;
    };
    assert_eq!(run["result"], "succeeded", "{run}");
    assert!(run["package"]["digest"].is_string());
}

#[test]
fn modules_are_used_twice_and_what_is_left_out_by_a_condition_holds_nothing_up() {
    let module = include_str!("../../../../docs/examples/modules/checked.yaml");
    let files = [
        ("modules/checked.yaml", module),
        ("shop/run.sh", "echo shop\n"),
        ("shop/test-unit.sh", "true\n"),
        ("shop/test-whole.sh", "sh run.sh | grep -q shop\n"),
        ("account/run.sh", "echo account # FIXME\n"),
        ("account/test-unit.sh", "true\n"),
    ];
    let Some(run) = run("modules.yaml", &["sh", "tar"], &files, &[]) else {
        return;
    };
    assert_eq!(run["result"], "succeeded", "{run}");
    let result = |name: &str| {
        let steps = run["steps"].as_array().unwrap();
        steps.iter().find(|step| step["name"] == name).unwrap()["result"].clone()
    };
    assert_eq!(result("shop.finished"), "succeeded");
    assert_eq!(result("account.finished"), "skipped");
    assert_eq!(result("bundle"), "succeeded");
    assert!(run["package"]["digest"].is_string());
}
