//! What every answer to a browser carries, and problems as pages for those who read HTML.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use pages::assets::CONTENT_SECURITY_POLICY;
use pages::model::ErrorPage;
use pages::{door, links};

use super::visit;
use crate::auth::Caller;
use crate::house::House;
use crate::problem::Problem;

/// What every page says to the browser about itself.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=()",
    ),
];

/// Adds the headers of every page, and shows problems as pages to whoever reads HTML.
pub(super) async fn guard(State(house): State<Arc<House>>, request: Request, next: Next) -> Response {
    let (method, uri, headers) = (
        request.method().clone(),
        request.uri().clone(),
        request.headers().clone(),
    );
    let mut response = next.run(request).await;
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    if is_error && reads_html(&headers) && !is_html(&response) {
        let problem = response.extensions_mut().remove::<Problem>();
        let problem = problem.unwrap_or_else(|| of_status(response.status()));
        let allowed = response.headers().get(header::ALLOW).cloned();
        response = page(&house, &problem, &method, &headers, &uri).await;
        response
            .headers_mut()
            .extend(allowed.map(|allowed| (header::ALLOW, allowed)));
    }
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    // What a page shows is for who is logged in now.
    let keep = HeaderValue::from_static("private, no-cache");
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(keep);
    response
}

/// Whether the answer is a page already.
fn is_html(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// Whether the client is a browser that wants to show the answer.
fn reads_html(headers: &HeaderMap) -> bool {
    let accepts = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    accepts.into_iter().any(|value| value.contains("text/html"))
}

/// The problem behind an answer that names none.
fn of_status(status: StatusCode) -> Problem {
    let (code, detail) = match status {
        StatusCode::METHOD_NOT_ALLOWED => ("bad-method", "this address does not take such a request"),
        StatusCode::PAYLOAD_TOO_LARGE => ("too-large", "what was sent is too large"),
        status if status.is_client_error() => ("bad-input", "the request does not fit this address"),
        _ => ("internal", "something went wrong inside the server"),
    };
    Problem::new(status, code, detail)
}

async fn page(house: &Arc<House>, problem: &Problem, method: &Method, headers: &HeaderMap, uri: &Uri) -> Response {
    if problem.status() == StatusCode::UNAUTHORIZED {
        let path = uri.path_and_query().map_or(links::OVERVIEW, |path| path.as_str());
        // What was to be sent cannot be sent again; the page it came from can be opened again.
        let next = if method == Method::GET { path } else { links::OVERVIEW };
        return Redirect::to(&links::with_query(links::LOGIN, "next", next)).into_response();
    }
    let framed = async {
        let caller = Caller::of(house, headers).await?;
        visit::frame(house, &caller, headers, uri).await
    };
    let frame = match framed.await {
        Ok(frame) => frame,
        Err(problem) => return problem.into_response(),
    };
    let shown = ErrorPage {
        status: problem.status().as_u16(),
        message: sentence(problem.detail()),
        hint: problem.hint_text().map(str::to_owned),
        code: Some(problem.code().to_owned()),
    };
    (problem.status(), door::error(&frame, &shown)).into_response()
}

/// A message as a sentence of a page. What begins with a commit or a component's name keeps its letters.
pub(super) fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let Some(first) = letters.next() else {
        return String::new();
    };
    let word = message.split(' ').next().unwrap_or_default();
    let is_name = word.contains(|letter: char| letter.is_ascii_digit() || letter == '/');
    let first = match is_name {
        true => first.to_string(),
        false => first.to_uppercase().to_string(),
    };
    let end = if message.ends_with(['.', '!', '?', ':']) {
        ""
    } else {
        "."
    };
    format!("{first}{}{end}", letters.as_str())
}

/// The answer where no page is.
pub(super) async fn nothing_here() -> Problem {
    Problem::not_found("there is no page at this address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_read_html_and_programs_do_not() {
        let of = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            reads_html(&headers)
        };
        assert!(of("text/html,application/xhtml+xml,*/*;q=0.8"));
        assert!(!of("*/*"));
        assert!(!of("application/json"));
        assert!(!reads_html(&HeaderMap::new()));
    }

    #[test]
    fn a_message_becomes_a_sentence() {
        assert_eq!(sentence("there is no run `x`"), "There is no run `x`.");
        assert_eq!(sentence("really?"), "Really?");
        assert_eq!(sentence(""), "");
    }
}
