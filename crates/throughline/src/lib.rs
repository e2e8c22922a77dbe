//! The command line of Throughline.
//!
//! A call goes through layers: the clap types ([`cli`]) become settings with their sources
//! ([`settings`]), those become plain values, and one function a command ([`commands`]) takes these and a
//! [`printer`]. What is printed is made by [`show`] from the documents of the wire. Nothing below
//! [`World`] reads an environment variable, looks at a terminal or asks for the time by itself.

pub mod cli;
pub mod client;
pub mod commands;
pub mod docs;
pub mod exit;
pub mod failure;
mod git;
mod house;
pub mod printer;
pub mod session;
pub mod settings;
mod sharing;
pub mod show;
mod terminal;
mod tools;
mod version;

pub use exit::Exit;
pub use server::wire;
pub use terminal::read_hidden;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::FromArgMatches as _;
use facts::{Clock, Entropy};
use jiff::tz::TimeZone;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::printer::{Printer, Sight, Stream};
use crate::settings::Layers;
use crate::settings::value::ColorChoice;

/// Everything around a call that it may look at or write to.
pub struct World {
    /// The arguments, the program's name first.
    pub arguments: Vec<OsString>,
    /// The environment variables.
    pub variables: BTreeMap<String, String>,
    /// The current folder.
    pub folder: PathBuf,
    /// Standard input.
    pub input: Box<dyn Read>,
    /// Asks a person for something that is not shown; `None` where standard input is no terminal.
    pub ask: Option<fn() -> Result<String, Failure>>,
    /// Standard output, and whether it is a terminal.
    pub output: (Box<dyn Write>, bool),
    /// Standard error, and whether it is a terminal.
    pub talk: (Box<dyn Write>, bool),
    /// How many columns the terminal has.
    pub columns: Option<usize>,
    /// The columns and rows of the terminal on standard error, as they are now; `None` where it is none.
    pub screen: Option<fn() -> (usize, usize)>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub entropy: Arc<dyn Entropy>,
    /// The zone in which times of the day are told.
    pub zone: TimeZone,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// Runs one call of the program.
pub fn run(world: World) -> Exit {
    let World {
        arguments,
        variables,
        folder,
        input,
        ask,
        output,
        talk,
        columns,
        screen,
        clock,
        entropy,
        zone,
    } = world;
    let sight = Sight {
        now: clock.now(),
        zone,
        width: columns.filter(|_| output.1),
    };
    let printer_of = |choice: ColorChoice, output: Box<dyn Write>, talk: Box<dyn Write>, terminals: (bool, bool)| {
        let colour = |terminal: bool| match choice {
            ColorChoice::Auto => terminal,
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        };
        Printer::new(
            Stream::new(output, colour(terminals.0)),
            Stream::new(talk, colour(terminals.1)),
            sight.clone(),
        )
    };
    let terminals = (output.1, talk.1);

    let parsed = Cli::grouped()
        .try_get_matches_from(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            let plain = variables.get("NO_COLOR").is_some_and(|value| !value.is_empty());
            let choice = if plain { ColorChoice::Never } else { ColorChoice::Auto };
            return misused(&error, &mut printer_of(choice, output.0, talk.0, terminals));
        }
    };
    let layers = match Layers::read(cli.flags(), variables.clone(), &folder) {
        Ok(layers) => layers,
        Err(failure) => {
            printer_of(ColorChoice::Auto, output.0, talk.0, terminals).failure(&failure);
            return failure.exit;
        }
    };
    let (choice, wrong) = match layers.colours() {
        Ok(choice) => (choice, None),
        Err(failure) => (ColorChoice::Auto, Some(failure)),
    };
    let mut printer = printer_of(choice, output.0, talk.0, terminals);
    let mut around = commands::Around {
        layers,
        variables,
        folder,
        input,
        ask,
        screen,
        clock,
        entropy,
    };
    let result = wrong
        .map_or(Ok(()), Err)
        .and_then(|()| commands::run(cli.command, &mut around, &mut printer));
    match result {
        Ok(()) => Exit::Done,
        Err(failure) => {
            printer.failure(&failure);
            failure.exit
        }
    }
}

/// Help and version go to standard output, misuse to standard error.
fn misused(error: &clap::Error, printer: &mut Printer) -> Exit {
    // Every program of this house calls it a hint.
    let text = error.render().ansi().to_string().replacen("tip:", "hint:", 1);
    if error.use_stderr() {
        printer.prompt(&text);
        Exit::Usage
    } else {
        match printer.data(&text) {
            Ok(()) => Exit::Done,
            Err(failure) => failure.exit,
        }
    }
}
