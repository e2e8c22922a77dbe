//! Reports of tests: counted or refused, and the numbers fit together.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for report in build::reports::fuzzing::every_reading(text) {
        assert_eq!(report.tests, report.passed + report.failed + report.skipped, "{text:?}");
    }
});
