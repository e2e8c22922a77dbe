//! The server's life: open, listen, follow, stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use access::{Rights, Role};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{from_fn_with_state, map_response, map_response_with_state};
use axum::response::Response;
use axum::routing::get;
use facts::Actor;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::duties::{self, Duty};
use crate::house::{House, OpenError};
use crate::settings::Settings;
use crate::tls::{Certificates, TlsError, TlsListener, renew};
use crate::{
    api, auth, follower, git, hooks, measurements, notifications, problem, registry, repeat, retention, statuses,
    watch, web,
};

/// How long the end of the server waits for results that are being shared.
const SHARING: std::time::Duration = std::time::Duration::from_secs(10);

/// The file in the data folder that tells programs of this machine where the server is.
pub const WHERE: &str = "server.json";

/// Why a server could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The house could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The address can be reached from elsewhere, and nothing encrypts what is sent.
    #[error(
        "{0} can be reached from other machines, and nothing encrypts what is sent there\nhint: give a certificate with --tls-certificate and --tls-key, put a proxy that speaks TLS before it and say --behind-proxy, or listen on 127.0.0.1"
    )]
    Exposed(SocketAddr),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}\nhint: {}", hint_of(source, *address))]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Serving ended by itself.
    #[error("the server stopped: {0}")]
    Stopped(#[from] std::io::Error),
    /// Another server has taken over what this one led.
    #[error(
        "another server has taken over the runs from this one, which did not answer for too long: {0}\nhint: start this one again; it works beside the other then"
    )]
    Replaced(String),
    /// The first token could not be made.
    #[error("the first token could not be made: {0}")]
    Token(String),
}

/// What to do when an address cannot be listened on.
fn hint_of(error: &std::io::Error, address: SocketAddr) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            "ports below 1024 need a permission of their own: in a unit of systemd `AmbientCapabilities=CAP_NET_BIND_SERVICE`, or choose a port above with --address"
        }
        std::io::ErrorKind::AddrNotAvailable => "this machine has no such address; choose one with --address",
        _ => "another program may use the port; choose one with --address",
    }
}

/// A server that is ready.
#[derive(Debug)]
pub struct Ready {
    /// Where it is.
    pub url: String,
    /// Its data folder.
    pub data: PathBuf,
    /// The admin's token, at the first start: the only time it is shown.
    pub first_token: Option<Zeroizing<String>>,
}

/// The routes of the whole server.
pub fn router(house: Arc<House>) -> Router {
    let api = api::routes()
        .layer(DefaultBodyLimit::max(api::LARGEST_BODY))
        .layer(from_fn_with_state(house.clone(), repeat::repeat))
        .layer(from_fn_with_state(house.clone(), auth::known))
        .layer(map_response(problem::always));
    Router::new()
        .nest("/api/v1", api)
        .nest("/git", git::routes().layer(DefaultBodyLimit::disable()))
        .merge(registry::routes())
        .merge(hooks::routes().layer(map_response(problem::always)))
        .route("/healthz", get(|| async { "ok" }))
        .route("/healthz/leader", get(leads))
        .route(
            "/metrics",
            get(measurements::measurements).layer(map_response(problem::always)),
        )
        .merge(web::routes(&house))
        .layer(map_response(no_guessing))
        .layer(map_response_with_state(house.clone(), always_encrypted))
        .with_state(house)
}

/// Whether this server leads the runs; for whoever shares requests out among several.
async fn leads(State(house): State<Arc<House>>) -> (StatusCode, &'static str) {
    match house.duties.leads(Duty::Runs) {
        true => (StatusCode::OK, "leads"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "stands by"),
    }
}

/// A browser that came over the server's own TLS never comes without it again.
async fn always_encrypted(State(house): State<Arc<House>>, mut response: Response) -> Response {
    if house.settings.tls.is_some() {
        response.headers_mut().insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    response
}

/// Nothing that is answered is to be taken for another type than it says.
async fn no_guessing(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Runs a server until it is told to stop, by a signal or by `throughline down`. `ready` hears when it
/// listens. Services and running steps go on when it ends.
///
/// # Errors
/// When it cannot be opened, may not listen there, or cannot.
pub async fn serve(settings: Settings, ready: impl FnOnce(&Ready)) -> Result<(), ServeError> {
    if !settings.is_local() && !settings.behind_proxy && settings.tls.is_none() {
        return Err(ServeError::Exposed(settings.address));
    }
    let certificates = settings.tls.clone().map(Certificates::open).transpose()?;
    let asked = settings.address;
    let house = House::open(settings).await?;
    let listener = TcpListener::bind(asked)
        .await
        .map_err(|source| ServeError::Listen { address: asked, source })?;
    let address = listener.local_addr()?;
    let name = certificates.as_ref().and_then(|certificates| certificates.name());
    house.listens(address, name.as_deref());
    let first_token = first_token(&house).await?;
    house.servers.listens(&house.url())?;
    let following = tokio::spawn(follower::follow(house.clone()));
    let covering = tokio::spawn(duties::lead(house.clone(), Duty::Checkpoints, keep_making));
    let telling = tokio::spawn(duties::lead(
        house.clone(),
        Duty::Notifications,
        notifications::keep_telling,
    ));
    let saying = tokio::spawn(duties::lead(house.clone(), Duty::Notifications, statuses::keep_telling));
    let watching = tokio::spawn(duties::lead(house.clone(), Duty::Rules, watch::keep_watching));
    let looking = tokio::spawn(duties::lead(house.clone(), Duty::Stores, watch::keep_looking));
    let tidying = tokio::spawn(duties::lead(house.clone(), Duty::Retention, retention::keep_tidy));
    // From here on whoever was told that it is ready may end it.
    let signals = tokio::spawn(stop_on_signal(house.stopping.clone())?);
    ready(&Ready {
        url: house.url(),
        data: house.settings.data.clone(),
        first_token: first_token.as_ref().map(|made| made.secret.clone()),
    });
    if let Some(made) = first_token {
        shown(&house, made.id).await?;
    }
    let stopping = house.stopping.clone();
    let renewing = certificates
        .clone()
        .map(|certificates| tokio::spawn(renew(certificates)));
    let stopped = stopping.clone().cancelled_owned();
    let routes = router(house.clone());
    let serving = async {
        match &certificates {
            Some(certificates) => {
                let listener = TlsListener::new(listener, certificates)?;
                axum::serve(listener, routes).with_graceful_shutdown(stopped).await
            }
            None => axum::serve(listener, routes).with_graceful_shutdown(stopped).await,
        }
    };
    // Streams end by themselves when the server stops; whoever does not is not waited for.
    let served = tokio::select! {
        served = serving => served,
        // At once: whatever this one still did would be done beside the other.
        by = house.duties.replaced(Duty::Runs) => {
            house.servers.leave();
            return Err(ServeError::Replaced(by));
        },
        () = async { stopping.cancelled().await; tokio::time::sleep(std::time::Duration::from_secs(3)).await } => Ok(()),
    };
    if let Some(renewing) = renewing {
        renewing.abort();
    }
    stopping.cancel();
    signals.abort();
    house.engine.stop().await;
    let _ = following.await;
    let _ = covering.await;
    let _ = telling.await;
    let _ = saying.await;
    let _ = watching.await;
    let results = house.results.clone();
    // What cannot be shared in this time is made anew elsewhere.
    let _ = tokio::task::spawn_blocking(move || results.store().finish_sharing(SHARING)).await;
    // A sweep that is not done goes on at the next start.
    tidying.abort();
    looking.abort();
    house.servers.leave();
    house.duties.give_back().await;
    Ok(served?)
}

/// Makes checkpoints, after what the server left that made them before.
async fn keep_making(house: Arc<House>) {
    if let Err(error) = house.checkpoints.take_over().await {
        tracing::error!(%error, "what the last server was at with checkpoints could not be finished");
    }
    house.checkpoints.keep_making(house.stopping.clone()).await;
}

/// Listens to the signals that end a server from now on; what is returned stops it when one comes.
fn stop_on_signal(stopping: CancellationToken) -> std::io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stopping.cancel();
    })
}

/// At the first start, an admin's token.
async fn first_token(house: &Arc<House>) -> Result<Option<access::MadeToken>, ServeError> {
    if !house.duties.leads(Duty::Runs) {
        // The server that leads has made it, and shows it.
        return Ok(None);
    }
    let access = house.access.clone();
    let made = tokio::task::spawn_blocking(move || access.first_token()).await;
    let made = made.map_err(of_token)?.map_err(of_token)?;
    let Some(made) = made else { return Ok(None) };
    let rights = Rights::everywhere(Role::Admin);
    let recorded = api::record_token(house, &made, rights, Actor::System).await;
    recorded.map_err(|problem| ServeError::Token(problem.detail().to_owned()))?;
    crashpoint::reach("server.first-token.made");
    Ok(Some(made))
}

/// Somebody saw the first token: no later start makes another.
async fn shown(house: &Arc<House>, token: facts::TokenId) -> Result<(), ServeError> {
    let access = house.access.clone();
    let noted = tokio::task::spawn_blocking(move || access.first_token_shown(token)).await;
    noted.map_err(of_token)?.map_err(of_token)
}

fn of_token(error: impl std::fmt::Display) -> ServeError {
    ServeError::Token(error.to_string())
}
