//! The first page: components by environments, what moves, what changed.

use facts::EnvironmentName;
use maud::{Markup, html};

use crate::model::{
    Canary, Cell, ChangeState, Column, Coming, ComponentRow, Frame, Health, Overview, Placed, RecentChange,
    WaitingChange,
};
use crate::parts::frame::{self, Live, Section};
use crate::parts::mark::{Mark, Status};
use crate::parts::{canary, small, wait};
use crate::{links, runs, time};

/// The page.
pub fn page(frame: &Frame, overview: &Overview) -> Markup {
    let content = html! {
        h1.unseen { "Overview" }
        @if overview.rows.is_empty() {
            (first_steps(overview))
        } @else {
            (summary(overview))
            (troubles(frame, overview))
            section id="where" data-live aria-labelledby="where-title" {
                (small::heading("where-title", "What is where", None))
                (table(frame, &overview.columns, &overview.rows))
            }
            @if !overview.running.is_empty() {
                section id="running" data-live aria-labelledby="running-title" {
                    (small::heading("running-title", "Running now", Some(html! { a href=(links::RUNS) { "All runs" } })))
                    (runs::table(frame, &overview.running))
                }
            } @else { div id="running" data-live {} }
            section id="recent" data-live aria-labelledby="recent-title" {
                (small::heading("recent-title", "Recent changes", None))
                @if overview.recent.is_empty() {
                    (small::empty("No change yet", html! { "Push a commit to a followed branch." }))
                } @else {
                    @let environments: Vec<EnvironmentName> = overview.columns.iter().map(|column| column.name.clone()).collect();
                    (recent(frame, &environments, &overview.recent))
                }
            }
        }
    };
    frame::page(frame, "Overview", Section::Overview, Live::Yes, content)
}

/// One sentence that says whether somebody has to do something.
fn summary(overview: &Overview) -> Markup {
    let cells = || overview.rows.iter().flat_map(|row| &row.cells);
    let down = cells()
        .filter(|cell| matches!(cell.health, Health::Down { .. } | Health::Degraded { .. }))
        .count();
    let waiting = cells()
        .filter(|cell| cell.waiting.as_ref().is_some_and(|held| !held.waiting.whom.is_empty()))
        .count();
    let moving = cells().filter(|cell| cell.coming.is_some()).count()
        + overview.rows.iter().map(|row| row.coming.len()).sum::<usize>();
    html! {
        p.summary id="summary" data-live {
            @if down > 0 {
                span.summary-part { (Mark::Bad.picture()) (small::plural(down, "place is not healthy", "places are not healthy")) }
            }
            @if waiting > 0 {
                span.summary-part { (Mark::Person.picture()) (small::plural(waiting, "change waits for a person", "changes wait for a person")) }
            }
            @if moving > 0 {
                span.summary-part { (Mark::Running.picture()) (small::plural(moving, "change is on its way", "changes are on their way")) }
            }
            @if !overview.troubles.is_empty() {
                span.summary-part { (Mark::Bad.picture()) (small::plural(overview.troubles.len(), "repository cannot be followed", "repositories cannot be followed")) }
            }
            @if down == 0 && waiting == 0 && overview.troubles.is_empty() {
                span.summary-part { (Mark::Good.picture()) @if moving == 0 { "Everything is still and healthy" } @else { "nothing waits for you" } }
            }
        }
    }
}

/// What cannot be reached, and so brings no changes.
fn troubles(frame: &Frame, overview: &Overview) -> Markup {
    html! {
        div id="troubles" data-live {
            @for trouble in &overview.troubles {
                div.problem.tone-bad role="alert" {
                    (Mark::Bad.picture())
                    div {
                        p.problem-title { strong { (trouble.component) } " is not followed: its repository failed first " (time::ago(frame.now, trouble.since)) }
                        @for line in trouble.told.lines() { p { (small::prose(line)) } }
                        @if let Some(hint) = &trouble.hint { (small::hint(hint)) }
                    }
                }
            }
        }
    }
}

fn first_steps(overview: &Overview) -> Markup {
    html! {
        section.card.first id="where" data-live {
            h2 { "Nothing is delivered here yet" }
            p { "Push a repository that has a " code { "throughline.yaml" } " to it. The first push makes the component." }
            pre.command { code { "git push " (overview.push_address) " main" } }
        }
    }
}

/// Components by environments, as a table.
pub fn table(frame: &Frame, columns: &[Column], rows: &[ComponentRow]) -> Markup {
    html! {
        div.scroll {
            table class={ "where where-" (columns.len().min(8)) } {
                thead {
                    tr {
                        th scope="col" { "Component" }
                        @for column in columns {
                            th scope="col" {
                                a href=(links::environment(&column.name)) { (column.name) }
                                " " span.strategy { (column.strategy) }
                            }
                        }
                    }
                }
                tbody { @for row in rows { (component(frame, columns, row)) } }
            }
        }
    }
}

fn component(frame: &Frame, columns: &[Column], row: &ComponentRow) -> Markup {
    html! {
        tr data-row {
            th.where-component scope="row" {
                div.track { span class=(if row.coming.is_empty() { "track-way way-in" } else { "track-way way-now" }) {} }
                a.component href=(links::component(&row.name)) {
                    span.team { (row.name.team()) "/" } (row.name.short())
                }
                @for coming in &row.coming { (on_its_way(frame, coming, "", None)) }
            }
            @for (index, (column, cell)) in columns.iter().zip(&row.cells).enumerate() {
                td { (environment(frame, row, column.name.as_str(), cell, row.cells.get(index + 1))) }
            }
        }
    }
}

/// The state of the line that runs through a cell, as a class.
fn track(cell: &Cell) -> &'static str {
    match cell {
        Cell {
            health: Health::Down { .. },
            ..
        } => "at-bad",
        Cell { coming: Some(_), .. } => "at-now",
        Cell { waiting: Some(_), .. } => "at-held",
        Cell { placed: None, .. } => "at-not-yet",
        _ => "at-done",
    }
}

/// The way that leads from one cell to the next, as a class.
fn way(next: Option<&Cell>) -> &'static str {
    match next {
        None => "way-out",
        Some(Cell { coming: Some(_), .. }) => "way-now",
        Some(Cell { waiting: Some(_), .. }) => "way-held",
        Some(Cell { placed: None, .. }) => "way-none",
        Some(_) => "way-done",
    }
}

fn environment(frame: &Frame, row: &ComponentRow, column: &str, cell: &Cell, next: Option<&Cell>) -> Markup {
    html! {
        div class={ "cell " (track(cell)) } {
            div.track { span.track-node {} span class={ "track-way " (way(next)) } {} }
            p.cell-column aria-hidden="true" { (column) }
            @match &cell.placed {
                Some(package) => (placed(frame, row, package, cell)),
                None => p.cell-nothing { "nothing yet" },
            }
            @if cell.traffic.len() > 1 { (canary::split(&cell.traffic)) }
            @if let Some(coming) = &cell.coming { (on_its_way(frame, coming, column, cell.canary.as_ref())) }
            @if let Some(held) = &cell.waiting { (held_back(frame, held)) }
            @if let Some(from) = &cell.returned_from {
                p.cell-back { (Mark::Returned.picture()) span { "went back from " (small::change_short(from)) } }
            }
        }
    }
}

fn placed(frame: &Frame, row: &ComponentRow, package: &Placed, cell: &Cell) -> Markup {
    html! {
        p.cell-version {
            a href=(links::change(&row.name, &package.commit)) { (small::version(package.version.as_ref(), &package.commit)) }
            " " (Status::from(package.standing).show())
        }
        p.cell-title title=(package.title) { (package.title) }
        p.cell-facts {
            (small::digest(&package.package))
            " " span { "deployed " (time::ago(frame.now, package.since)) }
        }
        p.cell-facts {
            (health(cell.health))
            @if let Some(url) = &cell.url { " " (small::outside(url)) }
        }
    }
}

/// How the instances do, in words.
pub fn health(health: Health) -> Markup {
    let status = Status::from(health);
    let count = match health {
        Health::Healthy { instances } => format!("{instances}/{instances}"),
        Health::Degraded { healthy, instances } => format!("{healthy}/{instances}"),
        Health::Down { instances } => format!("0/{instances}"),
        Health::Unknown => String::new(),
    };
    html! { span.status { (status.mark.picture()) span { (status.word) " " (count) } } }
}

fn on_its_way(frame: &Frame, coming: &Coming, to: &str, canary: Option<&Canary>) -> Markup {
    html! {
        div.moving {
            p.moving-head {
                (Status::from(coming.progress).mark_only())
                (small::change(&coming.change))
            }
            p.moving-note {
                a href=(links::run(coming.run)) title=[(!to.is_empty()).then(|| format!("the deployment to {to}"))] { (coming.doing) }
                " " (time::so_far(frame.now, coming.since))
                @if let Some(usually) = &coming.usually { span.faint { " of " (small::usually(usually)) } }
            }
            @if let Some(evidence) = canary.filter(|canary| canary.decided_at.is_none()).and_then(canary::evidence) { (evidence) }
        }
    }
}

fn held_back(frame: &Frame, held: &WaitingChange) -> Markup {
    html! {
        div.held {
            p.moving-head { (small::change(&held.change)) }
            p.moving-note { (wait::short(frame.now, &held.waiting)) }
            (small::buttons(frame, &held.waiting.answers))
        }
    }
}

/// Changes as a table, with a bead for each of these environments.
pub fn recent(frame: &Frame, environments: &[EnvironmentName], changes: &[RecentChange]) -> Markup {
    html! {
        div.scroll {
            table.list {
                thead { tr {
                    th scope="col" { "State" } th scope="col" { "Change" } th scope="col" { "Way" }
                    th.right scope="col" { "Last moved" }
                } }
                tbody { @for change in changes { (recent_row(frame, environments, change)) } }
            }
        }
    }
}

fn recent_row(frame: &Frame, environments: &[EnvironmentName], change: &RecentChange) -> Markup {
    html! {
        tr data-row {
            td.list-state { (Status::from(&change.state).show()) }
            td.list-main {
                (small::change(&change.change))
                p.list-note {
                    (change.change.component)
                    @if let Some(author) = &change.change.author { ", " (author) }
                    @if let ChangeState::Superseded { by } = &change.state { ", goes with " (small::change_short(by)) }
                }
            }
            td {
                ol.beads aria-label="Reached" {
                    @for name in environments {
                        @let reached = change.reached.contains(name);
                        li class=(if reached { "bead reached" } else { "bead" })
                            title=(format!("{name}{}", if reached { "" } else { ": not reached" })) {
                            span.unseen { (name) @if !reached { ": not reached" } }
                        }
                    }
                }
            }
            td.right.faint { (time::ago(frame.now, change.moved_at)) }
        }
    }
}
