//! What surrounds every page: head, top bar, notices, foot.

use maud::{DOCTYPE, Markup, html};

use crate::model::{Frame, Theme};
use crate::parts::small;
use crate::{assets, links, time};

/// Where a page belongs in the top bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// The overview.
    Overview,
    /// Runs.
    Runs,
    /// None of them.
    None,
}

/// Whether a page is kept current while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    /// Its fragments are exchanged when facts come.
    Yes,
    /// The same, when this stream says so.
    By(&'static str),
    /// It stays as it is.
    No,
}

impl Live {
    /// The stream whose messages are reasons to look again.
    fn events(self) -> Option<&'static str> {
        match self {
            Self::Yes => Some(links::EVENTS),
            Self::By(stream) => Some(stream),
            Self::No => None,
        }
    }
}

/// The sign: a line through three stations.
pub(crate) fn sign() -> Markup {
    html! {
        svg.sign viewBox="0 0 30 16" width="30" height="16" aria-hidden="true" {
            path d="M1 8h28" {}
            circle.sign-end cx="5" cy="8" r="3" {}
            circle.sign-end cx="15" cy="8" r="3" {}
            circle.sign-now cx="25" cy="8" r="4" {}
        }
    }
}

fn theme_picker(frame: &Frame) -> Markup {
    html! {
        form.theme method="post" action=(links::THEME) data-theme-form aria-label="Theme" {
            input type="hidden" name="form_token" value=(frame.form_token);
            input type="hidden" name="next" value=(frame.path);
            @for theme in Theme::ALL {
                button type="submit" name="theme" value=(theme.as_str())
                    title={ "Theme: " (theme.as_str()) } aria-pressed=(frame.theme == theme) {
                    svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" {
                        @match theme {
                            Theme::System => { circle cx="8" cy="8" r="5.5" {} path.solid d="M8 2.5a5.5 5.5 0 0 1 0 11z" {} },
                            Theme::Light => {
                                circle cx="8" cy="8" r="3" {}
                                path d="M8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.2 1.2M11.8 11.8L13 13M13 3l-1.2 1.2M4.2 11.8L3 13" {}
                            },
                            Theme::Dark => path d="M13.2 9.6A5.8 5.8 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8z" {},
                        }
                    }
                    span.unseen { (theme.as_str()) }
                }
            }
        }
    }
}

/// The field by which everything is found. The key `/` goes to the first one of a page.
pub fn search_field(query: &str, id: &str) -> Markup {
    html! {
        form.search role="search" method="get" action=(links::SEARCH) data-search {
            label.unseen for=(id) { "Search" }
            input id=(id) type="search" name="q" value=(query) placeholder="Search" maxlength="200"
                autocomplete="off" autocapitalize="off" spellcheck="false";
            kbd aria-hidden="true" { "/" }
        }
    }
}

fn top(frame: &Frame, section: Section) -> Markup {
    let here = |at: Section| (section == at).then_some("page");
    html! {
        header.top {
            div.top-in {
                a.brand href=(links::OVERVIEW) { (sign()) span { "Throughline" } }
                @if let Some(viewer) = &frame.viewer {
                    nav aria-label="Main" {
                        a href=(links::OVERVIEW) aria-current=[here(Section::Overview)] { "Overview" }
                        a href=(links::RUNS) aria-current=[here(Section::Runs)] { "Runs" }
                    }
                    (search_field("", "search"))
                    div.top-end {
                        (theme_picker(frame))
                        form.viewer method="post" action=(links::LOGOUT) {
                            input type="hidden" name="form_token" value=(frame.form_token);
                            span.viewer-name { (viewer.name) }
                            button.link type="submit" { "Log out" }
                        }
                    }
                } @else {
                    div.top-end { (theme_picker(frame)) }
                }
            }
        }
    }
}

fn foot(frame: &Frame, live: Live) -> Markup {
    html! {
        footer.foot {
            div.foot-in {
                span {
                    @if live.events().is_some() { span.live data-live-state { } }
                    // How much has happened is nothing that strangers are told.
                    @if frame.viewer.is_some() { "As of fact " span data-as-of-text { (small::count(frame.as_of)) } ", " }
                    time datetime=(frame.now) data-now { (time::exact(frame.now)) }
                }
                span.foot-end {
                    button.link type="button" hidden data-keys-open { "Keyboard" }
                    @if frame.viewer.as_ref().is_some_and(|viewer| viewer.reads_ledger) { a href=(links::LEDGER) { "Ledger" } }
                    @if frame.viewer.is_some() { a href=(links::SETTINGS) { "Settings" } }
                    a href=(links::PARTS) { "Parts" }
                }
            }
        }
    }
}

fn keys() -> Markup {
    let rows = [
        ("g o", "overview"),
        ("g r", "runs"),
        ("g l", "ledger"),
        ("g s", "settings"),
        ("/", "search"),
        ("j  k", "next and previous row, as the arrows do"),
        ("Enter", "open the row"),
        ("l", "to the log"),
        ("t", "next theme"),
        ("?", "this list"),
    ];
    html! {
        dialog.keys id="keys" aria-labelledby="keys-title" {
            h2 id="keys-title" { "Keyboard" }
            dl.details {
                @for (keys, what) in rows {
                    div { dt { @for key in keys.split_whitespace() { kbd { (key) } " " } } dd { (what) } }
                }
            }
            form method="dialog" { button.button.plain { "Close" } }
        }
    }
}

/// A whole page around `content`.
pub fn page(frame: &Frame, title: &str, section: Section, live: Live, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" data-theme=(frame.theme.as_str()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="same-origin";
                title { (title) " · Throughline" }
                link rel="icon" type="image/svg+xml" href=(assets::icon());
                link rel="stylesheet" href=(assets::style());
                script defer src=(assets::script()) {}
            }
            body data-as-of=(frame.as_of) data-events=[live.events()] {
                a.skip href="#main" { "Skip to the content" }
                (top(frame, section))
                div.notices id="notices" data-live { @for notice in &frame.notices { (small::notice(notice)) } }
                main id="main" tabindex="-1" { (content) }
                (foot(frame, live))
                (keys())
            }
        }
    }
}
