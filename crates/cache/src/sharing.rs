//! What a store does with a share: reads what it lacks, sends what it made, and is never held up by it.
//!
//! What is read is checked against its name before anybody sees it. What is sent goes in the background, a
//! bounded number of results at a time, and the files of a result before the record that names them. A share
//! that does not answer is told once and left alone.

use std::collections::{HashSet, VecDeque};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use facts::{Digest, Hasher};

use crate::manifest::Key;
use crate::share::{Share, ShareError, Source};

/// How many results wait to be sent at most. Further ones are not shared.
const MOST_WAITING: usize = 512;
/// How many results are sent at a time.
const SENDERS: usize = 4;
/// The largest record that is read, in bytes.
const LARGEST_RECORD: u64 = 64 << 20;
/// The first word of a record, and the version of its shape.
const RECORD: &str = "throughline-result 1";

/// What may be done with a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Results are read and never sent.
    Read,
    /// Results are read and sent.
    ReadAndWrite,
}

/// How a store uses a share.
#[derive(Clone)]
pub struct Sharing {
    /// The share.
    pub share: Arc<dyn Share>,
    /// What may be done with it.
    pub access: Access,
    /// After how long a share that did not answer is asked again; never where absent.
    pub again_after: Option<Duration>,
    /// Hears what a person should know, a sentence at a time. It is called by any thread.
    pub tell: Arc<dyn Fn(&str) + Send + Sync>,
}

impl std::fmt::Debug for Sharing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sharing")
            .field("share", &self.share)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

/// A result that is to be sent: its record and its files as they lie in the store.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub key: Key,
    pub record: PathBuf,
    pub blobs: Vec<(Digest, PathBuf)>,
}

/// What an answer was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Reading,
    Sending,
}

/// What came of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Read,
    /// More lies there than may.
    Larger,
}

/// Whether a share is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Open,
    Shut(Option<Instant>),
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Parcel>,
    senders: usize,
    reading: Standing,
    sending: Standing,
    /// Names under which something else lay than they say. They are written anew.
    damaged: HashSet<String>,
    /// Results that were to be sent and were not, and why the last one was not.
    unsent: u64,
    reason: String,
}

/// A share in use. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    sharing: Sharing,
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    pub fn new(sharing: Sharing) -> Self {
        Self {
            inner: Arc::new(Inner {
                sharing,
                state: Mutex::new(State {
                    waiting: VecDeque::new(),
                    senders: 0,
                    reading: Standing::Open,
                    sending: Standing::Open,
                    damaged: HashSet::new(),
                    unsent: 0,
                    reason: String::new(),
                }),
                changed: Condvar::new(),
            }),
        }
    }

    /// The record under a key, as it was written, where it is whole and of this key.
    pub fn record(&self, key: &Key) -> Option<Vec<u8>> {
        let name = record_name(key);
        let mut bytes = Vec::new();
        let text = match self.inner.read(&name, LARGEST_RECORD, &mut bytes) {
            Found::Nothing => return None,
            Found::Larger => None,
            Found::Read => open_record(key, &bytes),
        };
        if text.is_none() {
            self.inner.is_damaged(name);
        }
        text.map(<[u8]>::to_vec)
    }

    /// Writes the bytes of a digest to `into`, at most `most`, and says whether it did. When it did not,
    /// `into` may hold anything.
    pub fn blob(&self, key: &Key, digest: &Digest, most: u64, into: &mut dyn Write) -> bool {
        let name = blob_name(key, digest);
        let mut checked = Checked {
            into,
            hasher: Hasher::new(),
        };
        let is_it = match self.inner.read(&name, most, &mut checked) {
            Found::Nothing => return false,
            Found::Larger => false,
            Found::Read => checked.hasher.finish() == *digest,
        };
        if !is_it {
            self.inner.is_damaged(name);
        }
        is_it
    }

    /// Has a result sent in the background.
    pub fn send(&self, parcel: Parcel) {
        let inner = &self.inner;
        if inner.sharing.access == Access::Read || !inner.is_open(Way::Sending) {
            return;
        }
        let mut state = inner.state();
        if state.waiting.len() >= MOST_WAITING {
            state.unsent += 1;
            state.reason = format!("more than {MOST_WAITING} were waiting");
            return;
        }
        state.waiting.push_back(parcel);
        if state.senders < SENDERS {
            state.senders += 1;
            drop(state);
            let sender = self.inner.clone();
            let thread = std::thread::Builder::new().name("sharing".to_owned());
            if let Err(error) = thread.spawn(move || sender.send_all()) {
                let mut state = inner.state();
                state.senders -= 1;
                if state.senders == 0 {
                    let left = state.waiting.drain(..).count();
                    state.unsent += left as u64;
                    state.reason = error.to_string();
                }
            }
        }
    }

    /// Waits until everything is sent, for at most `limit`, and tells what was not. What is still on its way
    /// then ends with the program; a result of which a part was sent is none.
    pub fn finish(&self, limit: Duration) {
        let inner = &self.inner;
        let state = inner.state();
        let busy = |state: &mut State| state.senders > 0;
        let waited = inner.changed.wait_timeout_while(state, limit, busy);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let late = state.waiting.drain(..).count() + state.senders;
        if late > 0 {
            state.unsent += late as u64;
            state.reason = format!("there was no time for more within {} s", limit.as_secs());
        }
        let unsent = std::mem::take(&mut state.unsent);
        let reason = std::mem::take(&mut state.reason);
        drop(state);
        if unsent > 0 {
            let results = if unsent == 1 { "result was" } else { "results were" };
            let name = inner.sharing.share.name();
            (inner.sharing.tell)(&format!("{unsent} {results} not shared with {name}: {reason}"));
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_open(&self, way: Way) -> bool {
        let mut state = self.state();
        let standing = state.standing(way);
        match *standing {
            Standing::Open => true,
            Standing::Shut(Some(until)) if Instant::now() >= until => {
                *standing = Standing::Open;
                true
            }
            Standing::Shut(_) => false,
        }
    }

    /// Reads what lies under a name, as far as the share is asked and can say.
    fn read(&self, name: &str, most: u64, into: &mut dyn Write) -> Found {
        if !self.is_open(Way::Reading) {
            return Found::Nothing;
        }
        match self.sharing.share.read(name, most, into) {
            Ok(true) => Found::Read,
            Ok(false) => Found::Nothing,
            Err(ShareError::Larger(_)) => Found::Larger,
            Err(error) => {
                self.failed(Way::Reading, name, &error);
                Found::Nothing
            }
        }
    }

    /// Notes an error, and tells it where it is the first of its kind.
    fn failed(&self, way: Way, name: &str, error: &ShareError) {
        let mut state = self.state();
        let shut = Standing::Shut(self.sharing.again_after.map(|after| Instant::now() + after));
        let was_open = match error {
            ShareError::Away(_) => {
                let open = state.reading == Standing::Open || state.sending == Standing::Open;
                state.reading = shut;
                state.sending = shut;
                open
            }
            ShareError::Refused(_) => std::mem::replace(state.standing(way), shut) == Standing::Open,
            ShareError::Failed(_) | ShareError::Larger(_) => false,
        };
        drop(state);
        let share = self.sharing.share.name();
        let again = match self.sharing.again_after {
            Some(after) => format!("they are asked again in {} s", after.as_secs()),
            None => "they are not asked again in this run".to_owned(),
        };
        match error {
            ShareError::Away(why) if was_open => {
                (self.sharing.tell)(&format!(
                    "the shared results at {share} do not answer, and {again}: {why}"
                ));
            }
            ShareError::Refused(why) if was_open => {
                let what = match way {
                    Way::Reading => "cannot be read",
                    Way::Sending => "cannot be written",
                };
                (self.sharing.tell)(&format!("the shared results at {share} {what}, and {again}: {why}"));
            }
            ShareError::Failed(why) if way == Way::Reading => {
                (self.sharing.tell)(&format!(
                    "`{name}` of the shared results at {share} cannot be read: {why}"
                ));
            }
            _ => {}
        }
    }

    /// Notes that something else lies under a name than it says, and tells it once.
    fn is_damaged(&self, name: String) {
        if self.state().damaged.insert(name.clone()) {
            (self.sharing.tell)(&format!(
                "`{name}` of the shared results at {} is damaged: its bytes are not those of its name, and are not used",
                self.sharing.share.name()
            ));
        }
    }

    /// What a thread does that sends: one result after the other, until none waits.
    fn send_all(&self) {
        loop {
            let mut state = self.state();
            let Some(parcel) = state.waiting.pop_front() else {
                state.senders -= 1;
                self.changed.notify_all();
                return;
            };
            drop(state);
            // What a share is not asked for any more was told with the reason for that.
            if self.is_open(Way::Sending)
                && let Err((name, error)) = self.send_one(&parcel)
            {
                self.failed(Way::Sending, &name, &error);
                if let ShareError::Failed(reason) = error {
                    let mut state = self.state();
                    state.unsent += 1;
                    state.reason = reason;
                }
            }
        }
    }

    fn send_one(&self, parcel: &Parcel) -> Result<(), (String, ShareError)> {
        let share = &self.sharing.share;
        for (digest, path) in &parcel.blobs {
            let name = blob_name(&parcel.key, digest);
            let is_damaged = self.state().damaged.contains(&name);
            let sent = match is_damaged {
                false if share.has(&name).map_err(|error| (name.clone(), error))? => Ok(()),
                _ => share.write(&name, Source::File(path)),
            };
            sent.map_err(|error| (name.clone(), error))?;
            self.state().damaged.remove(&name);
        }
        let name = record_name(&parcel.key);
        let text = std::fs::read(&parcel.record)
            .map_err(|error| ShareError::Failed(format!("{} cannot be read: {error}", parcel.record.display())));
        let sent = text.and_then(|text| share.write(&name, Source::Bytes(&close_record(&parcel.key, &text))));
        sent.map_err(|error| (name.clone(), error))?;
        self.state().damaged.remove(&name);
        Ok(())
    }
}

impl State {
    fn standing(&mut self, way: Way) -> &mut Standing {
        match way {
            Way::Reading => &mut self.reading,
            Way::Sending => &mut self.sending,
        }
    }
}

/// Passes bytes on and takes their digest.
struct Checked<'a> {
    into: &'a mut dyn Write,
    hasher: Hasher,
}

impl Write for Checked<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.into.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.into.flush()
    }
}

fn record_name(key: &Key) -> String {
    let hex = key.digest().hex();
    format!("{}/results/{}/{hex}", key.domain(), &hex[..2])
}

fn blob_name(key: &Key, digest: &Digest) -> String {
    let hex = digest.hex();
    format!("{}/blobs/{}/{hex}", key.domain(), &hex[..2])
}

/// A record as it is shared: a line that says which key it is of and which digest the rest has.
fn close_record(key: &Key, text: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{RECORD} {} {}\n", key.digest(), Digest::of(text)).into_bytes();
    bytes.extend_from_slice(text);
    bytes
}

/// The rest of a record, where the record is whole and of this key.
fn open_record<'a>(key: &Key, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (head, text) = (&bytes[..end], &bytes[end + 1..]);
    let expected = format!("{RECORD} {} {}", key.digest(), Digest::of(text));
    (head == expected.as_bytes()).then_some(text)
}
