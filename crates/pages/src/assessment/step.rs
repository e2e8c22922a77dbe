//! A next step, with the lines to add.

use maud::{Markup, html};

use crate::model::assessment::NextStep;

pub(super) fn step(step: &NextStep) -> Markup {
    html! {
        li.step.card {
            h3 { (step.instruction) }
            p.step-why { (step.why) }
            p.step-brings {
                @for (id, name) in &step.practices { a.tag href={ "#" (id) } title=(name) { (id) } " " }
                span.effort title={ "effort " (step.effort) " of 5" } {
                    "effort "
                    @for n in 1..=5u8 { span.pip.on[n <= step.effort] aria-hidden="true" {} }
                    span.unseen { (step.effort) " of 5" }
                }
            }
            @for edit in &step.edits {
                figure.edit {
                    figcaption { (edit.place) }
                    pre.lines tabindex="0" { @for line in edit.lines.lines() { span.line-added { (line) } } }
                }
            }
            @if !step.changes.is_empty() {
                ul.changes {
                    @for (measure, before, after) in &step.changes {
                        li { code { (measure) } " "
                            @if let Some(before) = before { s.faint { (before) } " " } @else { span.faint { "not seen " } }
                            "→ " strong { (after) }
                        }
                    }
                }
            } @else if let Some(change) = &step.would_change {
                p { "It is met by: " (change) }
            }
            @if !step.moves.is_empty() {
                p.fine { "Should move "
                    @for (n, (metric, about, now)) in step.moves.iter().enumerate() {
                        @if n > 0 { ", " }
                        span title=(about) { (metric) @if let Some(now) = now { " (" (now) ")" } }
                    }
                }
            }
        }
    }
}
