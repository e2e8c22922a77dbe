//! How a package was made, and how that differs from how another one was.

use maud::{Markup, html};

use crate::model::{Frame, MadeAbout, MadeDifferently, MadePart, MadeValue, Making};
use crate::parts::small;
use crate::{links, time};

/// Words before the name of something that a step has several of.
const SEVERAL: [&str; 5] = ["tool ", "variable ", "secret ", "cache ", "service "];

/// How it was made.
pub fn section(frame: &Frame, making: Option<&Making>) -> Markup {
    html! {
        section id="making" aria-labelledby="making-title" {
            (small::heading("making-title", "How it was made", making.map(|making| html! { a href=(links::run(making.run)) { "The run" } })))
            @match making {
                Some(making) => (told(frame, making)),
                None => (small::empty("No build of this server made it", html! { "It was pushed as it is, or its run is not recorded here." })),
            }
        }
    }
}

fn told(frame: &Frame, making: &Making) -> Markup {
    let of = |about: MadeAbout| making.parts.iter().filter(move |part| part.about == about);
    html! {
        dl.details {
            div { dt { "asked for by" } dd { (making.by) ", " (time::ago(frame.now, making.at)) } }
            @for part in of(MadeAbout::Build).chain(of(MadeAbout::Source)) { (row(part)) }
            @for part in of(MadeAbout::Beside) { div { dt { "beside it " code { (part.what) } } dd { (value(&part.value)) } } }
        }
        ol.made-steps {
            @for (name, parts) in steps(&making.parts) {
                li { details {
                    summary { span.tree-name { (name) } @for note in notes(&parts) { " " (note) } }
                    dl.details { @for part in parts { (row(part)) } }
                } }
            }
        }
    }
}

/// The parts of each step, in the order of the plan.
fn steps(parts: &[MadePart]) -> Vec<(&str, Vec<&MadePart>)> {
    let mut steps: Vec<(&str, Vec<&MadePart>)> = Vec::new();
    for part in parts {
        let MadeAbout::Step(name) = &part.about else { continue };
        match steps.last_mut().filter(|(last, _)| last == name) {
            Some((_, parts)) => parts.push(part),
            None => steps.push((name, vec![part])),
        }
    }
    steps
}

/// What can be seen of a step without opening it.
fn notes(parts: &[&MadePart]) -> Vec<Markup> {
    let noted = parts.iter().filter_map(|part| match part.what.as_str() {
        "image" => Some(html! { span.tag { (part.value.text.split(' ').next().unwrap_or_default()) } }),
        "result" if part.value.path.is_some() => Some(html! { span.tag { "kept result" } }),
        _ => None,
    });
    noted.collect()
}

fn row(part: &MadePart) -> Markup {
    html! { div { dt { (what(&part.what)) } dd { (value(&part.value)) } } }
}

/// The name of a part; of what a step has several of, its own name stands out.
fn what(what: &str) -> Markup {
    let several = SEVERAL
        .iter()
        .find_map(|word| Some((word.trim_end(), what.strip_prefix(word)?)));
    html! {
        @match several {
            Some((word, name)) => { (word) " " code { (name) } },
            None => (what),
        }
    }
}

fn value(value: &MadeValue) -> Markup {
    html! {
        @if value.text.contains('\n') { pre.command tabindex="0" { (value.text) } }
        @else if let Some(path) = value.path.as_deref().filter(|path| small::is_own(path)) { a href=(path) { (line(&value.text)) } }
        @else { (line(&value.text)) }
    }
}

/// A line in which digests and commits are short.
fn line(text: &str) -> Markup {
    html! {
        @if text.is_empty() { span.faint { "empty" } }
        @for (index, word) in text.split(' ').enumerate() {
            @if index > 0 { " " }
            @match short(word) {
                Some(short) => code.digest title=(word) { (short) },
                None => span.breakable { (word) },
            }
        }
    }
}

/// A digest or commit, short.
fn short(word: &str) -> Option<&str> {
    let hex = word.strip_prefix("sha256:").unwrap_or(word);
    let is_hex = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hex && matches!(hex.len(), 40 | 64)).then(|| &hex[..12])
}

/// In what another package was made differently.
pub fn differing(other: &str, parts: Option<&[MadeDifferently]>) -> Markup {
    html! {
        h3 { "How they were made" }
        @match parts {
            None => p.faint { "It is not recorded here of both how they were made." },
            Some([]) => p.faint { "Both were made in the same way, of the same." },
            Some(parts) => {
                div.scroll { table.list.sides {
                    thead { tr { th scope="col" { "What" } th scope="col" { (other) } th scope="col" { "This package" } } }
                    tbody { @for part in parts { tr {
                        td {
                            @if let MadeAbout::Step(step) = &part.about { span.tree-name { (step) } " " }
                            span.faint { (what(&part.what)) }
                        }
                        td { span.side-name.narrow { (other) " " } (side(part.before.as_ref())) }
                        td { span.side-name.narrow { "this package " } (side(part.after.as_ref())) }
                    } } }
                } }
            },
        }
    }
}

fn side(one: Option<&MadeValue>) -> Markup {
    html! { @match one { Some(one) => (value(one)), None => span.faint { "none" } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_digests_and_commits_are_cut_short() {
        let commit = "a".repeat(40);
        assert_eq!(short(&commit), Some("aaaaaaaaaaaa"));
        assert_eq!(short(&format!("sha256:{}", "b".repeat(64))), Some("bbbbbbbbbbbb"));
        for word in ["rust:1", "abcdef", "sha256:abc", ""] {
            assert_eq!(short(word), None, "{word}");
        }
    }

    #[test]
    fn what_others_wrote_is_shown_and_leads_nowhere_else() {
        let evil = MadeValue {
            text: "<b>x</b>".to_owned(),
            path: Some("//evil.example".to_owned()),
        };
        let shown = value(&evil).into_string();
        assert!(!shown.contains("<b>") && !shown.contains("href"), "{shown}");
    }
}
