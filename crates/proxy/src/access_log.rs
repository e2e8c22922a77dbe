//! The access log: one line of JSON for each request that ended, in segments.
//!
//! Lines go to `open-N.jsonl`. A segment that has reached its size is closed: a line in `index.jsonl`
//! names its digest, its times and its number of lines, and the file becomes `sha256-DIGEST.jsonl`.
//! The oldest closed segments go when there are more than are to be kept. Paths are logged without
//! the query, which may hold what nobody should read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use facts::{Digest, Hasher, InstanceId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::table::Stamp;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The instance's answer came whole.
    Answered,
    /// The instance could not be reached, or its answer broke off.
    Transport,
    /// The instance did not begin its answer in time.
    TimedOut,
    /// The client went away first.
    Aborted,
    /// There was no instance to ask.
    Unrouted,
}

/// One request that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it ended.
    pub at: Timestamp,
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// The group that was asked; empty where there was none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// What the group runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Digest>,
    /// With which configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Digest>,
    /// The stamp since which the group stands.
    #[serde(default)]
    pub since: Stamp,
    /// The instance that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// The status of the answer; 0 where none was given.
    pub status: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// From the request's head to the last byte of the answer.
    pub microseconds: u64,
    /// Bytes of the answer's body.
    pub bytes: u64,
}

impl Record {
    /// Whether this counts as an error of the instance.
    pub fn is_error(&self) -> bool {
        match self.outcome {
            Outcome::Transport | Outcome::TimedOut => true,
            Outcome::Answered => self.status >= 500,
            Outcome::Aborted | Outcome::Unrouted => false,
        }
    }
}

/// A closed segment, a line of `index.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Its place in the order of segments.
    pub number: u64,
    /// The digest of its bytes, and its name.
    pub digest: Digest,
    /// How many requests it holds.
    pub lines: u64,
    /// When it was closed.
    pub closed_at: Timestamp,
}

/// Sizes of the access log.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes after which a segment is closed.
    pub segment_bytes: u64,
    /// Closed segments that are kept.
    pub segments: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            segment_bytes: 8 << 20,
            segments: 16,
        }
    }
}

/// The log, open for writing.
#[derive(Debug)]
pub struct AccessLog {
    folder: PathBuf,
    limits: Limits,
    number: u64,
    file: File,
    bytes: u64,
    cut_short: bool,
    closed: Vec<Segment>,
}

/// How far the log has been read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The number of a segment.
    pub segment: u64,
    /// Bytes of it that have been read.
    pub offset: u64,
}

impl AccessLog {
    /// Opens the log in `folder` and hands every record after `read` to `each`, in order. What an
    /// earlier process left open is closed, and a new segment begins.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn open(
        folder: &Path,
        limits: Limits,
        read: Place,
        now: Timestamp,
        mut each: impl FnMut(Record),
    ) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut closed = read_index(folder)?;
        let mut open = open_segments(folder)?;
        open.sort_unstable();
        // Closed by name in the index already: only the renaming is missing.
        for segment in &closed {
            if let Ok(place) = open.binary_search(&segment.number) {
                open.remove(place);
                fs::rename(open_path(folder, segment.number), closed_path(folder, &segment.digest))?;
            }
        }
        for segment in closed.iter().filter(|segment| segment.number >= read.segment) {
            let from = if segment.number == read.segment { read.offset } else { 0 };
            read_records(&closed_path(folder, &segment.digest), from, &mut each)?;
        }
        for number in &open {
            if *number >= read.segment {
                let from = if *number == read.segment { read.offset } else { 0 };
                read_records(&open_path(folder, *number), from, &mut each)?;
            }
            close(folder, *number, now, &mut closed)?;
        }
        let last = closed.iter().map(|segment| segment.number).max().unwrap_or(0);
        let number = last.max(read.segment) + 1;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(open_path(folder, number))?;
        let mut log = Self {
            folder: folder.to_owned(),
            limits,
            number,
            file,
            bytes: 0,
            cut_short: false,
            closed,
        };
        log.forget_oldest()?;
        Ok(log)
    }

    /// Appends whole lines, with one write.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.cut_short {
            self.file.write_all(b"\n")?;
            self.bytes += 1;
            self.cut_short = false;
        }
        if let Err(error) = self.file.write_all(lines) {
            self.cut_short = true;
            self.bytes = self.file.metadata()?.len();
            return Err(error);
        }
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// Where the next line will stand.
    pub fn place(&self) -> Place {
        Place {
            segment: self.number,
            offset: self.bytes,
        }
    }

    /// Whether the open segment has reached its size.
    pub fn is_full(&self) -> bool {
        self.bytes >= self.limits.segment_bytes
    }

    /// Closes the open segment and begins the next.
    ///
    /// # Errors
    /// When the disk does not take it; the open segment then stays open.
    pub fn turn(&mut self, now: Timestamp) -> io::Result<()> {
        let next = OpenOptions::new()
            .create(true)
            .append(true)
            .open(open_path(&self.folder, self.number + 1))?;
        crashpoint::reach("proxy.segment.before-close");
        close(&self.folder, self.number, now, &mut self.closed)?;
        crashpoint::reach("proxy.segment.after-close");
        self.file = next;
        self.number += 1;
        self.bytes = 0;
        self.forget_oldest()
    }

    fn forget_oldest(&mut self) -> io::Result<()> {
        if self.closed.len() <= self.limits.segments {
            return Ok(());
        }
        let surplus = self.closed.len() - self.limits.segments;
        for segment in self.closed.drain(..surplus) {
            match fs::remove_file(closed_path(&self.folder, &segment.digest)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let mut text = Vec::new();
        for segment in &self.closed {
            serde_json::to_writer(&mut text, segment)?;
            text.push(b'\n');
        }
        let fresh = self.folder.join("index.jsonl.new");
        fs::write(&fresh, text)?;
        fs::rename(fresh, self.folder.join("index.jsonl"))
    }
}

/// The closed segments of the log in `folder`, in order.
///
/// # Errors
/// When the index cannot be read.
pub fn read_index(folder: &Path) -> io::Result<Vec<Segment>> {
    let text = match fs::read_to_string(folder.join("index.jsonl")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other?,
    };
    // A line cut short by a power cut names a segment that is still open under its number.
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}

fn open_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("open-{number}.jsonl"))
}

/// Where the closed segment of this digest lies.
pub fn closed_path(folder: &Path, digest: &Digest) -> PathBuf {
    folder.join(format!("sha256-{}.jsonl", digest.hex()))
}

fn open_segments(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number: Option<u64> = name
            .to_str()
            .and_then(|n| n.strip_prefix("open-")?.strip_suffix(".jsonl")?.parse().ok());
        numbers.extend(number);
    }
    Ok(numbers)
}

fn close(folder: &Path, number: u64, now: Timestamp, closed: &mut Vec<Segment>) -> io::Result<()> {
    let path = open_path(folder, number);
    let mut file = BufReader::new(File::open(&path)?);
    let mut hasher = Hasher::new();
    let mut lines = 0;
    let mut chunk = [0; 16 << 10];
    loop {
        let length = file.read(&mut chunk)?;
        let Some(bytes) = chunk.get(..length).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        hasher.update(bytes);
        lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    if lines == 0 {
        return fs::remove_file(&path);
    }
    let segment = Segment {
        number,
        digest: hasher.finish(),
        lines,
        closed_at: now,
    };
    let mut line = serde_json::to_vec(&segment)?;
    line.push(b'\n');
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("index.jsonl"))?
        .write_all(&line)?;
    crashpoint::reach("proxy.segment.before-rename");
    fs::rename(&path, closed_path(folder, &segment.digest))?;
    closed.push(segment);
    Ok(())
}

fn read_records(path: &Path, offset: u64, each: &mut impl FnMut(Record)) -> io::Result<()> {
    let mut file = match File::open(path) {
        // Forgotten because of its age: nothing is left to tell.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    file.seek(SeekFrom::Start(offset))?;
    let mut file = BufReader::new(file);
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line)? > 0 {
        if let Ok(record) = serde_json::from_slice(&line) {
            each(record);
        }
        line.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(status: u16) -> Vec<u8> {
        let record = Record {
            at: Timestamp::from_second(7).unwrap(),
            method: "GET".to_owned(),
            path: "/".to_owned(),
            group: "stable".to_owned(),
            package: Some(Digest::of("a")),
            configuration: Some(Digest::of("c")),
            since: Stamp::default(),
            instance: None,
            status,
            outcome: Outcome::Answered,
            microseconds: 1,
            bytes: 1,
        };
        let mut line = serde_json::to_vec(&record).unwrap();
        line.push(b'\n');
        line
    }

    fn statuses(folder: &Path, read: Place) -> Vec<u16> {
        let mut seen = Vec::new();
        let now = Timestamp::from_second(8).unwrap();
        AccessLog::open(folder, Limits::default(), read, now, |record| seen.push(record.status)).unwrap();
        seen
    }

    #[test]
    fn what_came_after_a_place_is_told_again_in_order_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::from_second(8).unwrap();
        let mut log = AccessLog::open(folder.path(), Limits::default(), Place::default(), now, |_| {}).unwrap();
        log.append(&line(200)).unwrap();
        let place = log.place();
        log.append(&line(201)).unwrap();
        log.turn(now).unwrap();
        log.append(&line(202)).unwrap();
        log.append(b"{\"cut").unwrap();
        drop(log);
        assert_eq!(statuses(folder.path(), place), [201, 202]);
        assert_eq!(statuses(folder.path(), Place::default()), [200, 201, 202]);
        let index = read_index(folder.path()).unwrap();
        for segment in &index {
            let bytes = fs::read(closed_path(folder.path(), &segment.digest)).unwrap();
            assert_eq!(Digest::of(bytes), segment.digest);
        }
        assert_eq!(index.iter().map(|s| s.number).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_segment_that_is_in_the_index_but_not_renamed_is_renamed_and_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::from_second(8).unwrap();
        let mut log = AccessLog::open(folder.path(), Limits::default(), Place::default(), now, |_| {}).unwrap();
        log.append(&line(200)).unwrap();
        log.turn(now).unwrap();
        drop(log);
        let segment = read_index(folder.path()).unwrap().remove(0);
        fs::rename(
            closed_path(folder.path(), &segment.digest),
            open_path(folder.path(), segment.number),
        )
        .unwrap();
        assert_eq!(statuses(folder.path(), Place::default()), [200]);
        assert_eq!(read_index(folder.path()).unwrap().len(), 1);
    }

    #[test]
    fn only_the_newest_closed_segments_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::from_second(8).unwrap();
        let limits = Limits {
            segment_bytes: 1,
            segments: 2,
        };
        let mut log = AccessLog::open(folder.path(), limits, Place::default(), now, |_| {}).unwrap();
        for status in 200..206 {
            log.append(&line(status)).unwrap();
            assert!(log.is_full());
            log.turn(now).unwrap();
        }
        drop(log);
        assert_eq!(statuses(folder.path(), Place::default()), [204, 205]);
    }
}
