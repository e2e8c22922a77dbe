//! `throughline`: collects what is around the call and hands it to the library.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use facts::{SystemClock, SystemEntropy};
use jiff::tz::TimeZone;
use mimalloc::MiMalloc;
use throughline::World;

/// Many small texts live on several threads while a run goes on.
#[global_allocator]
static MEMORY: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let columns = rustix::termios::tcgetwinsize(&stdout)
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0);
    let variables: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let ask = stdin.is_terminal().then_some(throughline::read_hidden as fn() -> _);
    let terminals = (stdout.is_terminal(), stderr.is_terminal());
    let world = World {
        arguments: std::env::args_os().collect(),
        folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
        input: Box::new(stdin),
        ask,
        output: (Box::new(stdout), terminals.0),
        talk: (Box::new(stderr), terminals.1),
        columns,
        screen: terminals.1.then_some(screen),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        zone: TimeZone::system(),
        variables,
    };
    throughline::run(world).into()
}

/// The size of the terminal on standard error; a usual one where it does not say.
fn screen() -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(io::stderr())
        .ok()
        .filter(|size| size.ws_col > 0 && size.ws_row > 0);
    size.map_or((80, 24), |size| (usize::from(size.ws_col), usize::from(size.ws_row)))
}
