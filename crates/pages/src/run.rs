//! A run: its graph, its steps, their attempts and logs.

use facts::Trust;
use facts::published::Judgement;
use maud::{Markup, html};

use crate::model::{Broken, Frame, Outcome, Progress, Rebuilt, RunKind, RunLine, RunPage, Step, Tests, Tone};
use crate::parts::frame::{self, Live, Section};
use crate::parts::graph;
use crate::parts::mark::{Mark, Status, tone_word};
use crate::parts::small;
use crate::{links, log, time};

mod around;

/// What a run is, in a word.
pub fn kind_word(kind: &RunKind) -> &str {
    match kind {
        RunKind::Build => "build",
        RunKind::Deployment => "deployment",
        RunKind::Return => "return",
        RunKind::Other(word) => word,
    }
}

/// A run's title: what it does to what.
pub fn title(run: &RunLine) -> String {
    let kind = kind_word(&run.kind);
    let kind = kind
        .chars()
        .take(1)
        .flat_map(char::to_uppercase)
        .chain(kind.chars().skip(1))
        .collect::<String>();
    let named = run.change.as_ref().map(|change| match &change.version {
        Some(version) => version.as_str(),
        None => change.commit.short(),
    });
    match (&run.kind, &run.environment, named, &run.change) {
        (RunKind::Return, Some(environment), Some(named), _) => format!("{kind} of {environment} to {named}"),
        (RunKind::Return, Some(environment), None, _) => format!("{kind} of {environment}"),
        (_, Some(environment), Some(named), _) => format!("{kind} of {named} to {environment}"),
        (_, Some(environment), None, _) => format!("{kind} to {environment}"),
        (_, None, _, Some(change)) => format!("{kind}: {}", change.title),
        (_, None, _, None) => kind,
    }
}

/// Where a step's log is: its last attempt that has one; else its place in the list.
fn step_link(run: &RunLine, step: &Step) -> String {
    match step.attempts.iter().rev().find(|attempt| attempt.has_log) {
        Some(attempt) => links::run_log(run.id, &step.name, attempt.number),
        None => format!("#step-{}", step.name),
    }
}

/// The page.
pub fn page(frame: &Frame, page: &RunPage) -> Markup {
    let run = &page.run;
    let open = page.log.as_ref();
    let attempts: Vec<u32> = open
        .and_then(|log| page.steps.iter().find(|step| step.name == log.step))
        .map(|step| {
            let with_log = step.attempts.iter().filter(|attempt| attempt.has_log);
            with_log.map(|attempt| attempt.number).collect()
        })
        .unwrap_or_default();
    let content = html! {
        header.page-head id="run-head" data-live {
            p.crumbs {
                a href=(links::component(&run.component)) { (run.component) } " / "
                @if let Some(environment) = &run.environment { a href=(links::environment(environment)) { (environment) } " / " }
                (kind_word(&run.kind)) " " code.digest title=(run.id) { (run.id.to_string().chars().rev().take(6).collect::<Vec<_>>().into_iter().rev().collect::<String>()) }
            }
            div.page-title {
                h1 { (title(run)) }
                (Status::from(run.progress).badge())
                (small::buttons(frame, &page.actions))
            }
            p.page-facts {
                @if let Some(change) = &run.change {
                    @if run.kind == RunKind::Build { (small::change_short(change)) } @else { (small::change(change)) }
                } @else if let Some(commit) = &page.commit { (small::commit(commit)) }
                @if let Some(line) = &run.line { span { "on " code { (line) } } }
                @if let Some(by) = &run.by { span { "asked for by " (by) } }
                (span_of(frame, run))
                @if let Some(usually) = &page.usually { span.faint { (small::usually(usually)) } }
                @if page.trust == Trust::Untrusted { span.badge.tone-attention { (Mark::Attention.picture()) "untrusted" } }
                @if let Some(definition) = &page.definition { span.faint { "definition " (small::digest(definition)) } }
            }
            @if let (Some(reason), None) = (&run.reason, &page.broken) {
                @let bad = Status::from(run.progress).mark.tone() == Tone::Bad;
                (small::problem(if bad { Tone::Bad } else { Tone::Quiet }, reason, None, None))
            }
        }
        @if let Some(broken) = &page.broken { (broken_definition(broken)) }
        div id="run-rebuilt" data-live { @if let Some(rebuilt) = &page.rebuilt { (compared(rebuilt)) } }
        @if let Some(graph) = graph::graph(frame.now, &page.steps, |step| step_link(run, step)) {
            section.card.graph-card id="run-graph" data-live { (graph) }
        }
        @if !page.steps.is_empty() {
            div class={ "run-body" @if open.is_some() { " with-log" } } {
                section id="run-steps" data-live aria-label="Steps" {
                    ol.steps {
                        @for step in &page.steps {
                            (row(frame, run, step, open.is_some_and(|log| log.step == step.name)))
                        }
                    }
                    @if page.more_steps > 0 {
                        p.faint { (small::plural(page.more_steps, "more step", "more steps")) " not shown; the API lists all." }
                    }
                }
                @if let Some(open) = open { (log::view(frame, open, &attempts)) }
            }
        } @else if page.broken.is_none() {
            (small::empty("No steps yet", html! { "They appear here as soon as the definition is read." }))
        }
    };
    frame::page(frame, &title(run), Section::Runs, Live::Yes, content)
}

/// Since when, and how long.
fn span_of(frame: &Frame, run: &RunLine) -> Markup {
    html! {
        @match (run.started_at, run.finished_at) {
            (Some(start), Some(end)) => {
                span { (time::ago(frame.now, end)) ", took " (time::length(time::between(start, end))) }
            },
            (Some(start), None) => span { "for " (time::so_far(frame.now, start)) },
            (None, Some(end)) => span { (time::ago(frame.now, end)) ", never started" },
            (None, None) => span { "asked for " (time::ago(frame.now, run.requested_at)) },
        }
    }
}

fn row(frame: &Frame, run: &RunLine, step: &Step, selected: bool) -> Markup {
    let status = Status::from(step.progress);
    html! {
        li class={ "step tone-" (tone_word(status.mark.tone())) @if selected { " selected" } } id={ "step-" (step.name) } data-row {
            a.step-link href=(step_link(run, step)) aria-current=[selected.then_some("true")] {
                (status.mark_only())
                span.step-name { (step.name) }
                span.step-action { (step.action) }
                span.step-time {
                    @match (step.started_at, step.finished_at) {
                        (Some(start), Some(end)) => {
                            @if step.progress != Progress::Finished(Outcome::Succeeded) { (status.word) ", " }
                            (time::length(time::between(start, end)))
                        },
                        (Some(start), None) => {
                            @if step.progress != Progress::Running { (status.word) ", " }
                            (time::so_far(frame.now, start))
                        },
                        _ => (status.word),
                    }
                }
            }
            @if let Some(module) = &step.module { p.step-module { "from " code { (module) } } }
            @if let Some(message) = &step.message { p.step-message { (small::prose(message)) } }
            @if let Progress::Backoff { until } = step.progress {
                p.step-message { "attempt " (step.attempts.len() + 1) " of " (step.attempts_allowed) " " (time::ago(frame.now, until)) }
            }
            @if step.attempts.len() > 1 {
                ol.step-attempts aria-label="Attempts" {
                    @for attempt in &step.attempts {
                        @let status = Status::from(attempt.progress);
                        li {
                            (status.mark_only())
                            span {
                                @if attempt.has_log {
                                    a href=(links::run_log(run.id, &step.name, attempt.number)) { "attempt " (attempt.number) }
                                } @else { "attempt " (attempt.number) }
                                @if let Some(end) = attempt.finished_at { span.faint { ", " (time::length(time::between(attempt.started_at, end))) } }
                                @if let Some(message) = &attempt.message { span.faint { ", " (message) } }
                            }
                        }
                    }
                }
            }
            @if let Some(tests) = &step.tests { (tests_of(tests)) }
            @if let Some(around) = &step.around { (around::around(around)) }
            @if let Some(question) = &step.question {
                div.question {
                    p { (Mark::Person.picture()) strong { (question.text) } }
                    @if let Some(seen) = &question.seen { p.faint { (seen) } }
                    (small::buttons(frame, &question.answers))
                }
            }
        }
    }
}

/// What the tests of a step say: the counts, and what failed.
fn tests_of(tests: &Tests) -> Markup {
    html! {
        p.step-message { (tests.words) }
        @if !tests.failures.is_empty() {
            details.step-tests open[tests.failures.len() <= 5] {
                summary { (small::plural(usize::try_from(tests.failed).unwrap_or(usize::MAX), "failed test", "failed tests")) }
                ul {
                    @for case in &tests.failures {
                        li {
                            code { (case.name) }
                            @if let Some(suite) = &case.suite { " " span.faint { (suite) } }
                            @if let Some(file) = &case.file { " " span.faint { (file) } }
                            @if let Some(message) = &case.message { pre { (message) } }
                        }
                    }
                }
                @if tests.failed > tests.failures.len() as u64 {
                    p.faint { "and " (tests.failed - tests.failures.len() as u64) " more" }
                }
            }
        }
        @for note in &tests.notes { p.step-message.faint { (note) } }
    }
}

/// Whether the same package came out again, and what differs.
fn compared(rebuilt: &Rebuilt) -> Markup {
    let (mark, title) = match rebuilt.result {
        Judgement::Pass => (Mark::Good, "The same package came out again"),
        Judgement::Fail => (Mark::Bad, "Another package came out"),
        Judgement::Wait | Judgement::Unknown => (Mark::Attention, "Whether the same package comes out is not known"),
    };
    html! {
        section.card aria-labelledby="rebuilt-title" {
            div.card-head { (mark.picture()) h2 id="rebuilt-title" { (title) } }
            (small::reasons(&rebuilt.reasons))
            (small::details([
                ("Stands", small::digest(&rebuilt.stands)),
                ("Came out", html! { @match &rebuilt.rebuilt { Some(digest) => (small::digest(digest)), None => span.faint { "nothing" } } }),
            ]))
            @if !rebuilt.files.is_empty() {
                div.scroll {
                    table.list {
                        thead { tr { th scope="col" { "File" } th scope="col" { "Differs in" } th scope="col" { "Stands" } th scope="col" { "Came out" } } }
                        tbody { @for file in &rebuilt.files { tr {
                            th scope="row" { code { (file.path) } }
                            td { (file.how) }
                            td { (file.stands.as_deref().unwrap_or("–")) }
                            td { (file.rebuilt.as_deref().unwrap_or("–")) }
                        } } }
                    }
                }
                @if rebuilt.more > 0 {
                    p.faint { (small::plural(rebuilt.more, "more entry", "more entries")) " not shown; " code { "throughline rebuild --json" } " lists all." }
                }
            }
        }
    }
}

/// Why a definition cannot be read, with the place.
pub fn broken_definition(broken: &Broken) -> Markup {
    html! {
        section.card.broken {
            div.card-head { (Mark::Bad.picture()) h2 { "The definition cannot be read" } }
            p { code { (broken.file) ":" (broken.line) ":" (broken.column) } " " (small::prose(&broken.message)) }
            @if let Some(excerpt) = &broken.excerpt {
                pre.excerpt {
                    span.excerpt-number { (broken.line) } " " (excerpt) "\n"
                    span.excerpt-number { (" ".repeat(broken.line.to_string().len())) } " "
                    (" ".repeat(broken.column.saturating_sub(1).min(200) as usize)) span.excerpt-caret { "^" }
                }
            }
            @if let Some(hint) = &broken.hint { (small::hint(hint)) }
        }
    }
}
