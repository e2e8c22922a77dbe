//! The HTTP interface.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::entries::Entries;
use crate::settings::Settings;

/// What the handlers need.
pub struct Guestbook {
    /// The stored entries.
    pub entries: Entries,
    /// What the service was told.
    pub settings: Settings,
}

/// Answers requests until the process is asked to stop; requests under way are finished.
pub async fn serve(listener: TcpListener, guestbook: Arc<Guestbook>) {
    let (stop, stopping) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be listened to");
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted { Ok((stream, _)) => stream, Err(_) => continue },
            _ = terminate.recv() => break,
        };
        let guestbook = guestbook.clone();
        let mut stopping = stopping.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let guestbook = guestbook.clone();
                async move { Ok::<_, Infallible>(answer(&guestbook, request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            tokio::select! {
                _ = connection.as_mut() => {}
                _ = stopping.changed() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        });
    }
    drop(listener);
    let _ = stop.send(true);
    drop(stopping);
    stop.closed().await;
}

fn json_answer(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(
        "content-type",
        hyper::header::HeaderValue::from_static("application/json"),
    );
    response
}

async fn answer(guestbook: &Guestbook, request: Request<Incoming>) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => json_answer(StatusCode::OK, &json!({ "greeting": guestbook.settings.greeting })),
        (&Method::GET, "/health") if guestbook.entries.answers() => {
            json_answer(StatusCode::OK, &json!({ "well": true }))
        }
        (&Method::GET, "/health") => json_answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "well": false })),
        (&Method::GET, "/entries") => match guestbook.entries.newest(guestbook.settings.page_size) {
            Ok(entries) => json_answer(StatusCode::OK, &json!({ "entries": entries })),
            Err(error) => json_answer(
                StatusCode::INTERNAL_SERVER_ERROR,
                &json!({ "error": error.to_string() }),
            ),
        },
        (&Method::POST, "/entries") => add(guestbook, request).await,
        _ => json_answer(StatusCode::NOT_FOUND, &json!({ "error": "there is nothing here" })),
    }
}

async fn add(guestbook: &Guestbook, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let Ok(body) = Limited::new(request.into_body(), 64 * 1024).collect().await else {
        return json_answer(
            StatusCode::PAYLOAD_TOO_LARGE,
            &json!({ "error": "an entry has at most 64 KiB" }),
        );
    };
    let entry: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
    let (Some(name), Some(message)) = (entry["name"].as_str(), entry["message"].as_str()) else {
        return json_answer(
            StatusCode::BAD_REQUEST,
            &json!({ "error": "an entry has a `name` and a `message`" }),
        );
    };
    match guestbook.entries.add(name, message) {
        Ok(entry) => json_answer(StatusCode::CREATED, &entry),
        Err(error) => json_answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            &json!({ "error": error.to_string() }),
        ),
    }
}
