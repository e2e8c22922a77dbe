//! Tests: frameworks by manifests, kinds of tests by libraries, places and content.

use crate::catalogue::{FileFact, folder_of, name_of};
use crate::context::Context;
use crate::languages;
use crate::manifests::Ecosystem::{Node, Python};
use crate::observation::{at, at_line};
use crate::reading::{line_of, lines};

/// The most test files, and the most source files of Rust, whose content is read.
const MOST_TESTS: usize = 1_200;
const MOST_RUST: usize = 1_500;

pub(super) fn look(context: &mut Context<'_>) {
    rust(context);
    content(context);
    places(context);
    settings(context);
}

/// Tests inside of source files, and cargo's own folders.
fn rust(context: &mut Context<'_>) {
    let sources: Vec<&FileFact> = context
        .catalogue
        .ending("rs")
        .filter(|file| !file.test && !file.name().eq("build.rs"))
        .collect();
    let (sources, complete) = context.reader.within("source files of Rust", sources, MOST_RUST);
    let notes = &mut context.notes;
    for file in sources {
        let Some(text) = context.reader.glance(&file.path) else {
            continue;
        };
        let mut awaiting = false;
        for (number, line) in lines(&text) {
            let line = line.trim();
            if line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test") {
                awaiting = true;
                // A test helper is no test: a module or a function of tests follows.
            }
            if awaiting && (line.contains("mod ") && line.ends_with('{')) || is_rust_test(line) {
                notes.yes("test_files", at_line(&file.path, Some(number), line));
                notes.word(
                    "unit_test_frameworks",
                    "cargo-test",
                    at_line(&file.path, Some(number), line),
                );
                break;
            }
        }
    }
    if !complete {
        notes.doubt(&["unit_test_frameworks"], &at(""));
    }
    for file in context.catalogue.ending("rs") {
        let folder = folder_of(&file.path);
        let (parent, last) = folder.rsplit_once('/').unwrap_or(("", folder));
        let package = if parent.is_empty() {
            "Cargo.toml".to_owned()
        } else {
            format!("{parent}/Cargo.toml")
        };
        if last == "tests" && context.catalogue.has(&package) {
            notes.word("integration_tests", "cargo-tests", at(&file.path));
            notes.word("unit_test_frameworks", "cargo-test", at(&file.path));
        } else if last == "benches" && context.catalogue.has(&package) {
            notes.word("performance_tests", "cargo-bench", at(&file.path));
        }
    }
}

fn is_rust_test(line: &str) -> bool {
    line.starts_with("#[test]") || line.starts_with("#[tokio::test") || line.starts_with("#[rstest")
}

/// What test files themselves say.
fn content(context: &mut Context<'_>) {
    let tests: Vec<&FileFact> = context
        .catalogue
        .own()
        .filter(|file| file.test && file.language.is_some_and(|language| language != "rust"))
        .collect();
    let (tests, complete) = context.reader.within("test files", tests, MOST_TESTS);
    let notes = &mut context.notes;
    for file in tests {
        let Some(text) = context.reader.glance(&file.path) else {
            continue;
        };
        let mut note = |needle: &str, measure: &'static str, word: &str| -> bool {
            let found = line_of(&text, needle);
            if found.is_some() {
                notes.word(measure, word, at_line(&file.path, found, needle.trim()));
            }
            found.is_some()
        };
        match file.language.unwrap_or_default() {
            "go" => {
                note("\nfunc Test", "unit_test_frameworks", "go-test");
                note("\nfunc Benchmark", "performance_tests", "go-bench");
                let _ = note("//go:build integration", "integration_tests", "build-tag")
                    || note("//go:build e2e", "acceptance_tests", "build-tag")
                    || note("+build integration", "integration_tests", "build-tag");
            }
            "python" => {
                note("import unittest", "unit_test_frameworks", "unittest");
                note("from django.test import", "unit_test_frameworks", "django-test");
                note("import pytest", "unit_test_frameworks", "pytest");
                let _ = note("from django.test import Client", "integration_tests", "django-test")
                    || note("LiveServerTestCase", "acceptance_tests", "live-server");
                note("pytest.mark.integration", "integration_tests", "marker");
            }
            "javascript" | "typescript" => {
                let _ = note("from 'node:test'", "unit_test_frameworks", "node-test")
                    || note("from \"node:test\"", "unit_test_frameworks", "node-test")
                    || note("require('node:test')", "unit_test_frameworks", "node-test")
                    || note("require(\"node:test\")", "unit_test_frameworks", "node-test")
                    || note("Deno.test(", "unit_test_frameworks", "deno-test")
                    || note("from \"bun:test\"", "unit_test_frameworks", "bun-test");
            }
            "java" | "kotlin" | "scala" | "groovy" => {
                let _ = note("import org.junit.", "unit_test_frameworks", "junit")
                    || note("import static org.junit.", "unit_test_frameworks", "junit")
                    || note("import kotlin.test.", "unit_test_frameworks", "kotlin-test")
                    || note("import org.scalatest.", "unit_test_frameworks", "scalatest")
                    || note("import spock.lang.", "unit_test_frameworks", "spock");
                let _ = note("@SpringBootTest", "integration_tests", "spring-boot-test")
                    || note("@DataJpaTest", "integration_tests", "spring-boot-test")
                    || note("JenkinsRule", "integration_tests", "jenkins-test-harness");
            }
            "swift" => {
                note("import XCTest", "unit_test_frameworks", "xctest");
                note("import Testing", "unit_test_frameworks", "swift-testing");
                note("XCUIApplication", "acceptance_tests", "xcuitest");
            }
            "objective-c" => {
                note("XCTestCase", "unit_test_frameworks", "xctest");
            }
            "elixir" => {
                note("use ExUnit", "unit_test_frameworks", "exunit");
                note("ConnCase", "integration_tests", "phoenix-conn");
            }
            "shell" if file.path.ends_with(".bats") => {
                notes.word("unit_test_frameworks", "bats", at(&file.path));
            }
            "perl" => {
                note("use Test::", "unit_test_frameworks", "test-more");
            }
            "c" | "cpp" => {
                let _ = note("gtest/gtest.h", "unit_test_frameworks", "googletest")
                    || note("gmock/gmock.h", "unit_test_frameworks", "googletest")
                    || note("catch2/", "unit_test_frameworks", "catch2")
                    || note("doctest.h", "unit_test_frameworks", "doctest")
                    || note("cmocka.h", "unit_test_frameworks", "cmocka");
            }
            "csharp" => {
                note("WebApplicationFactory", "integration_tests", "aspnetcore-mvc-testing");
            }
            "ruby" => {
                let _ = note("< ActionDispatch::IntegrationTest", "integration_tests", "rails")
                    || note("< ApplicationSystemTestCase", "acceptance_tests", "rails-system");
                let _ = note("Test::Unit::TestCase", "unit_test_frameworks", "test-unit")
                    || note("Minitest::Test", "unit_test_frameworks", "minitest")
                    || note("ActiveSupport::TestCase", "unit_test_frameworks", "minitest");
            }
            "php" => {
                let _ = note("extends WebTestCase", "integration_tests", "symfony-webtest")
                    || note("extends KernelTestCase", "integration_tests", "symfony-kernel")
                    || note("RefreshDatabase", "integration_tests", "laravel-feature");
            }
            "r" => {
                note("test_that(", "unit_test_frameworks", "testthat");
            }
            "julia" => {
                note("@testset", "unit_test_frameworks", "julia-test");
            }
            "clojure" => {
                note("deftest", "unit_test_frameworks", "clojure-test");
            }
            _ => {}
        }
    }
    if !complete {
        notes.doubt(&["integration_tests", "performance_tests"], &at(""));
    }
}

/// Kinds of tests by the folders and names of their files.
fn places(context: &mut Context<'_>) {
    let notes = &mut context.notes;
    for file in context.catalogue.own() {
        let Some(language) = file.language else {
            if file.path.ends_with(".feature")
                && (file.path.contains("features/") || languages::in_test_folder(&file.path))
            {
                notes.word("acceptance_tests", "gherkin", at(&file.path));
            }
            continue;
        };
        let small = file.path.to_ascii_lowercase();
        let stem = name_of(&small).split('.').next().unwrap_or_default().to_owned();
        let folders: Vec<&str> = folder_of(&small).split('/').collect();
        let is = |names: &[&str]| folders.iter().any(|part| names.contains(part));
        let name = file.name();
        if file.test {
            let integration = is(&[
                "integration",
                "integrations",
                "integration-tests",
                "integration_tests",
                "integrationtest",
                "integrationtests",
                "integration-test",
                "it",
                "functional",
                "functional-tests",
                "functionaltests",
                "functional_tests",
                "requests",
                "request",
            ]) && language != "shell"
                && (language == "ruby" || !is(&["requests", "request"]));
            let by_name = name.ends_with("IT.java")
                || name.ends_with("ITest.java")
                || name.ends_with("IntegrationTest.java")
                || name.ends_with("IntegrationTests.java")
                || name.ends_with("IntegrationTest.kt")
                || name.ends_with("IT.kt")
                || small.contains(".integration.")
                || small.contains(".integration-spec.")
                || small.contains("_integration_test.")
                || stem.starts_with("test_integration")
                || folders.iter().any(|part| {
                    part.contains("integrationtest")
                        || part.contains("integration-test")
                        || part.contains("integration_test")
                        || part.ends_with(".functionaltests")
                })
                || small.contains(".int.test.")
                || small.contains(".it.test.");
            if integration || by_name {
                notes.word("integration_tests", "folder", at(&file.path));
            }
            if (is(&["feature"]) || small.contains("tests/feature/")) && language == "php" {
                notes.word("integration_tests", "laravel-feature", at(&file.path));
            }
            let acceptance = is(&[
                "e2e",
                "e2e-tests",
                "e2e_tests",
                "end-to-end",
                "end_to_end",
                "acceptance",
                "acceptance-tests",
                "acceptance_tests",
                "acceptancetests",
                "smoke",
                "smoke-tests",
                "smoke_tests",
                "ui-tests",
                "uitests",
                "browser",
                "system",
                "testflight",
                "cypress",
            ]) && (matches!(language, "ruby" | "php") || !is(&["browser", "system"]));
            if acceptance
                || small.contains(".e2e.")
                || small.contains(".e2e-spec.")
                || small.contains(".cy.")
                || small.contains("_e2e_test.")
                || folders.iter().any(|part| {
                    part.ends_with("-e2e")
                        || part.ends_with("-acceptance-tests")
                        || part.ends_with("uitests")
                        || part.ends_with(".acceptancetests")
                })
                || (language == "ruby" && is(&["features"]) && is(&["spec"]))
            {
                notes.word("acceptance_tests", "folder", at(&file.path));
            }
        }
        let performance = is(&[
            "bench",
            "benches",
            "benchmark",
            "benchmarks",
            "perf",
            "performance",
            "perf-tests",
            "performance-tests",
            "load-test",
            "load-tests",
            "loadtest",
            "loadtests",
            "load_tests",
            "k6",
            "gatling",
            "stress",
            "stress-tests",
        ]) && (file.test || !folders.contains(&"performance"));
        if performance && language != "hcl" {
            let k6 = matches!(language, "javascript" | "typescript")
                && context
                    .reader
                    .glance(&file.path)
                    .is_some_and(|text| text.contains("from 'k6") || text.contains("from \"k6"));
            notes.word("performance_tests", if k6 { "k6" } else { "folder" }, at(&file.path));
        } else if matches!(language, "javascript" | "typescript")
            && (stem.contains("k6") || stem.contains("load-test") || stem.contains("loadtest"))
            && let Some(text) = context.reader.glance(&file.path)
            && let Some(line) = line_of(&text, "from 'k6").or_else(|| line_of(&text, "from \"k6"))
        {
            notes.word("performance_tests", "k6", at_line(&file.path, Some(line), "k6"));
        }
    }
}

/// Sections of shared settings files.
fn settings(context: &mut Context<'_>) {
    let notes = &mut context.notes;
    for manifest in &context.manifests.all {
        match manifest.ecosystem {
            Python if crate::manifests::at(&manifest.value, &["tool", "pytest"]).is_some() => {
                let line = context
                    .reader
                    .text(&manifest.path)
                    .and_then(|text| line_of(&text, "[tool.pytest"));
                notes.word(
                    "unit_test_frameworks",
                    "pytest",
                    at_line(&manifest.path, line, "tool.pytest"),
                );
            }
            Node => {
                for (name, command) in &manifest.scripts {
                    if name.starts_with("test") && !super::build::is_placeholder(command) {
                        for (needle, word) in [
                            ("node --test", "node-test"),
                            ("bun test", "bun-test"),
                            ("deno test", "deno-test"),
                        ] {
                            if command.contains(needle) {
                                notes.word(
                                    "unit_test_frameworks",
                                    word,
                                    at_line(&manifest.path, None, format!("{name}: {command}")),
                                );
                            }
                        }
                    }
                }
            }
            _ => {}
        }
    }
    for name in ["setup.cfg", "tox.ini"] {
        for file in context.catalogue.named(name) {
            if let Some(text) = context.reader.text(&file.path)
                && let Some(line) = line_of(&text, "[tool:pytest]").or_else(|| line_of(&text, "[pytest]"))
            {
                notes.word(
                    "unit_test_frameworks",
                    "pytest",
                    at_line(&file.path, Some(line), "pytest"),
                );
            }
        }
    }
    for file in context.catalogue.named("meson.build") {
        if let Some(text) = context.reader.text(&file.path) {
            for (number, line) in lines(&text) {
                let line = line.trim();
                if line.starts_with("test(") {
                    notes.word(
                        "unit_test_frameworks",
                        "meson-test",
                        at_line(&file.path, Some(number), line),
                    );
                } else if line.starts_with("benchmark(") {
                    notes.word(
                        "performance_tests",
                        "meson-benchmark",
                        at_line(&file.path, Some(number), line),
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{count, measure, words};

    #[test]
    fn tests_inside_of_source_files_are_counted() {
        let files = [
            ("Cargo.toml", "[package]\nname = \"a\"\nversion = \"1.0.0\"\n"),
            (
                "src/a.rs",
                "fn a() {}\n#[cfg(test)]\nmod tests {\n#[test]\nfn b() {}\n}\n",
            ),
            ("src/b.rs", "#[cfg(test)]\npub fn helper() {}\n// #[test]\n"),
            ("tests/cli.rs", ""),
        ];
        assert_eq!(count(&files, "test_files"), 2);
        assert_eq!(count(&files, "product_files"), 2);
        assert_eq!(words(&files, "unit_test_frameworks"), ["cargo-test"]);
        assert_eq!(words(&files, "integration_tests"), ["cargo-tests"]);
    }

    #[test]
    fn kinds_of_tests_are_told_apart() {
        let files = [
            (
                "package.json",
                "{\"name\": \"a\", \"devDependencies\": {\"vitest\": \"1\", \"@playwright/test\": \"1\", \"supertest\": \"6\"}}",
            ),
            ("load/k6-checkout.js", "import http from 'k6/http';\n"),
            ("src/a.test.ts", ""),
        ];
        assert_eq!(words(&files, "unit_test_frameworks"), ["vitest"]);
        assert_eq!(words(&files, "acceptance_tests"), ["playwright"]);
        assert_eq!(words(&files, "integration_tests"), ["supertest"]);
        assert_eq!(words(&files, "performance_tests"), ["k6"]);
    }

    #[test]
    fn packages_of_the_repository_itself_and_words_in_names_do_not_count() {
        let files = [
            (
                "packages/jest/package.json",
                "{\"name\": \"jest\", \"version\": \"1.0.0\"}",
            ),
            (
                "package.json",
                "{\"name\": \"root\", \"devDependencies\": {\"jest\": \"workspace:*\"}}",
            ),
            ("src/performance/report.ts", ""),
            ("features/readme.md", ""),
        ];
        assert!(words(&files, "unit_test_frameworks").is_empty());
        assert!(words(&files, "performance_tests").is_empty());
        assert!(words(&files, "acceptance_tests").is_empty());
    }

    #[test]
    fn a_broken_manifest_leaves_frameworks_open() {
        assert!(measure(&[("package.json", "{\"devDependencies\": ")], "unit_test_frameworks").is_none());
    }
}
