//! The log of an attempt.

use maud::{Markup, html};

use crate::model::{Frame, LogLine, LogView, Output};
use crate::parts::small;
use crate::{ansi, links};

/// Lines of a log, as they stand in the page and as the live stream sends them.
pub fn rows(lines: &[LogLine]) -> Markup {
    html! {
        @for line in lines {
            @let kind = match line.output { Output::Out => "", Output::Err => " log-err", Output::Note => " log-note" };
            div class={ "log-line" (kind) } id={ "line-" (line.number) } {
                a.log-number href={ "#line-" (line.number) } { (line.number) }
                time.log-time datetime=(line.at) title=(line.at) { (line.at.strftime("%H:%M:%S")) }
                @if line.output == Output::Err { span.unseen { "error output: " } }
                span.log-text { (ansi::line(&line.text)) }
            }
        }
    }
}

/// The whole view; `attempts` are those that have a log to look at.
pub fn view(frame: &Frame, log: &LogView, attempts: &[u32]) -> Markup {
    let last = log.lines.last().map_or(log.skipped, |line| line.number);
    let follow = log.open.then(|| links::log_live(log.run, &log.step, log.attempt, last));
    html! {
        section.card.log-card id="log" data-log-of={ (log.step) "/" (log.attempt) } {
            div.card-head {
                h2 { (log.step) }
                @if attempts.len() > 1 {
                    nav.attempts aria-label="Attempts" {
                        @for number in attempts {
                            a href=(links::run_log(log.run, &log.step, *number))
                                aria-current=[(*number == log.attempt).then_some("true")] { "attempt " (number) }
                        }
                    }
                }
                span.card-end {
                    @if log.open { span.log-open data-log-state { "still writing" } " " }
                    a href=(links::log_text(log.run, &log.step, log.attempt)) { "raw" }
                }
            }
            @if log.expired {
                (small::empty("This log is past its retention", html! { "What the step came to is kept; what it wrote is not." }))
            } @else if log.lines.is_empty() && !log.open {
                (small::empty("This attempt wrote nothing", html! { "Its outcome stands in the list of steps." }))
            } @else {
                @if log.skipped > 0 {
                    p.log-skipped {
                        (small::plural(log.skipped as usize, "earlier line", "earlier lines")) " not shown. "
                        a href=(links::log_text(log.run, &log.step, log.attempt)) { "See all of it." }
                    }
                }
                div.log id="log-lines" tabindex="0" role="log" aria-label={ "Log of " (log.step) } aria-live="off" data-follow=[follow] {
                    (rows(&log.lines))
                }
                @if log.open {
                    noscript { p.log-skipped { a href=(frame.path) { "Load again" } " to see more." } }
                }
            }
            @if log.truncated {
                p.log-skipped { "The step wrote more than its log may hold; the rest was not kept." }
            }
        }
    }
}
