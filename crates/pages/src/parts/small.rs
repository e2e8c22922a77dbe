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
                p.problem-title { (title) }
                @if let Some(detail) = detail { p { (detail) } }
                @if let Some(hint) = hint { p.hint { span.hint-word { "hint" } " " (hint) } }
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
                        @match &entry.link {
                            Some(link) => a href=(link) { (entry.text) },
                            None => span { (entry.text) },
                        }
                        @if let Some(by) = &entry.by { span.by { (by) } }
                        (time::ago(now, entry.at))
                    }
                    @if let Some(detail) = &entry.detail { p.timeline-detail { (detail) } }
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
        if index > 0 && (digits.len() - index) % 3 == 0 {
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
    fn large_numbers_are_grouped() {
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1\u{2009}234\u{2009}567");
    }
}
