//! The throughline of a change: its stations from commit to users, in order, and the way between them.
//!
//! It is an ordered list that the style sheet draws as a line: across on wide screens, down on
//! narrow ones.

use maud::{Markup, html};

use crate::model::{Frame, Place, Station, StationState};
use crate::parts::mark::Status;
use crate::parts::small;
use crate::{links, time};

/// The way to a station, as a class of the segment that leads there.
fn way(to: &Station) -> &'static str {
    match to.state {
        // A package that is taken back was made all the same.
        StationState::Returned if to.place == Place::Package => "way-done",
        StationState::Reached | StationState::Proven | StationState::Passed => "way-done",
        StationState::Underway => "way-now",
        StationState::Waiting => "way-held",
        StationState::Failed | StationState::Returned => "way-bad",
        StationState::NotYet | StationState::NotComing => "way-none",
    }
}

fn here(state: StationState) -> &'static str {
    match state {
        StationState::Reached | StationState::Passed => "at-done",
        StationState::Proven => "at-proven",
        StationState::Underway => "at-now",
        StationState::Waiting => "at-held",
        StationState::Failed | StationState::Returned => "at-bad",
        StationState::NotYet => "at-not-yet",
        StationState::NotComing => "at-none",
    }
}

fn name(place: &Place) -> Markup {
    html! {
        @match place {
            Place::Commit => "commit",
            Place::Run => "run",
            Place::Package => "package",
            Place::Environment(name) => a href=(links::environment(name)) { (name) },
            Place::Users => "users",
        }
    }
}

/// The word for a station's state, which depends on what the station is.
fn state(station: &Station) -> Status {
    let status = Status::from(station.state);
    let word = match (&station.place, station.state) {
        (Place::Commit, StationState::Reached) => "pushed",
        (Place::Run, StationState::Reached) => "succeeded",
        (Place::Run, StationState::Underway) => "running",
        (Place::Package, StationState::Reached) => "made",
        (Place::Package, StationState::Failed | StationState::Returned) => "never again",
        (Place::Environment(_), StationState::Reached) => "deployed",
        (Place::Environment(_), StationState::Underway) => "on its way in",
        (Place::Environment(_), StationState::Waiting) => "waits to enter",
        (Place::Users, StationState::Reached | StationState::Proven) => "have it",
        (Place::Users, StationState::Underway) => "some have it",
        (Place::Users, StationState::Returned) => "no longer have it",
        _ => status.word,
    };
    Status { word, ..status }
}

fn stop(frame: &Frame, station: &Station, next: Option<&Station>) -> Markup {
    let status = state(station);
    html! {
        li class={ "stop " (here(station.state)) } {
            div.stop-node { (status.mark.picture()) }
            @if let Some(next) = next {
                div class={ "stop-way " (way(next)) } {}
                @if let Some(took) = next.took() {
                    span.stop-took title="how long the way took" { (time::length(took)) }
                } @else if let (StationState::Underway | StationState::Waiting, Some(since)) = (next.state, next.started_at) {
                    span.stop-took { (time::so_far(frame.now, since)) }
                } @else if let Some(usually) = &next.usually {
                    span.stop-took.faint { @if usually.median.as_secs() == 0 { "< 1 s" } @else { "~ " (time::roughly(usually.median)) } }
                }
            }
            div.stop-text {
                p.stop-name { (name(&station.place)) }
                p.stop-state {
                    @match station.run {
                        Some(run) => a href=(links::run(run)) { (status.word) },
                        None => (status.word),
                    }
                    @if let Some(at) = station.reached_at { " " span.faint { (time::ago(frame.now, at)) } }
                }
                @if let Some(note) = &station.note { p.stop-note { (small::without_hint(note).0) } }
                @if let (StationState::Underway, Some(usually)) = (station.state, &station.usually) {
                    p.stop-note { (small::usually(usually)) }
                }
                @if !station.verdicts.is_empty() {
                    ul.stop-verdicts {
                        @for verdict in &station.verdicts {
                            @let mark = Status::from(verdict.result);
                            li title=(verdict.reasons.join(" ")) {
                                (mark.mark.picture()) span { (verdict.about) span.unseen { ": " (mark.word) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The whole line.
pub fn line(frame: &Frame, stations: &[Station]) -> Markup {
    html! {
        ol.line aria-label="The way of this change, from commit to users" {
            @for (index, station) in stations.iter().enumerate() {
                (stop(frame, station, stations.get(index + 1)))
            }
        }
    }
}
