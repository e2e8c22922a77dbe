//! The project's own chores, as `cargo xtask COMMAND`.
//!
//! - [`mod@test`]: everything that is checked, once, in one command.
//! - [`tidy`]: what no compiler checks: borders between crates, words, documents that must not lie.
//! - [`soak`]: what takes too long for every change.
//! - [`fuzz`]: what no bytes may do to their readers, searched for.
//! - [`mutants`]: whether the tests notice when a decision is wrong.
//! - [`mod@bench`]: how fast something is, beside what a user would take instead.
//! - [`dist`]: what is given to others: archives, built and tried.
//! - [`generate`]: writes the documents that are made from the code.
//!
//! Nothing here is part of the product, and nothing of the product is used here.

mod bench;
mod command;
mod dist;
mod document;
mod fuzz;
mod generate;
mod lock;
mod mutants;
mod rust;
mod soak;
mod test;
mod tidy;
mod tree;
mod workspace;

use std::process::ExitCode;

/// A command: its name, what it is for, and what it does.
struct Command {
    name: &'static str,
    about: &'static str,
    perform: fn(&[String]) -> Result<(), String>,
}

/// Every command there is. Tidy reads the names here when documents mention one.
const COMMANDS: &[Command] = &[
    Command {
        name: "test",
        about: "install what the tests need, run everything, and say what was skipped",
        perform: test::perform,
    },
    Command {
        name: "tidy",
        about: "check what no compiler checks; alone, it takes a second",
        perform: tidy::perform,
    },
    Command {
        name: "soak",
        about: "kills at random, crash points, seeds and steady load for an hour, or for `--minutes N`",
        perform: soak::perform,
    },
    Command {
        name: "fuzz",
        about: "readers of foreign bytes under a search guided by what was reached; takes `--seconds N` and `--target NAME`",
        perform: fuzz::perform,
    },
    Command {
        name: "mutants",
        about: "the decisions with one thing wrong at a time; takes `--package NAME` and `--shard K/N`",
        perform: mutants::perform,
    },
    Command {
        name: "bench",
        about: "how fast something is, beside what a user would take instead; takes its name",
        perform: bench::perform,
    },
    Command {
        name: "dist",
        about: "build what is given to others: archives with every feature and with none, and checksums",
        perform: dist::perform,
    },
    Command {
        name: "generate",
        about: "write the documents that are made from the code",
        perform: generate::perform,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = arguments.first().map(String::as_str).unwrap_or("help");
    if matches!(name, "help" | "--help" | "-h") {
        print_help();
        return ExitCode::SUCCESS;
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("error: there is no command `{name}`\nhint: `cargo xtask help` lists them");
        return ExitCode::from(2);
    };
    match (command.perform)(&arguments[1..]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn print_help() {
    println!("The project's own chores.\n\nUsage: cargo xtask COMMAND\n\nCommands:");
    for command in COMMANDS {
        println!("  {:<10} {}", command.name, command.about);
    }
}
