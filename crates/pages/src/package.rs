//! A package: where it is, what is in it, how it was made, and how it differs from another.

use maud::{Markup, html};

use crate::model::{
    DeploymentKind, DifferingFile, EntryKind, Frame, OpenFile, PackageDifference, PackageEntry, PackagePage,
    PackageVerdict, Stay, StayState, Tone,
};
use crate::parts::frame::{self, Live, Section};
use crate::parts::mark::{Mark, Status};
use crate::parts::small;
use crate::{links, making, time};

/// Up to so many entries a tree is open.
const OPEN: usize = 40;

/// The page.
pub fn page(frame: &Frame, page: &PackagePage) -> Markup {
    let name = page
        .version
        .as_ref()
        .map_or_else(|| page.digest.short(), ToString::to_string);
    let content = html! {
        header.page-head {
            p.crumbs { a href=(links::component(&page.component)) { (page.component) } " / package" }
            div.page-title { h1 { (name) } }
            p.page-facts {
                span { "from " (small::change(&page.change)) }
                @if let Some(run) = page.run { span { "built by " a href=(links::run(run)) { "a run" } } }
                span { (page.platform) }
                span { (size(page.layers.iter().map(|(_, bytes)| bytes).sum())) }
            }
            p.page-facts { code.digest.whole { (page.digest) } }
            @if !page.never_again.is_empty() {
                (small::problem(Tone::Bad, "It must never be deployed again.", Some(&page.never_again.join(" ")), None))
            }
        }
        section id="package-stays" data-live aria-labelledby="stays-title" {
            (small::heading("stays-title", "Where it is and was", None))
            @if page.stays.is_empty() {
                (small::empty("It has not been deployed", html! { "Its " a href=(links::change(&page.component, &page.change.commit)) { "change" } " says what it waits for." }))
            } @else { (stays(frame, &page.stays)) }
        }
        @if let Some(difference) = &page.difference { (self::difference(page, difference)) }
        div.two {
            section aria-labelledby="contents-title" {
                (small::heading("contents-title", "What is in it", None))
                @match &page.contents {
                    Some(entries) => {
                        @if entries.is_empty() { (small::empty("It holds no file", html! { "It carries its description alone." })) }
                        (tree(page, entries))
                        @if page.more_contents > 0 { p.fine { "and " (small::plural(page.more_contents, "further entry", "further entries")) "." } }
                    }
                    None => (small::problem(Tone::Bad, "Its files cannot be read.", None, Some("`throughline ledger verify` says whether the record is whole; the blobs of the package are missing or damaged"))),
                }
            }
            aside {
                (small::heading("compare-title", "Compare", None))
                (chooser(page))
                div.aside-part {
                    (small::heading("verdicts-title", "Verdicts", None))
                    @if page.verdicts.is_empty() { p.faint { "None yet." } }
                    ul.verdicts { @for verdict in &page.verdicts { (self::verdict(frame, verdict)) } }
                }
                div.aside-part {
                    (small::heading("manifest-title", "Manifest", None))
                    (manifest(page))
                }
            }
        }
        @if let Some(file) = &page.file { (open_file(file)) }
        (making::section(frame, page.making.as_ref()))
    };
    frame::page(
        frame,
        &format!("{name} · {}", page.component),
        Section::None,
        Live::Yes,
        content,
    )
}

/// Bytes as people read them.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1_024.0;
    let mut unit = 0;
    while value >= 1_024.0 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    if value < 10.0 {
        format!("{value:.1} {}", UNITS[unit])
    } else {
        format!("{value:.0} {}", UNITS[unit])
    }
}

fn stays(frame: &Frame, stays: &[Stay]) -> Markup {
    html! {
        div.scroll { table.list {
            thead { tr { th scope="col" { "State" } th scope="col" { "Environment" } th scope="col" { "How" } th.right scope="col" { "Stood" } th.right scope="col" { "Since" } } }
            tbody { @for stay in stays {
                tr data-row {
                    td.list-state { a href=(links::run(stay.run)) { (state(stay.state).show()) } }
                    td.list-main { a.change href=(links::environment(&stay.environment)) { span.title { (stay.environment) } } }
                    td { (kind(stay.kind)) ", " (stay.by) }
                    td.right { @match stay.state {
                        StayState::Here => (time::so_far(frame.now, stay.since)),
                        StayState::Gone(until) => (time::length(time::between(stay.since, until))),
                        StayState::Coming | StayState::Failed => {},
                    } }
                    td.right.faint { (time::ago(frame.now, stay.since)) }
                }
            } }
        } }
    }
}

fn state(state: StayState) -> Status {
    let (mark, word) = match state {
        StayState::Coming => (Mark::Running, "coming"),
        StayState::Here => (Mark::Good, "there"),
        StayState::Gone(_) => (Mark::Passed, "was there"),
        StayState::Failed => (Mark::Bad, "failed"),
    };
    Status { mark, word }
}

fn kind(kind: DeploymentKind) -> &'static str {
    match kind {
        DeploymentKind::Automatic => "came by itself",
        DeploymentKind::Promotion => "promoted",
        DeploymentKind::Return => "went back to it",
    }
}

/// A folder while the tree is put together.
#[derive(Default)]
struct Folder<'a> {
    folders: std::collections::BTreeMap<&'a str, Folder<'a>>,
    files: Vec<(&'a str, &'a PackageEntry)>,
    bytes: u64,
    entries: usize,
}

impl<'a> Folder<'a> {
    fn add(&mut self, path: &'a str, entry: &'a PackageEntry) {
        if let EntryKind::File { size, .. } = entry.kind {
            self.bytes += size;
        }
        self.entries += 1;
        match path.split_once('/') {
            Some((folder, rest)) => self.folders.entry(folder).or_default().add(rest, entry),
            None if entry.kind == EntryKind::Folder => {
                self.folders.entry(path).or_default();
            }
            None => self.files.push((path, entry)),
        }
    }
}

fn tree(page: &PackagePage, entries: &[PackageEntry]) -> Markup {
    let mut root = Folder::default();
    for entry in entries {
        root.add(&entry.path, entry);
    }
    let open = page.file.as_ref().map(|file| file.path.as_str());
    html! { div.tree { (folder(page, &root, entries.len() <= OPEN, open, "")) } }
}

fn folder(page: &PackagePage, here: &Folder<'_>, all_open: bool, file: Option<&str>, path: &str) -> Markup {
    html! {
        ul {
            @for (name, inner) in &here.folders {
                @let path = format!("{path}{name}/");
                li {
                    details open[all_open || file.is_some_and(|file| file.starts_with(&path))] {
                        summary { span.tree-name { (name) "/" } span.tree-size { (size(inner.bytes)) } }
                        (folder(page, inner, all_open, file, &path))
                    }
                }
            }
            @for (name, entry) in &here.files {
                li.tree-file {
                    @match &entry.kind {
                        EntryKind::File { size: bytes, executable } => {
                            a.tree-name href={ (links::with_query(&links::package(&page.digest), "file", &entry.path)) "#file" } aria-current=[(file == Some(entry.path.as_str())).then_some("true")] { (name) }
                            @if *executable { span.tag { "executable" } }
                            span.tree-size { (size(*bytes)) }
                        }
                        EntryKind::Link { target } => { span.tree-name { (name) } span.faint { "→ " (target) } }
                        EntryKind::Folder => span.tree-name { (name) "/" },
                    }
                }
            }
        }
    }
}

fn open_file(file: &OpenFile) -> Markup {
    html! {
        section id="file" aria-labelledby="file-title" {
            (small::heading("file-title", &file.path, Some(html! { (size(file.size)) " " (small::digest(&file.digest)) })))
            @match &file.text {
                Some(text) if text.is_empty() => (small::empty("It is empty", html! {})),
                Some(text) => pre.command.file-text tabindex="0" { (text) },
                None => (small::empty("It is no text, or too large to be shown here", html! { "Pull the package to look at it: the server speaks the registry protocol." })),
            }
        }
    }
}

fn chooser(page: &PackagePage) -> Markup {
    let chosen = page.difference.as_ref().map(|difference| difference.other.digest);
    html! {
        @if page.others.is_empty() { p.faint { "There is no other package of the component." } }
        @else {
            form.filter method="get" action=(links::package(&page.digest)) {
                label { span.unseen { "Another package" }
                    select name="against" {
                        @for other in &page.others { option value=(other.digest) selected[chosen == Some(other.digest)] { (other.name) } }
                    }
                }
                button.button.plain type="submit" { "Compare" }
            }
        }
    }
}

fn difference(page: &PackagePage, difference: &PackageDifference) -> Markup {
    let count = |wanted: fn(&DifferingFile) -> bool| difference.files.iter().filter(|file| wanted(file)).count();
    let (added, removed) = (count(|file| file.before.is_none()), count(|file| file.after.is_none()));
    let changed = difference.files.len() - added - removed;
    let other = html! { a href=(links::package(&difference.other.digest)) { (difference.other.name) } };
    html! {
        section.card id="difference" aria-labelledby="difference-title" {
            div.card-head {
                h2 id="difference-title" { "Since " (other) }
                span.card-end { a href=(links::package(&page.digest)) { "Close" } }
            }
            @if difference.encoding_only { p { "Both hold the same; only how the bytes are packed differs." } }
            @else if difference.files.is_empty() { p { "No file differs." } }
            @else {
                p.page-facts { span { (added) " added" } span { (removed) " removed" } span { (changed) " changed" } }
                div.scroll { table.list.differing { tbody { @for file in &difference.files { tr {
                    td.list-state { (file_mark(file).show()) }
                    td.list-main { code { (file.path) } }
                    td.right { (change_of_size(file)) }
                } } } } }
                @if difference.more_files > 0 { p.fine { "and " (small::plural(difference.more_files, "further file", "further files")) "." } }
            }
            @if !difference.config.is_empty() {
                p.faint { "Also different: " @for (index, part) in difference.config.iter().enumerate() { @if index > 0 { ", " } code { (part) } } "." }
            }
            (making::differing(&difference.other.name, difference.making.as_deref()))
        }
    }
}

fn file_mark(file: &DifferingFile) -> Status {
    let (mark, word) = match (file.before, file.after) {
        (None, _) => (Mark::Good, "added"),
        (_, None) => (Mark::Stopped, "removed"),
        _ => (Mark::Passed, "changed"),
    };
    Status { mark, word }
}

fn change_of_size(file: &DifferingFile) -> String {
    match (file.before, file.after) {
        (Some(before), Some(after)) if before == after => format!("{}, other bytes", size(after)),
        // What is too little to be seen in the unit that fits is told in bytes.
        (Some(before), Some(after)) if size(before) == size(after) => {
            let word = if after > before { "more" } else { "less" };
            format!("{}, {} B {word}", size(after), after.abs_diff(before))
        }
        (Some(before), Some(after)) => format!("{} → {}", size(before), size(after)),
        (one, other) => one.or(other).map(size).unwrap_or_default(),
    }
}

fn verdict(frame: &Frame, verdict: &PackageVerdict) -> Markup {
    html! {
        li {
            div.verdict-head {
                (Status::from(verdict.mark.result).mark_only())
                b { (verdict.mark.about) }
                @if let Some(environment) = &verdict.environment { span.faint { "in " (environment) } }
                span.faint.verdict-at { (time::ago(frame.now, verdict.at)) }
            }
            (small::reasons(&verdict.reasons))
        }
    }
}

fn manifest(page: &PackagePage) -> Markup {
    html! {
        (small::details([
            ("Config", html! { (small::digest(&page.config.0)) " " span.faint { (size(page.config.1)) } }),
            ("Definition", small::digest(&page.definition)),
        ]))
        @if !page.layers.is_empty() {
            ol.layers { @for (digest, bytes) in &page.layers { li { "layer " (small::digest(digest)) " " span.faint { (size(*bytes)) } } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_the_unit_that_fits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (10_240, "10 KiB"),
            (5_242_880, "5.0 MiB"),
            (u64::MAX, "16777216 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn a_difference_in_size_is_told_also_where_it_is_small() {
        let told = |before, after| {
            change_of_size(&DifferingFile {
                path: "a".to_owned(),
                before,
                after,
            })
        };
        assert_eq!(told(Some(2_000_000), Some(2_000_312)), "1.9 MiB, 312 B more");
        assert_eq!(told(Some(2_000_312), Some(2_000_000)), "1.9 MiB, 312 B less");
        assert_eq!(told(Some(1_024), Some(4_096)), "1.0 KiB → 4.0 KiB");
        assert_eq!(told(Some(9), Some(9)), "9 B, other bytes");
    }

    #[test]
    fn a_folder_knows_what_is_below_it() {
        let file = |path: &str, size| PackageEntry {
            path: path.to_owned(),
            kind: EntryKind::File {
                size,
                executable: false,
            },
        };
        let entries = [file("a/b/c", 3), file("a/d", 4), file("e", 5)];
        let mut root = Folder::default();
        for entry in &entries {
            root.add(&entry.path, entry);
        }
        assert_eq!(
            (
                root.bytes,
                root.folders["a"].bytes,
                root.folders["a"].folders["b"].bytes
            ),
            (12, 7, 3)
        );
        assert_eq!(root.files.len(), 1);
    }
}
