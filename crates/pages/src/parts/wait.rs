//! What holds a change: the gate, what is missing, whom it waits for, how long that usually takes.

use maud::{Markup, html};

use crate::model::{Frame, WaitReason, Waiting};
use crate::parts::mark::Mark;
use crate::parts::small;
use crate::time;

/// The verb of a wait, as in "waits for approval".
pub fn reason_words(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::Approval => "waits for approval",
        WaitReason::Gate => "held by a gate",
        WaitReason::Turn => "waits for its turn",
        WaitReason::Soak => "soaks",
        WaitReason::Evidence => "gathers evidence",
        WaitReason::Question => "asks a person",
        WaitReason::Freeze => "frozen",
    }
}

/// Names in a sentence: `Ada, Ben or Carol`.
pub fn whom(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// A wait in a line, for places with little room.
pub fn short(now: facts::Timestamp, waiting: &Waiting) -> Markup {
    html! {
        span.wait-short {
            (Mark::from(waiting.reason).picture())
            span {
                (reason_words(waiting.reason))
                @if !waiting.whom.is_empty() { " of " strong { (whom(&waiting.whom)) } }
                span.faint { ", " (time::so_far(now, waiting.since)) }
            }
        }
    }
}

/// A wait with all that is known of it and what the viewer may do.
pub fn card(frame: &Frame, waiting: &Waiting) -> Markup {
    html! {
        div.wait.card {
            div.wait-mark { (Mark::from(waiting.reason).picture()) }
            div.wait-text {
                p.wait-title {
                    span.wait-reason { (reason_words(waiting.reason)) }
                    " " code.gate { (waiting.gate) }
                }
                p { (small::prose(&waiting.what)) }
                (small::details([
                    ("Waits for", html! {
                        @if waiting.whom.is_empty() { "nobody; it goes on by itself" } @else { strong { (whom(&waiting.whom)) } }
                    }),
                    ("So far", html! { (time::so_far(frame.now, waiting.since)) }),
                ]))
                @if let Some(usually) = &waiting.usually { p.faint { (small::usually_long(usually)) } }
                @if let Some(until) = waiting.until { p.faint { "Ends by itself " (time::ago(frame.now, until)) "." } }
            }
            (small::buttons(frame, &waiting.answers))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_a_sentence() {
        let names = |list: &[&str]| whom(&list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&["Ada"]), "Ada");
        assert_eq!(names(&["Ada", "Ben", "Carol"]), "Ada, Ben or Carol");
    }
}
