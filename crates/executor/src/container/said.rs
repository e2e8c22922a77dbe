//! What a container says: two files that it writes to, read while they grow, and how far they were read.
//!
//! The files outlive whoever reads them, so nothing is lost when the shim dies, and a position in them is
//! the same for every reader. How far the log holds them is noted beside the log, together with the length
//! that the log had then: the next reader cuts the log to that length and reads on from there, so each
//! line comes into the log once. What was read is taken out of the files, so they take no room while
//! somebody reads them.
//!
//! They hold what was said as it was said, secrets too. The files of an attempt with secrets are in memory
//! where that can be had, like the secrets themselves.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use crate::log_writer::LogWriter;
use crate::logs::Channel;
use crate::watch::Watch;

/// The names of the files.
pub(crate) const OUTPUT: &str = "out";
pub(crate) const ERROR: &str = "err";

/// The name of the note in the attempt's folder.
const HEARD: &str = "heard";

/// So much is read at once.
const CHUNK: usize = 64 * 1024;
/// So many chunks are read before others have their turn.
const TURN: usize = 16;

/// Makes a folder with files that a container may write to.
///
/// # Errors
/// When they cannot be made.
pub(crate) fn make(folder: &Path, names: &[&str]) -> io::Result<()> {
    DirBuilder::new().mode(0o755).create(folder)?;
    for name in names {
        let path = folder.join(name);
        OpenOptions::new().write(true).create_new(true).open(&path)?;
        // Whoever the step's user is in its container, it may write; others do not get to the folder.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666))?;
    }
    Ok(())
}

/// Whether the files are there.
pub(crate) fn are_there(folder: &Path) -> bool {
    [OUTPUT, ERROR].iter().all(|name| folder.join(name).is_file())
}

/// How far the log of an attempt holds what its container said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Positions in the files.
    said: [u64; 2],
    /// The length of the log with all up to there and nothing after it.
    log: u64,
    /// Whether the log has reached its budget.
    full: bool,
}

impl Heard {
    const BYTES: usize = 32;

    fn of(log: &LogWriter, said: [u64; 2]) -> Self {
        Self {
            said,
            log: log.length(),
            full: log.is_full(),
        }
    }

    fn bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let numbers = [self.said[0], self.said[1], self.log, u64::from(self.full)];
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    fn from(bytes: [u8; Self::BYTES]) -> Self {
        let number = |at: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[at * 8..at * 8 + 8]);
            u64::from_le_bytes(eight)
        };
        Self {
            said: [number(0), number(1)],
            log: number(2),
            full: number(3) != 0,
        }
    }

    /// What was noted last in an attempt's folder.
    pub(crate) fn read(attempt_folder: &Path) -> Option<Self> {
        let mut bytes = [0; Self::BYTES];
        File::open(attempt_folder.join(HEARD))
            .and_then(|file| file.read_exact_at(&mut bytes, 0))
            .ok()?;
        Some(Self::from(bytes))
    }

    /// Removes the note.
    pub(crate) fn forget(attempt_folder: &Path) {
        let _ = std::fs::remove_file(attempt_folder.join(HEARD));
    }

    /// Cuts the log to what it held then; the answer is whether it had reached its budget.
    ///
    /// # Errors
    /// When it cannot be cut.
    pub(crate) fn cut(self, log: &File) -> io::Result<bool> {
        if log.metadata()?.len() > self.log {
            log.set_len(self.log)?;
        }
        Ok(self.full)
    }
}

/// One of the files.
struct Said {
    file: File,
    /// Up to where it was taken.
    at: u64,
    /// Up to where its bytes were given back to the disk.
    cleared: u64,
}

/// Reads what a container says.
pub(crate) struct Ears {
    files: [Said; 2],
    note: File,
    noted: Heard,
    watch: Watch,
    /// Whether there is something to read that no event will tell of.
    more: bool,
    /// Whether bytes that were read can be given back to the disk.
    clears: bool,
    buffer: Vec<u8>,
}

impl Ears {
    /// Reads on from where it was noted, or from the beginning. `also` is a folder whose changes are told of too.
    ///
    /// # Errors
    /// When the files are not there, or not to be watched.
    pub(crate) fn open(folder: &Path, attempt_folder: &Path, also: &Path, log: &LogWriter) -> io::Result<Self> {
        let note = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(attempt_folder.join(HEARD))?;
        let mut bytes = [0; Heard::BYTES];
        let noted = match note.read_exact_at(&mut bytes, 0) {
            Ok(()) => Heard::from(bytes),
            Err(_) => {
                let first = Heard::of(log, [0, 0]);
                note.write_all_at(&first.bytes(), 0)?;
                first
            }
        };
        let open = |name: &str, at: u64| {
            let file = OpenOptions::new().read(true).write(true).open(folder.join(name))?;
            Ok::<_, io::Error>(Said { file, at, cleared: at })
        };
        let watch = Watch::of(&[folder, also])?;
        Ok(Self {
            files: [open(OUTPUT, noted.said[0])?, open(ERROR, noted.said[1])?],
            note,
            noted,
            watch,
            more: true,
            clears: true,
            buffer: vec![0; CHUNK],
        })
    }

    /// Waits until there may be something to read. Cancelling the wait loses nothing.
    pub(crate) async fn hear(&mut self) {
        if self.more {
            // Whoever says much without a pause does not keep others from their turn.
            tokio::task::yield_now().await;
        } else if self.watch.changed().await.is_err() {
            // The end of the container is heard otherwise, and all that it said is read then.
            std::future::pending().await
        }
    }

    /// Takes what is there into the log: whole lines, or once the container has ended, all.
    pub(crate) fn take(&mut self, log: &mut LogWriter, has_ended: bool) {
        self.more = false;
        for channel in [Channel::Output, Channel::Error] {
            for turn in 0.. {
                if !self.take_some(log, channel, has_ended) {
                    break;
                }
                if turn == TURN && !has_ended {
                    self.more = true;
                    break;
                }
            }
        }
    }

    /// Takes the next chunk; whether there may be another.
    fn take_some(&mut self, log: &mut LogWriter, channel: Channel, has_ended: bool) -> bool {
        let said = &mut self.files[usize::from(channel == Channel::Error)];
        // Nothing more is kept, so nothing needs to be read.
        if log.is_full() {
            said.at = said.file.metadata().map_or(said.at, |found| found.len());
            self.keep(log);
            return false;
        }
        let read = said.file.read_at(&mut self.buffer, said.at).unwrap_or(0);
        if read == 0 {
            // A step may shorten the file that it writes to; what it says next begins at its new end.
            let length = said.file.metadata().map_or(said.at, |found| found.len());
            said.at = said.at.min(length);
            return false;
        }
        let lines = self.buffer[..read].iter().rposition(|byte| *byte == b'\n');
        let taken = match lines {
            Some(last) => last + 1,
            None if has_ended || read == CHUNK => read,
            // The rest of the line is still to come.
            None => return false,
        };
        log.take(channel, &self.buffer[..taken]);
        said.at += taken as u64;
        self.keep(log);
        true
    }

    /// Notes how far the log has come, where it holds all that was taken, and gives back what is not needed
    /// any more.
    pub(crate) fn keep(&mut self, log: &LogWriter) {
        let now = Heard::of(log, [self.files[0].at, self.files[1].at]);
        if !log.is_settled() || now == self.noted || self.note.write_all_at(&now.bytes(), 0).is_err() {
            return;
        }
        self.noted = now;
        for said in &mut self.files {
            if self.clears && said.at.saturating_sub(said.cleared) >= CHUNK as u64 {
                self.clears = clear(&said.file, said.cleared, said.at).is_ok();
                said.cleared = said.at;
            }
        }
    }
}

/// Gives the bytes between two positions back to the disk; the others stay where they are.
fn clear(file: &File, from: u64, to: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    const PAGE: u64 = 4096;
    // What stands at the ends of the range would be overwritten by nulls, and stays where it does not fill a page.
    let from = from / PAGE * PAGE;
    let length = (to / PAGE * PAGE).saturating_sub(from);
    if length == 0 {
        return Ok(());
    }
    fallocate(
        file,
        FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
        from,
        length,
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::PathBuf;

    use process::mask::Secrets;

    use super::*;
    use crate::logs::{self, LOG};

    /// A container of which only the files are there, and a log.
    struct Bench {
        folder: tempfile::TempDir,
        secrets: Secrets,
        budget: u64,
    }

    impl Bench {
        fn new(secrets: &[&str], budget: u64) -> Self {
            let folder = tempfile::tempdir().unwrap();
            make(&folder.path().join("said"), &[OUTPUT, ERROR]).unwrap();
            File::create(folder.path().join(LOG)).unwrap();
            Self {
                folder,
                secrets: Secrets::new(secrets),
                budget,
            }
        }

        fn file(&self, name: &str) -> PathBuf {
            self.folder.path().join("said").join(name)
        }

        fn say(&self, name: &str, text: &str) {
            let mut file = OpenOptions::new().append(true).open(self.file(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        /// A reader as a shim has it, which may be another one than the one before.
        fn reader(&self) -> (Ears, LogWriter) {
            let folder = self.folder.path();
            let file = OpenOptions::new().append(true).open(folder.join(LOG)).unwrap();
            let is_full = Heard::read(folder).is_some_and(|heard| heard.cut(&file).unwrap());
            let log = LogWriter::resume(file, self.budget, &self.secrets, is_full);
            let ears = Ears::open(&folder.join("said"), folder, folder, &log).unwrap();
            (ears, log)
        }

        fn logged(&self) -> Vec<String> {
            let log = std::fs::read(self.folder.path().join(LOG)).unwrap();
            logs::lines(&log).map(|line| line.text).collect()
        }
    }

    #[tokio::test]
    async fn whoever_reads_on_takes_each_line_once_wherever_the_reader_before_was_ended() {
        let bench = Bench::new(&["open-sesame-of-forty"], 1 << 20);
        let mut expected = Vec::new();
        for reader in 0..20 {
            let (mut ears, mut log) = bench.reader();
            for part in 0..=reader % 4 {
                let number = reader * 10 + part;
                // A line in two pieces, a secret in two pieces, and a line that has only begun when the reader ends.
                bench.say(OUTPUT, &format!("{number} one open-ses"));
                ears.take(&mut log, false);
                bench.say(OUTPUT, &format!("ame-of-forty\n{number} two"));
                ears.take(&mut log, false);
                bench.say(OUTPUT, " after\n");
                if part % 2 == 0 {
                    ears.take(&mut log, false);
                }
                expected.push(format!("{number} one ***"));
                expected.push(format!("{number} two after"));
            }
            // It is ended between a log that is written and the note that says so.
            let noted = ears.noted;
            bench.say(OUTPUT, "late\n");
            expected.push("late".to_owned());
            ears.take(&mut log, false);
            if reader % 3 == 0 {
                ears.note.write_all_at(&noted.bytes(), 0).unwrap();
            }
        }
        let (mut ears, mut log) = bench.reader();
        ears.take(&mut log, true);
        assert_eq!(bench.logged(), expected);
    }

    #[tokio::test]
    async fn what_was_read_takes_no_room_any_more() {
        use std::os::unix::fs::MetadataExt as _;
        let bench = Bench::new(&[], 1 << 30);
        let (mut ears, mut log) = bench.reader();
        let line = format!("{}\n", "x".repeat(99));
        for _ in 0..40 {
            bench.say(OUTPUT, &line.repeat(1000));
            while {
                ears.take(&mut log, false);
                ears.more
            } {}
        }
        let found = std::fs::metadata(bench.file(OUTPUT)).unwrap();
        assert_eq!(found.len(), 4_000_000);
        assert!(!ears.clears || found.blocks() * 512 < 1_000_000, "{}", found.blocks());
        bench.say(OUTPUT, "last");
        ears.take(&mut log, true);
        log.finish(false).unwrap();
        let logged = bench.logged();
        assert_eq!((logged.len(), logged.last().unwrap().as_str()), (40_001, "last"));
    }

    #[tokio::test]
    async fn beyond_the_budget_nothing_is_read_and_the_next_reader_knows() {
        let bench = Bench::new(&[], 1000);
        let (mut ears, mut log) = bench.reader();
        bench.say(OUTPUT, &"some line\n".repeat(1_000));
        ears.take(&mut log, false);
        assert!(bench.logged().last().unwrap().contains("the rest is dropped"));
        let before = bench.logged().len();
        let (mut ears, mut log) = bench.reader();
        bench.say(ERROR, &"more\n".repeat(100_000));
        ears.take(&mut log, true);
        assert!(!ears.more && ears.files[1].at == 500_000);
        assert!(log.finish(false).unwrap());
        assert_eq!(bench.logged().len(), before);
    }

    #[tokio::test]
    async fn a_step_that_shortens_its_own_output_is_heard_from_there_on() {
        let bench = Bench::new(&[], 1 << 20);
        let (mut ears, mut log) = bench.reader();
        bench.say(OUTPUT, "first\nsecond\n");
        ears.take(&mut log, false);
        OpenOptions::new()
            .write(true)
            .open(bench.file(OUTPUT))
            .unwrap()
            .set_len(0)
            .unwrap();
        ears.take(&mut log, false);
        bench.say(OUTPUT, "third\n");
        ears.take(&mut log, true);
        assert_eq!(bench.logged(), ["first", "second", "third"]);
    }

    #[tokio::test]
    async fn what_is_written_while_nobody_looks_is_told_by_an_event() {
        let bench = Bench::new(&[], 1 << 20);
        let (mut ears, mut log) = bench.reader();
        ears.hear().await;
        ears.take(&mut log, false);
        bench.say(ERROR, "one\n");
        ears.hear().await;
        ears.take(&mut log, false);
        assert_eq!(bench.logged(), ["one"]);
    }
}
