//! A repository that lists components, and the page of one of its commits.

use maud::{Markup, html};

use crate::model::{CommitLine, CommitPage, Frame, ListedComponent, RepositoryPage, Tone};
use crate::parts::frame::{self, Live, Section};
use crate::parts::small;
use crate::{change, component, links, overview, time};

/// So many of a commit's components are named in its line.
const NAMED: usize = 6;

/// The page of the repository.
pub fn page(frame: &Frame, page: &RepositoryPage) -> Markup {
    let content = html! {
        header.page-head {
            p.crumbs { "repository" }
            div.page-title { h1 { (page.name) } }
            p.page-facts {
                span { (small::plural(page.rows.len(), "component", "components")) }
                (component::source(page.remote.as_ref(), &page.push_address))
                (component::owners(page.owners.as_ref()))
                span.faint { "here since " (time::ago(frame.now, page.created_at)) }
            }
            @if let Some(trouble) = page.remote.as_ref().and_then(|remote| remote.trouble.as_deref()) {
                (small::problem(Tone::Attention, "The last look at it failed.", Some(trouble), Some("it is looked at again by itself; `throughline repo list` shows all")))
            }
        }
        section id="repository-components" data-live aria-labelledby="components-title" {
            (small::heading("components-title", "Its components", None))
            (overview::table(frame, &page.columns, &page.rows))
        }
        section id="repository-changes" data-live aria-labelledby="changes-title" {
            (small::heading("changes-title", "Latest changes", None))
            @if page.changes.is_empty() { (small::empty("No change came yet", html! { code { "git push " (page.push_address) " HEAD:main" } })) }
            @else { (overview::recent(frame, &page.path(), &page.changes)) }
        }
        section id="repository-commits" data-live aria-labelledby="commits-title" {
            (small::heading("commits-title", "Latest commits", None))
            @if page.commits.is_empty() { (small::empty("No commit came since it lists components", html! { "What each concerns is listed here." })) }
            @else { (commits(frame, page)) }
        }
        section id="repository-list" data-live aria-labelledby="list-title" {
            (small::heading("list-title", "What concerns which", page.newest.as_ref().map(|(commit, line)| html! { code { "throughline.yaml" } " at " (small::commit(commit)) " on " (line) })))
            (listed(&page.listed))
        }
    };
    frame::page(frame, page.name.as_str(), Section::None, Live::Yes, content)
}

fn commits(frame: &Frame, page: &RepositoryPage) -> Markup {
    html! {
        div.scroll { table.list {
            thead { tr { th scope="col" { "Commit" } th scope="col" { "Concerns" } th scope="col" { "Branch" } th.right scope="col" { "Came" } } }
            tbody { @for commit in &page.commits { tr data-row {
                td.list-main {
                    a.change href=(links::change(&page.name, &commit.commit)) { (small::commit(&commit.commit)) " " span.title { (commit.title) } }
                    @if let Some(author) = &commit.author { p.list-note { (author) } }
                }
                td { (concerns(commit)) }
                td { code { (commit.branch) } }
                td.right.faint { (time::ago(frame.now, commit.at)) }
            } } }
        } }
    }
}

fn concerns(commit: &CommitLine) -> Markup {
    html! {
        @if commit.concerns.is_empty() { span.faint { "no component" } }
        @for (index, name) in commit.concerns.iter().take(NAMED).enumerate() {
            @if index > 0 { ", " }
            a href=(links::change(name, &commit.commit)) { (within(name.as_str())) }
        }
        @if commit.concerns.len() > NAMED { span.faint { " and " (commit.concerns.len() - NAMED) " more" } }
    }
}

/// The name of a component within its repository.
fn within(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, member)| member)
}

/// What the list says: what of the repository concerns each component.
fn listed(all: &[ListedComponent]) -> Markup {
    html! {
        div.scroll { table.list.listed.named {
            thead { tr { th scope="col" { "Component" } th scope="col" { "Concerned by" } th scope="col" { "Built with" } } }
            tbody { @for one in all { tr {
                td { a href=(links::component(&one.name)) { (within(one.name.as_str())) } }
                td.list-main {
                    @if one.watches.is_empty() { span.faint { "not listed any more" } }
                    @for (index, path) in one.watches.iter().enumerate() { @if index > 0 { ", " } code { (path) } }
                }
                td { @for (index, name) in one.needs.iter().enumerate() { @if index > 0 { ", " } a href=(links::component(name)) { (within(name.as_str())) } } }
            } } }
        } }
    }
}

/// The page of a commit: what it concerns, or why it concerns nothing.
pub fn commit(frame: &Frame, page: &CommitPage) -> Markup {
    let content = html! {
        header.page-head id="commit-head" {
            p.crumbs { a href=(links::component(&page.repository)) { (page.repository) } " / commit " (small::commit(&page.commit)) }
            div.page-title { h1 { (page.title) } }
            p.page-facts {
                @if let Some(author) = &page.author { span { (author) } }
                span { "committed " (time::ago(frame.now, page.committed_at)) }
                span { "came " (time::ago(frame.now, page.arrived_at)) " on " code { (page.branch) } }
            }
        }
        div id="commit-concerns" data-live {
            @if page.concerned.is_empty() {
                (small::problem(Tone::Quiet, "It concerns no component: nothing is built or delivered for it.",
                    Some("None of the paths that it touches belongs to a component, and it changes nothing in the list of components."),
                    Some("to have such a path count for a component, name it under `also` of that component in `throughline.yaml` at the top")))
            } @else { (change::together("What it concerns", &page.concerned)) }
        }
        section aria-labelledby="paths-title" {
            (small::heading("paths-title", "What it touches", Some(html! { "seen from the commit before it" })))
            @if page.paths.is_empty() { (small::empty("No file", html! { "It differs in nothing from the commit before it." })) }
            ul.paths { @for path in &page.paths { li { code.breakable { (path) } } } }
            @if page.more_paths > 0 { p.fine { "and " (small::plural(page.more_paths, "further path", "further paths")) "." } }
        }
        @if page.concerned.is_empty() && !page.listed.is_empty() {
            section aria-labelledby="list-title" {
                (small::heading("list-title", "What would concern which", Some(html! { "as its list says" })))
                (listed(&page.listed))
            }
        }
        @if !page.body.trim().is_empty() { pre.message { (page.body.trim()) } }
    };
    frame::page(frame, &page.title, Section::None, Live::Yes, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_its_repository_a_component_has_its_short_name() {
        assert_eq!((within("team/shop.web"), within("team/shop")), ("web", "team/shop"));
    }
}
