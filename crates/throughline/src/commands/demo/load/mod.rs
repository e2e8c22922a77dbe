//! Steady HTTP load on a service, from a process of its own: `throughline demo-load`.
//!
//! Requests leave at a fixed rate whether or not earlier ones were answered, over connections that are
//! kept. Every one of them is recorded. The totals go to standard output as JSON lines, several a
//! second; after SIGTERM no request is begun, those under way are finished, and the last line comes.

mod mix;
pub mod record;

use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use facts::{Clock, Entropy};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use self::mix::{Planned, choose};
use self::record::{PACKAGE_HEADER, Recorded, Totals};
use crate::cli::DemoLoadArgs;
use crate::commands::Around;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the totals are told.
const TELL: Duration = Duration::from_millis(200);

/// Sends requests until SIGTERM, SIGINT or the end of whoever reads the totals.
pub(in crate::commands) fn load(args: &DemoLoadArgs, around: &Around, printer: &mut Printer) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, format!("cannot start: {error}")))?;
    runtime.block_on(send(args, around.clock.clone(), around.entropy.clone(), printer))
}

async fn send(
    args: &DemoLoadArgs,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let wrong = |error: std::io::Error| Failure::new(Exit::Failed, format!("cannot listen to signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(wrong)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(wrong)?;
    let mut record = Record::create(&args.record)?;
    let host = args.url.trim_start_matches("http://").trim_end_matches('/');
    let connections = Arc::new(Connections::new(host));
    let (ended, mut endings) = mpsc::unbounded_channel::<Recorded>();
    let mut pace = tokio::time::interval(Duration::from_secs(1) / args.rate.max(1));
    // Late requests are made up for: the rate is steady whatever the machine does.
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut tell = tokio::time::interval(TELL);
    tell.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            biased;
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = tell.tick() => record.tell(printer)?,
            Some(one) = endings.recv() => record.write(&one)?,
            _ = pace.tick() => {
                let (planned, connections, clock, ended) =
                    (choose(entropy.as_ref()), connections.clone(), clock.clone(), ended.clone());
                tokio::spawn(async move {
                    let at = clock.now().as_millisecond();
                    let recorded = one(&connections, &planned, at).await;
                    let _ = ended.send(recorded);
                });
            }
        }
    }
    // The channel closes with the last request under way.
    drop(ended);
    while let Some(one) = endings.recv().await {
        record.write(&one)?;
    }
    record.tell(printer)
}

/// Sends one request, and waits for its whole answer.
async fn one(connections: &Connections, planned: &Planned, at: i64) -> Recorded {
    let begun = Instant::now();
    let mut recorded = Recorded {
        at,
        took_us: 0,
        request: planned.name(),
        status: None,
        package: None,
        error: None,
    };
    let answered = tokio::time::timeout(PATIENCE, connections.answer(planned, &mut recorded)).await;
    recorded.took_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    recorded.error = match answered {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error),
        Err(_) => Some(format!("no answer in {} s", PATIENCE.as_secs())),
    };
    recorded
}

type Connection = SendRequest<Full<Bytes>>;

/// The connections that are kept.
struct Connections {
    host: String,
    idle: Mutex<Vec<Connection>>,
}

impl Connections {
    fn new(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            idle: Mutex::default(),
        }
    }

    async fn connect(&self) -> Result<Connection, String> {
        let stream = TcpStream::connect(&self.host)
            .await
            .map_err(|error| error.to_string())?;
        let _ = stream.set_nodelay(true);
        let (connection, driver) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        tokio::spawn(driver);
        Ok(connection)
    }

    fn kept(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(connection) = idle.pop() {
            if !connection.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, connection: Connection) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
    }

    async fn answer(&self, planned: &Planned, recorded: &mut Recorded) -> Result<(), String> {
        let (mut connection, answer) = self.begin(planned.request(&self.host)?).await?;
        recorded.status = Some(answer.status().as_u16());
        let package = answer
            .headers()
            .get(PACKAGE_HEADER)
            .and_then(|value| value.to_str().ok());
        recorded.package = package.map(str::to_owned);
        let read = answer.into_body().collect().await;
        read.map_err(|error| format!("the answer broke off: {error}"))?;
        if connection.ready().await.is_ok() {
            self.keep(connection);
        }
        Ok(())
    }

    /// Sends a request. One of which nothing was sent, because the other side had closed a kept
    /// connection, is sent on another; every other error stands.
    async fn begin(&self, request: Request<Full<Bytes>>) -> Result<(Connection, Response<Incoming>), String> {
        let mut request = request;
        while let Some(mut connection) = self.kept() {
            match connection.try_send_request(request).await {
                Ok(answer) => return Ok((connection, answer)),
                Err(mut refused) => match refused.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(refused.into_error().to_string()),
                },
            }
        }
        let mut connection = self.connect().await?;
        let answer = connection
            .send_request(request)
            .await
            .map_err(|error| error.to_string())?;
        Ok((connection, answer))
    }
}

/// The file of the record, and what it comes to.
struct Record {
    file: std::io::BufWriter<std::fs::File>,
    totals: Totals,
}

impl Record {
    fn create(path: &Path) -> Result<Self, Failure> {
        let file = std::fs::File::create(path)
            .map_err(|error| Failure::new(Exit::Failed, format!("cannot write {}: {error}", path.display())))?;
        Ok(Self {
            file: std::io::BufWriter::new(file),
            totals: Totals::default(),
        })
    }

    fn write(&mut self, one: &Recorded) -> Result<(), Failure> {
        self.totals.add(one);
        let written = serde_json::to_writer(&mut self.file, one)
            .map_err(std::io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"));
        written.map_err(unwritten)
    }

    fn tell(&mut self, printer: &mut Printer) -> Result<(), Failure> {
        self.file.flush().map_err(unwritten)?;
        printer.document_line(&self.totals)
    }
}

fn unwritten(error: std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot write the record of requests: {error}"))
}
