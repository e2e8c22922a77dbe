//! GitHub Actions.

use insta::assert_snapshot;

use crate::support::{overview, places, read, says, words};

const CI: &str = "name: CI
on:
  push:
    branches: [main]
  pull_request:
env:
  STAGE: none
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: |
          npm ci
          npm test
      - run: npm run lint || true
  deploy:
    needs: test
    if: github.ref == 'refs/heads/main' && github.event_name == 'push'
    uses: ./.github/workflows/deploy.yml
    with:
      environment: staging
  live:
    needs: deploy
    if: github.ref == 'refs/heads/main'
    uses: ./.github/workflows/deploy.yml
    with:
      environment: production
";

const DEPLOY: &str = "on:
  workflow_call:
    inputs:
      environment:
        type: string
jobs:
  roll-out:
    runs-on: ubuntu-latest
    environment: ${{ inputs.environment }}
    steps:
      - uses: ./.github/actions/deploy
";

const ACTION: &str = "runs:
  using: composite
  steps:
    - shell: bash
      run: helm upgrade --install shop ./chart
";

const PACKAGE: &str = r#"{
  "scripts": {
    "test": "jest --coverage",
    "lint": "eslint ."
  }
}"#;

const TREE: &[(&str, &str)] = &[
    (".github/actions/deploy/action.yml", ACTION),
    (".github/workflows/ci.yml", CI),
    (".github/workflows/deploy.yml", DEPLOY),
    ("package.json", PACKAGE),
];

#[test]
fn jobs_are_followed_into_called_workflows_actions_and_scripts() {
    assert_snapshot!(overview(TREE), @r"
    test [trunk request] 15:test 15:coverage=jest 16:lint 16:analysis
    deploy / roll-out [trunk] 11:deploy=helm
    live / roll-out [trunk] 11:deploy=helm
    roll-out [] 11:deploy=helm
    ");
    assert_eq!(
        places(TREE, "tests_unit"),
        [".github/workflows/ci.yml:15 test: jest --coverage (package.json:3)"]
    );
    assert_eq!(words(TREE, "environments"), ["production", "staging"]);
    assert_eq!(says(TREE, "deploy_same_definition"), Some(true));
    assert_eq!(says(TREE, "deploy_to_production"), Some(true));
    assert_eq!(says(TREE, "deploy_production_automatic"), Some(true));
    assert_eq!(says(TREE, "tests_before_deploy"), Some(true));
    // Its failure is passed over.
    assert_eq!(says(TREE, "lint"), Some(false));
    assert_eq!(says(TREE, "tests_acceptance"), Some(false));
}

#[test]
fn the_main_build_is_the_job_that_tests_changes_and_says_where_to_add_to_it() {
    let build = read(TREE).main_build(None).unwrap();
    assert_eq!(
        (build.file.as_str(), build.job.as_str(), build.line),
        (".github/workflows/ci.yml", "test", 9)
    );
    let end = build.end.unwrap();
    assert_eq!((end.line, end.column), (16, 7));
    assert_eq!(build.commands, ["jest --coverage", "eslint ."]);
    assert_eq!(build.runner.as_deref(), Some("ubuntu-latest"));
}

#[test]
fn what_is_not_in_the_tree_is_not_denied() {
    let files = [(
        ".github/workflows/ci.yml",
        "on: push\njobs:\n  all:\n    uses: other/place/.github/workflows/everything.yml@v1\n",
    )];
    assert_eq!(says(&files, "tests_unit"), None);
    assert_eq!(says(&files, "complete"), Some(false));
}

#[test]
fn a_broken_file_is_a_finding_and_the_rest_goes_on() {
    let files = [
        (".github/workflows/a.yml", "on: push\njobs:\n\ttest: 1\n"),
        (
            ".github/workflows/b.yml",
            "on: push\njobs:\n  t:\n    runs-on: x\n    steps:\n      - run: cargo test\n",
        ),
    ];
    let workflows = read(&files);
    assert_eq!(workflows.findings.len(), 1);
    assert_eq!(says(&files, "tests_unit"), Some(true));
    assert_eq!(says(&files, "tests_acceptance"), None);
}

#[test]
fn occasions_follow_triggers_filters_needs_and_chains() {
    let files = [
        (
            ".github/workflows/a.yml",
            "name: A
on:
  push:
    branches: ['release/**']
    tags: ['v*']
  schedule: [{cron: '0 0 * * *'}]
jobs:
  one:
    if: startsWith(github.ref, 'refs/tags/')
    steps: [{run: cargo publish}]
  two:
    needs: one
    steps: [{run: cargo test}]
  three:
    needs: one
    if: always()
    steps: [{run: cargo test}]
",
        ),
        (
            ".github/workflows/b.yml",
            "on:
  workflow_run:
    workflows: [A]
jobs:
  four:
    steps: [{run: cargo test}]
",
        ),
        (
            ".github/workflows/c.yml",
            "'on': [pull_request]
jobs:
  five:
    steps: [{run: cargo test}]
",
        ),
    ];
    assert_snapshot!(overview(&files), @r"
    one [tag] 10:publish=crates.io
    two [tag] 13:test
    three [branch? tag schedule] 17:test
    four [branch? tag schedule] 6:test
    five [request] 4:test
    ");
}

#[test]
fn a_component_has_what_works_in_its_folder_and_what_is_for_all() {
    let files = [
        (
            ".github/workflows/api.yml",
            "on:
  push:
    branches: [main]
    paths: ['services/api/**']
jobs:
  api:
    steps:
      - run: go test ./...
        working-directory: services/api
",
        ),
        (
            ".github/workflows/all.yml",
            "on: push
jobs:
  all:
    steps: [{run: golangci-lint run}]
  web:
    defaults: {run: {working-directory: services/web}}
    steps: [{run: npx cypress run}]
",
        ),
    ];
    let component = |folder: &str| evidence::Component {
        name: folder.to_owned(),
        folder: folder.to_owned(),
    };
    let workflows = read(&files);
    let has = |folder: &str, name: &str| {
        workflow::measures(&workflows, Some(&component(folder)))[&format!("pipelines.{name}")].value
            == evidence::Value::Boolean(true)
    };
    assert!(has("services/api", "tests_unit") && has("services/api", "lint"));
    assert!(!has("services/api", "tests_acceptance") && has("services/web", "tests_acceptance"));
    assert!(!has("services/web", "tests_unit"));
}
