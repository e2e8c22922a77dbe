//! `throughline logs`.

mod silence;

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

use facts::RunId;
use serde::Serialize;

use crate::cli::LogsArgs;
use crate::client::{Address, Client, events};
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::show::paint::{clean, width};
use crate::show::run::LogLine;
use crate::wire::{Run, StepLine};

use self::silence::Silence;

/// The longest line that is shown whole, in bytes.
const LONGEST_LINE: usize = 1 << 20;

/// A line as a document.
#[derive(Debug, Serialize)]
struct LineDocument<'a> {
    schema: &'static str,
    step: &'a str,
    at: Option<String>,
    stream: &'static str,
    text: &'a str,
}

/// How lines are printed.
struct Lines<'a> {
    printer: &'a mut Printer,
    /// Whether the step stands before each line, and how wide the longest name is.
    steps: Option<usize>,
    times: bool,
    json: bool,
}

impl Lines<'_> {
    fn print(&mut self, step: &str, line: &str) -> Result<(), Failure> {
        let parsed = LogLine::parse(line);
        if self.json {
            return self.printer.document_line(&LineDocument {
                schema: "log-line/1",
                step,
                at: parsed.at.map(|at| at.to_string()),
                stream: if parsed.is_error { "stderr" } else { "stdout" },
                text: parsed.text,
            });
        }
        let name = clean(step);
        let text = parsed.show(
            self.steps.map(|width| (name.as_str(), width)),
            self.times,
            &self.printer.sight,
        );
        self.printer.data(&text)
    }
}

/// Prints what steps said. `on_terminal` is whether a person looks at standard error.
pub(super) fn logs(
    args: &LogsArgs,
    on_terminal: bool,
    session: &Session,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let run = session.run(&args.run)?;
    let mut lines = Lines {
        printer,
        steps: None,
        times: args.times,
        json: args.json,
    };
    if let (Some(step), true) = (&args.step, args.follow) {
        let address = log_address(run, step, args.attempt, true);
        return follow_one(session, run, step, address, Silence::new(on_terminal), &mut lines);
    }
    if let Some(step) = &args.step {
        let address = log_address(run, step, args.attempt, false);
        return read(&session.client, &address, |line| lines.print(step, line));
    }
    let document = run_of(&session.client, run)?;
    lines.steps = Some(document.steps.iter().map(|step| width(&step.name)).max().unwrap_or(0));
    if args.follow {
        return follow(session, run, Silence::new(on_terminal), &mut lines);
    }
    for step in document.steps.iter().filter(|step| !step.attempts.is_empty()) {
        let address = log_address(run, &step.name, None, false);
        read(&session.client, &address, |line| lines.print(&step.name, line))?;
    }
    Ok(())
}

fn run_of(client: &Client, run: RunId) -> Result<Run, Failure> {
    Ok(client.get::<Run>(&Address::of(&["runs", &run.to_string()]))?.document)
}

fn log_address(run: RunId, step: &str, attempt: Option<u32>, follow: bool) -> Address {
    Address::of(&["runs", &run.to_string(), "steps", step, "log"])
        .with("attempt", attempt)
        .with("follow", follow.then_some(true))
}

/// Reads a log line by line as it comes.
fn read(client: &Client, address: &Address, mut each: impl FnMut(&str) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut reader = client.stream(address)?;
    let mut line = Vec::new();
    loop {
        line.clear();
        match std::io::Read::take(&mut reader, LONGEST_LINE as u64).read_until(b'\n', &mut line) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => {
                return Err(
                    Failure::new(crate::Exit::NotReachable, format!("the log broke off: {error}"))
                        .hint("the step goes on; ask for its log again"),
                );
            }
        }
        let text = String::from_utf8_lossy(&line);
        each(text.strip_suffix('\n').unwrap_or(&text))?;
    }
}

/// What the threads of a followed run tell.
enum Told {
    /// Something happened on the server.
    Happened,
    /// A line of a step.
    Line(String, String),
    /// A step's log has come to its end.
    Ended(Result<(), Failure>),
    /// No more events come.
    Deaf(Result<(), Failure>),
}

/// The next message; meanwhile the terminal is told of what says nothing. `None` when no more come.
fn next(told: &Receiver<Told>, silence: &mut Silence, session: &Session, lines: &mut Lines<'_>) -> Option<Told> {
    loop {
        let message = match silence.patience() {
            None => told.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(patience) => told.recv_timeout(patience),
        };
        match message {
            Ok(message) => return Some(message),
            Err(RecvTimeoutError::Timeout) => silence.tell(session.now(), lines.printer),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// Prints the log of one step as it is written, until it ends.
fn follow_one(
    session: &Session,
    run: RunId,
    step: &str,
    address: Address,
    mut silence: Silence,
    lines: &mut Lines<'_>,
) -> Result<(), Failure> {
    let document = run_of(&session.client, run)?;
    let this: Vec<StepLine> = document.steps.into_iter().filter(|each| each.name == step).collect();
    silence.look(&this, lines.printer);
    let (tell, told) = channel();
    let (client, name) = (session.client.clone(), step.to_owned());
    std::thread::spawn(move || {
        let read = read(&client, &address, |line| {
            let _ = tell.send(Told::Line(name.clone(), line.to_owned()));
            Ok(())
        });
        let _ = tell.send(Told::Ended(read));
    });
    while let Some(message) = next(&told, &mut silence, session, lines) {
        match message {
            Told::Line(step, line) => {
                silence.heard(&step, lines.printer);
                lines.print(&step, &line)?;
            }
            Told::Ended(result) => {
                silence.clear(lines.printer);
                return result;
            }
            Told::Happened | Told::Deaf(_) => {}
        }
    }
    Ok(())
}

/// Prints the logs of all steps as they are written, until the run has ended.
fn follow(session: &Session, run: RunId, mut silence: Silence, lines: &mut Lines<'_>) -> Result<(), Failure> {
    let client = &session.client;
    let (tell, told) = channel();
    let ears = (client.clone(), tell.clone());
    std::thread::spawn(move || {
        let (client, tell) = ears;
        let name = run.to_string();
        // The first call, without data, asks for a first look.
        let heard = events::follow(&client, |data| {
            let concerns = data.is_empty() || data.contains(&name);
            !concerns || tell.send(Told::Happened).is_ok()
        });
        let _ = tell.send(Told::Deaf(heard));
    });
    // The last attempt of each step whose log is or was read.
    let mut begun: BTreeMap<String, u32> = BTreeMap::new();
    let (mut reading, mut finished) = (0_usize, false);
    while let Some(message) = next(&told, &mut silence, session, lines) {
        match message {
            Told::Line(step, line) => {
                silence.heard(&step, lines.printer);
                lines.print(&step, &line)?;
                continue;
            }
            Told::Ended(result) => {
                reading -= 1;
                result?;
            }
            Told::Deaf(heard) => {
                heard?;
                let failure = Failure::new(crate::Exit::NotReachable, "the server has gone");
                return Err(failure.hint("running steps go on; follow again when it is back"));
            }
            Told::Happened if finished => {}
            Told::Happened => {
                let document = run_of(client, run)?;
                finished = document.run.state == "finished";
                silence.look(&document.steps, lines.printer);
                for step in &document.steps {
                    reading += begin(client, run, step, &mut begun, &tell);
                }
            }
        }
        if finished && reading == 0 {
            return Ok(());
        }
    }
    Ok(())
}

/// Begins to read the attempts of a step that are new; says how many.
fn begin(
    client: &Client,
    run: RunId,
    step: &StepLine,
    begun: &mut BTreeMap<String, u32>,
    tell: &Sender<Told>,
) -> usize {
    let last = begun.get(&step.name).copied().unwrap_or(0);
    let fresh: Vec<u32> = step
        .attempts
        .iter()
        .map(|attempt| attempt.attempt)
        .filter(|attempt| *attempt > last)
        .collect();
    for attempt in &fresh {
        begun.insert(step.name.clone(), *attempt);
        let address = log_address(run, &step.name, Some(*attempt), true);
        let (client, tell, name) = (client.clone(), tell.clone(), step.name.clone());
        std::thread::spawn(move || {
            let read = read(&client, &address, |line| {
                // Where nobody listens any more, the program is ending.
                let _ = tell.send(Told::Line(name.clone(), line.to_owned()));
                Ok(())
            });
            let _ = tell.send(Told::Ended(read));
        });
    }
    fresh.len()
}
