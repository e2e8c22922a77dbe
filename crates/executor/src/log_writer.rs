//! Writing the log of an attempt: masked, in lines, within its budget.

use std::fs::File;
use std::io::{self, Write as _};

use facts::{Clock, SystemClock};
use process::mask::{Masker, Secrets};

use crate::logs::Channel;

/// A longer line is broken into several.
const LONGEST_LINE: usize = 16 * 1024;

struct Stream {
    masker: Masker,
    /// The line that has not ended yet, masked.
    line: Vec<u8>,
}

/// The log of one attempt while it is written.
pub(crate) struct LogWriter {
    file: File,
    budget: u64,
    written: u64,
    /// What the file holds, in bytes.
    length: u64,
    truncated: bool,
    streams: [Stream; 2],
    masked: Vec<u8>,
    out: Vec<u8>,
}

impl LogWriter {
    pub(crate) fn new(file: File, budget: u64, secrets: &Secrets) -> Self {
        let stream = || Stream {
            masker: Masker::new(secrets.clone()),
            line: Vec::new(),
        };
        Self {
            length: file.metadata().map_or(0, |found| found.len()),
            file,
            budget,
            written: 0,
            truncated: false,
            streams: [stream(), stream()],
            masked: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Goes on with a log that somebody else began, and that has reached its budget where `is_full`.
    pub(crate) fn resume(file: File, budget: u64, secrets: &Secrets, is_full: bool) -> Self {
        let begun = Self::new(file, budget, secrets);
        Self {
            written: begun.length,
            truncated: is_full || begun.length >= budget,
            ..begun
        }
    }

    /// The bytes that the file holds.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Whether nothing more is kept.
    pub(crate) fn is_full(&self) -> bool {
        self.truncated
    }

    /// Whether the file holds all that was taken, as far as it is kept: no line has only begun.
    pub(crate) fn is_settled(&self) -> bool {
        let is_at_rest = |stream: &Stream| stream.line.is_empty() && stream.masker.is_at_rest();
        self.truncated || self.streams.iter().all(is_at_rest)
    }

    fn stream(&mut self, channel: Channel) -> &mut Stream {
        match channel {
            Channel::Output => &mut self.streams[0],
            Channel::Error => &mut self.streams[1],
        }
    }

    /// Takes what the attempt said.
    pub(crate) fn take(&mut self, channel: Channel, bytes: &[u8]) {
        // Beyond the budget nothing is kept, so nothing needs to be masked.
        if self.truncated {
            return;
        }
        let mut masked = std::mem::take(&mut self.masked);
        masked.clear();
        self.stream(channel).masker.push(bytes, &mut masked);
        self.lines(channel, &masked);
        self.masked = masked;
        self.write_out();
    }

    fn lines(&mut self, channel: Channel, mut bytes: &[u8]) {
        let now = SystemClock.now().as_millisecond();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            self.add(channel, line);
            self.end_line(channel, now);
        }
        self.add(channel, bytes);
        while self.stream(channel).line.len() > LONGEST_LINE {
            let rest = self.stream(channel).line.split_off(LONGEST_LINE);
            self.end_line(channel, now);
            self.stream(channel).line = rest;
        }
    }

    fn add(&mut self, channel: Channel, bytes: &[u8]) {
        self.stream(channel).line.extend_from_slice(bytes);
    }

    fn end_line(&mut self, channel: Channel, now: i64) {
        let stream = self.stream(channel);
        let mut line = std::mem::take(&mut stream.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        for piece in pieces(&line) {
            self.add_to_file(channel, now, piece);
        }
        line.clear();
        self.stream(channel).line = line;
    }

    fn add_to_file(&mut self, channel: Channel, now: i64, text: &[u8]) {
        if self.truncated {
            return;
        }
        let length = self.out.len();
        let _ = write!(self.out, "{now} {} ", channel.letter());
        self.out.extend_from_slice(text);
        self.out.push(b'\n');
        let added = (self.out.len() - length) as u64;
        if self.written + added > self.budget {
            self.out.truncate(length);
            self.truncated = true;
            let _ = writeln!(
                self.out,
                "{now} e throughline: the log has reached its {} bytes; the rest is dropped",
                self.budget
            );
        }
        self.written += added;
    }

    /// Says something about the attempt in its own log.
    pub(crate) fn note(&mut self, text: &str) {
        let now = SystemClock.now().as_millisecond();
        for line in text.lines() {
            self.add_to_file(Channel::Error, now, format!("throughline: {line}").as_bytes());
        }
        self.write_out();
    }

    fn write_out(&mut self) {
        // Without space on the disk the log is lost, not the attempt.
        if !self.out.is_empty() {
            match self.file.write_all(&self.out) {
                Ok(()) => self.length += self.out.len() as u64,
                Err(_) => self.truncated = true,
            }
        }
        self.out.clear();
    }

    /// Ends both streams; the answer is whether something that was said is missing.
    ///
    /// # Errors
    /// When a log that is to be durable cannot be made so.
    pub(crate) fn finish(mut self, durable: bool) -> io::Result<bool> {
        let now = SystemClock.now().as_millisecond();
        for channel in [Channel::Output, Channel::Error] {
            let mut rest = Vec::new();
            self.stream(channel).masker.finish(&mut rest);
            self.lines(channel, &rest);
            if !self.stream(channel).line.is_empty() {
                self.end_line(channel, now);
            }
        }
        self.write_out();
        if durable {
            self.file.sync_data()?;
        }
        Ok(self.truncated)
    }
}

/// A line in pieces of bearable length; an empty line is one piece.
fn pieces(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let empty = line.is_empty().then_some(line);
    empty.into_iter().chain(line.chunks(LONGEST_LINE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs;

    fn written(budget: u64, secrets: &[&str], said: &[(Channel, &[u8])]) -> (Vec<(Channel, String)>, bool, u64) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut log = LogWriter::new(file.reopen().unwrap(), budget, &Secrets::new(secrets));
        for (channel, bytes) in said {
            log.take(*channel, bytes);
        }
        let truncated = log.finish(false).unwrap();
        let bytes = std::fs::read(file.path()).unwrap();
        let lines = logs::lines(&bytes).map(|line| (line.channel, line.text)).collect();
        (lines, truncated, bytes.len() as u64)
    }

    #[test]
    fn streams_are_put_together_by_lines_and_not_by_pieces() {
        let said: [(Channel, &[u8]); 5] = [
            (Channel::Output, b"one li"),
            (Channel::Error, b"warn"),
            (Channel::Output, b"ne\r\n\ntwo"),
            (Channel::Error, b"ing\n"),
            (Channel::Output, b" lines"),
        ];
        let (lines, truncated, _) = written(1000, &[], &said);
        let expected = [
            (Channel::Output, "one line"),
            (Channel::Output, ""),
            (Channel::Error, "warning"),
            (Channel::Output, "two lines"),
        ];
        assert_eq!(lines, expected.map(|(channel, text)| (channel, text.to_owned())));
        assert!(!truncated);
    }

    #[test]
    fn a_secret_that_comes_in_two_pieces_is_masked() {
        let said: [(Channel, &[u8]); 3] = [
            (Channel::Output, b"token=hunter"),
            (Channel::Error, b"x\n"),
            (Channel::Output, b"2hunter2.\nhunter2h"),
        ];
        let (lines, ..) = written(1000, &["hunter2hunter2"], &said);
        let texts: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["x", "token=***.", "hunter2h"]);
    }

    #[test]
    fn the_budget_is_kept_and_its_end_is_said() {
        let line = [b'x'; 99];
        let said: Vec<(Channel, &[u8])> = (0..50)
            .flat_map(|_| [(Channel::Output, &line[..]), (Channel::Output, b"\n")])
            .collect();
        let (lines, truncated, bytes) = written(1000, &[], &said);
        assert!(truncated);
        assert!(bytes < 1100, "{bytes}");
        assert!(lines.last().unwrap().1.contains("the rest is dropped"));
    }

    #[test]
    fn a_line_without_end_is_broken_and_not_kept_in_memory() {
        let (lines, truncated, _) = written(1 << 20, &[], &[(Channel::Output, &vec![b'x'; 100_000])]);
        assert!(!truncated);
        assert!(lines.iter().all(|(_, text)| text.len() <= LONGEST_LINE));
        assert_eq!(lines.iter().map(|(_, text)| text.len()).sum::<usize>(), 100_000);
    }
}
