//! Named places at which a test can make the process die.
//!
//! A durable step calls [`reach`] before and after. Nothing happens unless the variable
//! `THROUGHLINE_CRASH` is set when the process starts:
//!
//! - `THROUGHLINE_CRASH=count:FILE` appends the name of each place reached to `FILE`, a line each;
//!   `{pid}` in `FILE` stands for the number of the process.
//! - `THROUGHLINE_CRASH=N` aborts the process at the N-th place reached, as a power cut would.
//! - `THROUGHLINE_CRASH=NAME:N` aborts at the N-th time that `NAME` is reached.
//! - `THROUGHLINE_CRASH=NAME:N@FILE` does so in one process alone, where the variable is handed on:
//!   in the one that is able to create `FILE`.
//!
//! An abort runs no destructor and flushes nothing, like SIGKILL.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

enum Mode {
    Off,
    Count(std::fs::File),
    Any(u64),
    Named {
        name: String,
        at: u64,
        once: Option<PathBuf>,
    },
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
        let path = path.replace("{pid}", &std::process::id().to_string());
        return match std::fs::OpenOptions::new().create(true).append(true).open(path) {
            Ok(file) => Mode::Count(file),
            Err(_) => Mode::Off,
        };
    }
    if let Ok(number) = text.parse() {
        return Mode::Any(number);
    }
    let (place, once) = match text.split_once('@') {
        Some((place, file)) => (place, Some(PathBuf::from(file))),
        None => (text, None),
    };
    match place.rsplit_once(':').map(|(name, number)| (name, number.parse())) {
        Some((name, Ok(at))) => Mode::Named {
            name: name.to_owned(),
            at,
            once,
        },
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
        Mode::Named { name: wanted, at, once } => {
            if wanted == name && REACHED.fetch_add(1, Ordering::SeqCst) + 1 == *at {
                let mine = once.as_ref().is_none_or(|file| {
                    std::fs::OpenOptions::new()
                        .write(true)
                        .create_new(true)
                        .open(file)
                        .is_ok()
                });
                if mine {
                    die(name);
                }
            }
        }
    }
}

fn die(name: &str) -> ! {
    let _ = writeln!(std::io::stderr(), "crash point {name}");
    std::process::abort()
}
