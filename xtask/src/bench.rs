//! `cargo xtask bench`: how fast something is, beside what a user would take instead, in one run.

mod assess;
mod engine;
mod figures;
mod generated;
mod laptop;
mod projects;
mod tools;

/// A bench: its name, what it compares, and how it is run.
struct Bench {
    name: &'static str,
    about: &'static str,
    perform: fn(&[String]) -> Result<(), String>,
}

const BENCHES: &[Bench] = &[
    Bench {
        name: "assess",
        about: "the survey of a repository beside `git log` for the same information",
        perform: assess::perform,
    },
    Bench {
        name: "engine",
        about: "what a step costs beside ninja, DBOS, Restate, Airflow and others, and a server with many facts",
        perform: engine::perform,
    },
    Bench {
        name: "laptop",
        about: "`run` beside make, ninja, Turborepo and Nx, `check`, and the start of a command",
        perform: laptop::perform,
    },
];

/// Runs the bench that is named.
pub fn perform(arguments: &[String]) -> Result<(), String> {
    let named = arguments.first().map(String::as_str).unwrap_or_default();
    if let Some(bench) = BENCHES.iter().find(|bench| bench.name == named) {
        return (bench.perform)(&arguments[1..]);
    }
    let known: Vec<String> = BENCHES
        .iter()
        .map(|bench| format!("  {:<10} {}", bench.name, bench.about))
        .collect();
    Err(format!("name a bench:\n{}", known.join("\n")))
}
