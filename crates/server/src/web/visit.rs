//! Who looks at a page, and the frame around it.

use std::sync::Arc;

use access::{Action, Principal, Resource};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use facts::ComponentName;
use pages::model::{Frame, Notice, Theme, Tone, Viewer};
use serde::{Deserialize, Serialize};

use crate::api::blocking;
use crate::auth::Caller;
use crate::house::House;
use crate::problem::Problem;

/// The name of the cookie that carries the chosen theme.
pub(super) const THEME: &str = "throughline_theme";
/// The name of the cookie that carries what a form came to, for as long as it is worth reading.
pub(super) const SAID: &str = "throughline_said";
/// How long that is, in seconds.
const SAID_FOR: u32 = 8;
/// With less room than this on the data folder's disk, pages say so.
const LITTLE_ROOM: u64 = 256 * 1024 * 1024;

/// Somebody known, looking at a page.
pub(super) struct Visit {
    /// Who.
    pub caller: Caller,
    /// What surrounds the page.
    pub frame: Frame,
}

impl Visit {
    /// Whether they may see a component.
    pub fn may_see(&self, component: &ComponentName) -> bool {
        self.may(Action::Read, &Resource::Component(component.clone()))
    }

    /// Whether they may do something, for showing a button or not.
    pub fn may(&self, action: Action, resource: &Resource) -> bool {
        self.caller.may(action, resource).is_ok()
    }
}

impl FromRequestParts<Arc<House>> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, house: &Arc<House>) -> Result<Self, Problem> {
        let caller = Caller::of(house, &parts.headers).await?;
        caller.may(Action::Enter, &Resource::Server)?;
        let frame = frame(house, &caller, &parts.headers, &parts.uri).await?;
        Ok(Self { caller, frame })
    }
}

/// The frame of a page for whoever asks, known or not.
pub(super) async fn frame(
    house: &Arc<House>,
    caller: &Caller,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Frame, Problem> {
    let viewer = match &caller.principal {
        Principal::Anonymous => None,
        known => {
            let (access, actor) = (house.access.clone(), known.actor());
            let name = blocking(move || actor.map(|actor| access.name_of(actor)).transpose()).await??;
            name.map(|name| Viewer {
                name,
                reads_ledger: caller.may(Action::ReadLedger, &Resource::Server).is_ok(),
            })
        }
    };
    let mut notices = Vec::new();
    if viewer.is_some() {
        notices.extend(room(house));
        notices.extend(
            cookie(headers, SAID)
                .and_then(|value| Said::read(&value))
                .filter(|said| said.on == uri.path())
                .map(Said::notice),
        );
    }
    Ok(Frame {
        now: house.clock.now(),
        as_of: if viewer.is_some() {
            house.ledger.head().await?
        } else {
            0
        },
        viewer,
        theme: cookie(headers, THEME)
            .map(|word| Theme::from_word(&word))
            .unwrap_or_default(),
        path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        form_token: caller
            .session
            .as_deref()
            .map(access::sessions::form_token)
            .unwrap_or_default(),
        notices,
    })
}

/// A cookie of the request.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let cookies = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value.to_owned())
}

/// The text of a `set-cookie` header. Scripts never see it; other sites' forms never carry it.
pub(super) fn set_cookie(house: &House, name: &str, value: &str, seconds: u32) -> String {
    let url = house.url();
    let encrypted = house.settings.behind_proxy || house.settings.tls.is_some();
    let secure = if encrypted || url.starts_with("https://") {
        "; Secure"
    } else {
        ""
    };
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

/// What a form came to, on its way to the next page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    /// The page that it is said on: another one, opened within the same seconds, does not say it.
    #[serde(default)]
    on: String,
    good: bool,
    text: String,
    #[serde(default)]
    hint: Option<String>,
}

impl Said {
    /// It was done.
    pub fn done(text: impl Into<String>) -> Self {
        Self {
            on: String::new(),
            good: true,
            text: text.into(),
            hint: None,
        }
    }

    /// It was not.
    pub fn refused(problem: &Problem) -> Self {
        let mut text = problem.detail().to_owned();
        // A cookie holds little.
        if text.len() > 1_000 {
            text.truncate(text.floor_char_boundary(1_000));
            text.push('…');
        }
        Self {
            on: String::new(),
            good: false,
            text,
            hint: problem.hint_text().map(str::to_owned),
        }
    }

    /// The cookie that carries it to the page at `next`.
    pub fn cookie(mut self, house: &House, next: &str) -> String {
        next.split(['?', '#'])
            .next()
            .unwrap_or_default()
            .clone_into(&mut self.on);
        let json = serde_json::to_vec(&self).unwrap_or_default();
        set_cookie(house, SAID, &URL_SAFE_NO_PAD.encode(json), SAID_FOR)
    }

    fn read(value: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(value).ok()?).ok()
    }

    fn notice(self) -> Notice {
        Notice {
            tone: if self.good { Tone::Good } else { Tone::Attention },
            text: self.text,
            hint: self.hint,
        }
    }
}

/// What to say when the disk of the data folder is nearly full.
fn room(house: &House) -> Option<Notice> {
    let status = rustix::fs::statvfs(&house.settings.data).ok()?;
    let left = status.f_bavail.saturating_mul(status.f_frsize);
    (left < LITTLE_ROOM).then(|| Notice {
        tone: Tone::Bad,
        text: format!("The disk of the data folder has {} MiB left.", left / (1024 * 1024)),
        hint: Some(
            "make room on it: without room new runs are refused, and nothing that is recorded is lost".to_owned(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_comes_back_from_its_cookie() {
        let said = Said::done("`1.8.0` goes to production; soon — ✓");
        let json = serde_json::to_vec(&said).unwrap();
        assert_eq!(Said::read(&URL_SAFE_NO_PAD.encode(json)), Some(said));
        assert_eq!(Said::read("<script>"), None);
    }

    #[test]
    fn a_cookie_is_found_among_others_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::COOKIE,
            "xthroughline_theme=light; throughline_theme=dark; a".parse().unwrap(),
        );
        assert_eq!(cookie(&headers, THEME).as_deref(), Some("dark"));
        assert_eq!(cookie(&headers, SAID), None);
    }
}
