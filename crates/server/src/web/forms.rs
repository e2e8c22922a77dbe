//! What people send: each form calls what the API calls, and leads back to the page it came from.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequest, Path, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use pages::links;

use super::visit::Said;
use crate::api::{changes, environments, rebuilds, runs};
use crate::auth::Caller;
use crate::house::House;
use crate::problem::Problem;
use crate::wire;

/// A form that was sent from one of our own pages by who is logged in.
pub(super) struct Sent {
    caller: Caller,
    session: String,
    fields: HashMap<String, String>,
}

impl FromRequest<Arc<House>> for Sent {
    type Rejection = Problem;

    async fn from_request(request: Request, house: &Arc<House>) -> Result<Self, Problem> {
        use axum::extract::FromRequestParts as _;
        let (mut parts, body) = request.into_parts();
        // The extractor refuses what another site's page makes the browser send.
        let caller = Caller::from_request_parts(&mut parts, house).await?;
        let session = caller.session.clone().ok_or_else(Problem::log_in)?;
        let request = Request::from_parts(parts, body);
        let Form(fields) = Form::<HashMap<String, String>>::from_request(request, house)
            .await
            .map_err(|rejection| Problem::bad_input(rejection.body_text()))?;
        let presented = fields.get("form_token").map(String::as_str).unwrap_or_default();
        if !access::sessions::is_form_token(&session, presented) {
            return Err(Problem::new(
                axum::http::StatusCode::FORBIDDEN,
                "stale-form",
                "the form is not from a page of this session",
            )
            .hint("go back, load the page again, and send it once more"));
        }
        Ok(Self {
            caller,
            session,
            fields,
        })
    }
}

impl Sent {
    /// The session's text.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Who sent it.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    fn next(&self) -> String {
        local(self.field("next"))
    }

    /// Leads back with what it came to.
    fn back(&self, house: &House, came_to: Result<String, Problem>) -> Response {
        let said = match came_to {
            Ok(text) => Said::done(super::guard::sentence(&text)),
            Err(problem) => Said::refused(&problem),
        };
        let next = self.next();
        let cookie = said.cookie(house, &next);
        ([(header::SET_COOKIE, cookie)], Redirect::to(&next)).into_response()
    }
}

/// The path to go on to: one on this server, else the first page.
pub(super) fn local(next: Option<&str>) -> String {
    let own = |path: &str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && path.len() <= 2_000
            && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    next.filter(|path| own(path)).unwrap_or(links::OVERVIEW).to_owned()
}

/// Cancels a run.
pub(super) async fn cancel(State(house): State<Arc<House>>, Path(run): Path<String>, sent: Sent) -> Response {
    let done = runs::cancel_run(&house, &sent.caller, &run).await;
    sent.back(&house, done.map(|_| "the run is being cancelled".to_owned()))
}

/// Ends the waiting of a change.
pub(super) async fn cancel_change(
    State(house): State<Arc<House>>,
    Path((team, name, change)): Path<(String, String, String)>,
    sent: Sent,
) -> Response {
    let done = changes::cancel_change(&house, &sent.caller, (&team, &name, &change)).await;
    sent.back(&house, done)
}

/// Runs the steps again that did not succeed.
pub(super) async fn retry(State(house): State<Arc<House>>, Path(run): Path<String>, sent: Sent) -> Response {
    let done = runs::retry_run(&house, &sent.caller, &run).await;
    sent.back(
        &house,
        done.map(|_| "what did not succeed is attempted again".to_owned()),
    )
}

/// Builds a change again and compares; leads to the run that does it.
pub(super) async fn rebuild(
    State(house): State<Arc<House>>,
    Path((team, name, change)): Path<(String, String, String)>,
    sent: Sent,
) -> Response {
    match rebuilds::rebuild_change(&house, &sent.caller, (&team, &name, &change)).await {
        Ok(run) => Redirect::to(&links::run(run)).into_response(),
        Err(problem) => sent.back(&house, Err(problem)),
    }
}

/// Says what became of a step of which nobody knows.
pub(super) async fn resolve(
    State(house): State<Arc<House>>,
    Path(place): Path<(String, String)>,
    sent: Sent,
) -> Response {
    let done = match sent.field("done") {
        Some("yes") => true,
        Some("no") => false,
        _ => return sent.back(&house, Err(Problem::bad_input("the field `done` is `yes` or `no`"))),
    };
    let answer = Json(wire::Resolve { done });
    let came_to = runs::resolve(State(house.clone()), sent.caller.clone(), Path(place), answer).await;
    sent.back(&house, came_to.map(|Json(done)| done.message))
}

/// Approves a change for an environment.
pub(super) async fn approve(
    State(house): State<Arc<House>>,
    Path((team, name, change, environment)): Path<(String, String, String, String)>,
    sent: Sent,
) -> Response {
    let role = sent.field("role").map(str::to_owned);
    let ask = Json(wire::Approve {
        component: format!("{team}/{name}"),
        change,
        role,
    });
    let came_to = environments::approve(State(house.clone()), sent.caller.clone(), Path(environment), ask).await;
    sent.back(&house, came_to.map(|Json(done)| done.message))
}

/// Brings a change into an environment.
pub(super) async fn promote(
    State(house): State<Arc<House>>,
    Path((team, name, change, environment)): Path<(String, String, String, String)>,
    sent: Sent,
) -> Response {
    let ask = Json(wire::Promote {
        component: format!("{team}/{name}"),
        change,
    });
    let came_to = environments::promote(State(house.clone()), sent.caller.clone(), Path(environment), ask).await;
    sent.back(&house, came_to.map(|Json(done)| done.message))
}

/// Takes an environment back.
pub(super) async fn roll_back(
    State(house): State<Arc<House>>,
    Path((team, name, environment)): Path<(String, String, String)>,
    sent: Sent,
) -> Response {
    let Some(reason) = sent.field("reason").map(str::to_owned) else {
        return sent.back(&house, Err(Problem::bad_input("say why it goes back")));
    };
    let ask = Json(wire::RollBack {
        component: format!("{team}/{name}"),
        to: None,
        reason,
    });
    let words = format!("{environment} goes back");
    let came_to = environments::roll_back(State(house.clone()), sent.caller.clone(), Path(environment), ask).await;
    sent.back(&house, came_to.map(|_| words))
}

/// Lifts the bar of a change's package.
pub(super) async fn unbar(
    State(house): State<Arc<House>>,
    Path((team, name, change)): Path<(String, String, String)>,
    sent: Sent,
) -> Response {
    let Some(cause) = sent.field("reason").map(str::to_owned) else {
        return sent.back(
            &house,
            Err(Problem::bad_input("say what made it fail, as a link or a sentence")),
        );
    };
    let ask = Json(wire::Unbar {
        component: format!("{team}/{name}"),
        cause,
    });
    let came_to = environments::unbar(State(house.clone()), sent.caller.clone(), Path(change), ask).await;
    sent.back(&house, came_to.map(|Json(done)| done.message))
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn a_form_leads_only_to_a_path_of_this_server() {
        for own in ["/", "/runs?show=open", "/components/a/b/changes/0123#x"] {
            assert_eq!(local(Some(own)), own);
        }
        for foreign in [
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a\r\nb: c",
            "",
            "runs",
            "/ü",
        ] {
            assert_eq!(local(Some(foreign)), "/", "{foreign:?}");
        }
        assert_eq!(local(None), "/");
    }
}
