//! `cargo xtask soak`: what takes too long for every change, in full.
//!
//! The test suite plays a sample of these; here all of them are played, with the same tests.

use crate::command::Program;
use crate::workspace;

/// A test that can be asked for more by a variable.
struct Soak {
    about: &'static str,
    package: &'static str,
    /// What of the package: its library, or its integration tests.
    target: &'static [&'static str],
    test: &'static str,
    variable: (&'static str, &'static str),
}

const SOAKS: &[Soak] = &[
    Soak {
        about: "every crash point in each part of the story, with the real program",
        package: "throughline",
        target: &["--test", "it"],
        test: "crash_points::the_story_comes_to_the_same_end_wherever_a_process_dies",
        variable: ("CRASH_POINTS", "all"),
    },
    Soak {
        about: "5000 simulated histories of the engine",
        package: "engine",
        target: &["--lib"],
        test: "every_history_keeps_the_invariants_and_ends_when_faults_stop",
        variable: ("THROUGHLINE_SEEDS", "5000"),
    },
    Soak {
        about: "5000 simulated histories of delivery",
        package: "delivery",
        target: &["--lib"],
        test: "every_history_keeps_the_rules_and_arrives_when_faults_stop",
        variable: ("THROUGHLINE_SEEDS", "5000"),
    },
];

/// Runs them one after another; one that fails does not stop the others.
pub fn perform(arguments: &[String]) -> Result<(), String> {
    if let Some(unknown) = arguments.first() {
        return Err(format!("`cargo xtask soak` takes no arguments, and got `{unknown}`"));
    }
    let root = workspace::root();
    let mut failed = Vec::new();
    for soak in SOAKS {
        println!("\n== {}", soak.about);
        let mut arguments = vec!["test", "--locked", "--package", soak.package];
        arguments.extend(soak.target);
        arguments.extend([soak.test, "--", "--nocapture"]);
        let program = Program::new("cargo", &arguments, &root);
        if let Err(message) = program.variable(soak.variable.0, soak.variable.1).run() {
            println!("failed: {message}");
            failed.push(soak.about);
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("failed: {}", failed.join("; ")))
    }
}
