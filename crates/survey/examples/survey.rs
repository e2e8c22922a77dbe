//! Surveys a repository and prints its evidence as JSON; says on stderr how long each phase took, and how much
//! memory there was at most. The bench runs it.
//!
//! `survey PATH [--at DATE] [--months N] [--quiet]`

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use survey::{AsOf, Options, Phase, Progress};

struct Phases {
    start: Instant,
    ended: Mutex<Vec<(Phase, u64, Duration)>>,
}

impl Progress for Phases {
    fn at(&self, phase: Phase, done: u64, total: Option<u64>) {
        if total == Some(done) {
            self.ended.lock().unwrap().push((phase, done, self.start.elapsed()));
        }
    }
}

fn main() -> ExitCode {
    let mut path = PathBuf::from(".");
    let (mut at, mut months, mut quiet) = (None, 0, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--at" => at = arguments.next().and_then(|date| date.parse::<jiff::civil::Date>().ok()),
            "--months" => months = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(0),
            "--quiet" => quiet = true,
            _ => path = PathBuf::from(argument),
        }
    }
    #[expect(clippy::disallowed_methods, reason = "the moment is now; nothing is decided by it")]
    let now = jiff::Timestamp::now();
    let as_of = at.map_or(AsOf::Now(now), AsOf::EndOf);
    let options = Options {
        as_of,
        ..Options::now(now)
    };
    let phases = Phases {
        start: Instant::now(),
        ended: Mutex::new(Vec::new()),
    };
    let result = if months > 0 {
        let last = as_of.timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
        let moments: Vec<AsOf> = (0..months)
            .rev()
            .map(|back: i64| AsOf::EndOf(last.saturating_sub(jiff::Span::new().days(30 * back))))
            .collect();
        survey::timeline(&path, &options, &moments, &phases)
    } else {
        survey::survey(&path, &options, &phases).map(|survey| vec![survey])
    };
    let surveys = match result {
        Ok(surveys) => surveys,
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            return ExitCode::FAILURE;
        }
    };
    let total = phases.start.elapsed();
    for (phase, done, at) in phases.ended.into_inner().unwrap() {
        eprintln!("{phase:?}: {done} at {:.3} s", at.as_secs_f64());
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or("?");
    eprintln!("all: {:.3} s, at most {} of memory", total.as_secs_f64(), peak.trim());
    if !quiet {
        for survey in &surveys {
            println!("{}", serde_json::to_string_pretty(&survey.repository).unwrap());
        }
    }
    ExitCode::SUCCESS
}
