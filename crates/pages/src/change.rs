//! A change and its throughline.

use facts::Trust;
use maud::{Markup, html};

use crate::model::{ChangeName, ChangePage, ChangePart, ChangeState, DependsOn, Frame, NeverAgain, Return, Together};
use crate::parts::frame::{self, Live, Section};
use crate::parts::mark::{Mark, Status};
use crate::parts::{canary, line, small, wait};
use crate::{links, time};

/// The page.
pub fn page(frame: &Frame, page: &ChangePage) -> Markup {
    let change = &page.change;
    let title = match &change.version {
        Some(version) => format!("{version} {}", change.title),
        None => change.title.clone(),
    };
    let content = html! {
        header.page-head id="change-head" data-live {
            p.crumbs { a href=(links::component(&change.component)) { (change.component) } " / change " (small::commit(&change.commit)) }
            div.page-title {
                h1 { (change.title) }
                (Status::from(&page.state).badge())
            }
            p.page-facts {
                @if let Some(version) = &change.version { span.version { (version) } }
                @if let Some(author) = &change.author { span { (author) } }
                span { "committed " (time::ago(frame.now, page.committed_at)) }
                @if let Some(line) = &page.line { span { "on " code { (line) } } }
                @if page.trust == Trust::Untrusted { span.badge.tone-attention { (Mark::Attention.picture()) "untrusted" } }
                @for part in &page.parts { span.tag { (part_word(*part)) } }
            }
        }
        div id="change-never" data-live { @if let Some(never) = &page.never_again { (never_again(frame, never)) } }
        section.card.line-card id="throughline" data-live aria-label="Throughline" {
            (line::line(frame, &page.stations))
            (whole_way(frame, page))
        }
        div id="change-held" data-live { @if !page.held.is_empty() { (held(frame, page)) } }
        div id="change-waiting" data-live {
            @for waiting in &page.waiting { (wait::card(frame, waiting)) }
        }
        div id="change-together" data-live {
            @if !page.together.is_empty() { (together("Also concerns", &page.together)) }
        }
        div id="change-depends" data-live {
            @if !page.depends_on.is_empty() { (depends_on(&page.depends_on)) }
            @if !page.depended_on_by.is_empty() { (depended_on_by(&page.depended_on_by)) }
        }
        div id="change-returns" data-live { @for one in &page.returns { (went_back(frame, one)) } }
        div id="change-canaries" data-live { @for one in &page.canaries { (canary::card(frame, one)) } }
        div.two {
            section id="change-entries" data-live aria-labelledby="entries-title" {
                (small::heading("entries-title", "What happened", None))
                @if page.entries.is_empty() {
                    (small::empty("Nothing yet", html! { "The run begins in a moment." }))
                } @else { (small::timeline(frame.now, &page.entries)) }
            }
            aside id="change-details" data-live {
                (small::heading("details-title", "Details", None))
                (small::details(details(page)))
                @if !page.body.trim().is_empty() { pre.message { (page.body.trim()) } }
                (small::buttons(frame, &page.actions))
            }
        }
    };
    frame::page(frame, &title, Section::None, Live::Yes, content)
}

/// Why it is not built yet, and what to do.
fn held(frame: &Frame, page: &ChangePage) -> Markup {
    html! {
        div.problem.tone-attention {
            (Mark::Attention.picture())
            div {
                p.problem-title { "It is not built yet: it has waited for other builds for " (time::so_far(frame.now, page.arrived_at)) }
                (small::reasons(&page.held))
                @if let Some(newer) = &page.overtaken {
                    p { "A newer change of its branch has come, which holds this one too: " (small::change(newer)) ". Nothing has to be mended for this one's sake." }
                } @else { (small::hint("it goes on by itself once they have succeeded; one that failed stays so until it is tried again on its own page, or a push mends it")) }
            }
        }
    }
}

fn details(page: &ChangePage) -> Vec<(&'static str, Markup)> {
    let mut rows = vec![
        ("Commit", small::commit(&page.change.commit)),
        (
            "Package",
            page.package
                .as_ref()
                .map_or_else(|| html! { span.faint { "not made yet" } }, small::package),
        ),
        ("Trust", html! { (page.trust) }),
    ];
    if let Some(concern) = &page.concern {
        rows.push(("Concerned", html! { (concern) }));
    }
    if let ChangeState::Superseded { by } = &page.state {
        rows.push(("Goes with", small::change(by)));
    }
    rows
}

/// Components that the commit concerns, and where it stands in each.
pub(crate) fn together(title: &str, all: &[Together]) -> Markup {
    html! {
        section.card.of-names aria-labelledby="together-title" {
            (small::heading("together-title", title, None))
            (small::details(all.iter().map(|one| {
                let name = html! {
                    a href=(links::change(&one.change.component, &one.change.commit)) {
                        @match &one.change.version { Some(version) => span.version { (version) }, None => "this commit" }
                    }
                    " " (Status::from(&one.state).badge())
                    " " span.faint { (one.concern) }
                    @for held in &one.held { br; span.faint { "waits: " (held) } }
                };
                (one.change.component.as_str(), name)
            })))
        }
    }
}

/// What it depends on in other repositories, and how far that is.
fn depends_on(all: &[DependsOn]) -> Markup {
    html! {
        section.card.of-names aria-labelledby="depends-title" {
            (small::heading("depends-title", "Depends on", None))
            (small::details(all.iter().map(|one| {
                let name = one.change.as_ref().map_or(one.said.as_str(), |change| change.component.as_str());
                let told = html! {
                    @if let Some(change) = &one.change { (small::change(change)) br; }
                    span.faint { (one.what) }
                    @for (_, met, what) in &one.places {
                        br;
                        @let mark = if *met { Mark::Good } else { Mark::Waiting };
                        (mark.picture()) " " (what)
                    }
                };
                (name, told)
            })))
        }
    }
}

/// What depends on it in other repositories.
fn depended_on_by(all: &[ChangeName]) -> Markup {
    html! {
        section.card.of-names aria-labelledby="depended-title" {
            (small::heading("depended-title", "Others depend on it", None))
            (small::details(all.iter().map(|one| (one.component.as_str(), small::change(one)))))
        }
    }
}

/// What a part of a change is called.
fn part_word(part: ChangePart) -> &'static str {
    match part {
        ChangePart::Code => "code",
        ChangePart::Migration => "migration",
        ChangePart::Configuration => "configuration",
        ChangePart::Flag => "flag",
        ChangePart::Model => "model",
        ChangePart::Infrastructure => "infrastructure",
        ChangePart::Test => "tests",
        ChangePart::Pipeline => "pipeline",
    }
}

/// How long the whole way took, has taken, and usually takes.
fn whole_way(frame: &Frame, page: &ChangePage) -> Markup {
    let arrived = page.stations.iter().filter_map(|station| station.reached_at).max();
    html! {
        p.whole-way id="whole-way" {
            @match (&page.state, arrived) {
                (ChangeState::Delivered, Some(arrived)) => {
                    "From commit to users in " b { (time::length(time::between(page.committed_at, arrived))) } "."
                },
                (ChangeState::Underway | ChangeState::Waiting, _) => {
                    "On its way for " b { (time::so_far(frame.now, page.committed_at)) } "."
                },
                _ => {},
            }
            @if let (ChangeState::Delivered | ChangeState::Underway | ChangeState::Waiting, Some(usually)) = (&page.state, &page.usually) {
                " " span.faint { (small::usually_long(usually)) }
            }
        }
    }
}

fn never_again(frame: &Frame, never: &NeverAgain) -> Markup {
    html! {
        div.problem.tone-bad {
            (Mark::NeverAgain.picture())
            div {
                p.problem-title { "Never again: this package is not deployed any more" }
                p { (never.reason) " " span.faint { (small::digest(&never.package)) ", " (time::ago(frame.now, never.since)) } }
                (small::hint(&never.hint))
            }
        }
    }
}

fn went_back(frame: &Frame, one: &Return) -> Markup {
    html! {
        section.card.back {
            div.card-head {
                (Mark::Returned.picture())
                h3 { a href=(links::environment(&one.environment)) { (one.environment) } " went back to " (small::change_short(&one.to)) }
                span.card-end.faint { (time::ago(frame.now, one.decided_at)) }
            }
            (small::reasons(&one.reasons))
            (small::details([
                ("Decided by", html! { (one.by) }),
                ("To package", small::package(&one.to_package)),
                ("Returned", html! { "package" @for part in &one.with { ", " (part) } }),
                ("Took", html! {
                    @match one.finished_at {
                        Some(at) => (time::length(time::between(one.decided_at, at))),
                        None => { (time::so_far(frame.now, one.decided_at)) ", not complete" },
                    }
                    @if let Some(run) = one.run { " (" a href=(links::run(run)) { "run" } ")" }
                }),
            ]))
        }
    }
}
