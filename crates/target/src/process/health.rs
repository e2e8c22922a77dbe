//! Watching one instance: whether its process lives, and whether it answers.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use facts::InstanceId;
use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use process::{Child, Identity};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use super::instance;
use super::keeper::Event;
use crate::desired::HealthCheck;

/// Answers missed in a row after which an instance counts as ill.
const MISSES: u32 = 3;
/// How long an instance may give no answer at all before it is ended and started again.
const SILENT: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// The process of an instance, as its keeper holds it. Dropping it lets the process live on.
pub enum Held {
    /// Started by this keeper.
    Own(Option<Child>),
    /// Started by an earlier one.
    Found(Identity),
}

impl Held {
    async fn ended(&mut self) -> String {
        let how = match self {
            Self::Own(Some(child)) => child
                .wait()
                .await
                .map(|exit| format!("it ended by itself with {}", exit.ending)),
            Self::Own(None) => Ok(String::new()),
            Self::Found(identity) => identity.ended().await.map(|()| "it ended by itself".to_owned()),
        };
        how.unwrap_or_else(|error| format!("it cannot be watched: {error}"))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Self::Own(child) = self
            && let Some(child) = child.take()
        {
            child.detach();
        }
    }
}

/// What is watched.
pub struct Watched {
    /// Which instance.
    pub id: InstanceId,
    /// The folder of its placement.
    pub folder: PathBuf,
    /// Its process.
    pub held: Held,
    /// Where it listens.
    pub port: u16,
    /// How to ask.
    pub check: HealthCheck,
    /// Whether it is known to have been well.
    pub known_well: bool,
    /// Rung when it is to be asked at once.
    pub poke: Arc<Notify>,
}

/// Watches until the process ends, and tells the keeper what changes.
pub async fn watch(watched: Watched, events: UnboundedSender<Event>) {
    let Watched {
        id,
        folder,
        mut held,
        port,
        check,
        known_well,
        poke,
    } = watched;
    // A keeper that is gone needs no news.
    let tell = |event| drop(events.send(event));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let asking = async {
        if !known_well && !first_answer(address, &check, |reason| tell(Event::Overdue(id, reason))).await {
            return std::future::pending().await;
        }
        if !known_well {
            tell(Event::Well(id));
        }
        let interval = Duration::from_millis(check.interval_ms.max(50));
        let mut misses = 0;
        let mut silent_since: Option<Instant> = None;
        loop {
            // After a miss the next question comes soon: an ill one is to be left out quickly.
            let pause = if (1..MISSES).contains(&misses) {
                interval.min(LONGEST_PAUSE)
            } else {
                interval
            };
            let poked = tokio::select! {
                () = tokio::time::sleep(pause) => false,
                () = poke.notified() => true,
            };
            instance::trim_log(&folder, id);
            match ask(address, &check).await {
                Ok(()) => {
                    if misses >= MISSES || poked {
                        tell(Event::Well(id));
                    }
                    misses = 0;
                    silent_since = None;
                }
                Err(miss) => {
                    misses += 1;
                    if misses == MISSES {
                        tell(Event::Ill(id, miss.reason));
                    }
                    if !miss.silent {
                        silent_since = None;
                    } else if silent_since.get_or_insert_with(Instant::now).elapsed() > SILENT {
                        tell(Event::Silent(id));
                        return std::future::pending().await;
                    }
                }
            }
        }
    };
    let how: String = tokio::select! {
        how = held.ended() => how,
        never = asking => never,
    };
    tell(Event::Ended(id, how));
}

/// Asks until the first good answer; false, once it was told why, when none came in time.
async fn first_answer(address: SocketAddr, check: &HealthCheck, overdue: impl FnOnce(String)) -> bool {
    let deadline = Duration::from_millis(check.deadline_ms);
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        match ask(address, check).await {
            Ok(()) => return true,
            Err(miss) if begun.elapsed() >= deadline => {
                overdue(format!("{} after {} s", miss.reason, deadline.as_secs_f32()));
                return false;
            }
            Err(_) => {}
        }
        // Nothing tells when a process begins to listen.
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// A health check that does not hold.
struct Miss {
    reason: String,
    /// No answer of any kind came.
    silent: bool,
}

async fn ask(address: SocketAddr, check: &HealthCheck) -> Result<(), Miss> {
    let path = &check.path;
    let question = async {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| format!("it does not listen on its port: {error}"))?;
        let broken = |error: hyper::Error| format!("GET {path} is not answered: {error}");
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let request = Request::get(path)
            .header("host", address.to_string())
            .header("user-agent", "throughline-health")
            .header("connection", "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| format!("the health path {path} cannot be asked for: {error}"))?;
        // It ends with the question; how, the question tells.
        tokio::spawn(connection);
        sender
            .send_request(request)
            .await
            .map(|answer| answer.status())
            .map_err(broken)
    };
    let timeout = Duration::from_millis(check.timeout_ms.max(1));
    let silent = |reason| Miss { reason, silent: true };
    match tokio::time::timeout(timeout, question).await {
        Err(_) => Err(silent(format!(
            "GET {path} is not answered within {} s",
            timeout.as_secs_f32()
        ))),
        Ok(Err(reason)) => Err(silent(reason)),
        Ok(Ok(status)) if status.as_u16() < 400 => Ok(()),
        Ok(Ok(status)) => Err(Miss {
            reason: format!("GET {path} is answered with {status}"),
            silent: false,
        }),
    }
}
