//! The log of an attempt, for whoever reads it: while it is written, and afterwards.
//!
//! A log is a file of lines `MILLISECONDS o|e TEXT`: the time in Unix milliseconds, whether it was
//! said on standard output or error, and what was said. Secrets are masked already. The log is whole
//! when the attempt's outcome stands beside it.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::watch::Watch;

/// The name of the log in an attempt's folder.
pub const LOG: &str = "log";

/// The name of the outcome in an attempt's folder.
pub const OUTCOME: &str = "outcome.json";

/// Where something was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Standard output.
    Output,
    /// Standard error, and notes on the attempt.
    Error,
}

impl Channel {
    /// Its letter in a log.
    pub fn letter(self) -> char {
        match self {
            Self::Output => 'o',
            Self::Error => 'e',
        }
    }
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When it was said, in Unix milliseconds.
    pub at_ms: i64,
    /// Where it was said.
    pub channel: Channel,
    /// What was said; bytes that are no UTF-8 are replaced.
    pub text: String,
}

impl Line {
    /// Reads a line, without its line end; `None` for what is no line of a log.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut parts = bytes.splitn(3, |byte| *byte == b' ');
        let at_ms = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
        let channel = match parts.next()? {
            b"o" => Channel::Output,
            b"e" => Channel::Error,
            _ => return None,
        };
        Some(Self {
            at_ms,
            channel,
            text: String::from_utf8_lossy(parts.next()?).into_owned(),
        })
    }
}

/// The lines of a log; what is no line of a log is left out.
pub fn lines(log: &[u8]) -> impl Iterator<Item = Line> {
    log.split(|byte| *byte == b'\n').filter_map(Line::parse)
}

/// A whole log as zstd bytes, for keeping.
///
/// # Errors
/// When the file cannot be read.
pub fn compress(path: &Path) -> io::Result<Vec<u8>> {
    zstd::stream::encode_all(File::open(path)?, 3)
}

/// A log from its zstd bytes, at most `cap` bytes of it.
///
/// # Errors
/// When the bytes are not zstd's.
pub fn decompress(bytes: &[u8], cap: u64) -> io::Result<Vec<u8>> {
    let mut log = Vec::new();
    zstd::stream::Decoder::new(bytes)?.take(cap).read_to_end(&mut log)?;
    Ok(log)
}

/// Follows the log at `path`, from its beginning. To be called within a tokio runtime.
///
/// # Errors
/// When the attempt's folder is not there: the attempt was never started.
pub fn follow(path: &Path) -> io::Result<Follow> {
    follow_from(path, 0)
}

/// Follows the log at `path` from a [position](Follow::position) where an earlier reader stopped.
///
/// # Errors
/// When the attempt's folder is not there.
pub fn follow_from(path: &Path, position: u64) -> io::Result<Follow> {
    let folder = path.parent().ok_or_else(|| io::Error::other("a log has a folder"))?;
    let watch = Watch::of(&[folder])?;
    Ok(Follow {
        log: path.to_owned(),
        outcome: folder.join(OUTCOME),
        watch,
        file: None,
        position,
        read: Vec::new(),
        given: 0,
        complete: false,
    })
}

/// A log that is read while it is written. It sleeps until the kernel says that something changed.
#[derive(Debug)]
pub struct Follow {
    log: PathBuf,
    outcome: PathBuf,
    watch: Watch,
    file: Option<File>,
    /// Of the end of the last line that was given out.
    position: u64,
    /// What was read from `position` minus `given` on.
    read: Vec<u8>,
    given: usize,
    complete: bool,
}

impl Follow {
    /// The next line; `None` after the last one, once the attempt has its outcome. Cancelling the wait
    /// loses nothing. An attempt that was lost never has an outcome: whoever knows that stops asking.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            while let Some(end) = self.read[self.given..].iter().position(|byte| *byte == b'\n') {
                let line = Line::parse(&self.read[self.given..self.given + end]);
                self.given += end + 1;
                self.position += end as u64 + 1;
                if line.is_some() {
                    return Ok(line);
                }
            }
            if self.complete {
                return Ok(None);
            }
            // The outcome is looked for first: what is read after that is all there is.
            let ended = self.outcome.exists();
            if self.read_on()? == 0 {
                if ended {
                    self.complete = true;
                    continue;
                }
                self.watch.changed().await?;
            }
        }
    }

    /// Where the next line begins in the log, to go on from later.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn read_on(&mut self) -> io::Result<usize> {
        self.read.drain(..self.given);
        self.given = 0;
        let file = match &mut self.file {
            Some(file) => file,
            None => match File::open(&self.log) {
                Ok(mut file) => {
                    file.seek(SeekFrom::Start(self.position))?;
                    self.file.insert(file)
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
                Err(error) => return Err(error),
            },
        };
        let before = self.read.len();
        self.read.resize(before + 64 * 1024, 0);
        let read = file.read(&mut self.read[before..]);
        self.read.truncate(before + read.as_ref().map_or(0, |read| *read));
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_line_of_a_log_is_left_out() {
        let log = b"1700000000000 o hello world\ngarbage\n1 x no\n\n2 e \n3 o cut";
        let found: Vec<Line> = lines(log).collect();
        assert_eq!(found.len(), 3);
        assert_eq!(
            found[0],
            Line {
                at_ms: 1_700_000_000_000,
                channel: Channel::Output,
                text: "hello world".into()
            }
        );
        assert_eq!((found[1].channel, found[1].text.as_str()), (Channel::Error, ""));
    }

    #[test]
    fn a_compressed_log_comes_back_up_to_the_cap() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOG);
        std::fs::write(&path, b"1 o x\n".repeat(10_000)).unwrap();
        let small = compress(&path).unwrap();
        assert!(small.len() < 1000);
        assert_eq!(decompress(&small, u64::MAX).unwrap(), std::fs::read(&path).unwrap());
        assert_eq!(decompress(&small, 100).unwrap().len(), 100);
        assert!(decompress(b"garbage", 100).is_err());
    }
}
