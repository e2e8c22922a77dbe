//! The small parts: digests, versions, names of changes, buttons, empty states, error boxes, tables of
//! details, timelines.

use facts::{Commit, Digest, Timestamp, Version};
use maud::{Markup, html};

use crate::links;
use crate::model::{Button, ButtonWeight, ChangeName, Entry, Frame, Notice, Tone, Usually};
use crate::parts::mark::{Mark, tone_word};
use crate::time;

/// A digest, short; the whole one is in its title.
pub fn digest(digest: &Digest) -> Markup {
    html! { code.digest title=(digest) { (digest.short()) } }
}

/// A package by its digest, as a link.
pub fn package(package: &Digest) -> Markup {
    html! { a.quiet href=(links::package(package)) { (digest(package)) } }
}

/// A commit, short; the whole one is in its title.
pub fn commit(commit: &Commit) -> Markup {
    html! { code.digest title=(commit) { (commit.short()) } }
}

/// A version; where none is claimed yet, the commit.
pub fn version(version: Option<&Version>, of: &Commit) -> Markup {
    html! {
        @match version {
            Some(version) => span.version { (version) },
            None => (commit(of)),
        }
    }
}

/// A change as a link: version or commit, then its title.
pub fn change(name: &ChangeName) -> Markup {
    html! {
        a.change href=(links::change(&name.component, &name.commit)) {
            (version(name.version.as_ref(), &name.commit)) " " span.title { (name.title) }
        }
    }
}

/// A change as a short link: version or commit alone.
pub fn change_short(name: &ChangeName) -> Markup {
    html! {
        a href=(links::change(&name.component, &name.commit)) title=(name.title) {
            (version(name.version.as_ref(), &name.commit))
        }
    }
}

/// An address outside these pages; a link only when it leads by http or https.
pub fn outside(url: &str) -> Markup {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    html! {
        @match rest {
            Some(rest) => a.outside href=(url) rel="noreferrer" { (rest) },
            None => span.outside { (url) },
        }
    }
}

/// Whether a path leads to this server and nowhere else.
pub fn is_own(path: &str) -> bool {
    path.starts_with('/') && !path.starts_with("//") && !path.contains('\\')
}

/// A sentence in which `backticks` mark what is typed.
pub fn prose(text: &str) -> Markup {
    let pieces: Vec<&str> = text.split('`').collect();
    if pieces.len().is_multiple_of(2) {
        return html! { (text) };
    }
    html! {
        @for (index, piece) in pieces.iter().enumerate() {
            @if index % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}

/// A hint: what to do now.
pub fn hint(text: &str) -> Markup {
    html! { p.hint { span.hint-word { "hint" } " " (prose(text)) } }
}

/// A message, and the hint that stands in a line of its own after it.
pub fn without_hint(text: &str) -> (&str, Option<&str>) {
    text.split_once("\nhint: ")
        .map_or((text, None), |(problem, hint)| (problem, Some(hint)))
}

/// What went wrong, below a row of a list; what follows `hint: ` in a line of its own is shown as one.
pub fn trouble(text: &str) -> Markup {
    let (problem, hint) = without_hint(text);
    html! {
        p.list-reason { (prose(problem)) }
        @if let Some(hint) = hint { (self::hint(hint)) }
    }
}

/// Reasons, each a sentence.
pub fn reasons(reasons: &[String]) -> Markup {
    html! {
        @if let [only] = reasons { p.reason { (prose(only)) } }
        @else if !reasons.is_empty() { ul.reasons { @for reason in reasons { li { (prose(reason)) } } } }
    }
}

/// How long something usually takes.
pub fn usually(usually: &Usually) -> Markup {
    let title = format!(
        "half within {}, nine of ten within {}, over the last {}",
        time::length(usually.median),
        time::length(usually.ninetieth),
        usually.of
    );
    html! { span.usually title=(title) { "usually " (time::length(usually.median)) } }
}

/// The same in a sentence, for places with room.
pub fn usually_long(usually: &Usually) -> String {
    match usually.of {
        1 => format!("Took {} the one time before.", time::length(usually.median)),
        of => format!(
            "Usually {}; nine of ten within {} (last {of}).",
            time::length(usually.median),
            time::length(usually.ninetieth)
        ),
    }
}

/// A form with one button, sent by POST with the session's token.
pub fn button(frame: &Frame, button: &Button) -> Markup {
    let weight = match button.weight {
        ButtonWeight::Primary => "primary",
        ButtonWeight::Plain => "plain",
        ButtonWeight::Danger => "danger",
    };
    html! {
        form.act method="post" action=(button.path) {
            input type="hidden" name="form_token" value=(frame.form_token);
            input type="hidden" name="next" value=(frame.path);
            @for (name, value) in &button.fields {
                input type="hidden" name=(name) value=(value);
            }
            @if let Some(asks) = &button.asks {
                input.asks type="text" name=(asks.name) required maxlength="500" autocomplete="off"
                    placeholder=(asks.label) aria-label={ (button.label) ": " (asks.label) };
            }
            button class={ "button " (weight) } type="submit" { (button.label) }
        }
    }
}

/// Several of them in a row; nothing when there are none.
pub fn buttons(frame: &Frame, all: &[Button]) -> Markup {
    html! {
        @if !all.is_empty() {
            div.acts { @for one in all { (button(frame, one)) } }
        }
    }
}

/// What stands where there is nothing yet.
pub fn empty(title: &str, hint: Markup) -> Markup {
    html! { div.empty { p.empty-title { (title) } div.empty-hint { (hint) } } }
}

/// A box that says what is wrong and what to do.
pub fn problem(tone: Tone, title: &str, detail: Option<&str>, hint: Option<&str>) -> Markup {
    let mark = match tone {
        Tone::Bad => Mark::Bad,
        Tone::Attention => Mark::Attention,
        Tone::Good => Mark::Good,
        Tone::Active => Mark::Running,
        Tone::Quiet => Mark::Passed,
    };
    html! {
        div class={ "problem tone-" (tone_word(tone)) } role=[(tone == Tone::Bad).then_some("alert")] {
            (mark.picture())
            div {
                p.problem-title { (prose(title)) }
                @if let Some(detail) = detail { p { (prose(detail)) } }
                @if let Some(text) = hint { (self::hint(text)) }
            }
        }
    }
}

/// A message above the page.
pub fn notice(notice: &Notice) -> Markup {
    problem(notice.tone, &notice.text, None, notice.hint.as_deref())
}

/// Names and values, one a row.
pub fn details<'a>(rows: impl IntoIterator<Item = (&'a str, Markup)>) -> Markup {
    html! {
        dl.details {
            @for (name, value) in rows { div { dt { (name) } dd { (value) } } }
        }
    }
}

/// What happened, latest first.
pub fn timeline(now: Timestamp, entries: &[Entry]) -> Markup {
    html! {
        ol.timeline {
            @for entry in entries {
                li class={ "tone-" (tone_word(entry.tone)) } {
                    div.timeline-text {
                        @match entry.link.as_deref().filter(|link| is_own(link)) {
                            Some(link) => a href=(link) { (entry.text) },
                            None => span { (entry.text) },
                        }
                        @if let Some(by) = &entry.by { span.by { (by) } }
                        (time::ago(now, entry.at))
                    }
                    @if let Some(detail) = &entry.detail {
                        @let (detail, hint) = without_hint(detail);
                        p.timeline-detail { (prose(detail)) }
                        @if let Some(hint) = hint { (self::hint(hint)) }
                    }
                }
            }
        }
    }
}

/// A heading with a count and, at its end, something to do.
pub fn heading(id: &str, text: &str, end: Option<Markup>) -> Markup {
    html! {
        div.heading { h2 id=(id) { (text) } @if let Some(end) = end { div.heading-end { (end) } } }
    }
}

/// A number with thin spaces between groups of three digits.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{2009}');
        }
        out.push(digit);
    }
    out
}

/// `one run`, `3 runs`.
pub fn plural(number: usize, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{} {many}", count(number as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_become_links_outside() {
        assert!(outside("https://shop.example/x").into_string().contains("<a "));
        for url in ["javascript:alert(1)", "data:text/html,x", " http://x", "//evil.example"] {
            assert!(!outside(url).into_string().contains("<a "), "{url}");
        }
    }

    #[test]
    fn an_entry_links_only_within_these_pages() {
        assert!(is_own("/runs/x"));
        for path in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
        ] {
            assert!(!is_own(path), "{path}");
        }
    }

    #[test]
    fn backticks_mark_what_is_typed_when_they_come_in_pairs() {
        assert_eq!(
            prose("run `x <y>` now").into_string(),
            "run <code>x &lt;y&gt;</code> now"
        );
        assert_eq!(prose("a ` b").into_string(), "a ` b");
    }

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1\u{2009}234\u{2009}567");
    }
}
