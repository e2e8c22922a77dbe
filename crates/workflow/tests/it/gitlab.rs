//! GitLab CI.

use insta::assert_snapshot;

use crate::support::{overview, places, says, words};

const CI: &str = "include:
  - local: /ci/deploy.yml
  - template: Security/Secret-Detection.gitlab-ci.yml
stages: [build, test, deploy]
default:
  image: rust:1
build:
  stage: build
  script:
    - cargo build --release
  artifacts:
    paths: [target/release/shop]
unit:
  stage: test
  services: [postgres:16]
  coverage: '/^TOTAL/'
  script:
    - !reference [.setup, script]
    - cargo test
nightly:
  stage: test
  script: cargo bench
  rules:
    - if: $CI_PIPELINE_SOURCE == \"schedule\"
audit:
  stage: test
  script: cargo audit
  allow_failure: true
staging:
  extends: .deploy
  environment: staging
  rules:
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
production:
  extends: .deploy
  environment:
    name: production
  rules:
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
      when: manual
review:
  extends: .deploy
  environment: review/$CI_COMMIT_REF_SLUG
  only: [merge_requests]
";

const DEPLOY: &str = ".setup:
  script:
    - rustup component add clippy
    - cargo clippy
.deploy:
  stage: deploy
  script:
    - helm upgrade --install shop ./chart
";

const TREE: &[(&str, &str)] = &[(".gitlab-ci.yml", CI), ("ci/deploy.yml", DEPLOY)];

#[test]
fn includes_extensions_references_rules_and_stages_are_put_in_place() {
    assert_snapshot!(overview(TREE), @r#"
    audit [trunk branch request tag] 27:dependencies=cargo-audit
    build [trunk branch request tag] 10:build
    nightly [schedule] 22:performance
    production [trunk] 8:deploy=helm
    review [request] 8:preview=helm
    staging [trunk] 8:deploy=helm
    unit [trunk branch request tag] 4:lint 4:analysis 19:test 16:coverage=gitlab
    security/secret-detection [trunk branch request tag] 3:secrets=gitlab
    "#);
    assert_eq!(words(TREE, "environments"), ["production", "staging"]);
    assert_eq!(says(TREE, "deploy_manual_gate"), Some(true));
    assert_eq!(says(TREE, "deploy_production_automatic"), Some(false));
    assert_eq!(says(TREE, "promotes_without_rebuild"), Some(true));
    assert_eq!(says(TREE, "services_in_tests"), Some(true));
    assert_eq!(says(TREE, "security_gate"), Some(false));
    assert_eq!(places(TREE, "deploy_same_definition").len(), 2);
}

#[test]
fn an_include_from_elsewhere_leaves_what_was_not_seen_open() {
    let files = [(
        ".gitlab-ci.yml",
        "include:\n  - project: other/templates\n    file: all.yml\nlint:\n  script: cargo clippy\n",
    )];
    assert_eq!(says(&files, "lint"), Some(true));
    assert_eq!(says(&files, "tests_unit"), None);
}
