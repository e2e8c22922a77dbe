//! The log of an attempt: where it lies, how lines are written, how it is handed in.
//!
//! A log file has one line for each line of output: `<unix milliseconds> <o|e> text`, `o` for what
//! goes to standard output and `e` for what goes to standard error. Losing the end of a log is
//! allowed, losing an outcome is not: nothing here fails a step.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use facts::{Clock, Digest, RunId, StepName};

/// Keeps finished logs.
#[async_trait]
pub trait LogStore: Send + Sync {
    /// Keeps a compressed copy of the log at `path` and says under which digest.
    ///
    /// # Errors
    /// When it cannot be kept; the outcome is then recorded without a log.
    async fn keep(&self, path: &Path) -> std::io::Result<Digest>;
}

/// The folder of one attempt below the folder of all runs: `RUN/attempts/STEP-ATTEMPT`.
pub fn attempt_folder(runs: &Path, run: RunId, step: &StepName, attempt: u32) -> PathBuf {
    runs.join(run.to_string())
        .join("attempts")
        .join(format!("{step}-{attempt}"))
}

/// The log file of one attempt: `log` in [`attempt_folder`].
pub fn log_path(runs: &Path, run: RunId, step: &StepName, attempt: u32) -> PathBuf {
    attempt_folder(runs, run, step, attempt).join("log")
}

/// Writes lines to the log of one attempt. Clones write to the same file.
#[derive(Clone)]
pub struct LogSink {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    file: Mutex<Option<File>>,
}

impl fmt::Debug for LogSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogSink").field(&self.inner.path).finish()
    }
}

impl LogSink {
    /// A sink that appends to the file at `path`. File and folder are made with the first line.
    pub fn new(path: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: Arc::new(Inner {
                path,
                clock,
                file: Mutex::new(None),
            }),
        }
    }

    /// The file it writes to; an action may let its processes write there instead.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Writes `text` as what the step says; each of its lines becomes a line.
    pub fn out(&self, text: &str) {
        self.write('o', text);
    }

    /// Writes `text` as what went wrong; each of its lines becomes a line.
    pub fn err(&self, text: &str) {
        self.write('e', text);
    }

    fn write(&self, channel: char, text: &str) {
        let at = self.inner.clock.now().as_millisecond();
        let mut lines = String::with_capacity(text.len() + 20);
        for line in text.lines() {
            lines.push_str(&format!("{at} {channel} {line}\n"));
        }
        let mut file = self.inner.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_none() {
            if let Some(folder) = self.inner.path.parent() {
                let _ = std::fs::create_dir_all(folder);
            }
            *file = OpenOptions::new().create(true).append(true).open(&self.inner.path).ok();
        }
        if let Some(file) = file.as_mut() {
            let _ = file.write_all(lines.as_bytes());
        }
    }
}
