//! Search: one field, and what is found by kinds.

use maud::{Markup, html};

use crate::model::{Frame, SearchGroup, SearchHit, SearchPage};
use crate::parts::frame::{self, Live, Section};
use crate::parts::small;
use crate::time;

/// The page.
pub fn page(frame: &Frame, page: &SearchPage) -> Markup {
    let hits: usize = page.groups.iter().map(|group| group.hits.len()).sum();
    let content = html! {
        header.page-head {
            div.page-title { h1 { "Search" } }
            (frame::search_field(&page.query, "search-here"))
        }
        div id="found" data-found aria-live="polite" {
            @if page.query.is_empty() {
                (small::empty("What are you looking for?", html! {
                    "A component, an environment, a change by its commit or its words, a version, a digest, a run, a person. Beginnings of words are enough."
                }))
            } @else if hits == 0 {
                (small::empty("Nothing begins like that", html! {
                    "Every word must be the beginning of a word of what is found. Try fewer, or shorter ones."
                }))
            }
            @for group in &page.groups { (self::group(frame, group)) }
            @if !page.query.is_empty() {
                p.fine { "Search knows what happened up to fact " (small::count(page.as_of)) "." }
            }
        }
    };
    let title = if page.query.is_empty() {
        "Search".to_owned()
    } else {
        format!("{} · Search", page.query)
    };
    frame::page(frame, &title, Section::None, Live::No, content)
}

/// The heading of a kind.
fn heading(kind: &str) -> &str {
    match kind {
        "component" => "Components",
        "environment" => "Environments",
        "change" => "Changes",
        "package" => "Packages",
        "run" => "Runs",
        "person" => "People",
        other => other,
    }
}

fn group(frame: &Frame, group: &SearchGroup) -> Markup {
    let id = format!("found-{}", group.kind);
    let more = group.more.then(|| html! { span.faint { "the closest and newest" } });
    html! {
        section.found-group aria-labelledby=(id) {
            (small::heading(&id, heading(&group.kind), more))
            ul.found { @for hit in &group.hits { (self::hit(frame, &group.kind, hit)) } }
        }
    }
}

fn hit(frame: &Frame, kind: &str, hit: &SearchHit) -> Markup {
    let name = html! { span.title { (hit.title) } };
    html! {
        li.found-hit data-row {
            div.found-main {
                @match hit.path.as_deref().filter(|path| small::is_own(path)) {
                    Some(path) => a.change href=(path) { (name) },
                    None => (name),
                }
                @if let Some(component) = &hit.component { span.list-note { (component) } }
            }
            div.found-end {
                @if let Some(note) = &hit.note { span.tag { (note) } }
                @if ["change", "package", "run", "person"].contains(&kind) { code.digest title=(hit.id) { (short(kind, &hit.id)) } }
                @if let Some(at) = hit.at { span.faint { (time::ago(frame.now, at)) } }
            }
        }
    }
}

/// As much of an id as names it for people.
fn short<'a>(kind: &str, id: &'a str) -> &'a str {
    let bare = id.strip_prefix("sha256:").unwrap_or(id);
    match kind {
        "change" | "package" => bare.get(..12).unwrap_or(bare),
        _ => bare,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_as_short_as_names_allow() {
        assert_eq!(short("package", "sha256:0123456789abcdef"), "0123456789ab");
        assert_eq!(short("change", "äöü"), "äöü");
        assert_eq!(
            short("run", "run_01h455vb4pex5vsknk084sn02q"),
            "run_01h455vb4pex5vsknk084sn02q"
        );
    }
}
