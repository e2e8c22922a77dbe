//! The ledger: facts newest first, one of them whole, and the check of all of them.

use maud::{Markup, html};

use crate::model::{Chain, FactFilter, FactLine, FactPage, Frame, LedgerPage, Tone, Verification, VerifyPage};
use crate::parts::frame::{self, Live, Section};
use crate::parts::mark::{Mark, tone_word};
use crate::parts::small;
use crate::{links, time};

/// The list.
pub fn page(frame: &Frame, page: &LedgerPage) -> Markup {
    let content = html! {
        header.page-head {
            div.page-title { h1 { "Ledger" } div.acts { (verify_button(frame, &page.verification)) } }
            p.page-facts {
                span { (small::count(page.kinds.iter().map(|(_, facts)| facts).sum())) " facts" }
                span { "every one names the hash of the one before" }
                (verification_line(frame, &page.verification))
            }
        }
        (filter(page))
        section id="facts" data-live aria-labelledby="facts-title" {
            h2.unseen id="facts-title" { "Facts, newest first" }
            @if page.facts.is_empty() {
                (small::empty("No fact matches", html! { a href=(links::LEDGER) { "Show all facts" } }))
            } @else { (list(frame, &page.facts)) }
            nav.pages aria-label="Older and newest" {
                @if let Some(newest) = &page.newest { a rel="prev" href={ (links::LEDGER) "?" (newest) } { "Newest" } }
                @if let Some(older) = &page.older { a rel="next" href={ (links::LEDGER) "?" (older) } { "Older" } }
            }
            p.fine { "The list knows what happened up to fact " (small::count(page.as_of)) "." }
        }
    };
    frame::page(frame, "Ledger", Section::None, Live::Yes, content)
}

fn filter(page: &LedgerPage) -> Markup {
    let FactFilter {
        stream,
        kind,
        actor,
        since,
        until,
    } = &page.filter;
    html! {
        form.filter.facts-filter method="get" action=(links::LEDGER) {
            label { span { "Kind" }
                select name="kind" {
                    option value="" { "every kind" }
                    @for (name, facts) in &page.kinds {
                        option value=(name) selected[name == kind] { (name) " · " (small::count(*facts)) }
                    }
                    @if !kind.is_empty() && !page.kinds.iter().any(|(name, _)| name == kind) {
                        option value=(kind) selected { (kind) }
                    }
                }
            }
            label { span { "Stream" } input type="text" name="stream" value=(stream) placeholder="run or run/ID" maxlength="200" autocomplete="off" spellcheck="false"; }
            label { span { "Who" } input type="text" name="actor" value=(actor) placeholder="user:ID, system" maxlength="200" autocomplete="off" spellcheck="false"; }
            label { span { "From" } input type="text" name="since" value=(since) placeholder="2026-11-23T09:30" maxlength="40" autocomplete="off"; }
            label { span { "Before" } input type="text" name="until" value=(until) placeholder="2026-11-24" maxlength="40" autocomplete="off"; }
            div.filter-acts {
                button.button.plain type="submit" { "Show" }
                @if !page.filter.is_empty() { a href=(links::LEDGER) { "All facts" } }
            }
        }
    }
}

fn list(frame: &Frame, facts: &[FactLine]) -> Markup {
    html! {
        div.scroll {
            table.list.facts {
                thead { tr {
                    th.right scope="col" { "Fact" } th scope="col" { "Kind" } th scope="col" { "Stream" }
                    th scope="col" { "By" } th scope="col" { "Hash" } th.right scope="col" { "Recorded" }
                } }
                tbody {
                    @for fact in facts {
                        tr data-row {
                            td.right.fact-number { (small::count(fact.position)) }
                            td.fact-kind { a.change href=(links::fact(fact.position)) { span.title { (fact.kind) } } }
                            td.fact-stream { a.quiet href=(links::with_query(links::LEDGER, "stream", &fact.stream)) { code { (fact.stream) } } }
                            td { (fact.by) }
                            td { (small::digest(&fact.hash)) }
                            td.right.faint { (time::ago(frame.now, fact.at)) }
                        }
                    }
                }
            }
        }
    }
}

fn verify_button(frame: &Frame, verification: &Verification) -> Markup {
    html! {
        @if matches!(verification, Verification::Running { .. }) {
            a href=(links::VERIFY) { "Being verified" }
        } @else {
            form.act method="post" action=(links::VERIFY) {
                input type="hidden" name="form_token" value=(frame.form_token);
                input type="hidden" name="next" value=(links::VERIFY);
                button.button.plain type="submit" { "Verify all facts" }
            }
        }
    }
}

fn verification_line(frame: &Frame, verification: &Verification) -> Markup {
    html! {
        @match verification {
            Verification::Whole { at, .. } => span { a href=(links::VERIFY) { "verified whole" } " " (time::ago(frame.now, *at)) },
            Verification::Broken { first_bad, .. } => span { a href=(links::VERIFY) { "broken at fact " (small::count(*first_bad)) } },
            _ => {},
        }
    }
}

/// The check of all facts.
pub fn verify(frame: &Frame, page: &VerifyPage) -> Markup {
    let content = html! {
        header.page-head {
            p.crumbs { a href=(links::LEDGER) { "ledger" } }
            div.page-title { h1 { "Verify" } div.acts { (verify_button(frame, &page.verification)) } }
            p.reason { "Each fact is read as it is stored, hashed, and compared with the hash stored with it, with what the fact after names, and with its columns." }
        }
        section id="verification" data-live {
            @match &page.verification {
                Verification::Never => (small::empty("Nothing was verified since the server started", html! {
                    "It reads every fact and takes nothing from those who work."
                })),
                Verification::Running { checked, of, since } => {
                    section.card {
                        div.card-head { (Mark::Running.picture()) h2 { "Fact " (small::count(*checked)) " of " (small::count(*of)) } span.card-end { (time::so_far(frame.now, *since)) } }
                        progress.verify-progress max=((*of).max(1)) value=(checked) aria-label="Facts checked" {}
                    }
                }
                Verification::Whole { facts, hash, at, took } => {
                    (small::problem(Tone::Good, &format!("All {} facts are as they were recorded.", small::count(*facts)), None, None))
                    (small::details([
                        ("Last hash", html! { code.whole { (hash) } }),
                        ("Checked", time::ago(frame.now, *at)),
                        ("Took", html! { (time::length(*took)) }),
                    ]))
                    p.fine { "A history that was written anew as a whole, or lost its end, shows only beside a signed checkpoint that somebody else kept: " code { "throughline ledger verify --checkpoint FILE --key FILE" } "." }
                }
                Verification::Broken { first_bad, problem, at } => {
                    (small::problem(Tone::Bad, &format!("Fact {} is not as it was recorded.", small::count(*first_bad)), Some(problem), Some("stop the server, and compare with a backup or an export before anything is written on top")))
                    p { a href=(links::fact(*first_bad)) { "Look at the fact" } span.faint { ", found " (time::ago(frame.now, *at)) } }
                }
                Verification::Failed { problem, at } => {
                    (small::problem(Tone::Bad, "It could not be verified.", Some(problem), None))
                    p.faint { (time::ago(frame.now, *at)) }
                }
            }
        }
    };
    frame::page(frame, "Verify", Section::None, Live::By(links::VERIFY_LIVE), content)
}

/// One fact.
pub fn fact(frame: &Frame, page: &FactPage) -> Markup {
    let content = html! {
        header.page-head {
            p.crumbs { a href=(links::LEDGER) { "ledger" } " / fact" }
            div.page-title {
                h1 { "Fact " (small::count(page.position)) }
                nav.fact-steps aria-label="Facts before and after" {
                    @if page.position > 1 { a rel="prev" href=(links::fact(page.position - 1)) { "before" } }
                    @if let Some((next, _)) = page.chain.after { a rel="next" href=(links::fact(next)) { "after" } }
                }
            }
            p.page-facts {
                a href=(links::with_query(links::LEDGER, "kind", &page.kind)) { b { (page.kind) } }
                @if page.kind_version > 1 { span.faint { "shape " (page.kind_version) } }
                @if let Some(at) = page.recorded_at { span { "recorded " (time::ago(frame.now, at)) } }
                span { "by " a href=(links::facts_of(&page.actor)) { (page.by) } }
            }
        }
        (chain(page))
        div.two {
            section aria-labelledby="body-title" {
                (small::heading("body-title", "What it says", None))
                pre.command.fact-body tabindex="0" { (page.body) }
            }
            aside {
                (small::heading("envelope-title", "Envelope", None))
                (envelope(page))
            }
        }
    };
    frame::page(
        frame,
        &format!("Fact {}", page.position),
        Section::None,
        Live::No,
        content,
    )
}

fn envelope(page: &FactPage) -> Markup {
    let stream = html! {
        a href=(links::with_query(links::LEDGER, "stream", &page.stream)) { code.whole { (page.stream) } }
        @if let Some(about) = page.about.as_deref().filter(|path| small::is_own(path)) { " " a href=(about) { "page" } }
    };
    let cause = page.cause.as_ref().map(|(id, position)| {
        html! {
            @match position {
                Some(position) => a href=(links::fact(*position)) { "fact " (small::count(*position)) },
                None => code.whole { (id) },
            }
        }
    });
    let exact = |at: Option<facts::Timestamp>| at.map(|at| html! { (at) });
    let mut rows = vec![
        ("Stream", stream),
        ("Its place there", html! { (small::count(page.version)) }),
        ("Id", html! { code.whole { (page.id) } }),
    ];
    rows.extend(exact(page.occurred_at).map(|at| ("Happened", at)));
    rows.extend(exact(page.recorded_at).map(|at| ("Recorded", at)));
    rows.push(("Actor", html! { code.whole { (page.actor) } }));
    rows.extend(cause.map(|cause| ("Led to by", cause)));
    for (name, value) in &page.more {
        rows.push((name.as_str(), html! { code.whole { (value) } }));
    }
    rows.push(("Stored", html! { (small::count(page.bytes)) " bytes" }));
    small::details(rows)
}

fn chain(page: &FactPage) -> Markup {
    let Chain {
        before, hash, after, ..
    } = &page.chain;
    let link = |good: bool, words: &str| {
        let mark = if good { Mark::Good } else { Mark::Bad };
        html! { span class={ "chain-link tone-" (tone_word(mark.tone())) } { (mark.picture()) span { (words) } } }
    };
    html! {
        section.chain aria-label="The chain" {
            @if page.position > 1 {
                a.chain-fact href=(links::fact(page.position - 1)) { span { "fact " (small::count(page.position - 1)) } (small::digest(before)) }
            } @else { span.chain-fact.chain-none { span { "the beginning" } (small::digest(before)) } }
            (link(page.chain.continues(), if page.chain.continues() { "named by" } else { "not the one named by" }))
            div.chain-fact.chain-this {
                span { "fact " (small::count(page.position)) }
                code.digest.whole { (hash) }
                @if page.chain.holds() { span.fine { "the SHA-256 of its bytes" } }
                @else { span.bad { "its bytes have another: " code.whole { (page.chain.computed) } } }
            }
            @match after {
                Some((next, next_hash)) => {
                    span.chain-link { span { "before" } }
                    a.chain-fact href=(links::fact(*next)) { span { "fact " (small::count(*next)) } (small::digest(next_hash)) }
                }
                None => span.chain-link.faint { span { "the newest" } },
            }
        }
    }
}
