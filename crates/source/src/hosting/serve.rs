//! Running `git http-backend` for one request.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use process::{Channel, Child};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{OwnedMutexGuard, mpsc, oneshot};

use super::request::{GitRequest, Operation};
use crate::error::SourceError;
use crate::git;
use crate::refs::{RefUpdate, Refs};
use crate::repository::{Repositories, Repository};

/// How long the head of an answer may be.
const HEAD_LIMIT: usize = 16 * 1024;
/// How much of git's complaints is kept.
const COMPLAINT_LIMIT: u64 = 16 * 1024;

/// What a client may send, and how long it may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a push, as sent.
    pub push_bytes: u64,
    /// The most bytes of a fetch's request: what it wants and has.
    pub fetch_bytes: u64,
    /// How long a client may neither send nor take anything.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            push_bytes: 4 * 1024 * 1024 * 1024,
            fetch_bytes: 64 * 1024 * 1024,
            silence: Duration::from_secs(120),
        }
    }
}

/// The host of all repositories of a folder.
#[derive(Debug)]
pub struct Host {
    repositories: Repositories,
    limits: Limits,
    /// One push at a time for each repository, so that what changed is known for each.
    pushes: Mutex<HashMap<PathBuf, Weak<tokio::sync::Mutex<()>>>>,
}

/// An answer, whose body is still coming.
#[derive(Debug)]
pub struct GitResponse {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: GitBody,
    /// After a push: what it changed. It comes also when the client went away meanwhile. Should the
    /// server die in between, compare [`Repository::refs`] with what was recorded.
    pub pushed: Option<oneshot::Receiver<Result<Pushed, SourceError>>>,
}

/// What a push changed. The client's push does not end before this is dropped: record it first.
#[derive(Debug)]
pub struct Pushed {
    /// The refs that changed; none when git refused the push.
    pub updates: Vec<RefUpdate>,
    _release: oneshot::Sender<()>,
}

/// The body of an answer: a stream of pieces, which ends with an error when git failed half-way.
#[derive(Debug)]
pub struct GitBody(mpsc::Receiver<io::Result<Vec<u8>>>);

impl Stream for GitBody {
    type Item = io::Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

impl GitBody {
    /// The whole rest of the body.
    ///
    /// # Errors
    /// When git failed half-way.
    pub async fn collect(mut self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(piece) = self.0.recv().await {
            all.extend(piece?);
        }
        Ok(all)
    }
}

/// The head of an answer.
type Head = (u16, Vec<(String, String)>);

impl Host {
    /// A host of `repositories`.
    pub fn new(repositories: Repositories, limits: Limits) -> Self {
        Self {
            repositories,
            limits,
            pushes: Mutex::new(HashMap::new()),
        }
    }

    /// Its repositories.
    pub fn repositories(&self) -> &Repositories {
        &self.repositories
    }

    /// Answers a request; `user` is who asks, for git's own records. Returns as soon as git has begun to
    /// answer.
    ///
    /// # Errors
    /// When the repository is not here, git cannot be run, or the client sends too much or nothing. After
    /// an error of a push, compare [`Repository::refs`] with what was recorded, as after a crash.
    pub async fn serve(
        &self,
        request: GitRequest,
        user: &str,
        body: impl AsyncRead + Send + Unpin + 'static,
    ) -> Result<GitResponse, SourceError> {
        let repository = self.repositories.get(&request.repository)?;
        let pushes = request.operation == Operation::Push && !request.advertises;
        let (guard, before) = if pushes {
            let guard = self.turn(&repository).lock_owned().await;
            (Some(guard), Some(repository.read_refs().await?))
        } else {
            (None, None)
        };
        let child = process::spawn(backend(&repository, &request, user))?;
        let limit = match request.operation {
            Operation::Fetch => self.limits.fetch_bytes,
            Operation::Push => self.limits.push_bytes,
        };
        let (head_sender, head) = oneshot::channel();
        let (sender, receiver) = mpsc::channel(8);
        let (pushed_sender, pushed) = oneshot::channel();
        let exchange = Exchange {
            child,
            limit,
            silence: self.limits.silence,
            patient: pushes,
        };
        let push = before.map(|before| Push {
            repository,
            before,
            guard,
            done: pushed_sender,
        });
        tokio::spawn(exchange.run(body, head_sender, sender, push));
        match head.await {
            Ok(Ok((status, headers))) => {
                let pushed = pushes.then_some(pushed);
                Ok(GitResponse {
                    status,
                    headers,
                    body: GitBody(receiver),
                    pushed,
                })
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(SourceError::Backend("it was stopped".to_owned())),
        }
    }

    /// The lock that pushes to a repository take.
    fn turn(&self, repository: &Repository) -> Arc<tokio::sync::Mutex<()>> {
        let mut pushes = self.pushes.lock().unwrap_or_else(PoisonError::into_inner);
        pushes.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = pushes.get(&repository.path).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(tokio::sync::Mutex::new(()));
        pushes.insert(repository.path.clone(), Arc::downgrade(&turn));
        turn
    }
}

fn backend(repository: &Repository, request: &GitRequest, user: &str) -> process::Spec {
    let service = request.service();
    let tail = if request.advertises { "info/refs" } else { service };
    let user: String = user.chars().filter(|c| c.is_ascii_graphic()).take(200).collect();
    let folder = repository.path.parent().unwrap_or(&repository.path);
    let name = repository.path.file_name().unwrap_or_default().to_string_lossy();
    let safe = format!("safe.directory={}", repository.path.display());
    let mut spec = git::git(None)
        .arg("-c")
        .arg(safe)
        .args(["-c", "http.receivepack=true"])
        .arg("http-backend")
        .folder(folder)
        .variable("GIT_PROJECT_ROOT", folder)
        .variable("PATH_INFO", format!("/{name}/{tail}"))
        .variable("GIT_HTTP_EXPORT_ALL", "1")
        .variable("REMOTE_USER", user)
        .variable("REQUEST_METHOD", if request.advertises { "GET" } else { "POST" })
        .stdin(Channel::Pipe)
        .stdout(Channel::Pipe)
        .stderr(Channel::Pipe);
    if request.advertises {
        spec = spec.variable("QUERY_STRING", format!("service={service}"));
    }
    let given = [
        ("CONTENT_TYPE", &request.content_type),
        ("HTTP_CONTENT_ENCODING", &request.content_encoding),
        ("GIT_PROTOCOL", &request.protocol),
    ];
    spec.variables(
        given
            .into_iter()
            .filter_map(|(name, value)| value.as_ref().map(|value| (name, value))),
    )
}

/// What is needed to tell what a push changed.
struct Push {
    repository: Repository,
    before: Refs,
    guard: Option<OwnedMutexGuard<()>>,
    done: oneshot::Sender<Result<Pushed, SourceError>>,
}

/// The talk between a client and git.
struct Exchange {
    child: Child,
    limit: u64,
    silence: Duration,
    /// Whether git goes on when the client is gone: a push, once received, is finished.
    patient: bool,
}

impl Exchange {
    async fn run(
        mut self,
        body: impl AsyncRead + Send + Unpin,
        head: oneshot::Sender<Result<Head, SourceError>>,
        sender: mpsc::Sender<io::Result<Vec<u8>>>,
        push: Option<Push>,
    ) {
        let (stdin, stdout, stderr) = (
            self.child.stdin.take(),
            self.child.stdout.take(),
            self.child.stderr.take(),
        );
        let mut head = Some(head);
        let mut complaint = Vec::new();
        let result = {
            let feed = feed(body, stdin, self.limit, self.silence);
            let answer = answer(stdout, &mut head, &sender, self.silence, self.patient);
            let listen = async {
                if let Some(stderr) = stderr {
                    let _ = stderr.take(COMPLAINT_LIMIT).read_to_end(&mut complaint).await;
                }
            };
            // The answer ends when git does; it may do so without reading all that is sent.
            let talk = async {
                tokio::pin!(feed, answer);
                tokio::select! {
                    fed = &mut feed => {
                        fed?;
                        answer.await
                    }
                    answered = &mut answer => answered,
                }
            };
            tokio::pin!(talk, listen);
            tokio::select! {
                result = &mut talk => result,
                () = &mut listen => talk.await,
            }
        };
        let exit = match &result {
            Ok(()) => self.child.wait_and_clear_group().await,
            Err(_) => self.child.kill_group(process::Signal::KILL, Duration::ZERO).await,
        };
        let result = result.and_then(|()| match exit {
            Ok(exit) if exit.ending.is_success() => Ok(()),
            Ok(exit) => Err(SourceError::Backend(exit.ending.to_string())),
            Err(error) => Err(SourceError::Backend(error.to_string())),
        });
        crashpoint::reach("source.push.received");
        let failed = result.err().map(|error| match error {
            SourceError::Backend(reason) if !complaint.is_empty() => {
                SourceError::Backend(format!("{reason}: {}", String::from_utf8_lossy(&complaint).trim()))
            }
            error => error,
        });
        match (failed, head.take()) {
            // The caller gets the error in place of an answer, and asks nothing more.
            (Some(error), Some(head)) => drop(head.send(Err(error))),
            (failed, _) => {
                if let Some(push) = push {
                    push.finish().await;
                }
                if let Some(error) = failed {
                    drop(sender.send(Err(io::Error::other(error))).await);
                }
            }
        }
    }
}

impl Push {
    /// Tells what changed, and waits until it was recorded.
    async fn finish(self) {
        let after = self.repository.read_refs().await;
        let updates = after.map(|after| after.since(&self.before));
        if let Ok(updates) = &updates {
            show_first_branch(&self.repository, &self.before, updates).await;
        }
        drop(self.guard);
        let (release, released) = oneshot::channel();
        if self
            .done
            .send(updates.map(|updates| Pushed {
                updates,
                _release: release,
            }))
            .is_ok()
        {
            let _ = released.await;
        }
    }
}

/// After the first push, `HEAD` names a branch that is there, so that a clone has files.
async fn show_first_branch(repository: &Repository, before: &Refs, updates: &[RefUpdate]) {
    if before.branches().next().is_some() {
        return;
    }
    let pushed: Vec<_> = updates
        .iter()
        .filter(|u| u.new.is_some())
        .filter_map(|u| u.name.branch())
        .collect();
    let head = repository.head();
    if head.is_some_and(|head| pushed.contains(&head)) {
        return;
    }
    if let Some(first) = pushed
        .iter()
        .find(|line| line.as_str() == "master")
        .or_else(|| pushed.first())
    {
        // Only what a clone checks out depends on it; the push itself is done.
        let _ = repository.set_head(first).await;
    }
}

/// Hands the client's bytes to git.
async fn feed(
    mut body: impl AsyncRead + Unpin,
    stdin: Option<tokio::net::unix::pipe::Sender>,
    limit: u64,
    silence: Duration,
) -> Result<(), SourceError> {
    let Some(mut stdin) = stdin else { return Ok(()) };
    let mut buffer = vec![0; 64 * 1024];
    let mut total = 0;
    loop {
        let read = tokio::time::timeout(silence, body.read(&mut buffer)).await;
        let count = read
            .map_err(|_| SourceError::Stalled(silence))?
            .map_err(|error| SourceError::Backend(format!("the client went away: {error}")))?;
        if count == 0 {
            return Ok(());
        }
        total += count as u64;
        if total > limit {
            return Err(SourceError::PushTooLarge { limit });
        }
        if let Err(error) = stdin.write_all(&buffer[..count]).await {
            return match error.kind() {
                // Git has heard enough; its answer says why.
                io::ErrorKind::BrokenPipe => Ok(()),
                _ => Err(SourceError::Backend(error.to_string())),
            };
        }
    }
}

/// Hands git's answer to the client.
async fn answer(
    stdout: Option<tokio::net::unix::pipe::Receiver>,
    head: &mut Option<oneshot::Sender<Result<Head, SourceError>>>,
    sender: &mpsc::Sender<io::Result<Vec<u8>>>,
    silence: Duration,
    patient: bool,
) -> Result<(), SourceError> {
    let Some(mut stdout) = stdout else { return Ok(()) };
    let broken = |error: io::Error| SourceError::Backend(error.to_string());
    let mut begin = Vec::new();
    let (read, rest) = loop {
        if let Some(found) = parse_head(&begin)? {
            break found;
        }
        if begin.len() > HEAD_LIMIT || stdout.read_buf(&mut begin).await.map_err(broken)? == 0 {
            return Err(SourceError::Backend("its answer has no head".to_owned()));
        }
    };
    let mut piece = begin.split_off(rest);
    let mut read = Some(read);
    let mut gone = false;
    loop {
        // Git writes its head before it reads the request. Held back until more comes, it leaves room
        // for an error in its place.
        let ended = piece.is_empty() && stdout.read_buf(&mut piece).await.map_err(broken)? == 0;
        if let Some(read) = read.take() {
            gone = head.take().is_none_or(|head| head.send(Ok(read)).is_err());
        }
        if ended {
            return Ok(());
        }
        let full = std::mem::replace(&mut piece, Vec::with_capacity(64 * 1024));
        if gone {
            continue;
        }
        match tokio::time::timeout(silence, sender.send(Ok(full))).await {
            Ok(Ok(())) => {}
            _ if patient => gone = true,
            Ok(Err(_)) => return Err(SourceError::Backend("the client went away".to_owned())),
            Err(_) => return Err(SourceError::Stalled(silence)),
        }
    }
}

/// The head of a CGI answer and where its body begins; nothing when it is not whole yet.
fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, SourceError> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| (at, at + 4));
    let Some((end, rest)) = end.or_else(|| bytes.windows(2).position(|w| w == b"\n\n").map(|at| (at, at + 2))) else {
        return Ok(None);
    };
    let wrong = || SourceError::Backend("the head of its answer cannot be read".to_owned());
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| wrong())?;
    let (mut status, mut headers) = (200, Vec::new());
    for line in text.lines() {
        let (name, value) = line.split_once(':').ok_or_else(wrong)?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            status = value
                .split(' ')
                .next()
                .and_then(|code| code.parse().ok())
                .ok_or_else(wrong)?;
        } else {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(Some(((status, headers), rest)))
}
