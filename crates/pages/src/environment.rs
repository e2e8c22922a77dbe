//! An environment: what is there, the rules before it, its deployments.

use maud::{Markup, html};

use crate::model::{DeploymentKind, DeploymentLine, EnvironmentComponent, EnvironmentPage, Frame};
use crate::parts::frame::{self, Live, Section};
use crate::parts::mark::{Mark, Status};
use crate::parts::{canary, history, small, wait};
use crate::{difference, links, overview, time};

/// The page.
pub fn page(frame: &Frame, page: &EnvironmentPage) -> Markup {
    let content = html! {
        header.page-head {
            p.crumbs { "environment" }
            div.page-title { h1 { (page.name) } }
            p.page-facts {
                span { "target " (page.target) }
                span { (page.strategy) }
                @for before in &page.after { span { "after " a href=(links::environment(before)) { (before) } } }
                @if let Some(policy) = &page.policy { span.faint { "policy " (small::digest(policy)) } }
            }
            (small::reasons(&page.rules))
            (difference::chooser(&page.name, None, &page.all))
        }
        section id="environment-now" data-live aria-labelledby="now-title" {
            (small::heading("now-title", "What is there", None))
            @if page.components.is_empty() {
                (small::empty("Nothing has been deployed here", html! { "The first package that passes the gates comes by itself." }))
            }
            div.cards { @for component in &page.components { (card(frame, html! { a href=(links::component(&component.component)) { (component.component) } }, component)) } }
        }
        p.fine { "Shown is what deployments brought here. What is changed past Throughline is not looked for." }
        section id="environment-deployments" data-live aria-labelledby="deployments-title" {
            (small::heading("deployments-title", "Deployments", None))
            @if page.deployments.is_empty() {
                (small::empty("No deployment yet", html! { "They are listed here, newest first." }))
            } @else { (history::bands(frame.now, &page.deployments)) (deployments(frame, &page.deployments)) }
            nav.pages aria-label="Older" {
                @if let Some(older) = &page.older { a rel="next" href={ (links::environment(&page.name)) "?" (older) } { "Older" } }
            }
        }
    };
    frame::page(frame, page.name.as_str(), Section::None, Live::Yes, content)
}

/// What an environment holds of a component, under a title.
pub fn card(frame: &Frame, title: Markup, one: &EnvironmentComponent) -> Markup {
    let cell = &one.cell;
    html! {
        section.card.here {
            div.card-head {
                h3 { (title) }
                @if cell.placed.is_some() { span.card-end { (overview::health(cell.health)) } }
            }
            @match &cell.placed {
                Some(placed) => {
                    p.cell-version {
                        a href=(links::change(&one.component, &placed.commit)) { (small::version(placed.version.as_ref(), &placed.commit)) }
                        " " (Status::from(placed.standing).show())
                    }
                    p.cell-title { (placed.title) }
                    (small::details([
                        ("Package", small::package(&placed.package)),
                        ("Deployed", time::ago(frame.now, placed.since)),
                        ("Configuration", one.configuration.as_ref().map_or_else(|| html! { "none" }, small::digest)),
                        ("Schema", html! {
                            @if one.schema.is_empty() { "no database" }
                            @for (index, (database, migration)) in one.schema.iter().enumerate() {
                                @if index > 0 { ", " } (database) " " code { (migration) }
                            }
                        }),
                        ("Generation", html! { (one.generation) }),
                        ("Answers at", html! {
                            @match &cell.url { Some(url) => (small::outside(url)), None => "nowhere" }
                        }),
                    ]))
                },
                None => p.cell-nothing { "nothing yet" },
            }
            @if cell.traffic.len() > 1 { (canary::split(&cell.traffic)) }
            @if let Some(from) = &cell.returned_from {
                p.cell-back { (Mark::Returned.picture()) span { "went back from " (small::change_short(from)) } }
            }
            @if let Some(held) = &cell.waiting {
                div.held {
                    p.moving-head { (small::change(&held.change)) }
                    p.moving-note { (wait::short(frame.now, &held.waiting)) }
                }
            }
            (small::buttons(frame, &one.actions))
        }
    }
}

/// What a deployment was, in a word.
fn kind(line: &DeploymentLine) -> &'static str {
    match line.kind {
        DeploymentKind::Automatic => "came by itself",
        DeploymentKind::Promotion => "promoted",
        DeploymentKind::Return => "went back",
    }
}

fn deployments(frame: &Frame, lines: &[DeploymentLine]) -> Markup {
    html! {
        div.scroll {
            table.list {
                thead { tr {
                    th scope="col" { "State" } th scope="col" { "Deployment" } th scope="col" { "Package" }
                    th.right scope="col" { "Took" } th.right scope="col" { "Started" }
                } }
                tbody { @for line in lines {
                    tr data-row {
                        td.list-state { a href=(links::run(line.run)) { (Status::from(line.progress).show()) } }
                        td.list-main {
                            (small::change(&line.change))
                            p.list-note {
                                (line.component) ", " (kind(line)) ", " (line.by)
                                @if let Some(from) = &line.from { ", from " (small::change_short(from)) }
                            }
                            @if let Some(reason) = &line.reason { p.list-reason { (small::prose(reason)) } }
                        }
                        td { (small::package(&line.package)) }
                        td.right {
                            @match line.finished_at {
                                Some(end) => (time::length(time::between(line.started_at, end))),
                                None => (time::so_far(frame.now, line.started_at)),
                            }
                        }
                        td.right.faint { (time::ago(frame.now, line.started_at)) }
                    }
                } }
            }
        }
    }
}
