//! `cargo xtask test`: everything that is checked, once, in one command.
//!
//! A stage that fails does not stop the later ones, so one run tells all there is to mend.

mod containers;
mod demo;
mod docker;
mod install;
mod skips;
mod suite;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::command::Program;
use crate::tidy;
use crate::workspace;

/// Two cores do all of it within this; beyond it the summary says so.
const BUDGET: Duration = Duration::from_secs(25 * 60);

/// How a stage ended.
pub enum Outcome {
    /// It found nothing wrong. With something to tell, perhaps.
    Passed(String),
    /// It found something, or could not be run though it should.
    Failed(String),
    /// It was left out, for this reason.
    Skipped(String),
}

impl From<Result<(), String>> for Outcome {
    fn from(result: Result<(), String>) -> Self {
        match result {
            Ok(()) => Self::Passed(String::new()),
            Err(message) => Self::Failed(message),
        }
    }
}

/// What the stages share.
pub struct Context {
    /// The project's folder.
    pub root: PathBuf,
    /// What was found or installed first.
    pub tools: install::Tools,
    /// Tests that leave themselves out.
    pub skips: skips::Skips,
    /// The counts of the test suite, once it ran.
    pub counts: Option<suite::Counts>,
}

impl Context {
    fn cargo(&self, arguments: &[&str]) -> Program {
        Program::new("cargo", arguments, &self.root)
    }
}

/// A stage: its name and what it does.
struct Stage {
    name: &'static str,
    run: fn(&mut Context) -> Outcome,
}

const STAGES: &[Stage] = &[
    Stage {
        name: "format",
        run: format,
    },
    Stage {
        name: "tidy",
        run: |_| tidy::perform(&[]).into(),
    },
    Stage {
        name: "clippy",
        run: |context| {
            context
                .cargo(&[
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--locked",
                    "--keep-going",
                    "--",
                    "-D",
                    "warnings",
                ])
                .run()
                .into()
        },
    },
    Stage {
        name: "documentation of the code",
        run: |context| {
            let program = context.cargo(&["doc", "--workspace", "--no-deps", "--locked", "--keep-going"]);
            program.variable("RUSTDOCFLAGS", "-D warnings").run().into()
        },
    },
    Stage {
        name: "tests",
        run: suite::tests,
    },
    Stage {
        name: "containers by Docker",
        run: docker::tests,
    },
    Stage {
        name: "with every feature",
        run: suite::with_features,
    },
    Stage {
        name: "examples in the documentation",
        run: suite::doctests,
    },
    Stage {
        name: "licences and sources of crates",
        run: deny,
    },
    Stage {
        name: "demo",
        run: demo::run,
    },
];

/// What one stage came to.
struct Line {
    name: &'static str,
    took: Duration,
    outcome: Outcome,
}

/// Installs what is needed, runs every stage, and prints a table of what came of it.
pub fn perform(arguments: &[String]) -> Result<(), String> {
    if let Some(unknown) = arguments.first() {
        return Err(format!("`cargo xtask test` takes no arguments, and got `{unknown}`"));
    }
    let started = Instant::now();
    let root = workspace::root();
    let build = workspace::build_folder(&root);
    println!("== what the tests need");
    let tools = install::tools(&root, &build);
    let needs = Line {
        name: "what the tests need",
        took: started.elapsed(),
        outcome: tools.told(),
    };
    let skips = skips::Skips::new(&build, tools.has.clone())?;
    let mut context = Context {
        root,
        tools,
        skips,
        counts: None,
    };
    let mut lines = vec![needs];
    for (index, stage) in STAGES.iter().enumerate() {
        println!(
            "\n== {} ({} of {}, {} s so far)",
            stage.name,
            index + 1,
            STAGES.len(),
            started.elapsed().as_secs()
        );
        let begun = Instant::now();
        let outcome = (stage.run)(&mut context);
        if let Outcome::Failed(message) = &outcome {
            println!("failed: {message}");
        }
        lines.push(Line {
            name: stage.name,
            took: begun.elapsed(),
            outcome,
        });
    }
    let left_out = context.skips.read()?;
    let skipped = [context.tools.missing.clone(), left_out.told()].concat();
    summarise(&lines, &skipped, started.elapsed());
    let failed: Vec<&str> = lines
        .iter()
        .filter(|line| matches!(line.outcome, Outcome::Failed(_)))
        .map(|line| line.name)
        .collect();
    if let Some(counts) = &context.counts {
        // In words that any reader of logs knows, and the last line when all is well.
        println!("{counts}");
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("failed: {}", failed.join(", ")))
    }
}

fn summarise(lines: &[Line], skipped: &[String], took: Duration) {
    println!("\n{:<32} {:>8}  result", "stage", "seconds");
    for line in lines {
        let (word, detail) = match &line.outcome {
            Outcome::Passed(detail) => ("passed", detail.as_str()),
            Outcome::Failed(message) => ("FAILED", message.lines().next().unwrap_or_default()),
            Outcome::Skipped(reason) => ("skipped", reason.as_str()),
        };
        let colon = if detail.is_empty() { "" } else { ": " };
        println!(
            "{:<32} {:>8.1}  {word}{colon}{detail}",
            line.name,
            line.took.as_secs_f64()
        );
    }
    println!("{:<32} {:>8.1}", "all", took.as_secs_f64());
    for reason in skipped {
        println!("skipped: {reason}");
    }
    if took > BUDGET {
        println!(
            "this took longer than the {} minutes it should take on two cores",
            BUDGET.as_secs() / 60
        );
    }
    println!();
}

fn format(context: &mut Context) -> Outcome {
    let sample = [
        "fmt",
        "--check",
        "--manifest-path",
        "examples/guestbook/service/Cargo.toml",
    ];
    let ours = context.cargo(&["fmt", "--all", "--check"]).run();
    ours.and(context.cargo(&sample).run()).into()
}

fn deny(context: &mut Context) -> Outcome {
    let Some(program) = context.tools.deny.clone() else {
        return Outcome::Skipped("cargo-deny could not be had".to_owned());
    };
    let program = program.to_string_lossy().into_owned();
    match Program::new(
        &program,
        &["--locked", "check", "licenses", "bans", "sources"],
        &context.root,
    )
    .run()
    {
        Ok(()) => {
            Outcome::Passed("without the database of advisories, which has to be fetched from elsewhere".to_owned())
        }
        Err(message) => Outcome::Failed(message),
    }
}
