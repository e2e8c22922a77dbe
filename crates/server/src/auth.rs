//! Who asks: from a token or a session, never from what a request says about itself.

use std::sync::Arc;

use access::{Action, Authenticated, Decision, Principal, Resource, authorize};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use facts::Actor;

use crate::house::House;
use crate::problem::Problem;

/// The name of the cookie that carries a session.
pub const COOKIE: &str = "throughline_session";

/// Whoever asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who they are and what they hold.
    pub principal: Principal,
    /// The token behind it.
    pub token: Option<facts::TokenId>,
    /// The session's text, where a browser asks.
    pub session: Option<String>,
}

impl Caller {
    /// Whether they may.
    ///
    /// # Errors
    /// With what to answer when they may not.
    pub fn may(&self, action: Action, resource: &Resource) -> Result<Actor, Problem> {
        match authorize(&self.principal, action, resource) {
            Decision::Allow => self.principal.actor().ok_or_else(Problem::log_in),
            Decision::LogIn => Err(Problem::log_in()),
            Decision::Deny { reason } => Err(Problem::denied(reason)),
        }
    }

    /// Finds out who asks. A wrong token is nobody.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn of(house: &Arc<House>, headers: &HeaderMap) -> Result<Self, Problem> {
        let token = bearer(headers).or_else(|| basic(headers));
        let session = token.is_none().then(|| cookie(headers)).flatten();
        let access = house.access.clone();
        let (presented, of_session) = (token, session.clone());
        let found = tokio::task::spawn_blocking(move || match (presented, of_session) {
            (Some(token), _) => access.authenticate(&token),
            (None, Some(session)) => access.authenticate_session(&session),
            (None, None) => Ok(None),
        });
        let found: Option<Authenticated> = found
            .await
            .map_err(|panic| Problem::from(crate::error::ServerError::Internal(panic.to_string())))?
            .map_err(Problem::from)?;
        Ok(match found {
            Some(Authenticated { principal, token }) => Self {
                principal,
                token: Some(token),
                session,
            },
            None => Self {
                principal: Principal::Anonymous,
                token: None,
                session: None,
            },
        })
    }
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// The password of Basic: git and registry clients send tokens that way, with any name.
fn basic(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(_, password)| password.to_owned())
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let cookies = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value.to_owned())
}

/// Lets nobody unknown through: what is there and what is not is no stranger's business.
///
/// # Errors
/// When nobody known asks, or the store fails.
pub async fn known(State(house): State<Arc<House>>, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, &house).await?;
    caller.may(Action::Enter, &Resource::Server)?;
    parts.extensions.insert(caller);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

impl FromRequestParts<Arc<House>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, house: &Arc<House>) -> Result<Self, Problem> {
        if let Some(caller) = parts.extensions.get::<Self>() {
            return Ok(caller.clone());
        }
        let caller = Self::of(house, &parts.headers).await?;
        // A browser sends its cookie, and a name and password it remembers, to us from anybody's page: a
        // write must come from our own. A program that sends a token with Bearer is no browser.
        let writes = !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
        let foreign = if caller.session.is_some() {
            !is_same_origin(&parts.headers)
        } else {
            comes_from_a_browser(&parts.headers) && !is_same_origin(&parts.headers)
        };
        if writes && foreign && bearer(&parts.headers).is_none() {
            return Err(Problem::denied("the request comes from another site"));
        }
        Ok(caller)
    }
}

/// Whether the request carries what only browsers send.
fn comes_from_a_browser(headers: &HeaderMap) -> bool {
    headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN)
}

/// Whether a browser says that the request comes from one of our own pages.
pub(crate) fn is_same_origin(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, origin)| origin == host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn tokens_come_as_bearer_or_as_the_password_of_basic() {
        assert_eq!(
            bearer(&headers(&[("authorization", "Bearer tl_x")])).as_deref(),
            Some("tl_x")
        );
        let encoded = base64::engine::general_purpose::STANDARD.encode("anybody:tl_y");
        let basic_header = format!("Basic {encoded}");
        assert_eq!(
            basic(&headers(&[("authorization", &basic_header)])).as_deref(),
            Some("tl_y")
        );
        assert_eq!(basic(&headers(&[("authorization", "Basic ***")])), None);
    }

    #[test]
    fn a_write_from_another_site_is_no_write_of_ours() {
        for (pairs, expected) in [
            (vec![("sec-fetch-site", "same-origin")], true),
            (
                vec![("sec-fetch-site", "cross-site"), ("origin", "http://a"), ("host", "a")],
                false,
            ),
            (vec![("origin", "http://a:1"), ("host", "a:1")], true),
            (vec![("origin", "http://evil"), ("host", "a:1")], false),
            (vec![("host", "a:1")], false),
        ] {
            assert_eq!(is_same_origin(&headers(&pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn the_session_is_found_among_cookies() {
        let headers = headers(&[("cookie", "theme=dark; throughline_session=tls_z; a=b")]);
        assert_eq!(cookie(&headers).as_deref(), Some("tls_z"));
    }
}
