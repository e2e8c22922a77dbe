//! The engine beside others: what a step costs, durably and not, and what a server of many facts costs.
//!
//! Peers and benchmarks make a matrix. Everybody gets the same work, in one run of the bench, one after another; a peer
//! that takes long for a step gets fewer of them, and what is compared is the cost of one. What cannot be measured
//! leaves its reason.

mod alone;
mod document;
mod driver;
mod http;
mod matrix;
mod picture;
mod postgres;
mod questions;
mod server;
mod tools;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::figures::{self, cannot, load};
use document::Tables;
use matrix::{Measured, Row, Scale};

const USAGE: &str = "cargo xtask bench engine [--small] [--only BENCH|PEER]... [--rounds N] [--patience SECONDS] \
                     [--folder FOLDER] [--built FOLDER] [--write]";

/// What is asked for.
#[derive(Clone)]
struct Asked {
    scale: Scale,
    rounds: usize,
    /// For so long a peer goes on with rounds of one benchmark; at least one round is taken.
    patience: Duration,
    folder: PathBuf,
    /// Names of benchmarks and of peers; all where there are none of their kind.
    only: Vec<String>,
    /// A folder with release builds that are there already.
    built: Option<PathBuf>,
    /// The figures go into the document.
    write: bool,
}

impl Asked {
    /// The longest that one round may take.
    fn limit(&self) -> Duration {
        self.patience * 5
    }

    /// Whether a benchmark is wanted.
    fn has(&self, row: Row) -> bool {
        self.wants(row.name(), &benchmarks())
    }

    /// Whether a part is wanted that only Throughline has. Who names peers alone wants none.
    fn wants_part(&self, name: &str) -> bool {
        let all = benchmarks();
        let named = |only: &String| all.iter().any(|name| only.eq_ignore_ascii_case(name));
        self.wants(name, &all) && (self.only.is_empty() || self.only.iter().any(named))
    }

    /// Whether something is wanted of which there are these.
    fn wants(&self, name: &str, all: &[&str]) -> bool {
        let named = |name: &str| self.only.iter().any(|only| only.eq_ignore_ascii_case(name));
        named(name) || !all.iter().any(|other| named(other))
    }
}

/// The names of all benchmarks: those that are shared, and those that only Throughline has.
fn benchmarks() -> Vec<&'static str> {
    Row::ALL.into_iter().map(Row::name).chain(alone::NAMES).collect()
}

/// Runs the bench.
pub fn perform(arguments: &[String]) -> Result<(), String> {
    let asked = read(arguments)?;
    let built = match &asked.built {
        Some(built) => built.clone(),
        None => figures::built(&["throughline", "bench"])?,
    };
    std::fs::create_dir_all(&asked.folder).map_err(|error| cannot(&asked.folder, &error))?;
    let (before, begun) = (load(), Instant::now());
    let all = peers(&built.join("throughline"), &asked)?;
    let rows: Vec<Row> = Row::ALL.into_iter().filter(|row| asked.has(*row)).collect();
    let alone = alone::measure(&built, &asked, &all);
    let tables = Tables {
        about: document::about(&asked, [&before, &load()], begun.elapsed())?,
        shared: format!("{}\n{}", document::goals(&all), document::matrix(&all, &rows)),
        alone,
    };
    println!("\n{}", document::joined(&tables));
    if asked.write {
        document::write(&tables, &all)?;
    }
    Ok(())
}

/// All peers that are wanted, measured one after another.
fn peers(program: &Path, asked: &Asked) -> Result<Vec<Measured>, String> {
    let laptop = super::tools::all(program, &asked.folder);
    let driven = driver::all();
    let mut names = vec![server::OURS];
    names.extend(laptop.iter().map(tools::name_of));
    names.extend(driven.iter().map(driver::Driven::name));
    if let Some(unknown) = asked.only.iter().find(|only| {
        let mut known = names.iter().copied().chain(benchmarks());
        !known.any(|name| only.eq_ignore_ascii_case(name))
    }) {
        let rows = benchmarks().join(", ");
        return Err(format!(
            "there is no benchmark or peer `{unknown}`\nbenchmarks: {rows}\npeers: {}",
            names.join(", ")
        ));
    }
    let mut all = Vec::new();
    if !Row::ALL.into_iter().any(|row| asked.has(row)) {
        return Ok(all);
    }
    if asked.wants(server::OURS, &names) {
        all.push(server::measure(program, asked));
    }
    for peer in laptop.iter().filter(|peer| asked.wants(tools::name_of(peer), &names)) {
        all.push(tools::measure(peer, asked));
    }
    for peer in driven {
        if asked.wants(peer.name(), &names) {
            println!("{}", peer.name());
            all.push(peer.measure(asked));
        }
    }
    Ok(all)
}

/// What a program says at `--version`: the number in it.
fn version_of(program: &Path) -> Result<String, String> {
    let said = crate::command::Program::new(&program.to_string_lossy(), &["--version"], Path::new("/")).output()?;
    let found = said
        .split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    Ok(found.unwrap_or_default().to_owned())
}

fn read(arguments: &[String]) -> Result<Asked, String> {
    let mut asked = Asked {
        scale: Scale::full(),
        rounds: 3,
        patience: Duration::from_secs(25),
        folder: std::env::temp_dir().join("throughline-bench-engine"),
        only: Vec::new(),
        built: None,
        write: false,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--write" => {
                asked.write = true;
                continue;
            }
            "--small" => {
                asked.scale = Scale::small();
                (asked.rounds, asked.patience) = (1, Duration::from_secs(5));
                continue;
            }
            _ => {}
        }
        let value = rest
            .next()
            .ok_or_else(|| format!("`{argument}` needs a value\nusage: {USAGE}"))?;
        let number = || {
            let number = value.parse::<usize>().ok().filter(|number| *number > 0);
            number.ok_or_else(|| format!("`{value}` is no number above 0\nusage: {USAGE}"))
        };
        match argument.as_str() {
            "--rounds" => asked.rounds = number()?,
            "--patience" => asked.patience = Duration::from_secs(number()? as u64),
            "--folder" => asked.folder = PathBuf::from(value),
            "--built" => asked.built = Some(PathBuf::from(value)),
            "--only" => asked.only.push(value.clone()),
            option => return Err(format!("there is no `{option}`\nusage: {USAGE}")),
        }
    }
    Ok(asked)
}
