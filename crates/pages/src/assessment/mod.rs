//! The report of an assessment: one file, complete in itself, for a screen and for paper.

mod map;
mod months;
mod practice;
mod step;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::assets;
use crate::model::assessment::{Assessment, Category, Known, PartOfIt};
use crate::parts::frame;

/// The report as one file.
pub fn page(assessment: &Assessment) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (assessment.name) " · delivery profile" }
                style { (PreEscaped(assets::REPORT_STYLE)) }
            }
            body.report {
                header.top {
                    div.top-in {
                        span.brand { (frame::sign()) span { "Throughline" } }
                        span.top-end.fine { "Delivery profile" }
                    }
                }
                main id="main" {
                    (head(assessment))
                    (map::map(assessment))
                    (steps(assessment))
                    (components(assessment))
                    (months::months(assessment))
                    (practices(assessment))
                    (unread(assessment))
                    (reading(assessment))
                }
                footer.foot {
                    div.foot-in { span { "Judged by " (assessment.model) } span { "Guidance, not a mark: levels mix, and that is fine." } }
                }
            }
        }
    }
}

fn head(assessment: &Assessment) -> Markup {
    html! {
        div.page-head {
            h1 { (assessment.name) }
            p.page-facts { @for about in &assessment.about { span { (about) } } }
        }
    }
}

fn steps(assessment: &Assessment) -> Markup {
    html! {
        @if !assessment.next.is_empty() {
            section aria-labelledby="next" {
                div.heading { h2 id="next" { "Next steps" } span.heading-end { "cheapest and most helpful first" } }
                ol.steps { @for step in &assessment.next { (step::step(step)) } }
            }
        }
    }
}

fn components(assessment: &Assessment) -> Markup {
    html! {
        @if let Some(first) = assessment.components.first() {
            section aria-labelledby="components" {
                div.heading { h2 id="components" { "Components" } span.heading-end { "reached, and possible" } }
                div.scroll {
                    table.reaches {
                        thead { tr {
                            th scope="col" { "Component" }
                            @for reach in &first.reach { th scope="col" { (reach.name) } }
                        } }
                        tbody { @for component in &assessment.components { (component_row(component, &assessment.levels)) } }
                    }
                }
            }
        }
    }
}

fn component_row(component: &PartOfIt, levels: &[String]) -> Markup {
    html! {
        tr {
            th scope="row" { (component.name) div.fine { (component.folder) } }
            @for reach in &component.reach {
                td {
                    (map::bar(reach.at_least, reach.at_most, levels.len()))
                    span.unseen { (map::range(reach.at_least, reach.at_most, levels)) }
                }
            }
        }
    }
}

fn practices(assessment: &Assessment) -> Markup {
    html! {
        section aria-labelledby="practices" {
            div.heading { h2 id="practices" { "Practices and their evidence" } }
            @for category in &assessment.categories { (category_practices(category, &assessment.levels)) }
        }
    }
}

fn category_practices(category: &Category, levels: &[String]) -> Markup {
    html! {
        section.category id={ "category-" (category.key) } {
            div.category-head {
                h3 { (category.name) }
                span.category-range { (map::range(category.at_least, category.at_most, levels)) }
                p.category-about { (category.about) }
            }
            @for (number, level) in levels.iter().enumerate() {
                @let here: Vec<_> = category.practices.iter().filter(|each| each.level == number).collect();
                @if !here.is_empty() {
                    h4.level { (level) }
                    ul.practices { @for each in here { (practice::practice(each)) } }
                }
            }
            @if !category.not_applicable.is_empty() {
                h4.level { "does not apply here" }
                ul.practices.not-applicable {
                    @for (id, name, reason) in &category.not_applicable {
                        li { span.practice-id { (id) } " " (name) " " span.faint { (reason) } }
                    }
                }
            }
        }
    }
}

fn unread(assessment: &Assessment) -> Markup {
    html! {
        @if !assessment.findings.is_empty() || !assessment.limits.is_empty() {
            section aria-labelledby="unread" {
                div.heading { h2 id="unread" { "What could not be read" } }
                ul.findings {
                    @for limit in &assessment.limits { li { (limit) } }
                    @for (place, problem, hint) in &assessment.findings {
                        li { code { (place) } " " (problem) @if let Some(hint) = hint { " " span.faint { (hint) } } }
                    }
                }
            }
        }
    }
}

fn reading(assessment: &Assessment) -> Markup {
    html! {
        section.how aria-labelledby="how" {
            div.heading { h2 id="how" { "How to read this" } }
            dl.how-list {
                @for known in [Known::Met, Known::Attested, Known::NotMet, Known::NotKnown, Known::Declined] {
                    div { dt { (map::glyph(known)) " " (map::word(known)) } dd { (meaning(known)) } }
                }
                div { dt { (map::bar(Some(1), Some(3), assessment.levels.len())) } dd {
                    "The solid line ends at the level that is reached for sure: everything up to it is met. The dotted line ends at the level that would be reached if everything that is not known were so."
                } }
            }
            @for (name, reason) in &assessment.left_out { p.fine { (name) ": " (reason) } }
        }
    }
}

const fn meaning(known: Known) -> &'static str {
    match known {
        Known::Met => "The repository shows it.",
        Known::Attested => "A person states it, until a day.",
        Known::NotMet => "The repository shows that it is not so.",
        Known::NotKnown => "The repository shows neither. Silence is no verdict.",
        Known::Declined => "The project says why it does without.",
    }
}
