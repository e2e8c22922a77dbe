//! The test suite: every test of every crate.
//!
//! Most tests of whole servers run real processes side by side, and what one of them meets depends on the machine. A
//! test that fails gets one more try. If it passes then, it is called unsteady and named at the end of the run: it is
//! wrong, or shows something that is, and is to be mended. More than a few of them are a failure.

use std::collections::BTreeSet;
use std::fmt;

use super::{Context, Outcome};
use crate::command::Program;
use crate::tree::Tree;
use crate::workspace::{self, Member};

/// So many tests may be unsteady in a run that passes.
const UNSTEADY: usize = 2;

/// How many tests passed, failed, and were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    passed: u32,
    failed: u32,
    skipped: u32,
}

impl Counts {
    /// Without those that returned early and said so, which whoever runs tests takes for passed.
    fn without(self, left_out: u32) -> Self {
        Self {
            passed: self.passed.saturating_sub(left_out),
            skipped: self.skipped + left_out,
            ..self
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// Runs the suite.
pub fn tests(context: &mut Context) -> Outcome {
    let Some(program) = context.tools.nextest.clone() else {
        println!("without cargo-nextest, `cargo test` runs the same tests");
        let arguments = [
            "test",
            "--workspace",
            "--locked",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--tests",
        ];
        return context.skips.tell(context.cargo(&arguments)).run().into();
    };
    let program = program.to_string_lossy().into_owned();
    let arguments = [
        "nextest",
        "run",
        "--workspace",
        "--locked",
        "--no-fail-fast",
        "--retries",
        "1",
        "--color",
        "never",
    ];
    let mut counts = None;
    let mut wavering = BTreeSet::new();
    let running = context.skips.tell(Program::new(&program, &arguments, &context.root));
    let result = running.run_reading(|line| {
        if let Some(read) = summary(line) {
            counts = Some(read);
        }
        wavering.extend(unsteady(line));
    });
    let counts = match (counts, context.skips.read()) {
        (Some(counts), Ok(left_out)) => Some(counts.without(left_out.count())),
        (counts, Ok(_)) => counts,
        (_, Err(message)) => return Outcome::Failed(message),
    };
    context.counts = counts;
    let wavering = wavering.into_iter().collect::<Vec<_>>();
    match (result, counts) {
        (Ok(()), Some(counts)) if wavering.len() > UNSTEADY => Outcome::Failed(format!(
            "{counts}, and {} passed only at the second try: {}",
            wavering.len(),
            wavering.join(", ")
        )),
        (Ok(()), Some(counts)) if !wavering.is_empty() => {
            Outcome::Passed(format!("{counts}; UNSTEADY, and to be mended: {}", wavering.join(", ")))
        }
        (Ok(()), Some(counts)) => Outcome::Passed(counts.to_string()),
        (Ok(()), None) => Outcome::Failed("no summary of the tests was printed".to_owned()),
        (Err(_), Some(counts)) if counts.failed > 0 => Outcome::Failed(counts.to_string()),
        (Err(message), _) => Outcome::Failed(message),
    }
}

/// What is left out of the program unless it is asked for: built with all of it, looked at, and those tests run that
/// are about it. The rooms behind it are tested with all others.
pub fn with_features(context: &mut Context) -> Outcome {
    let about = ["--package", "throughline", "--all-features", "--locked"];
    let clippy = [
        &["clippy", "--all-targets"],
        about.as_slice(),
        &["--", "-D", "warnings"],
    ]
    .concat();
    if let Err(message) = context.cargo(&clippy).run() {
        return Outcome::Failed(message);
    }
    let Some(program) = context.tools.nextest.clone() else {
        let arguments = [&["test"], about.as_slice(), &["sharing"]].concat();
        return context.skips.tell(context.cargo(&arguments)).run().into();
    };
    let arguments = [
        &["nextest", "run", "--no-fail-fast", "--retries", "0", "--color", "never"],
        about.as_slice(),
        &["-E", "test(sharing)"],
    ]
    .concat();
    let running = Program::new(&program.to_string_lossy(), &arguments, &context.root);
    context.skips.tell(running).run().into()
}

/// The examples in the documentation of the code, which nextest does not run. Asking a crate that has
/// none takes as long as asking one that has, so only those that have some are asked.
pub fn doctests(context: &mut Context) -> Outcome {
    let looked = Tree::read(&context.root).and_then(|tree| Ok((tree, workspace::members(&context.root)?)));
    let (tree, members) = match looked {
        Ok(looked) => looked,
        Err(message) => return Outcome::Failed(message),
    };
    let has = |member: &&Member| {
        let inside = format!("{}/src/", member.folder);
        tree.rust()
            .any(|file| file.path.starts_with(&inside) && has_example(&file.text))
    };
    let mut arguments = vec!["test", "--locked", "--doc"];
    let with: Vec<&str> = members.iter().filter(has).map(|member| member.name.as_str()).collect();
    if with.is_empty() {
        return Outcome::Passed("there are none".to_owned());
    }
    arguments.extend(with.iter().flat_map(|name| ["--package", name]));
    context.cargo(&arguments).run().into()
}

/// Whether a block of Rust begins in a documentation comment.
fn has_example(text: &str) -> bool {
    let mut open = false;
    for line in text.lines().map(str::trim_start) {
        let Some(comment) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else {
            open = false;
            continue;
        };
        let Some(language) = comment.trim_start().strip_prefix("```") else {
            continue;
        };
        if !open
            && matches!(
                language.split(',').next(),
                Some("" | "rust" | "no_run" | "should_panic" | "compile_fail")
            )
        {
            return true;
        }
        open = !open;
    }
    false
}

/// Reads which test passed only at its second try: `FLAKY 2/2 [ 0.2s] (7/20) server::it restart`.
fn unsteady(line: &str) -> Option<String> {
    let told = line
        .trim_start()
        .strip_prefix("FLAKY ")?
        .split_once(']')?
        .1
        .trim_start();
    let name = match told.strip_prefix('(') {
        Some(numbered) => numbered.split_once(')')?.1,
        None => told,
    };
    Some(name.trim().to_owned())
}

/// Reads nextest's closing line: `Summary [ 1.2s] 20 tests run: 18 passed (1 slow), 2 failed, 3 skipped`.
fn summary(line: &str) -> Option<Counts> {
    let told = line.trim_start().strip_prefix("Summary [")?.split_once("run:")?.1;
    let mut counts = Counts::default();
    for part in told.split([',', '(']) {
        let mut words = part.split_whitespace();
        let (Some(number), Some(word)) = (words.next(), words.next()) else {
            continue;
        };
        let Ok(number) = number.parse::<u32>() else { continue };
        match word.trim_end_matches(')') {
            "passed" => counts.passed = number,
            "failed" | "timed" | "exec" => counts.failed += number,
            "skipped" => counts.skipped = number,
            _ => {}
        }
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_in_rust_are_told_from_blocks_of_other_things() {
        assert!(has_example("/// Says.\n/// ```\n/// f();\n/// ```\n"));
        assert!(has_example(
            "//! ```text\n//! a\n//! ```\n//! ```no_run\n//! f();\n//! ```\n"
        ));
        assert!(!has_example(
            "//! ```text\n//! a\n//! ```\n//! ```sql\n//! b\n//! ```\n"
        ));
        assert!(!has_example("// ```\nlet a = \"```\";\n"));
    }

    #[test]
    fn a_test_that_left_itself_out_is_skipped_and_not_passed() {
        let counts = summary("Summary [ 1.2s] 20 tests run: 19 passed, 1 failed, 2 skipped").unwrap();
        assert_eq!(counts.without(3).to_string(), "16 passed, 1 failed, 5 skipped");
    }

    #[test]
    fn a_test_that_passed_at_the_second_try_is_named() {
        let name = Some("server::it restart::twice".to_owned());
        assert_eq!(
            unsteady("   FLAKY 2/2 [   0.203s] ( 7/20) server::it restart::twice"),
            name
        );
        assert_eq!(unsteady("   FLAKY 2/2 [   0.203s] server::it restart::twice"), name);
        assert_eq!(unsteady("   PASS [   0.203s] (7/20) server::it FLAKY "), None);
    }

    #[test]
    fn the_closing_line_of_the_suite_gives_the_counts() {
        let counts = |passed, failed, skipped| {
            Some(Counts {
                passed,
                failed,
                skipped,
            })
        };
        assert_eq!(
            summary("     Summary [   1.234s] 20 tests run: 20 passed, 0 skipped"),
            counts(20, 0, 0)
        );
        assert_eq!(
            summary("Summary [ 9.1s] 20 tests run: 17 passed (2 slow, 1 leaky), 2 failed, 1 timed out, 3 skipped"),
            counts(17, 3, 3)
        );
        assert_eq!(
            summary("Summary [ 9.1s] 5/20 tests run: 4 passed, 1 failed, 0 skipped"),
            counts(4, 1, 0)
        );
        assert_eq!(summary("PASS [ 0.1s] summary"), None);
    }
}
