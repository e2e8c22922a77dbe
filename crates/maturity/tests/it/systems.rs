//! Lines for each system: they fit the definition that is there, and change the verdict they are given for.

use evidence::{Component, MemoryTree};
use maturity::next::{Edit, NextStep};

use crate::advice::{RUST, RUST_CODE, advice, steps, steps_of};

/// A text with an edit applied.
fn applied(text: &str, edit: &Edit) -> String {
    let Some(after) = edit.after_line else {
        return edit.lines.clone();
    };
    let lines: Vec<&str> = text.lines().collect();
    let (before, rest) = lines.split_at(after as usize);
    let mut out = before.join("\n");
    out.push('\n');
    out.push_str(&edit.lines);
    out.push_str(&rest.join("\n"));
    out
}

/// The lines that are proposed for a practice, after the definition with them was read without a complaint, and with all
/// that it said before.
fn lines_for(file: &str, text: &str, practice: &str) -> String {
    let all = [RUST, RUST_CODE, (file, text)];
    let steps = steps(&all);
    let edit = &advice(&steps, practice).edits[0];
    assert_eq!(edit.file, file, "{practice}");
    let changed = applied(text, edit);
    let tree = MemoryTree::of([RUST, RUST_CODE, (file, changed.as_str())]);
    let read = workflow::read(&tree, Some("main"));
    assert!(read.findings.is_empty(), "{practice}: {:?}\n{changed}", read.findings);
    assert!(read.unread.is_empty(), "{practice}: {:?}\n{changed}", read.unread);
    let before = workflow::read(&MemoryTree::of(all), Some("main"));
    let count = |read: &workflow::Workflows| -> usize {
        let jobs = read.list.iter().flat_map(|workflow| &workflow.jobs);
        let keep = jobs.clone().filter(|job| job.keeps.is_some()).count();
        keep + jobs.flat_map(|job| &job.steps).flat_map(|step| &step.doings).count()
    };
    assert!(count(&read) > count(&before), "{practice}: {changed}");
    edit.lines.clone()
}

const CIRCLE: &str = "version: 2.1
jobs:
  build:
    docker:
      - image: rust:1
    steps:
      - checkout
      - run: cargo build
      - run: cargo test
workflows:
  each:
    jobs: [build]
";

#[test]
fn circleci_gets_steps_at_the_end_of_the_job() {
    let lint = lines_for(".circleci/config.yml", CIRCLE, "I1.2");
    assert_eq!(
        lint,
        "      - run:\n          name: Lint\n          command: cargo clippy --locked --all-targets -- -D warnings\n"
    );
    let keep = lines_for(".circleci/config.yml", CIRCLE, "B1.2");
    assert_eq!(keep, "      - store_artifacts:\n          path: target/debug\n");
    for practice in ["I3.2", "T3.3"] {
        lines_for(".circleci/config.yml", CIRCLE, practice);
    }
    let without = CIRCLE.replace("      - run: cargo test\n", "");
    assert!(lines_for(".circleci/config.yml", &without, "T0.1").contains("cargo test"));
}

const AZURE: &str = "trigger: [main]
pool:
  vmImage: ubuntu-latest
steps:
  - script: cargo build
    displayName: Build
  - script: cargo test
    displayName: Test
";

#[test]
fn azure_pipelines_gets_steps_at_the_end_of_the_job() {
    let lint = lines_for("azure-pipelines.yml", AZURE, "I1.2");
    assert_eq!(
        lint,
        "  - script: cargo clippy --locked --all-targets -- -D warnings\n    displayName: Lint\n"
    );
    let keep = lines_for("azure-pipelines.yml", AZURE, "B1.2");
    assert_eq!(keep, "  - publish: target/debug\n    artifact: build\n");
    for practice in ["I3.2", "T3.3"] {
        lines_for("azure-pipelines.yml", AZURE, practice);
    }
    let without = AZURE.replace("  - script: cargo test\n    displayName: Test\n", "");
    assert!(lines_for("azure-pipelines.yml", &without, "T0.1").contains("cargo test"));
}

const JENKINS: &str = "pipeline {
    agent any
    stages {
        stage('Build') {
            steps {
                sh 'cargo build'
                sh 'cargo test'
            }
        }
    }
}
";

#[test]
fn a_declarative_jenkinsfile_gets_steps_behind_the_last_one() {
    let lint = lines_for("Jenkinsfile", JENKINS, "I1.2");
    assert_eq!(
        lint,
        "                sh 'cargo clippy --locked --all-targets -- -D warnings'\n"
    );
    let keep = lines_for("Jenkinsfile", JENKINS, "B1.2");
    assert_eq!(keep, "                archiveArtifacts artifacts: 'target/debug/**'\n");
    for practice in ["I3.2", "T3.3"] {
        lines_for("Jenkinsfile", JENKINS, practice);
    }
    let without = JENKINS.replace("                sh 'cargo test'\n", "");
    assert!(lines_for("Jenkinsfile", &without, "T0.1").contains("cargo test"));
}

const OWN: &str = "throughline: 1
steps:
  build:
    run: cargo build
  test:
    needs: [build]
    run: cargo test
";

#[test]
fn a_definition_of_ones_own_gets_steps_beside_the_others() {
    let lint = lines_for("throughline.yaml", OWN, "I1.2");
    assert_eq!(
        lint,
        "  lint:\n    run: cargo clippy --locked --all-targets -- -D warnings\n"
    );
    for practice in ["I3.2", "T3.3"] {
        lines_for("throughline.yaml", OWN, practice);
    }
    let without = OWN.replace("  test:\n    needs: [build]\n    run: cargo test\n", "");
    assert!(lines_for("throughline.yaml", &without, "T0.1").contains("cargo test"));
}

const BUILDKITE: &str = "steps:
  - label: Build
    command:
      - cargo build
      - cargo test
";

#[test]
fn buildkite_gets_steps_behind_the_job() {
    let lint = lines_for(".buildkite/pipeline.yml", BUILDKITE, "I1.2");
    assert_eq!(
        lint,
        "  - label: Lint\n    command: cargo clippy --locked --all-targets -- -D warnings\n"
    );
    let keep = lines_for(".buildkite/pipeline.yml", BUILDKITE, "B1.2");
    assert_eq!(keep, "    artifact_paths: \"target/debug/**\"\n");
}

#[test]
fn woodpecker_gets_steps_as_a_map_or_a_list() {
    let map = "when:\n  event: [push, pull_request]\nsteps:\n  build:\n    image: rust:1\n    commands:\n      - cargo build\n      - cargo test\n";
    let lint = lines_for(".woodpecker.yml", map, "I1.2");
    assert_eq!(
        lint,
        "  lint:\n    image: rust:1\n    commands:\n      - cargo clippy --locked --all-targets -- -D warnings\n"
    );
    let list = "when:\n  event: [push, pull_request]\nsteps:\n  - name: build\n    image: rust:1\n    commands:\n      - cargo build\n      - cargo test\n";
    let lint = lines_for(".woodpecker.yml", list, "I1.2");
    assert!(lint.starts_with("  - name: lint\n    image: rust:1\n"), "{lint}");
}

const API: (&str, &str) = ("api/Cargo.toml", "[package]\nname = \"api\"\nversion = \"0.1.0\"\n");
const API_CODE: (&str, &str) = (
    "api/src/lib.rs",
    "#[cfg(test)]\nmod tests {\n    #[test]\n    fn it() {}\n}\n",
);
const WEB: (&str, &str) = (
    "web/package.json",
    "{\"name\": \"web\", \"scripts\": {\"build\": \"tsc\", \"test\": \"vitest run\"}}",
);
const WEB_CODE: (&str, &str) = ("web/src/a.test.ts", "import { a } from './a';\n");

const OF_API: &str = "name: api
on:
  push:
    branches: [main]
    paths: ['api/**']
jobs:
  build:
    runs-on: ubuntu-latest
    defaults:
      run:
        working-directory: api
    steps:
      - uses: actions/checkout@v4
      - run: cargo build
      - run: cargo test
";

fn component(steps: &str) -> Component {
    Component {
        name: steps.to_owned(),
        folder: steps.to_owned(),
    }
}

fn edits(steps: &[NextStep]) -> Vec<&Edit> {
    steps.iter().flat_map(|step| &step.edits).collect()
}

#[test]
fn a_component_without_a_build_gets_one_that_its_folder_starts() {
    let all = [API, API_CODE, WEB, WEB_CODE, (".github/workflows/api.yml", OF_API)];
    let steps = steps_of(&all, Some(&component("web")));
    let edit = &advice(&steps, "B2.1").edits[0];
    assert_eq!(edit.file, ".github/workflows/build-web.yml");
    for part in ["paths: ['web/**']", "working-directory: web", "npm test"] {
        assert!(edit.lines.contains(part), "{part}: {}", edit.lines);
    }
    // What is the other component's is left alone.
    assert!(
        edits(&steps)
            .iter()
            .all(|edit| edit.file != ".github/workflows/api.yml")
    );
}

#[test]
fn the_lines_for_a_component_go_into_its_own_job() {
    let all = [API, API_CODE, WEB, WEB_CODE, (".github/workflows/api.yml", OF_API)];
    let steps = steps_of(&all, Some(&component("api")));
    let edit = &advice(&steps, "I1.2").edits[0];
    assert_eq!(edit.file, ".github/workflows/api.yml");
    assert_eq!(
        edit.lines,
        "      - name: Lint\n        run: cargo clippy --locked --all-targets -- -D warnings\n"
    );
}

#[test]
fn a_job_for_all_components_is_told_where_the_step_works() {
    let whole = "on: { push: { branches: [main] } }\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: make build test\n";
    let all = [API, API_CODE, WEB, WEB_CODE, (".github/workflows/ci.yml", whole)];
    let steps = steps_of(&all, Some(&component("api")));
    let edit = &advice(&steps, "I1.2").edits[0];
    assert_eq!(
        edit.lines,
        "      - name: Lint\n        working-directory: api\n        run: cargo clippy --locked --all-targets -- -D warnings\n"
    );
}
