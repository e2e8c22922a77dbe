//! What a command says: data to standard output, talk to standard error.

use std::io::{self, Write};

use facts::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::show::paint::{Tone, paint};

/// Where text goes, and whether colours may go there.
pub struct Stream {
    writer: Box<dyn Write>,
    colour: bool,
}

impl Stream {
    /// A stream over `writer`.
    pub fn new(writer: Box<dyn Write>, colour: bool) -> Self {
        Self { writer, colour }
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        if self.colour {
            self.writer.write_all(text.as_bytes())
        } else {
            // In one piece: standard error is not buffered.
            let plain = anstream::adapter::strip_str(text).to_string();
            self.writer.write_all(plain.as_bytes())
        }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("colour", &self.colour)
            .finish_non_exhaustive()
    }
}

/// What one needs to know to show something: plain values.
#[derive(Debug, Clone)]
pub struct Sight {
    /// The time that "ago" is counted from.
    pub now: Timestamp,
    /// The zone in which times of the day are told.
    pub zone: TimeZone,
    /// How many columns there are; `None` where nothing is cut.
    pub width: Option<usize>,
}

/// Prints for one command.
#[derive(Debug)]
pub struct Printer {
    data: Stream,
    talk: Stream,
    /// How things are seen.
    pub sight: Sight,
}

impl Printer {
    /// A printer to the two streams.
    pub const fn new(data: Stream, talk: Stream, sight: Sight) -> Self {
        Self { data, talk, sight }
    }

    /// Prints data. Its line ends are its own.
    ///
    /// # Errors
    /// When the output cannot be written; quietly where the reader has gone, as with `| head`.
    pub fn data(&mut self, text: &str) -> Result<(), Failure> {
        self.data
            .write(text)
            .and_then(|()| self.data.writer.flush())
            .map_err(unwritten)
    }

    /// Prints bytes as they are.
    ///
    /// # Errors
    /// As [`data`](Self::data).
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.data
            .writer
            .write_all(bytes)
            .and_then(|()| self.data.writer.flush())
            .map_err(unwritten)
    }

    /// Prints a document of `--json`.
    ///
    /// # Errors
    /// As [`data`](Self::data).
    pub fn document(&mut self, document: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(document)
            .map_err(|error| Failure::new(Exit::Failed, format!("cannot write the document: {error}")))?;
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Prints one line of a stream of documents.
    ///
    /// # Errors
    /// As [`data`](Self::data).
    pub fn document_line(&mut self, document: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(document)
            .map_err(|error| Failure::new(Exit::Failed, format!("cannot write the document: {error}")))?;
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Says a line that is no data. When nobody listens, nothing is lost.
    pub fn say(&mut self, line: &str) {
        self.prompt(&format!("{line}\n"));
    }

    /// Says something without a line end, such as a question.
    pub fn prompt(&mut self, text: &str) {
        let _ = self.talk.write(text).and_then(|()| self.talk.writer.flush());
    }

    /// Steers the terminal on standard error, whether or not colours go there: the cursor moves where
    /// colours are unwanted too.
    pub fn steer(&mut self, sequence: &str) {
        let _ = self.talk.writer.write_all(sequence.as_bytes());
    }

    /// Says that something needs attention.
    pub fn warn(&mut self, line: &str) {
        let warning = paint(Tone::Waiting, "warning:");
        self.say(&format!("{warning} {line}"));
    }

    /// Says what to do next.
    pub fn hint(&mut self, line: &str) {
        let hint = paint(Tone::Busy, "hint:");
        self.say(&format!("{hint} {line}"));
    }

    /// Says why the command failed.
    pub fn failure(&mut self, failure: &Failure) {
        if !failure.message.is_empty() {
            let error = paint(Tone::Bad, "error:");
            self.say(&format!("{error} {}", failure.message));
        }
        for hint in &failure.hints {
            self.hint(hint);
        }
    }
}

fn unwritten(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Failure::told(Exit::Done)
    } else {
        Failure::new(Exit::Failed, format!("cannot write to standard output: {error}"))
    }
}
