//! One request on its way: choose an instance, send, answer.
//!
//! A request is sent again only where that is safe. It never reached the instance (the connection was
//! refused, or the kept one was closed before the request was written): any request is sent again,
//! even to another instance. A kept connection broke before an answer began: a request that may be
//! repeated (GET, HEAD, OPTIONS, without a body) is sent again, once, on a new connection. All else is
//! answered with 502. What must not be repeated goes on a connection used a moment ago or a new one,
//! so that an idle connection closed by the instance never costs such a request.

use std::convert::Infallible;
use std::io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, TimedOut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use facts::InstanceId;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::TokioIo;

use crate::access_log::{Outcome, Record};
use crate::connection::{Choice, RequestBody};
use crate::headers;
use crate::router::Pick;
use crate::serve::Shared;

/// Instances asked for one request at most.
const ATTEMPTS: usize = 4;
/// How long an instance may take until its answer begins, when the request has no body.
const ANSWER: Duration = Duration::from_secs(60);
/// The same with a body, which may be large and slow to come.
const ANSWER_TO_UPLOAD: Duration = Duration::from_secs(15 * 60);

/// The body of an answer on its way to the client.
pub type AnswerBody = UnsyncBoxBody<Bytes, hyper::Error>;

/// What is noted about a request; written down when it ends, however it ends.
struct Note {
    shared: Arc<Shared>,
    pick: Option<Pick>,
    started: Instant,
    method: Method,
    path: String,
    status: u16,
    bytes: u64,
    /// Set when the end is known; a note dropped before tells of a client that went away.
    outcome: Option<Outcome>,
}

impl Note {
    /// Writes down that `pick` failed this request, which goes on elsewhere.
    fn failed_at(&self, pick: &Pick) {
        self.shared
            .recorder
            .ended(self.record(Some(pick), 0, Outcome::Transport));
    }

    fn record(&self, pick: Option<&Pick>, status: u16, outcome: Outcome) -> Record {
        Record {
            at: self.shared.clock.now(),
            method: self.method.as_str().to_owned(),
            path: self.path.clone(),
            group: pick.map(|p| p.group.name.clone()).unwrap_or_default(),
            package: pick.map(|p| p.group.package),
            configuration: pick.map(|p| p.group.configuration),
            since: pick.map(|p| p.group.since).unwrap_or_default(),
            instance: pick.map(|p| p.backend.instance),
            status,
            outcome,
            microseconds: self.started.elapsed().as_micros() as u64,
            bytes: self.bytes,
        }
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let outcome = self.outcome.unwrap_or(Outcome::Aborted);
        // Before the instance counts as left alone: evidence read after draining holds this request.
        self.shared
            .recorder
            .ended(self.record(self.pick.as_ref(), self.status, outcome));
    }
}

/// Answers one request of `client`.
///
/// # Errors
/// Never: whatever goes wrong is an answer.
pub(crate) async fn answer(
    shared: Arc<Shared>,
    client: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Infallible> {
    let mut note = Note {
        pick: None,
        started: Instant::now(),
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        status: 0,
        bytes: 0,
        outcome: None,
        shared: shared.clone(),
    };
    let leaving = shared.leaving.load(Ordering::Relaxed);
    let mut response = match forward(&shared, client, request, &mut note).await {
        Ok(Answer {
            response,
            sender,
            upgrade,
        }) => finish(response, sender, upgrade, note),
        Err(refusal) => {
            note.status = refusal.status.as_u16();
            note.outcome = Some(refusal.outcome);
            refusal.response(note.pick.as_ref())
        }
    };
    if leaving {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// An answer that the proxy makes itself.
struct Refusal {
    status: StatusCode,
    outcome: Outcome,
    reason: &'static str,
}

impl Refusal {
    fn response(self, pick: Option<&Pick>) -> Response<AnswerBody> {
        let body = Full::new(Bytes::from(format!("{}\n", self.reason)))
            .map_err(|never| match never {})
            .boxed_unsync();
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Some(pick) = pick {
            headers.insert(headers::PACKAGE, pick.group.package_header.clone());
        }
        response
    }
}

/// What an instance answered.
struct Answer {
    response: Response<Incoming>,
    sender: SendRequest<RequestBody>,
    /// The client's side of a connection that may change its protocol.
    upgrade: Option<hyper::upgrade::OnUpgrade>,
}

async fn forward(
    shared: &Arc<Shared>,
    client: SocketAddr,
    mut request: Request<Incoming>,
    note: &mut Note,
) -> Result<Answer, Refusal> {
    if request.method() == Method::CONNECT {
        let reason = "this proxy opens no tunnels";
        return Err(Refusal {
            status: StatusCode::NOT_IMPLEMENTED,
            outcome: Outcome::Unrouted,
            reason,
        });
    }
    let protocol = headers::upgrade(request.headers());
    let upgrade = protocol.as_ref().map(|_| hyper::upgrade::on(&mut request));
    let (mut parts, body) = request.into_parts();
    parts.version = Version::HTTP_11;
    parts.uri = origin_form(&parts.uri);
    headers::to_instance(&mut parts.headers, client, protocol.as_ref());
    let empty = body.is_end_stream();
    let repeatable =
        empty && protocol.is_none() && matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    let patience = if empty { ANSWER } else { ANSWER_TO_UPLOAD };
    let spare = repeatable.then(|| parts.clone());
    let mut ready = Some(Request::from_parts(parts, body.boxed_unsync()));
    let mut choice = if repeatable { Choice::Any } else { Choice::Fresh };
    if protocol.is_some() {
        choice = Choice::New;
    }
    let mut tried: Vec<InstanceId> = Vec::new();
    let mut repeated = false;
    for _ in 0..ATTEMPTS {
        let before = note.pick.take();
        let next = shared
            .router
            .choose(before.as_ref().map(|pick| pick.group.name.as_str()), &tried);
        let Some(pick) = next else {
            note.pick = before;
            break;
        };
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(&before.group, &pick.group)) {
            note.failed_at(&before);
        }
        let pick = note.pick.insert(pick);
        let mut connection = match pick.backend.pool.connection(pick.backend.address, choice).await {
            Ok(connection) => connection,
            Err(error) => {
                // That this process is out of files or ports says nothing about the instance.
                if matches!(
                    error.kind(),
                    ConnectionRefused | ConnectionReset | TimedOut | HostUnreachable
                ) {
                    shared.router.not_reached(&pick.backend);
                }
                tried.push(pick.backend.instance);
                continue;
            }
        };
        let Some(request) = ready.take() else { break };
        match tokio::time::timeout(patience, connection.sender.try_send_request(request)).await {
            Ok(Ok(response)) => {
                pick.backend.reached();
                return Ok(Answer {
                    response,
                    sender: connection.sender,
                    upgrade,
                });
            }
            Ok(Err(mut failure)) => {
                if let Some(unsent) = failure.take_message() {
                    ready = Some(unsent);
                } else if let Some(parts) = spare.clone().filter(|_| connection.reused && !repeated) {
                    repeated = true;
                    let body = Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync();
                    ready = Some(Request::from_parts(parts, body));
                } else {
                    let reason = "the instance broke the connection off before it answered";
                    return Err(Refusal {
                        status: StatusCode::BAD_GATEWAY,
                        outcome: Outcome::Transport,
                        reason,
                    });
                }
                // The kept connections of this instance are likely of the same age.
                pick.backend.pool.forget();
                choice = Choice::New;
            }
            Err(_) => {
                let reason = "the instance did not answer in time";
                return Err(Refusal {
                    status: StatusCode::GATEWAY_TIMEOUT,
                    outcome: Outcome::TimedOut,
                    reason,
                });
            }
        }
    }
    if note.pick.is_some() {
        let reason = "no instance could be reached";
        Err(Refusal {
            status: StatusCode::BAD_GATEWAY,
            outcome: Outcome::Transport,
            reason,
        })
    } else {
        let reason = "no instance is running";
        Err(Refusal {
            status: StatusCode::SERVICE_UNAVAILABLE,
            outcome: Outcome::Unrouted,
            reason,
        })
    }
}

/// The path and query alone, as an instance expects it.
fn origin_form(uri: &Uri) -> Uri {
    uri.path_and_query()
        .map(|path| Uri::from(path.clone()))
        .unwrap_or_default()
}

fn finish(
    response: Response<Incoming>,
    sender: SendRequest<RequestBody>,
    upgrade: Option<hyper::upgrade::OnUpgrade>,
    mut note: Note,
) -> Response<AnswerBody> {
    note.status = response.status().as_u16();
    let package = note.pick.as_ref().map(|pick| pick.group.package_header.clone());
    let package = package.unwrap_or(HeaderValue::from_static(""));
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return tunnel(response, upgrade, note, &package);
    }
    let (mut parts, body) = response.into_parts();
    parts.version = Version::HTTP_11;
    headers::to_client(&mut parts.headers, &package, None);
    Response::from_parts(
        parts,
        Noted {
            body,
            note: Some(note),
            sender: Some(sender),
        }
        .boxed_unsync(),
    )
}

/// Joins both sides of a connection that changes its protocol; it counts as one open request.
fn tunnel(
    mut response: Response<Incoming>,
    client: Option<hyper::upgrade::OnUpgrade>,
    mut note: Note,
    package: &HeaderValue,
) -> Response<AnswerBody> {
    let Some(client) = client else {
        note.outcome = Some(Outcome::Transport);
        let reason = "the instance changed the protocol without being asked";
        return Refusal {
            status: StatusCode::BAD_GATEWAY,
            outcome: Outcome::Transport,
            reason,
        }
        .response(note.pick.as_ref());
    };
    let protocol = headers::upgrade(response.headers());
    let instance = hyper::upgrade::on(&mut response);
    let (mut parts, _) = response.into_parts();
    headers::to_client(&mut parts.headers, package, protocol.as_ref());
    tokio::spawn(async move {
        // The whole note moves in here: its end is the end of the tunnel.
        let mut note = note;
        note.outcome = Some(Outcome::Transport);
        if let (Ok(client), Ok(instance)) = tokio::join!(client, instance) {
            let (mut client, mut instance) = (TokioIo::new(client), TokioIo::new(instance));
            // Either side may end it as it likes; both are an end.
            if let Ok((_, bytes)) = tokio::io::copy_bidirectional(&mut client, &mut instance).await {
                note.bytes = bytes;
            }
            note.outcome = Some(Outcome::Answered);
        }
    });
    Response::from_parts(parts, Empty::new().map_err(|never| match never {}).boxed_unsync())
}

/// The body of an answer that notes its end and gives the connection back.
struct Noted {
    body: Incoming,
    note: Option<Note>,
    sender: Option<SendRequest<RequestBody>>,
}

impl Noted {
    fn end(&mut self, outcome: Option<Outcome>) {
        let sender = self.sender.take();
        if let Some(mut note) = self.note.take() {
            note.outcome = outcome;
            if let (Some(Outcome::Answered), Some(pick), Some(sender)) = (outcome, &note.pick, sender) {
                pick.backend.pool.keep(sender);
            }
        }
    }
}

impl Body for Noted {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                if let Some(note) = &mut self.note {
                    note.bytes += length;
                }
            }
            Some(Err(_)) => self.end(Some(Outcome::Transport)),
            None => self.end(Some(Outcome::Answered)),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        // A body of known length is not polled once more after its last byte.
        let outcome = self.body.is_end_stream().then_some(Outcome::Answered);
        self.end(outcome);
    }
}
