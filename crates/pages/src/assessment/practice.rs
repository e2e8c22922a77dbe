//! A practice that opens to show its evidence.

use maud::{Markup, html};

use super::map;
use crate::model::assessment::{Evidence, Practice};

pub(super) fn practice(practice: &Practice) -> Markup {
    html! {
        li id=(practice.id) {
            details.practice {
                summary {
                    (map::glyph(practice.known))
                    span.practice-id { (practice.id) }
                    span.practice-name { (practice.name) }
                    span.practice-known { (map::word(practice.known)) }
                    span.practice-reason { (practice.reason) }
                }
                div.practice-body {
                    p { (practice.why) " " (practice.instruction) }
                    @if let Some(change) = &practice.would_change { p { strong { "What would change it: " } (change) } }
                    @for (with, because) in &practice.tensions { p.faint { "Beside " (with) ": " (because) } }
                    @if !practice.evidence.is_empty() {
                        table.evidence {
                            tbody { @for each in &practice.evidence { (evidence(each)) } }
                        }
                    }
                    @if !practice.beside.is_empty() {
                        p.faint { "Watch beside it: "
                            @for (n, (name, value)) in practice.beside.iter().enumerate() {
                                @if n > 0 { ", " } code { (name) } " " (value)
                            }
                        }
                    }
                    @for (what, rule) in &practice.rules { p.rule { span.faint { (what) " " } code { (rule) } } }
                }
            }
        }
    }
}

fn evidence(evidence: &Evidence) -> Markup {
    html! {
        tr {
            th scope="row" { code { (evidence.measure) } div.fine { (evidence.meaning) } }
            td {
                strong { (evidence.value) }
                ul.places {
                    @for (place, what) in &evidence.places { li { code { (place) } " " span.faint { (what) } } }
                    @for (place, what) in &evidence.against { li.against { "but " code { (place) } " " span.faint { (what) } } }
                }
                @if let Some(note) = &evidence.note { p.fine { (note) } }
            }
        }
    }
}
