//! Errors on the wire: problem documents with a code that stays and a hint.

use access::AccessError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use delivery::DeliveryError;
use delivery::decide::AskError;
use engine::WishError;

use crate::error::ServerError;
use crate::wire;

/// An error as it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    hint: Option<String>,
}

impl Problem {
    /// A problem with a status, a code that stays, and what went wrong.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            hint: None,
        }
    }

    /// The same with what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// There is no such thing.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", what)
    }

    /// What came in does not fit.
    pub fn bad_input(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-input", detail)
    }

    /// Nobody is logged in.
    pub fn log_in() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "log-in", "nobody is logged in")
            .hint("send a token: `Authorization: Bearer tl_...`, or as the password of Basic")
    }

    /// Who is logged in may not.
    pub fn denied(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "denied", reason).hint("ask an admin for the role")
    }

    /// The status it is answered with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The code that stays.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What went wrong.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What to do next.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Something inside went wrong: told in the log, not on the wire.
    fn inside(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong inside the server",
        )
        .hint("the server's log says what")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Whoever shows problems in another form, such as the pages, finds it as it is.
        let whole = self.clone();
        let body = wire::Problem {
            kind: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or("error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code.to_owned(),
            hint: self.hint,
        };
        let mut response = (self.status, axum::Json(body)).into_response();
        response.extensions_mut().insert(whole);
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"throughline\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// Makes a problem document of an error that was answered as plain text, such as that of a body that
/// is no JSON.
pub async fn always(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.extensions().get::<Problem>().is_some() {
        return response;
    }
    let text = axum::body::to_bytes(response.into_body(), LONGEST_DETAIL).await;
    let text = text
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let mut first = text.trim().chars();
    let text: String = first
        .next()
        .map(|c| c.to_lowercase().chain(first).collect())
        .unwrap_or_default();
    let (code, detail, hint) = match status {
        StatusCode::PAYLOAD_TOO_LARGE => ("too-large", "the body is too large", "send less in one request"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            "media-type",
            "the body is not said to be what is expected here",
            "send JSON with `Content-Type: application/json`",
        ),
        _ => (
            "bad-input",
            "the request does not fit",
            "/api/v1/openapi.json says what is expected",
        ),
    };
    let status = match status {
        // What does not fit is told in one way, wherever it was found out.
        StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
        other => other,
    };
    let detail = if text.is_empty() { detail.to_owned() } else { text };
    Problem::new(status, code, detail).hint(hint).into_response()
}

/// The longest text of another's error that is passed on, in bytes.
const LONGEST_DETAIL: usize = 64 * 1024;

/// The disk that something is kept on is full.
fn full(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::INSUFFICIENT_STORAGE, "disk-full", detail)
        .hint("make room on the disk of the data folder; nothing is lost, and what was refused can be sent again")
}

/// A message and the hint that some errors carry in a line of their own.
fn with_hint(problem: impl Fn(String) -> Problem, text: &str) -> Problem {
    match text.split_once("\nhint: ") {
        Some((message, hint)) => problem(message.to_owned()).hint(hint),
        None => problem(text.to_owned()),
    }
}

/// Another server has taken over what this one was to do.
fn replaced(error: &ledger::AppendError) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "replaced", error.to_string())
        .hint("ask the server that has taken over; `throughline status` lists those that live")
}

impl From<ServerError> for Problem {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Append(ledger::AppendError::Full) | ServerError::Ledger(ledger::LedgerError::Full) => {
                full("the disk that holds the ledger is full")
            }
            ServerError::Ledger(error @ ledger::LedgerError::Cursor(_))
            | ServerError::Query(engine::query::QueryError::Ledger(error @ ledger::LedgerError::Cursor(_))) => {
                with_hint(Self::bad_input, &error.to_string())
            }
            ServerError::Append(error @ ledger::AppendError::Fenced { .. }) => replaced(&error),
            ServerError::Blob(error) if error.is_full() => full(error.to_string()),
            ServerError::Delivery(error) => error.into(),
            other => Self::inside(&other),
        }
    }
}

impl From<DeliveryError> for Problem {
    fn from(error: DeliveryError) -> Self {
        match error {
            DeliveryError::Ask(ask) => {
                let (status, code) = match &ask {
                    AskError::UnknownEnvironment(_) | AskError::UnknownPackage(_) => {
                        (StatusCode::NOT_FOUND, "not-found")
                    }
                    AskError::OwnChange => (StatusCode::FORBIDDEN, "denied"),
                    AskError::Refused { .. }
                    | AskError::NothingToReturnTo(_)
                    | AskError::Busy(_)
                    | AskError::NoSuchApproval { .. }
                    | AskError::NotBarred(_) => (StatusCode::CONFLICT, "refused"),
                };
                Self::new(status, code, ask.to_string())
            }
            DeliveryError::Append(ledger::AppendError::Full) => full("the disk that holds the ledger is full"),
            DeliveryError::Append(error @ ledger::AppendError::Fenced { .. }) => replaced(&error),
            other => Self::inside(&other),
        }
    }
}

impl From<WishError> for Problem {
    fn from(error: WishError) -> Self {
        match &error {
            WishError::NoRun(_) => Self::not_found(error.to_string()),
            WishError::Refused(_) => with_hint(
                |text| Self::new(StatusCode::CONFLICT, "refused", text),
                &error.to_string(),
            ),
            WishError::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the server is stopping"),
            WishError::Ledger(ledger::LedgerError::Full) => full("the disk that holds the ledger is full"),
            WishError::Ledger(_) | WishError::Halted { .. } => Self::inside(&error),
        }
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        match &error {
            AccessError::SecretName(_) | AccessError::SecretSize { .. } => Self::bad_input(error.to_string()),
            error if error.is_full() => full("the disk that holds tokens and secrets is full"),
            _ => Self::inside(&error),
        }
    }
}

impl From<engine::query::QueryError> for Problem {
    fn from(error: engine::query::QueryError) -> Self {
        ServerError::from(error).into()
    }
}

impl From<ledger::LedgerError> for Problem {
    fn from(error: ledger::LedgerError) -> Self {
        ServerError::from(error).into()
    }
}

impl From<crate::changes::RegisterError> for Problem {
    fn from(error: crate::changes::RegisterError) -> Self {
        match error {
            crate::changes::RegisterError::Append(error) => ServerError::from(error).into(),
            crate::changes::RegisterError::Ledger(error) => ServerError::from(error).into(),
            other => Self::inside(&other),
        }
    }
}

impl From<crate::changes::IntakeError> for Problem {
    fn from(error: crate::changes::IntakeError) -> Self {
        match error {
            crate::changes::IntakeError::Append(error) => ServerError::from(error).into(),
            other => Self::inside(&other),
        }
    }
}

impl From<crate::changes::RepositoryError> for Problem {
    fn from(error: crate::changes::RepositoryError) -> Self {
        Self::inside(&error)
    }
}

impl From<ledger::RowError> for Problem {
    fn from(error: ledger::RowError) -> Self {
        Self::inside(&error)
    }
}
