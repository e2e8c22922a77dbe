//! A short command: input in, output out, within a time.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use crate::child::{Ending, Usage};
use crate::spawn::{SpawnError, spawn};
use crate::spec::{Channel, Spec};

/// What a short command gave.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended.
    pub ending: Ending,
    /// Its standard output, at most as much as was asked for.
    pub stdout: Vec<u8>,
    /// Its standard error, at most as much as was asked for.
    pub stderr: Vec<u8>,
    /// Whether one of the two was longer.
    pub truncated: bool,
    /// What it used.
    pub usage: Usage,
}

impl Output {
    /// Exit code 0.
    pub fn is_success(&self) -> bool {
        self.ending.is_success()
    }

    /// Standard output as text.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.stdout)
    }

    /// Standard error as text, without the line end.
    pub fn complaint(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim_end().to_owned()
    }
}

/// A short command that gave no output.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// It took too long and was killed with everything that it started.
    #[error("`{program}` took longer than {} s and was stopped", .after.as_secs_f32())]
    TimedOut {
        /// The program.
        program: String,
        /// The time that it had.
        after: Duration,
    },
    /// Its streams could not be read.
    #[error("cannot talk to `{program}`")]
    Stream {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
}

/// Reads to the end, keeping the first `cap` bytes, so that the writer never blocks.
async fn read_capped(stream: Option<impl AsyncRead + Unpin>, cap: usize) -> io::Result<(Vec<u8>, bool)> {
    let Some(mut stream) = stream else {
        return Ok((Vec::new(), false));
    };
    let mut kept = Vec::new();
    let mut truncated = false;
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            return Ok((kept, truncated));
        }
        let room = cap - kept.len();
        truncated |= read > room;
        kept.extend_from_slice(&chunk[..read.min(room)]);
    }
}

/// Runs a short command with `input` on its standard input; its output and its complaints are kept up
/// to `output_cap` bytes each. What is left of its process group is killed at its end; its whole tree
/// is killed at its deadline, and when the caller stops waiting.
///
/// # Errors
/// When it cannot be started, does not end in time, or its streams break. An exit code other than 0
/// is no error here.
pub async fn run(spec: Spec, input: &[u8], timeout: Duration, output_cap: usize) -> Result<Output, RunError> {
    let program = spec.program.to_string_lossy().into_owned();
    let stdin = if input.is_empty() { Channel::Null } else { Channel::Pipe };
    let mut child = spawn(spec.stdin(stdin).stdout(Channel::Pipe).stderr(Channel::Pipe))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            match stdin.write_all(input).await {
                // A command need not read all of its input.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
                _ => {}
            }
        }
        Ok(())
    };
    let finished = tokio::time::timeout(timeout, async {
        // The end comes before the streams': what is left in the group would hold those open.
        let end = child.wait_and_clear_group();
        let ((), out, err, exit) = tokio::try_join!(
            feed,
            read_capped(stdout, output_cap),
            read_capped(stderr, output_cap),
            end
        )?;
        Ok((exit, out, err))
    })
    .await;
    match finished {
        Ok(Ok((exit, (stdout, cut_out), (stderr, cut_err)))) => Ok(Output {
            ending: exit.ending,
            stdout,
            stderr,
            truncated: cut_out || cut_err,
            usage: exit.usage,
        }),
        Ok(Err(source)) => Err(RunError::Stream { program, source }),
        Err(_) => Err(RunError::TimedOut {
            program,
            after: timeout,
        }),
    }
}
