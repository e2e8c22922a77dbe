//! The picture: categories by levels, each practice a sign of its own shape, and below them how far
//! the category reaches for sure and possibly.

use maud::{Markup, html};

use crate::model::assessment::{Assessment, Category, Known, Practice};

/// The sign of what is known. Shapes differ, so that the picture is read without colours.
pub(super) fn glyph(known: Known) -> Markup {
    html! {
        svg.glyph.met[known == Known::Met].attested[known == Known::Attested].not-met[known == Known::NotMet].not-known[known == Known::NotKnown].declined[known == Known::Declined]
            viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" {
            @match known {
                Known::Met => { rect.ground x="1" y="1" width="14" height="14" rx="3.5" {} path.check d="M4.6 8.3l2.3 2.3 4.5-5" {} },
                Known::Attested => { path.ground d="M8 .8l7.2 7.2L8 15.2.8 8z" {} path.check d="M5.4 8.1l1.8 1.8 3.4-3.7" {} },
                Known::NotMet => { rect.edge x="1.75" y="1.75" width="12.5" height="12.5" rx="3" {} path.cross d="M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8" {} },
                Known::NotKnown => { rect.dots x="1.75" y="1.75" width="12.5" height="12.5" rx="3" {} },
                Known::Declined => { rect.edge x="1.75" y="1.75" width="12.5" height="12.5" rx="3" {} path.cross d="M5 8h6" {} },
            }
        }
    }
}

/// What is known, in words.
pub(super) const fn word(known: Known) -> &'static str {
    match known {
        Known::Met => "met",
        Known::Attested => "attested",
        Known::NotMet => "not met",
        Known::NotKnown => "not known",
        Known::Declined => "declined",
    }
}

/// The levels between which a category stands, in words.
pub(super) fn range(at_least: Option<usize>, at_most: Option<usize>, levels: &[String]) -> String {
    let name = |level: Option<usize>| {
        level
            .and_then(|level| levels.get(level))
            .map_or("below base", String::as_str)
    };
    if at_least == at_most {
        name(at_least).to_owned()
    } else if at_least.is_none() {
        format!("at most {}", name(at_most))
    } else {
        format!("at least {}, at most {}", name(at_least), name(at_most))
    }
}

/// How far a category reaches: a solid line for sure, a dotted one possibly, each with its end.
pub(super) fn bar(at_least: Option<usize>, at_most: Option<usize>, levels: usize) -> Markup {
    const EACH: usize = 100;
    let end = |level: Option<usize>| level.map_or(0, |level| (level + 1) * EACH);
    let (sure, possible, all) = (end(at_least), end(at_most), levels * EACH);
    let inside = |x: usize| x.clamp(2, all.saturating_sub(3).max(2));
    html! {
        svg.reach viewBox={ "0 0 " (all) " 12" } preserveAspectRatio="none" aria-hidden="true" {
            @for level in 1..levels { path.tick d={ "M" (level * EACH) " 3V9" } {} }
            path.track d={ "M0 6H" (all) } {}
            @if possible > sure {
                path.possible d={ "M" (sure) " 6H" (inside(possible)) } {}
                path.possible-end d={ "M" (inside(possible)) " 1.5V10.5" } {}
            }
            @if sure > 0 { path.sure d={ "M0 6H" (inside(sure)) } {} }
            path.sure-end d={ "M" (inside(sure)) " 0V12" } {}
        }
    }
}

/// The whole picture.
pub(super) fn map(assessment: &Assessment) -> Markup {
    html! {
        section.map-section aria-label="The profile" {
            div.map style={ "--levels:" (assessment.levels.len()) } {
                div.map-row.map-head aria-hidden="true" {
                    span {}
                    @for level in &assessment.levels { span.map-level { (level) } }
                }
                @for category in &assessment.categories { (row(category, &assessment.levels)) }
            }
            (legend(assessment))
        }
    }
}

fn row(category: &Category, levels: &[String]) -> Markup {
    html! {
        div.map-row {
            div.map-name {
                a href={ "#category-" (category.key) } { (category.name) }
                span.map-range { (range(category.at_least, category.at_most, levels)) }
            }
            @for (number, level) in levels.iter().enumerate() {
                div.map-cell.reached[Some(number) <= category.at_least] {
                    span.unseen { (level) ": " }
                    @for practice in category.practices.iter().filter(|each| each.level == number) { (sign(practice)) }
                }
            }
            div.map-bar { (bar(category.at_least, category.at_most, levels.len())) }
        }
    }
}

fn sign(practice: &Practice) -> Markup {
    html! {
        a.map-sign href={ "#" (practice.id) } title={ (practice.id) " " (practice.name) ": " (word(practice.known)) } {
            (glyph(practice.known))
            span.unseen { (practice.id) " " (word(practice.known)) }
        }
    }
}

fn legend(assessment: &Assessment) -> Markup {
    let all = assessment.categories.iter().flat_map(|category| &category.practices);
    let count = |known: Known| all.clone().filter(|practice| practice.known == known).count();
    let shown = [
        Known::Met,
        Known::Attested,
        Known::NotMet,
        Known::NotKnown,
        Known::Declined,
    ]
    .into_iter()
    .map(|known| (known, count(known)))
    .filter(|(known, count)| *count > 0 || !matches!(known, Known::Attested | Known::Declined));
    html! {
        ul.legend {
            @for (known, count) in shown { li { (glyph(known)) strong { (count) } " " (word(known)) } }
            li.legend-line { svg.line viewBox="0 0 28 12" width="28" height="12" aria-hidden="true" { path.sure d="M0 6H27" {} path.sure-end d="M27 0V12" {} } "reached for sure" }
            li.legend-line { svg.line viewBox="0 0 28 12" width="28" height="12" aria-hidden="true" { path.possible d="M0 6H27" {} path.possible-end d="M27 1.5V10.5" {} } "possible" }
        }
    }
}
