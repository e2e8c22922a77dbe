//! What a name alone says: of a script, a target, a task.

use std::sync::LazyLock;

use super::{Given, Purpose, given, lines};

const TABLE: &str = include_str!("../../tables/names.table");

static LINES: LazyLock<Vec<(Vec<&'static str>, Vec<Given>)>> = LazyLock::new(|| {
    lines(TABLE)
        .filter_map(|(words, gives)| Some((words.split('+').collect(), given(gives)?)))
        .collect()
});

/// The words of a name: `testIntegration`, `test:integration` and `test_integration` have the same.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in name.chars() {
        let begins = letter.is_uppercase() && before.is_lowercase();
        if !letter.is_alphanumeric() || begins {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What a name says; nothing where it says nothing.
pub(crate) fn of_name(name: &str) -> Vec<Given> {
    let words = words(name);
    // Preparations carry the name of what they prepare.
    let prepares = [
        "install",
        "setup",
        "prepare",
        "clean",
        "init",
        "start",
        "dev",
        "watch",
        "deps",
        "teardown",
        "down",
        "copy",
        "generate",
        "gen",
        "create",
        "new",
        "undo",
        "serve",
        "checksums",
        "config",
        "configure",
        "download",
        "fetch",
        "wait",
        "stop",
        "login",
        "env",
        "notify",
        "comment",
        "summary",
        "changed",
        "dependencies",
    ];
    if words.iter().any(|word| prepares.contains(&word.as_str())) {
        return Vec::new();
    }
    LINES
        .iter()
        .find(|(wanted, _)| {
            // `=word` stands for a name that is this word alone.
            wanted.iter().all(|want| match want.strip_prefix('=') {
                Some(alone) => words.len() == 1 && words[0] == alone,
                None => words.iter().any(|word| word == want),
            })
        })
        .map(|(_, gives)| gives.clone())
        .unwrap_or_default()
}

/// The kind of test that names speak of, where they speak of one.
pub(crate) fn kind_of_test(names: &str) -> Option<Purpose> {
    let words = words(names);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    if has(&[
        "e2e",
        "acceptance",
        "cypress",
        "playwright",
        "selenium",
        "cucumber",
        "bdd",
        "uat",
        "endtoend",
        "capybara",
        "wdio",
        "e2etest",
        "e2etests",
        "acceptancetest",
        "puppeteer",
    ]) || (has(&["end"]) && has(&["to"]))
    {
        Some(Purpose::Acceptance)
    } else if has(&["smoke", "smoketest", "smoketests"]) {
        Some(Purpose::Smoke)
    } else if has(&[
        "integration",
        "integrationtest",
        "integrationtests",
        "functional",
        "systemtest",
        "inttest",
        "functionaltest",
        "functionaltests",
        "testcontainers",
        "interop",
        "conformance",
    ]) && (!has(&["unit"]) || has(&["integration"]))
    {
        Some(Purpose::Integration)
    } else if has(&[
        "benchmark",
        "benchmarks",
        "bench",
        "perf",
        "performance",
        "loadtest",
        "stress",
    ]) {
        Some(Purpose::Performance)
    } else {
        None
    }
}
