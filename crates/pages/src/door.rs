//! The pages at the door: login, and what is shown when something went wrong.

use maud::{Markup, html};

use crate::links;
use crate::model::{ErrorPage, Frame, LoginPage, Tone};
use crate::parts::frame::{self, Live, Section};
use crate::parts::small;

/// The page before login.
pub fn login(frame: &Frame, page: &LoginPage) -> Markup {
    let content = html! {
        section.door {
            h1 { "Log in" }
            p.faint { "With an access token. The server prints the first one when it starts for the first time." }
            @if let Some(problem) = &page.problem { (small::problem(Tone::Bad, problem, None, None)) }
            form.stack method="post" action=(links::LOGIN) {
                input type="hidden" name="form_token" value=(frame.form_token);
                input type="hidden" name="next" value=(page.next);
                label for="token" { "Access token" }
                input id="token" name="token" type="password" autocomplete="current-password" required autofocus spellcheck="false";
                button.button.primary type="submit" { "Log in" }
            }
            p.fine { "No token? Somebody who has one makes another with " code { "throughline token create" } "." }
        }
    };
    frame::page(frame, "Log in", Section::None, Live::No, content)
}

/// What a status means, in plain words.
fn status_words(status: u16) -> &'static str {
    match status {
        400 => "That request makes no sense here",
        401 => "Log in first",
        403 => "That is not yours to see or do",
        404 => "There is nothing here",
        405 => "That cannot be done here",
        409 => "Something else came first",
        413 => "That is too large",
        429 => "Too many requests",
        503 => "Not just now",
        500..=599 => "Something went wrong here",
        _ => "That did not work",
    }
}

/// A page that says what went wrong and what to do.
pub fn error(frame: &Frame, page: &ErrorPage) -> Markup {
    let title = status_words(page.status);
    let content = html! {
        section.door {
            p.door-status { (page.status) }
            h1 { (title) }
            p { (small::prose(&page.message)) }
            @if let Some(hint) = &page.hint { (small::hint(hint)) }
            @if let Some(code) = &page.code { p.fine { "Code " code { (code) } } }
            p { a href=(links::OVERVIEW) { "To the overview" } }
        }
    };
    frame::page(frame, title, Section::None, Live::No, content)
}
