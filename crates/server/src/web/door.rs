//! Coming in and going out, and the look of the pages.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, Method, Uri, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use maud::Markup;
use pages::model::{LoginPage, Theme};
use pages::{door, gallery, links};
use serde::Deserialize;

use super::forms::{Sent, local};
use super::visit::{self, THEME, Visit, set_cookie};
use crate::api::blocking;
use crate::auth::{COOKIE, Caller, is_same_origin};
use crate::house::House;
use crate::problem::Problem;

/// How long the chosen look is kept, in seconds.
const A_YEAR: u32 = 365 * 24 * 60 * 60;

/// What the login page is asked by.
#[derive(Debug, Default, Deserialize)]
pub(super) struct LoginQuery {
    next: Option<String>,
}

/// The login form.
#[derive(Deserialize)]
pub(super) struct Login {
    token: String,
    #[serde(default)]
    next: String,
}

/// The page with the login form; who is logged in already goes on.
pub(super) async fn ask(
    State(house): State<Arc<House>>,
    Query(query): Query<LoginQuery>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let caller = Caller::of(&house, &headers).await?;
    let next = local(query.next.as_deref());
    if caller.principal.actor().is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    let frame = visit::frame(&house, &caller, &headers, &uri).await?;
    Ok(door::login(&frame, &LoginPage { next, problem: None }).into_response())
}

/// Logs in by a token.
pub(super) async fn log_in(
    State(house): State<Arc<House>>,
    headers: HeaderMap,
    uri: Uri,
    Form(form): Form<Login>,
) -> Result<Response, Problem> {
    // Nobody is logged in by a form of another site, as somebody else.
    if !is_same_origin(&headers) {
        return Err(Problem::denied("the request comes from another site"));
    }
    let (access, token) = (house.access.clone(), form.token.trim().to_owned());
    let session = blocking(move || access.log_in_by_token(&token)).await??;
    let next = local(Some(&form.next));
    match session {
        Some(session) => Ok(entered(&house, &session, &next)),
        None => {
            let caller = Caller::of(&house, &headers).await?;
            let frame = visit::frame(&house, &caller, &headers, &uri).await?;
            let problem = Some("That is no token that works here.".to_owned());
            let page = door::login(&frame, &LoginPage { next, problem });
            Ok((axum::http::StatusCode::FORBIDDEN, page).into_response())
        }
    }
}

/// Logs in by a link that works once. Only a GET uses it up: whoever just looks whether it is there
/// leaves it whole.
pub(super) async fn log_in_by_link(
    State(house): State<Arc<House>>,
    method: Method,
    Path(secret): Path<String>,
) -> Result<Response, Problem> {
    if method != Method::GET {
        return Ok(().into_response());
    }
    let access = house.access.clone();
    let session = blocking(move || access.log_in_by_link(&secret)).await??;
    let Some(session) = session else {
        return Err(Problem::not_found("this login link does not work (any more)")
            .hint("a link works once, for five minutes: ask for another, or log in with a token at `/login`"));
    };
    Ok(entered(&house, &session, links::OVERVIEW))
}

fn entered(house: &House, session: &access::Session, next: &str) -> Response {
    let seconds = access::sessions::SESSION_LIFETIME
        .as_secs()
        .try_into()
        .unwrap_or(u32::MAX);
    let cookie = set_cookie(house, COOKIE, session.secret.as_str(), seconds);
    let headers: [(HeaderName, String); 3] = [
        (header::SET_COOKIE, cookie),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    (headers, Redirect::to(next)).into_response()
}

/// Ends the session.
pub(super) async fn log_out(State(house): State<Arc<House>>, sent: Sent) -> Result<Response, Problem> {
    let access = house.access.clone();
    let session = sent.session().to_owned();
    blocking(move || access.log_out(&session)).await??;
    let gone = set_cookie(&house, COOKIE, "", 0);
    // What the browser kept of the pages was for who was logged in.
    let clear = (HeaderName::from_static("clear-site-data"), "\"cache\"".to_owned());
    Ok((
        AppendHeaders([(header::SET_COOKIE, gone), clear]),
        Redirect::to(links::LOGIN),
    )
        .into_response())
}

/// Which look.
#[derive(Deserialize)]
pub(super) struct Look {
    theme: String,
    #[serde(default)]
    next: String,
}

/// Chooses a look, also before login. It is no secret and no harm: where it comes from is all that is
/// looked at.
pub(super) async fn theme(
    State(house): State<Arc<House>>,
    headers: HeaderMap,
    Form(look): Form<Look>,
) -> Result<Response, Problem> {
    if !is_same_origin(&headers) {
        return Err(Problem::denied("the request comes from another site"));
    }
    let cookie = set_cookie(&house, THEME, Theme::from_word(&look.theme).as_str(), A_YEAR);
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(&local(Some(&look.next)))).into_response())
}

/// The page that shows the parts of the design.
pub(super) async fn parts(visit: Visit) -> Markup {
    gallery::page(&visit.frame)
}
