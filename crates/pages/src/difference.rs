//! What differs between two environments: packages with the commits between them, configuration by
//! setting, schemas, and the environments' own settings.

use facts::EnvironmentName;
use maud::{Markup, html};

use crate::links;
use crate::model::{ComponentDifference, DifferencePage, Differing, DifferingLine, Frame, Held, Order};
use crate::parts::frame::{self, Live, Section};
use crate::parts::small;

/// The page.
pub fn page(frame: &Frame, page: &DifferencePage) -> Markup {
    let content = html! {
        header.page-head {
            p.crumbs { "environments" }
            div.page-title { h1 {
                a href=(links::environment(&page.left)) { (page.left) } " and " a href=(links::environment(&page.right)) { (page.right) }
            } }
            (chooser(&page.left, Some(&page.right), &page.all))
        }
        @if page.components.is_empty() && page.settings.is_empty() {
            (small::empty("Nothing differs", html! { "Both hold the same packages, configured alike." }))
        }
        @if !page.components.is_empty() {
            section id="difference-components" data-live aria-labelledby="components-title" {
                (small::heading("components-title", "What they hold", None))
                div.column { @for one in &page.components { (component(page, one)) } }
            }
        }
        @if !page.settings.is_empty() {
            section id="difference-settings" data-live aria-labelledby="own-title" {
                (small::heading("own-title", "How they are set up", None))
                (lines(page, &page.settings))
            }
        }
        @if !page.alike.is_empty() {
            p.fine { "Alike in both: " @for (index, name) in page.alike.iter().enumerate() { @if index > 0 { ", " } a href=(links::component(name)) { (name) } } "." }
        }
    };
    let title = format!("{} and {}", page.left, page.right);
    frame::page(frame, &title, Section::None, Live::Yes, content)
}

/// A form by which an environment is compared with another; nothing where there is none.
pub fn chooser(left: &EnvironmentName, right: Option<&EnvironmentName>, all: &[EnvironmentName]) -> Markup {
    let others: Vec<&EnvironmentName> = all.iter().filter(|name| *name != left).collect();
    html! {
        @if !others.is_empty() {
            form.filter method="get" action=(links::compare(left)) {
                label { span.unseen { "Another environment" }
                    select name="with" {
                        @for other in others { option value=(other) selected[right == Some(other)] { (other) } }
                    }
                }
                button.button.plain type="submit" { "Compare" }
            }
        }
    }
}

fn component(page: &DifferencePage, one: &ComponentDifference) -> Markup {
    html! {
        section.card {
            div.card-head {
                h3 { a href=(links::component(&one.component)) { (one.component) } }
                @if let (Some(left), Some(right)) = (&one.left, &one.right) {
                    @if left.package != right.package {
                        span.card-end { a href={ (links::with_query(&links::package(&left.package), "against", &right.package.to_string())) "#difference" } { "Files" } }
                    }
                }
            }
            div.two-sides {
                (side(&page.left, one.left.as_ref()))
                (side(&page.right, one.right.as_ref()))
            }
            p.reason { (order(page, one)) }
            @if !one.commits.is_empty() {
                ol.commits-between { @for commit in &one.commits { li { (small::change(commit)) } } }
                @if one.more_commits > 0 { p.fine { "and " (small::plural(one.more_commits, "more commit", "more commits")) "." } }
            }
            @if !one.schema.is_empty() { h4 { "Schema" } (lines(page, &one.schema)) }
            @if !one.configuration.is_empty() { h4 { "Configuration" } (lines(page, &one.configuration)) }
        }
    }
}

fn side(environment: &EnvironmentName, held: Option<&Held>) -> Markup {
    html! {
        div.side {
            p.side-name { (environment) }
            @match held {
                Some(held) => {
                    p { (small::change_short(&held.change)) " " span.faint { (small::package(&held.package)) } }
                },
                None => p.faint { "nothing" },
            }
        }
    }
}

fn order(page: &DifferencePage, one: &ComponentDifference) -> String {
    let commits = one.commits.len() + one.more_commits;
    let count = small::plural(commits, "commit", "commits");
    match one.order {
        Order::Same => "Both hold the same package.".to_owned(),
        Order::LeftAhead => format!("{} is {count} ahead of {}.", page.left, page.right),
        Order::RightAhead => format!("{} is {count} ahead of {}.", page.right, page.left),
        Order::Apart => format!(
            "Each has commits that the other lacks; {} has {count} that {} lacks.",
            page.left, page.right
        ),
        Order::OneSided => "Only one of them holds it.".to_owned(),
    }
}

fn lines(page: &DifferencePage, lines: &[DifferingLine]) -> Markup {
    html! {
        div.scroll { table.list.sides {
            thead { tr { th scope="col" { "What" } th scope="col" { (page.left) } th scope="col" { (page.right) } } }
            tbody { @for line in lines { tr {
                td { code { (line.what) } }
                td { span.side-name.narrow { (page.left) " " } (value(line.left.as_ref())) }
                td { span.side-name.narrow { (page.right) " " } (value(line.right.as_ref())) }
            } } }
        } }
    }
}

fn value(value: Option<&Differing>) -> Markup {
    html! {
        @match value {
            Some(Differing::Value(text)) if text.is_empty() => span.faint { "none" },
            Some(Differing::Value(text)) => span.setting-value { (text) },
            Some(Differing::Secret(name)) => { span.tag { "secret" } " " code { (name) } },
            None => span.faint { "not set" },
        }
    }
}
