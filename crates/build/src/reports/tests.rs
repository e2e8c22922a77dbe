//! Files as tools write them: shapes of real ones, shortened.

use std::path::Path;

use pipeline::plan::{ReportFiles, ReportFormat};
use proptest::prelude::*;

use super::{Before, FailedCase, TestReport, collect, junit, tap, there};

fn junit_of(text: &str) -> TestReport {
    let mut report = TestReport::default();
    junit::read(text, &mut report).unwrap_or_else(|why| panic!("{why}"));
    report
}

fn tap_of(text: &str) -> (TestReport, Result<(), String>) {
    let mut report = TestReport::default();
    let read = tap::read(text, &mut report);
    (report, read)
}

fn counts(report: &TestReport) -> (u64, u64, u64, u64, u64) {
    (report.tests, report.passed, report.failed, report.skipped, report.flaky)
}

fn case(name: &str, suite: Option<&str>, message: &str, file: Option<&str>) -> FailedCase {
    FailedCase {
        name: name.to_owned(),
        suite: suite.map(str::to_owned),
        message: (!message.is_empty()).then(|| message.to_owned()),
        file: file.map(str::to_owned),
    }
}

#[test]
fn nextest_says_what_failed_and_what_is_flaky() {
    let report = junit_of(include_str!("samples/nextest.xml"));
    assert_eq!(counts(&report), (4, 2, 1, 1, 1));
    assert_eq!(report.in_words(), "1 of 4 tests failed, 1 skipped, 1 flaky");
    let failed = &report.failures[0];
    assert_eq!(
        (failed.name.as_str(), failed.suite.as_deref()),
        ("price::rounds_up", Some("shop"))
    );
    let message = failed.message.as_deref().unwrap();
    assert!(
        message.starts_with("thread 'price::rounds_up' panicked at src/price.rs:14:9"),
        "{message}"
    );
    assert!(message.contains("left: 3\n  right: 4"), "{message}");
}

#[test]
fn pytest_says_where_a_case_stands() {
    let report = junit_of(include_str!("samples/pytest.xml"));
    assert_eq!(counts(&report), (5, 2, 2, 1, 0));
    assert_eq!(
        report.failures[0],
        case(
            "test_total[3-4]",
            Some("tests.test_cart"),
            "assert 3 == 4\ndef test_total(a, b):\n>       assert a == b\nE       assert 3 == 4\n\ntests/test_cart.py:9: AssertionError",
            Some("tests/test_cart.py:6")
        )
    );
    // What cannot even be set up is a failure too.
    assert_eq!(
        report.failures[1].message.as_deref(),
        Some("failed on setup with \"KeyError: 'DB'\"")
    );
    assert_eq!(report.seconds, Some(0.031));
}

#[test]
fn gotestsum_says_it_in_suites_of_packages() {
    let report = junit_of(include_str!("samples/gotestsum.xml"));
    assert_eq!(counts(&report), (3, 1, 1, 1, 0));
    assert_eq!(
        report.failures[0],
        case(
            "TestSum/negative",
            Some("example.org/shop/cart"),
            "Failed\n    cart_test.go:21: Sum(-1) = 1, want -1\n--- FAIL: TestSum/negative (0.00s)",
            None
        )
    );
}

#[test]
fn jest_says_the_file_of_a_suite() {
    let report = junit_of(include_str!("samples/jest.xml"));
    assert_eq!(counts(&report), (2, 1, 1, 0, 0));
    let failed = &report.failures[0];
    assert_eq!(failed.file.as_deref(), Some("src/cart.test.js"));
    assert_eq!(failed.name, "cart adds <b>");
    assert!(
        failed
            .message
            .as_deref()
            .unwrap()
            .starts_with("Error: expect(received).toBe(expected)")
    );
}

#[test]
fn surefire_says_reruns_and_thousands_of_seconds() {
    let report = junit_of(include_str!("samples/surefire.xml"));
    assert_eq!(counts(&report), (4, 2, 1, 1, 1));
    assert_eq!(report.seconds, Some(1234.6));
    assert_eq!(
        report.failures[0],
        case(
            "totals",
            Some("org.example.CartTest"),
            "expected: <3> but was: <4>\norg.opentest4j.AssertionFailedError: expected: <3> but was: <4>\n\tat org.example.CartTest.totals(CartTest.java:17)",
            None
        )
    );
}

#[test]
fn tap_says_what_failed_with_its_reason() {
    let (report, read) = tap_of(include_str!("samples/node.tap"));
    assert_eq!(read, Ok(()));
    assert_eq!(counts(&report), (4, 1, 1, 2, 0));
    assert_eq!(report.failures[0].name, "rounds up");
    let message = report.failures[0].message.as_deref().unwrap();
    assert!(message.contains("error: 'Expected 3 to equal 4'"), "{message}");
    let (report, read) = tap_of("1..3\nok 1 - a\nnot ok 2\n# because\n");
    assert_eq!(read, Err("3 tests were planned, 2 came".to_owned()));
    assert_eq!(report.failures, [case("a test without a name", None, "because", None)]);
    assert_eq!(
        tap_of("ok 1 a\nBail out! no database\n").1,
        Err("the tests gave up: no database".to_owned())
    );
    assert!(tap_of("all is well\nokay\n").1.is_err());
}

#[test]
fn what_is_broken_is_said_and_what_came_before_counts() {
    let said = |text: &str| {
        let mut report = TestReport::default();
        let read = junit::read(text, &mut report);
        (report.tests, read.unwrap_err())
    };
    let cut = "<testsuite><testcase name='a'/><testcase name='b'><failure";
    assert_eq!(said(cut).0, 1);
    assert_eq!(
        said("<testsuite>\n<testcase name='a'>").1,
        "it ends within `<testcase>`"
    );
    assert_eq!(
        said("<html><body/></html>").1,
        "this is no JUnit XML: it begins with `<html>`"
    );
    assert_eq!(said("no xml at all").1, "this is no JUnit XML: there is nothing in it");
    assert!(
        said("<testsuite>\n\n</testcase>")
            .1
            .starts_with("line 3 is not well-formed")
    );
    assert!(said(&"<testsuite>".repeat(10_000)).1.ends_with("is nested too deep"));
}

#[test]
fn only_what_is_new_and_inside_counts() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path().join("work");
    std::fs::create_dir_all(workspace.join("out/deep")).unwrap();
    let one = "<testsuite><testcase name='a'/></testsuite>";
    std::fs::write(workspace.join("old.xml"), one).unwrap();
    std::fs::write(folder.path().join("outside.xml"), one).unwrap();
    std::os::unix::fs::symlink(folder.path(), workspace.join("link")).unwrap();
    let wanted = |path: &str| ReportFiles {
        path: path.to_owned(),
        format: ReportFormat::Junit,
    };
    let wanted = [
        wanted("old.xml"),
        wanted("out/**/*.xml"),
        wanted("link/outside.xml"),
        wanted("none.xml"),
    ];
    let before = there(&workspace, &wanted);
    std::fs::write(workspace.join("out/deep/a.xml"), one).unwrap();
    std::fs::write(workspace.join("out/b.xml"), "").unwrap();
    let report = collect(&workspace, &wanted[..2], &before);
    assert_eq!((report.tests, report.files), (1, 2));
    assert_eq!(
        report.notes,
        ["`old.xml` was not written anew", "out/b.xml: it is empty"]
    );
    let report = collect(&workspace, &wanted[2..], &Before::default());
    assert_eq!(report.tests, 0);
    assert_eq!(
        report.notes,
        [
            "link/outside.xml: it lies outside of the workspace",
            "no file matches `none.xml`"
        ]
    );
    assert_eq!(
        collect(Path::new("/nowhere"), &wanted[..1], &Before::default()).tests,
        0
    );
}

#[test]
fn what_is_kept_is_bounded_and_holds_no_secret() {
    let long = "x".repeat(5_000);
    let cases: String = (0..500)
        .map(|n| {
            format!("<testcase name='{long}{n}'><failure message='token hunter22 {long}'>{long}</failure></testcase>")
        })
        .collect();
    let mut report = junit_of(&format!("<testsuite>{cases}</testsuite>"));
    report.mask(["hunter22", "ab"].into_iter());
    assert_eq!((report.failed, report.failures.len()), (500, 50));
    let text = serde_json::to_string(&report).unwrap();
    assert!(text.len() < 60_000, "{}", text.len());
    assert!(!text.contains("hunter22") && text.contains("token ***"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_brings_the_readers_down(
        text in "([<>&;='\" a-z/!#\\[\\]\n-]|testcase|testsuite|failure|<!\\[CDATA\\[|not ok|ok 1|1\\.\\.|---|Bail out!|é){0,80}"
    ) {
        let mut report = TestReport::default();
        let _ = junit::read(&text, &mut report);
        let _ = junit::read(&format!("<testsuite>{text}"), &mut report);
        let _ = tap::read(&text, &mut report);
        prop_assert_eq!(report.tests, report.passed + report.failed + report.skipped);
    }

    #[test]
    fn a_file_cut_off_anywhere_is_no_trouble(at in 0usize..2_000) {
        for sample in [include_str!("samples/pytest.xml"), include_str!("samples/surefire.xml"), include_str!("samples/node.tap")] {
            let end = (0..=at.min(sample.len())).rev().find(|end| sample.is_char_boundary(*end)).unwrap_or(0);
            let mut report = TestReport::default();
            let _ = junit::read(&sample[..end], &mut report);
            let _ = tap::read(&sample[..end], &mut report);
        }
    }
}
