//! What several benches need for their figures: the program that is measured, times, and the load beside them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::command::Program;
use crate::workspace;

/// The folder with the release builds of these packages of this very tree.
pub fn built(packages: &[&str]) -> Result<PathBuf, String> {
    let root = workspace::root();
    let mut arguments = vec!["build", "--release", "--locked"];
    for package in packages {
        arguments.extend(["--package", package]);
    }
    Program::new("cargo", &arguments, &root).run()?;
    Ok(workspace::build_folder(&root).join("release"))
}

/// How many processes wanted a processor in the last minute, as the system says it.
pub fn load() -> String {
    let said = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    said.split(' ').next().unwrap_or_default().to_owned()
}

/// A time in milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// The time in the middle; of an even number, the later of both.
pub fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// What is said of a file or folder that cannot be written.
pub fn cannot(path: &Path, error: &std::io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}
