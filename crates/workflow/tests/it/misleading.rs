//! What looks like a way to users and is none: sites beside the product, registries, nightly files, tools of the build.

use crate::support::{says, words};

/// A workflow with one job.
fn workflow(name: &str, on: &str, job: &str, steps: &str) -> String {
    let mut text = format!("name: {name}\non:\n  {on}\njobs:\n  {job}:\n    runs-on: ubuntu-latest\n    steps:\n");
    for line in steps.lines() {
        text.push_str(&format!("      {line}\n"));
    }
    text
}

const PUSH: &str = "push: { branches: [main] }";

#[test]
fn a_site_about_the_product_is_no_deployment_of_it() {
    let steps = "- run: npm run build\n  working-directory: website\n- run: netlify deploy --prod --dir website/build\n- run: gh release create docs-1";
    let site = workflow("Documentation", PUSH, "publish", steps);
    let files = [(".github/workflows/docs.yml", site.as_str())];
    for measure in ["deploys", "deploy_production_automatic", "tag_automatic"] {
        assert_eq!(says(&files, measure), Some(false), "{measure}");
    }
    assert_eq!(words(&files, "packages_published"), ["pages"]);
    // Whether the site is the product cannot be told.
    assert_eq!(says(&files, "builds"), None);

    let product = workflow(
        "Release",
        PUSH,
        "deploy",
        "- run: npm run build\n- run: netlify deploy --prod",
    );
    let files = [(".github/workflows/deploy.yml", product.as_str())];
    for measure in ["builds", "deploys", "deploy_production_automatic"] {
        assert_eq!(says(&files, measure), Some(true), "{measure}");
    }
}

#[test]
fn registries_and_sites_are_no_environments() {
    let text = "on: { push: { tags: ['v*'] } }\njobs:\n  publish:\n    runs-on: ubuntu-latest\n    environment: pypi\n    steps:\n      - run: python -m build\n      - run: rsync -a dist/ host:/srv\n  pages:\n    runs-on: ubuntu-latest\n    environment: github-pages\n    steps:\n      - uses: actions/deploy-pages@v4\n";
    let files = [(".github/workflows/release.yml", text)];
    assert_eq!(says(&files, "deploys"), Some(false));
    assert!(words(&files, "environments").is_empty());
}

#[test]
fn what_is_replaced_each_night_is_no_release() {
    let steps = "- run: make build\n- run: gh release create nightly out.tar.gz";
    let nightly = workflow("Nightly", "schedule: [{ cron: '0 3 * * *' }]", "nightly", steps);
    let files = [(".github/workflows/nightly.yml", nightly.as_str())];
    assert_eq!(says(&files, "tag_automatic"), Some(false));
}

#[test]
fn a_tag_that_a_person_asks_for_is_not_automatic_for_sure() {
    let steps = "- run: git tag v${{ inputs.version }}\n- run: git push --tags";
    let by_hand = workflow(
        "Tag",
        "workflow_dispatch:\n    inputs: { version: { type: string } }",
        "tag",
        steps,
    );
    let files = [(".github/workflows/tag.yml", by_hand.as_str())];
    assert_eq!(says(&files, "tag_automatic"), None);
    let steps = "- run: git tag v$(date +%s)\n- run: git push --tags";
    let itself = workflow("Tag", PUSH, "tag", steps);
    assert_eq!(
        says(&[(".github/workflows/tag.yml", itself.as_str())], "tag_automatic"),
        Some(true)
    );
}

#[test]
fn an_image_for_the_builds_to_run_in_is_not_delivered() {
    let steps = "- uses: docker/build-push-action@v6\n  with: { push: true, tags: ghcr.io/x/y }";
    let tools = workflow("Tools", PUSH, "devcontainer", steps);
    assert_eq!(
        says(&[(".github/workflows/a.yml", tools.as_str())], "images_pushed"),
        Some(false)
    );
    let product = workflow("Image", PUSH, "image", steps);
    assert_eq!(
        says(&[(".github/workflows/a.yml", product.as_str())], "images_pushed"),
        Some(true)
    );
}

#[test]
fn checks_of_words_and_sizes_are_neither_analysis_nor_performance() {
    let steps = "- run: npx commitlint --from origin/main\n- run: npx markdownlint docs\n- run: npx size-limit";
    let texts = workflow("Checks", PUSH, "check", steps);
    let files = [(".github/workflows/a.yml", texts.as_str())];
    assert_eq!(says(&files, "lint"), None);
    assert_eq!(says(&files, "tests_performance"), Some(false));
    assert_eq!(says(&files, "performance_threshold"), Some(false));
    let code = workflow("Checks", PUSH, "check", "- run: npx eslint .");
    assert_eq!(says(&[(".github/workflows/a.yml", code.as_str())], "lint"), Some(true));
    let hooks = workflow("Checks", PUSH, "check", "- uses: pre-commit/action@v3");
    let files = [(".github/workflows/a.yml", hooks.as_str())];
    assert_eq!(
        (says(&files, "lint"), says(&files, "hooks_checked")),
        (None, Some(true))
    );
}

#[test]
fn a_scan_that_is_passed_over_says_nothing() {
    let ignored = workflow("Checks", PUSH, "check", "- run: npm audit || true");
    assert_eq!(
        says(&[(".github/workflows/a.yml", ignored.as_str())], "security_per_change"),
        None
    );
    let heeded = workflow("Checks", PUSH, "check", "- run: npm audit");
    assert_eq!(
        says(&[(".github/workflows/a.yml", heeded.as_str())], "security_per_change"),
        Some(true)
    );
}

#[test]
fn tests_that_need_a_database_are_not_tests_in_isolation() {
    let with = "on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    services:\n      db: { image: postgres }\n    steps:\n      - run: cargo test\n";
    let files = [(".github/workflows/a.yml", with)];
    assert_eq!(
        (says(&files, "tests_unit"), says(&files, "tests_unit_alone")),
        (Some(true), Some(false))
    );
    let starts = workflow(
        "Test",
        PUSH,
        "test",
        "- run: sudo systemctl start mysql\n- run: cargo test",
    );
    assert_eq!(
        says(&[(".github/workflows/a.yml", starts.as_str())], "tests_unit_alone"),
        Some(false)
    );
    let alone = workflow("Test", PUSH, "test", "- run: cargo test");
    assert_eq!(
        says(&[(".github/workflows/a.yml", alone.as_str())], "tests_unit_alone"),
        Some(true)
    );
}

#[test]
fn a_definition_for_travis_alone_neither_says_nor_denies() {
    let travis = (".travis.yml", "language: rust\nscript: cargo test\n");
    assert_eq!(says(&[travis], "builds"), None);
    let other = workflow("Test", PUSH, "test", "- run: cargo test");
    let files = [travis, (".github/workflows/a.yml", other.as_str())];
    assert_eq!(says(&files, "builds_on_push_to_trunk"), Some(true));
    assert_eq!(says(&files, "lint"), Some(false));
}

#[test]
fn a_jenkinsfile_for_the_night_or_a_release_is_not_started_by_a_change() {
    let text = "pipeline { agent any\n stages { stage('Build') { steps { sh 'make test' } } } }\n";
    for (name, expected) in [
        ("Jenkinsfile", true),
        ("Jenkinsfile_nightly", false),
        ("Jenkinsfile.release", false),
    ] {
        assert_eq!(
            says(&[(name, text)], "builds_on_push_to_trunk"),
            Some(expected),
            "{name}"
        );
    }
}

#[test]
fn a_pattern_stands_for_all_scripts_that_begin_so() {
    let package = r#"{"scripts": {"test": "npm-run-all --parallel lint:* test:*", "lint:a": "prettier --check .", "lint:b": "eslint .", "test:unit": "c8 ava", "test:integration": "ava test/integration.js"}}"#;
    let ci = workflow("Test", PUSH, "test", "- run: npm test");
    let files = [("package.json", package), (".github/workflows/a.yml", ci.as_str())];
    for measure in [
        "format_check",
        "lint",
        "tests_unit",
        "tests_integration",
        "coverage_per_change",
    ] {
        assert_eq!(says(&files, measure), Some(true), "{measure}");
    }
}
