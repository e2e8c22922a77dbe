//! A canary's verdict: sentences, numbers, and for each metric a picture of the confidence interval
//! against the margin.

use facts::published::Judgement;
use maud::{Markup, html};

use crate::model::{Canary, Comparison, Frame, GroupKind, OnDeadline, Share, Unit};
use crate::parts::mark::{Mark, Status, tone_word};
use crate::parts::small::{self, count};
use crate::time;

/// The word of a group.
pub fn group_word(group: GroupKind) -> &'static str {
    match group {
        GroupKind::Stable => "stable",
        GroupKind::Baseline => "baseline",
        GroupKind::Canary => "canary",
        GroupKind::Next => "next",
    }
}

/// A number as short as it may be: three significant digits at most, no trailing zeros.
fn number(value: f64) -> String {
    let places = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.places$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    match text {
        "-0" => "0".to_owned(),
        _ => text.replace('-', "\u{2212}"),
    }
}

/// A value of a metric, with its unit.
fn value(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Share => format!("{} %", number(value * 100.0)),
        Unit::Milliseconds => format!("{} ms", number(value)),
        Unit::Number => number(value),
    }
}

/// A difference of two values, with its sign and unit.
fn difference(unit: Unit, value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 {
            "no upper bound"
        } else {
            "no lower bound"
        }
        .to_owned();
    }
    let sign = if value > 0.0 { "+" } else { "" };
    match unit {
        Unit::Share => format!("{sign}{} pp", number(value * 100.0)),
        Unit::Milliseconds => format!("{sign}{} ms", number(value)),
        Unit::Number => format!("{sign}{}", number(value)),
    }
}

/// Where a difference stands in the picture, in percent of its width.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// Shows zero, the margin and the finite ends of the interval, with air on both sides. An end that
    /// is very far away is cut, so that the margin stays readable.
    fn of(comparison: &Comparison) -> Self {
        let margin = comparison.margin.abs().max(f64::MIN_POSITIVE);
        let far = 12.0 * margin.max(comparison.estimate.unwrap_or(0.0).abs());
        let ends = [comparison.low, comparison.high, comparison.estimate.unwrap_or(0.0)];
        let within = |end: f64| if end.is_finite() { end.clamp(-far, far) } else { 0.0 };
        let low = ends.iter().copied().map(within).fold(-margin, f64::min);
        let high = ends.iter().copied().map(within).fold(2.0 * margin, f64::max);
        let air = (high - low) * 0.08;
        Self {
            low: low - air,
            high: high + air,
        }
    }

    fn place(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low) * 100.0).clamp(0.0, 100.0)
    }

    fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

fn percent(place: f64) -> String {
    format!("{place:.2}%")
}

/// The interval against the margin.
fn picture(comparison: &Comparison) -> Markup {
    let scale = Scale::of(comparison);
    let (zero, margin) = (scale.place(0.0), scale.place(comparison.margin));
    let (low, high) = (scale.place(comparison.low), scale.place(comparison.high));
    let said = format!(
        "difference of {}: between {} and {}, margin {}",
        comparison.metric,
        difference(comparison.unit, comparison.low),
        difference(comparison.unit, comparison.high),
        difference(comparison.unit, comparison.margin)
    );
    // Labels that would stand on one another lean apart.
    let (of_zero, of_margin) = if margin - zero < 12.0 {
        ("end", "start")
    } else {
        ("middle", "middle")
    };
    html! {
        svg class={ "interval tone-" (tone_word(Status::from(comparison.result).mark.tone())) }
            role="img" aria-label=(said) width="100%" height="58" {
            rect.interval-accepted x="0" y="12" width=(percent(margin)) height="26" {}
            line.interval-axis x1="0" x2="100%" y1="38.5" y2="38.5" {}
            line.interval-zero x1=(percent(zero)) x2=(percent(zero)) y1="12" y2="42" {}
            line.interval-margin x1=(percent(margin)) x2=(percent(margin)) y1="6" y2="42" {}
            line.interval-bar x1=(percent(low)) x2=(percent(high)) y1="25" y2="25" {}
            @for (end, place, arrow) in [
                (comparison.low, low, "M7 -5L0 0l7 5"),
                (comparison.high, high, "M-7 -5L0 0l-7 5"),
            ] {
                svg.interval-end x=(percent(place)) y="25" overflow="visible" {
                    @if scale.holds(end) { path d="M0 -6V6" {} } @else { path d=(arrow) {} }
                }
            }
            @if let Some(estimate) = comparison.estimate {
                circle.interval-dot cx=(percent(scale.place(estimate))) cy="25" r="4.5" {}
            }
            text.interval-label x=(percent(zero)) y="54" text-anchor=(of_zero) { "0" }
            text.interval-label x=(percent(margin)) y="54" text-anchor=(of_margin) {
                (difference(comparison.unit, comparison.margin))
            }
        }
    }
}

fn comparison(comparison: &Comparison) -> Markup {
    let unit = comparison.unit;
    let said = |number: Option<f64>| number.map_or("no data".to_owned(), |number| value(unit, number));
    html! {
        li.comparison {
            div.comparison-head {
                span.comparison-metric { (comparison.metric) }
                (Status::from(comparison.result).show())
            }
            p.comparison-numbers {
                span { "baseline " b { (said(comparison.baseline)) } }
                span { "canary " b { (said(comparison.canary)) } }
                @if let Some(estimate) = comparison.estimate {
                    span { "difference " b { (difference(unit, estimate)) } }
                }
                span.faint {
                    @if comparison.low.is_infinite() && comparison.high.is_infinite() { "no interval yet" } @else {
                        "between " (difference(unit, comparison.low)) " and " (difference(unit, comparison.high))
                    }
                }
            }
            (picture(comparison))
        }
    }
}

fn verdict_words(canary: &Canary) -> (Mark, &'static str) {
    match (canary.result, canary.decided_at) {
        (Judgement::Pass, _) => (Mark::Good, "The canary is as good as what it replaces"),
        (Judgement::Fail, _) => (Mark::Bad, "The canary is worse than what it would replace"),
        (Judgement::Wait, _) | (Judgement::Unknown, None) => (Mark::Running, "The canary is being compared"),
        (Judgement::Unknown, Some(_)) => (Mark::Unknown, "The canary could not be judged"),
    }
}

/// How far the evidence is: requests seen of those needed. Nothing where nobody said how many.
pub fn evidence(canary: &Canary) -> Option<Markup> {
    let needed = canary.requests_needed?;
    let seen = canary
        .groups
        .iter()
        .find(|group| group.group == GroupKind::Canary)
        .map_or(0, |group| group.requests);
    let share = if needed == 0 {
        100.0
    } else {
        (seen as f64 / needed as f64 * 100.0).min(100.0)
    };
    Some(html! {
        div.meter {
            svg width="100%" height="6" role="img" aria-label={ (count(seen)) " of about " (count(needed)) " requests" } {
                rect.meter-all width="100%" height="6" rx="3" {}
                rect.meter-part width=(percent(share)) height="6" rx="3" {}
            }
            p.faint { (count(seen)) " of about " (count(needed)) " requests that the margin needs" }
        }
    })
}

/// The whole card.
pub fn card(frame: &Frame, canary: &Canary) -> Markup {
    let (mark, words) = verdict_words(canary);
    let latency = canary.groups.iter().any(|group| group.latency_ms.is_some());
    html! {
        section.card.canary {
            div.card-head {
                (mark.picture())
                h3 { (words) }
                span.card-end.faint {
                    "in " (canary.environment) ", "
                    @match canary.decided_at {
                        Some(at) => {
                            "decided " (time::ago(frame.now, at)) " after "
                            (time::length(time::between(canary.started_at, at)))
                        },
                        None => (time::so_far(frame.now, canary.started_at)),
                    }
                }
            }
            (small::reasons(&canary.reasons))
            @if canary.decided_at.is_none() {
                @if let Some(evidence) = evidence(canary) { (evidence) }
            }
            ul.comparisons { @for one in &canary.comparisons { (comparison(one)) } }
            div.scroll {
                table.numbers {
                    thead { tr {
                        th scope="col" { "Group" } th scope="col" { "Package" }
                        th.right scope="col" { "Requests" } th.right scope="col" { "Failed" }
                        @if latency { th.right scope="col" { "Latency" } }
                    } }
                    tbody { @for group in &canary.groups { tr {
                        th scope="row" { (group_word(group.group)) }
                        td {
                            @if let Some(version) = &group.version { span.version { (version) } " " }
                            (small::digest(&group.package))
                        }
                        td.right { (count(group.requests)) }
                        td.right { (count(group.errors)) }
                        @if latency { td.right { @if let Some(ms) = group.latency_ms { (value(Unit::Milliseconds, ms)) } } }
                    } } }
                }
            }
            @if !canary.failing_routes.is_empty() {
                p.failing {
                    "Failed most: "
                    @for (index, route) in canary.failing_routes.iter().enumerate() {
                        @if index > 0 { ", " }
                        code { (route.route) } " (" (count(route.errors)) " of " (count(route.requests)) ")"
                    }
                }
            }
            p.fine {
                "At most " (number(canary.alpha * 100.0)) " % of such verdicts are wrong, whenever one looks. "
                @if let (Some(deadline), None) = (canary.deadline, canary.decided_at) {
                    "Without a verdict it "
                    @match canary.on_deadline { OnDeadline::Return => "goes back", OnDeadline::GoOn => "goes on to everybody" }
                    " " (time::ago(frame.now, deadline)) "."
                }
            }
        }
    }
}

/// Who gets how many requests, as a bar and in words.
pub fn split(shares: &[Share]) -> Markup {
    let sum: u32 = shares.iter().map(|share| share.weight).sum();
    let part = |weight: u32| {
        if sum == 0 {
            0.0
        } else {
            f64::from(weight) / f64::from(sum) * 100.0
        }
    };
    let mut from = 0.0;
    let bars: Vec<(GroupKind, f64, f64)> = shares
        .iter()
        .map(|share| {
            let start = from;
            from += part(share.weight);
            (share.group, start, part(share.weight))
        })
        .collect();
    html! {
        div.split {
            svg width="100%" height="8" aria-hidden="true" {
                @for (group, start, width) in bars {
                    rect class={ "split-" (group_word(group)) } x=(percent(start)) width=(percent(width)) height="8" {}
                }
            }
            ul {
                @for share in shares {
                    li {
                        span class={ "split-key split-" (group_word(share.group)) } {}
                        b { (number(part(share.weight))) " %" } " " (group_word(share.group)) " "
                        span.faint { @match &share.version { Some(version) => (version), None => (small::digest(&share.package)) } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_signed() {
        assert_eq!(number(0.0), "0");
        assert_eq!(number(12.345), "12.3");
        assert_eq!(number(-0.5), "\u{2212}0.5");
        assert_eq!(difference(Unit::Share, 0.0231), "+2.31 pp");
        assert_eq!(difference(Unit::Milliseconds, f64::INFINITY), "no upper bound");
    }

    #[test]
    fn an_endless_interval_ends_in_arrows_at_the_border() {
        let comparison = Comparison {
            metric: "failed requests".into(),
            unit: Unit::Share,
            result: Judgement::Wait,
            baseline: None,
            canary: None,
            estimate: None,
            low: f64::NEG_INFINITY,
            high: f64::INFINITY,
            margin: 0.01,
        };
        let html = picture(&comparison).into_string();
        assert!(html.contains("x1=\"0.00%\" x2=\"100.00%\""), "{html}");
        assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
    }
}
