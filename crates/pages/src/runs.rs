//! The list of runs.

use maud::{Markup, html};

use crate::model::{Frame, RunLine, RunsPage, RunsShown};
use crate::parts::frame::{self, Live, Section};
use crate::parts::mark::Status;
use crate::parts::small;
use crate::run::{kind_word, title};
use crate::{links, time};

/// The page.
pub fn page(frame: &Frame, page: &RunsPage) -> Markup {
    let content = html! {
        header.page-head { div.page-title { h1 { "Runs" } (filter(page)) } }
        section id="runs" data-live {
            @if page.runs.is_empty() {
                (small::empty("No run matches", html! { "Push a commit, or " a href=(links::RUNS) { "show all runs" } "." }))
            } @else { (table(frame, &page.runs)) }
            nav.pages aria-label="Older and newer" {
                @if let Some(newer) = &page.newer { a rel="prev" href={ (links::RUNS) "?" (newer) } { "Newer" } }
                @if let Some(older) = &page.older { a rel="next" href={ (links::RUNS) "?" (older) } { "Older" } }
            }
        }
    };
    frame::page(frame, "Runs", Section::Runs, Live::Yes, content)
}

fn filter(page: &RunsPage) -> Markup {
    let shown = [
        (RunsShown::All, "", "All"),
        (RunsShown::Open, "open", "Open"),
        (RunsShown::Failed, "failed", "Failed"),
    ];
    html! {
        form.filter method="get" action=(links::RUNS) {
            label { span.unseen { "Component" }
                select name="component" {
                    option value="" { "every component" }
                    @for component in &page.components {
                        option value=(component) selected[page.filter.component.as_ref() == Some(component)] { (component) }
                    }
                }
            }
            label { span.unseen { "Which" }
                select name="show" {
                    @for (which, word, label) in shown {
                        option value=(word) selected[page.filter.show == which] { (label) }
                    }
                }
            }
            button.button.plain type="submit" { "Show" }
        }
    }
}

/// Runs as a table; the overview shows the open ones by it too.
pub fn table(frame: &Frame, runs: &[RunLine]) -> Markup {
    html! {
        div.scroll {
            table.list {
                thead { tr {
                    th scope="col" { "State" } th scope="col" { "Run" } th scope="col" { "Step" }
                    th.right scope="col" { "Took" } th.right scope="col" { "Asked for" }
                } }
                tbody { @for run in runs { (row(frame, run)) } }
            }
        }
    }
}

fn row(frame: &Frame, run: &RunLine) -> Markup {
    html! {
        tr data-row {
            td.list-state { (Status::from(run.progress).show()) }
            td.list-main {
                a.change href=(links::run(run.id)) { span.title { (title(run)) } }
                p.list-note {
                    span title=(kind_word(&run.kind)) { (run.component) }
                    @if let Some(change) = &run.change { ", " (small::commit(&change.commit)) }
                    @if let Some(line) = &run.line { " on " (line) }
                    @if let Some(by) = &run.by { ", " (by) }
                }
                @if let Some(reason) = &run.reason { p.list-reason { (small::prose(reason)) } }
            }
            td { @if let Some(step) = &run.at_step { code { (step) } } }
            td.right {
                @match (run.started_at, run.finished_at) {
                    (Some(start), Some(end)) => (time::length(time::between(start, end))),
                    (Some(start), None) => (time::so_far(frame.now, start)),
                    _ => {},
                }
            }
            td.right.faint { (time::ago(frame.now, run.requested_at)) }
        }
    }
}
