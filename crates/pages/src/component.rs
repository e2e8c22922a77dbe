//! A component: where its packages are, what came lately, and how it is built.

use maud::{Markup, html};

use crate::model::{ComponentPage, DefinitionView, Frame, Owners, RemoteView, Tone};
use crate::parts::frame::{self, Live, Section};
use crate::parts::{graph, small};
use crate::{environment, links, overview, run, runs, time};

/// The page.
pub fn page(frame: &Frame, page: &ComponentPage) -> Markup {
    let content = html! {
        header.page-head {
            p.crumbs {
                @match &page.place {
                    Some(place) => { a href=(links::component(&place.repository)) { (place.repository) } " / component" },
                    None => "component",
                }
            }
            div.page-title { h1 { (page.name) } }
            p.page-facts {
                @if let Some((change, line)) = &page.newest { span { "newest on " (line) ": " (small::change(change)) } }
                @else { span { "no commit yet" } }
                @if let Some(folder) = page.place.as_ref().and_then(|place| place.folder.as_deref()).filter(|folder| !folder.is_empty()) { span { "lies in " code { (folder) } } }
                (source(page.remote.as_ref(), &page.push_address))
                (owners(page.owners.as_ref()))
                span.faint { "here since " (time::ago(frame.now, page.created_at)) }
            }
            @if let Some(trouble) = page.remote.as_ref().and_then(|remote| remote.trouble.as_deref()) {
                (small::problem(Tone::Attention, "The last look at its repository failed.", Some(trouble), Some("it is looked at again by itself; `throughline repo list` shows all")))
            }
            @if page.place.as_ref().is_some_and(|place| place.folder.is_none()) {
                (small::problem(Tone::Attention, "Its repository does not list it any more.", Some("Nothing new is built of it. What environments hold of it stays there, and so does its history."), Some("under another name in the list it is another component; list it again as it was called, and it goes on here")))
            }
        }
        section id="component-places" data-live aria-labelledby="places-title" {
            (small::heading("places-title", "Where it is", None))
            @if page.places.is_empty() { (small::empty("No environment holds it", html! { "Its first package that passes the gates comes by itself." })) }
            div.cards { @for (name, place) in &page.places {
                (environment::card(frame, html! { a href=(links::environment(name)) { (name) } }, place))
            } }
        }
        section id="component-changes" data-live aria-labelledby="changes-title" {
            (small::heading("changes-title", "Latest changes", None))
            @if page.changes.is_empty() { (small::empty("No change came yet", html! { code { "git push " (page.push_address) " HEAD:main" } })) }
            @else { (overview::recent(frame, &page.path, &page.changes)) }
        }
        section id="component-runs" data-live aria-labelledby="runs-title" {
            (small::heading("runs-title", "Latest runs", Some(html! { a href=(links::component_runs(&page.name)) { "All runs" } })))
            @if page.runs.is_empty() { (small::empty("Nothing ran yet", html! { "Each commit that comes is built." })) }
            @else { (runs::table(frame, &page.runs)) }
        }
        section id="component-definition" data-live aria-labelledby="definition-title" {
            (small::heading("definition-title", "How it is built", Some(html! { code { "throughline.yaml" } })))
            (definition(&page.definition))
        }
        @if !page.packages.is_empty() {
            section aria-labelledby="packages-title" {
                (small::heading("packages-title", "Packages", None))
                p.package-names { @for package in &page.packages { a href=(links::package(&package.digest)) { (package.name) } " " } }
            }
        }
    };
    frame::page(frame, page.name.as_str(), Section::None, Live::Yes, content)
}

/// Where its commits come from.
pub(crate) fn source(remote: Option<&RemoteView>, push_address: &str) -> Markup {
    html! {
        @match remote {
            Some(remote) => span { "follows " (small::outside(&remote.url)) },
            None => span.faint { "pushed to " code.breakable { (push_address) } },
        }
    }
}

/// Who owns it, and which file says so.
pub(crate) fn owners(owners: Option<&Owners>) -> Markup {
    html! {
        @match owners {
            Some(Owners { names, file }) if names.is_empty() => span.faint { code { (file) } " names no owner of all of it" },
            Some(Owners { names, file }) => span { "owned by " (names.join(", ")) span.faint { ", says " code { (file) } } },
            None => {},
        }
    }
}

fn definition(definition: &DefinitionView) -> Markup {
    html! {
        @match definition {
            DefinitionView::Missing => (small::empty("There is no definition", html! { code { "throughline.yaml" } " in its repository says how it is built." })),
            DefinitionView::Unlisted => (small::empty("It is not built any more", html! { "The list in its repository does not name it." })),
            DefinitionView::Broken(broken) => (run::broken_definition(broken)),
            DefinitionView::Read { text, steps } => {
                @match graph::plan(steps, "#definition-text") {
                    Some(picture) => (picture),
                    None => p { (small::plural(steps.len(), "step", "steps")) @if let [only] = &steps[..] { ": " code { (only.name) } " " span.faint { (only.note) } } },
                }
                details.definition-text id="definition-text" {
                    summary { "The file" }
                    pre.command.file-text tabindex="0" { (text) }
                }
            }
        }
    }
}
