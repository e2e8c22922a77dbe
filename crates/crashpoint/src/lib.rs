//! Named places at which a test can make the process die.
//!
//! A durable step calls [`reach`] before and after. Nothing happens unless the variable
//! `THROUGHLINE_CRASH` is set when the process starts:
//!
//! - `THROUGHLINE_CRASH=count:FILE` appends the name of each place reached to `FILE`, a line each.
//! - `THROUGHLINE_CRASH=N` aborts the process at the N-th place reached, as a power cut would.
//! - `THROUGHLINE_CRASH=NAME:N` aborts at the N-th time that `NAME` is reached.
//!
//! An abort runs no destructor and flushes nothing, like SIGKILL.

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

enum Mode {
    Off,
    Count(std::fs::File),
    Any(u64),
    Named(String, u64),
}

static MODE: OnceLock<Mode> = OnceLock::new();
static REACHED: AtomicU64 = AtomicU64::new(0);

fn mode() -> &'static Mode {
    MODE.get_or_init(|| match std::env::var("THROUGHLINE_CRASH") {
        Ok(text) => parse(&text),
        Err(_) => Mode::Off,
    })
}

fn parse(text: &str) -> Mode {
    if let Some(path) = text.strip_prefix("count:") {
        return match std::fs::OpenOptions::new().create(true).append(true).open(path) {
            Ok(file) => Mode::Count(file),
            Err(_) => Mode::Off,
        };
    }
    if let Ok(number) = text.parse() {
        return Mode::Any(number);
    }
    match text.rsplit_once(':').map(|(name, number)| (name, number.parse())) {
        Some((name, Ok(number))) => Mode::Named(name.to_owned(), number),
        _ => Mode::Off,
    }
}

/// Says that the place `name` is reached; dies here when a test asked for it.
pub fn reach(name: &str) {
    match mode() {
        Mode::Off => {}
        Mode::Count(file) => {
            let mut file = file;
            // One write, so that lines of several processes do not mix.
            let _ = file.write_all(format!("{name}\n").as_bytes());
        }
        Mode::Any(at) => {
            if REACHED.fetch_add(1, Ordering::SeqCst) + 1 == *at {
                die(name);
            }
        }
        Mode::Named(wanted, at) => {
            if wanted == name && REACHED.fetch_add(1, Ordering::SeqCst) + 1 == *at {
                die(name);
            }
        }
    }
}

fn die(name: &str) -> ! {
    let _ = writeln!(std::io::stderr(), "crash point {name}");
    std::process::abort()
}
