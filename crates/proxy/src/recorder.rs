//! The one thread that owns the evidence and the access log.
//!
//! A record is written to the log first and counted then, so the evidence is a fold over the log: a
//! snapshot names the place up to which it has read, and what came after is read again when the next
//! process starts. A SIGKILL loses only what was on its way to the thread. When the disk is full,
//! traffic and evidence go on and the lines are lost; their number is told.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use facts::Clock;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::access_log::{AccessLog, Limits, Place, Record};
use crate::evidence::Evidence;
use crate::table::{Stamp, Table};

/// How long the snapshot may lag behind the log.
const SNAPSHOT_AFTER: Duration = Duration::from_secs(2);
/// Records taken together into one write.
const BATCH: usize = 512;

/// What is kept in `evidence.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Snapshot {
    evidence: Evidence,
    read: Place,
}

enum Message {
    Ended(Box<Record>),
    Install(Box<Table>, oneshot::Sender<Vec<Stamp>>),
    Read(oneshot::Sender<Evidence>),
    /// From now on records go to somebody else, who has the files.
    Yield(UnboundedSender<Record>, oneshot::Sender<()>),
    /// The files are ours again.
    Resume(oneshot::Sender<io::Result<()>>),
    Close(oneshot::Sender<()>),
}

/// The way to the thread.
#[derive(Clone)]
pub struct Recorder {
    messages: Sender<Message>,
}

/// The recorder's thread is gone: it was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the recorder of this proxy is closed")]
pub struct Closed;

struct Thread {
    folder: PathBuf,
    limits: Limits,
    clock: Arc<dyn Clock>,
    evidence: Evidence,
    log: AccessLog,
    yielded_to: Option<UnboundedSender<Record>>,
    lines: Vec<u8>,
    lost_lines: u64,
}

impl Recorder {
    /// Reads what an earlier process left in `folder` and starts the thread.
    ///
    /// # Errors
    /// When the folder cannot be read and written.
    pub fn start(folder: &Path, limits: Limits, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let (evidence, log) = read_folder(folder, limits, &*clock)?;
        let (messages, inbox) = channel();
        let mut thread = Thread {
            folder: folder.to_owned(),
            limits,
            clock,
            evidence,
            log,
            yielded_to: None,
            lines: Vec::new(),
            lost_lines: 0,
        };
        thread.snapshot()?;
        std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || thread.run(&inbox))?;
        Ok(Self { messages })
    }

    /// Takes note of a request that ended.
    pub fn ended(&self, record: Record) {
        // After closing there is nobody left to tell.
        let _ = self.messages.send(Message::Ended(Box::new(record)));
    }

    /// Makes the groups of `table` those that stand; answers since which stamp each of them does.
    ///
    /// # Errors
    /// When the recorder is closed.
    pub async fn install(&self, table: &Table) -> Result<Vec<Stamp>, Closed> {
        let (answer, answered) = oneshot::channel();
        self.messages
            .send(Message::Install(Box::new(table.clone()), answer))
            .map_err(|_| Closed)?;
        answered.await.map_err(|_| Closed)
    }

    /// The evidence, with everything that ended before this call.
    ///
    /// # Errors
    /// When the recorder is closed.
    pub async fn read(&self) -> Result<Evidence, Closed> {
        let (answer, answered) = oneshot::channel();
        self.messages.send(Message::Read(answer)).map_err(|_| Closed)?;
        answered.await.map_err(|_| Closed)
    }

    /// Writes everything down, lets go of the files and gives every further record to `heir`, who may
    /// open the folder from now on.
    ///
    /// # Errors
    /// When the recorder is closed.
    pub async fn yield_to(&self, heir: UnboundedSender<Record>) -> Result<(), Closed> {
        let (answer, answered) = oneshot::channel();
        self.messages.send(Message::Yield(heir, answer)).map_err(|_| Closed)?;
        answered.await.map_err(|_| Closed)
    }

    /// Takes the files back, when the heir did not come.
    ///
    /// # Errors
    /// When the folder cannot be read and written.
    pub async fn resume(&self) -> io::Result<()> {
        let (answer, answered) = oneshot::channel();
        self.messages.send(Message::Resume(answer)).map_err(io::Error::other)?;
        answered.await.map_err(io::Error::other)?
    }

    /// Writes everything down, lets go of the files and ends the thread.
    ///
    /// # Errors
    /// When the recorder is closed already.
    pub async fn close(&self) -> Result<(), Closed> {
        let (answer, answered) = oneshot::channel();
        self.messages.send(Message::Close(answer)).map_err(|_| Closed)?;
        answered.await.map_err(|_| Closed)
    }
}

fn read_folder(folder: &Path, limits: Limits, clock: &dyn Clock) -> io::Result<(Evidence, AccessLog)> {
    fs::create_dir_all(folder)?;
    let Snapshot { mut evidence, read } = match fs::read(folder.join("evidence.json")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Snapshot::default(),
        Err(error) => return Err(error),
        Ok(bytes) => serde_json::from_slice(&bytes)?,
    };
    let log = AccessLog::open(&folder.join("access"), limits, read, clock.now(), |record| {
        evidence.add(&record)
    })?;
    Ok((evidence, log))
}

impl Thread {
    fn run(&mut self, inbox: &Receiver<Message>) {
        let mut dirty_since: Option<Instant> = None;
        loop {
            let message = match dirty_since {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(since) => inbox.recv_timeout(SNAPSHOT_AFTER.saturating_sub(since.elapsed())),
            };
            match message {
                Ok(Message::Ended(record)) => {
                    dirty_since.get_or_insert_with(Instant::now);
                    let mut records = vec![record];
                    let mut after = None;
                    while records.len() < BATCH {
                        match inbox.try_recv() {
                            Ok(Message::Ended(record)) => records.push(record),
                            Ok(other) => {
                                after = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.write(&records);
                    if let Some(message) = after
                        && self.answer(message)
                    {
                        return;
                    }
                }
                Ok(message) => {
                    if self.answer(message) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.save();
                    return;
                }
            }
            if dirty_since.is_some_and(|since| since.elapsed() >= SNAPSHOT_AFTER) {
                self.save();
                dirty_since = None;
            }
        }
    }

    /// Answers a message that is no record; true when it was the last.
    fn answer(&mut self, message: Message) -> bool {
        match message {
            Message::Ended(record) => self.write(&[record]),
            Message::Install(table, answer) => {
                let since = self.evidence.install(&table, self.clock.now());
                // Later lines name these groups: a reader must know them first.
                self.save();
                let _ = answer.send(since);
            }
            Message::Read(answer) => {
                let _ = answer.send(self.evidence.clone());
            }
            Message::Yield(heir, answer) => {
                self.put_down();
                self.yielded_to = Some(heir);
                let _ = answer.send(());
            }
            Message::Resume(answer) => {
                let resumed = read_folder(&self.folder, self.limits, &*self.clock).map(|(evidence, log)| {
                    self.evidence = evidence;
                    self.log = log;
                    self.yielded_to = None;
                });
                let _ = answer.send(resumed);
            }
            Message::Close(answer) => {
                if self.yielded_to.take().is_none() {
                    self.put_down();
                }
                let _ = answer.send(());
                return true;
            }
        }
        false
    }

    fn put_down(&mut self) {
        if self.log.place().offset > 0 {
            let turned = self.log.turn(self.clock.now());
            self.tell(turned, "cannot close a segment of the access log");
        }
        self.save();
    }

    fn write(&mut self, records: &[Box<Record>]) {
        if let Some(heir) = &self.yielded_to {
            for record in records {
                // Without an heir there is nobody left to count.
                let _ = heir.send(Record::clone(record));
            }
            return;
        }
        self.lines.clear();
        for record in records {
            if serde_json::to_writer(&mut self.lines, record).is_ok() {
                self.lines.push(b'\n');
            }
            self.evidence.add(record);
        }
        if self.log.append(&self.lines).is_err() {
            if self.lost_lines == 0 {
                eprintln!("the access log cannot be written; traffic goes on without it");
            }
            self.lost_lines += records.len() as u64;
        } else if self.lost_lines > 0 {
            eprintln!("the access log is written again; {} lines are lost", self.lost_lines);
            self.lost_lines = 0;
            // A line may have been cut short: the snapshot must not ask to read from within it.
            self.save();
        }
        if self.log.is_full() {
            let turned = self.log.turn(self.clock.now());
            self.tell(turned, "cannot close a segment of the access log");
            self.save();
        }
    }

    fn tell(&self, result: io::Result<()>, what: &str) {
        if let Err(error) = result {
            eprintln!("{what} in {}: {error}", self.folder.display());
        }
    }

    fn save(&mut self) {
        if self.yielded_to.is_some() {
            return;
        }
        let saved = self.snapshot();
        self.tell(saved, "cannot save the evidence");
    }

    fn snapshot(&mut self) -> io::Result<()> {
        #[derive(Serialize)]
        struct Borrowed<'a> {
            evidence: &'a Evidence,
            read: Place,
        }
        let bytes = serde_json::to_vec(&Borrowed {
            evidence: &self.evidence,
            read: self.log.place(),
        })?;
        let fresh = self.folder.join("evidence.json.new");
        fs::write(&fresh, bytes)?;
        crashpoint::reach("proxy.evidence.before-rename");
        fs::rename(fresh, self.folder.join("evidence.json"))
    }
}
