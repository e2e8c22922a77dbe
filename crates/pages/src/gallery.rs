//! The page that shows every part, for whoever adds pages.

use facts::published::Judgement;
use maud::{Markup, html};

use crate::model::{ButtonWeight, ChangeState, Frame, Outcome, Progress, Standing, Tone};
use crate::parts::frame::{self, Live, Section};
use crate::parts::mark::Status;
use crate::parts::{canary, graph, line, small, wait};
use crate::{links, log, sample, time};

fn part(name: &str, says: &str, shown: Markup) -> Markup {
    html! {
        section.part {
            div.part-says { h2 { (name) } p.faint { (says) } }
            div.part-shown { (shown) }
        }
    }
}

/// The page.
pub fn page(frame: &Frame) -> Markup {
    // Sample data is told from its own time, so that this page looks the same every day.
    let still = &Frame {
        now: sample::now(),
        ..frame.clone()
    };
    let content = html! {
        header.page-head {
            h1 { "Parts" }
            p.faint { "What pages are made of. Ink is for what is as it should be; colour is for what moves, waits or went wrong." }
        }
        (part("Status", "Shape, colour and word; never colour alone. `Status::from` any state.", statuses()))
        (part("Badge", "A status that heads a page.", html! {
            div.row {
                @for state in [ChangeState::Underway, ChangeState::Waiting, ChangeState::Delivered, ChangeState::Returned, ChangeState::Cancelled] {
                    (Status::from(&state).badge())
                }
            }
        }))
        (part("Names", "Digest, commit, version, change. The whole of a shortened name is in its title.", html! {
            @let named = &sample::under_way().change;
            div.row {
                (small::digest(&facts::Digest::of("parts"))) (small::commit(&named.commit))
                (small::version(named.version.as_ref(), &named.commit)) (small::change(named))
            }
        }))
        (part("Times", "Seen from the page's time, the exact one in the title; kept current by the script.", html! {
            div.row {
                (time::ago(still.now, sample::before(3))) (time::ago(still.now, sample::before(840)))
                (time::ago(still.now, sample::before(190_000))) (time::so_far(still.now, sample::before(96)))
                (small::usually(&sample::usual(240, 420, 31)))
            }
        }))
        (part("Buttons", "Each is a form sent by POST with the session's token. At most one primary in a group.", html! {
            (small::buttons(still, &[
                sample::button("Approve", links::PARTS.to_owned(), ButtonWeight::Primary),
                sample::button("Refuse", links::PARTS.to_owned(), ButtonWeight::Plain),
                sample::button("Roll back", links::PARTS.to_owned(), ButtonWeight::Danger),
            ]))
        }))
        (part("Box", "What is wrong, and what to do.", html! {
            div.column {
                (small::problem(Tone::Bad, "The run could not start", Some("The disk is full."), Some("free some space under the data folder")))
                (small::problem(Tone::Attention, "Nobody may deploy to production now", Some("Frozen until Monday, 08:00 UTC."), None))
                (small::problem(Tone::Quiet, "This run was cancelled by Ada Marten", None, None))
            }
        }))
        (part("Empty", "What stands where there is nothing, and how something comes.", small::empty("No change yet", html! { "Push a commit to a followed branch." })))
        (part("Line", "A change's way from commit to users.", html! {
            div.column {
                div.card { (line::line(still, &sample::under_way().stations)) }
                div.card { (line::line(still, &sample::waits().stations)) }
                div.card { (line::line(still, &sample::returned().stations)) }
            }
        }))
        (part("Wait", "What holds it, whom it waits for, how long that usually takes.", wait::card(still, &sample::approval())))
        (part("Canary", "The verdict with its numbers; each interval against its margin.", html! {
            div.column { (canary::card(still, &sample::canary_running())) (canary::card(still, &sample::canary_decided_bad())) }
        }))
        (part("Split", "Who gets how many requests.", html! {
            @if let Some(cell) = sample::overview().rows.get(1).and_then(|row| row.cells.get(1)) { (canary::split(&cell.traffic)) }
        }))
        (part("Graph", "The steps of a run.", html! {
            div.card.graph-card { @if let Some(graph) = graph::graph(still.now, &sample::running_run().steps, |_| links::PARTS.to_owned()) { (graph) } }
        }))
        (part("Log", "Colours become spans, everything else is escaped or made visible.", {
            let mut closed = sample::log();
            closed.open = false;
            log::view(still, &closed, &[1])
        }))
        (part("Timeline", "What happened, latest first.", small::timeline(still.now, &sample::returned().entries)))
        (part("Details", "Names and values.", small::details([
            ("Package", small::digest(&facts::Digest::of("parts"))),
            ("Strategy", html! { "canary, 1 instance at 20 %" }),
        ])))
    };
    frame::page(frame, "Parts", Section::None, Live::No, content)
}

fn statuses() -> Markup {
    let progress = [
        Progress::Waiting,
        Progress::Ready,
        Progress::Running,
        Progress::Backoff { until: sample::now() },
        Progress::Asking,
    ];
    let outcomes = [
        Outcome::Succeeded,
        Outcome::Failed,
        Outcome::Cancelled,
        Outcome::Skipped,
        Outcome::TimedOut,
        Outcome::Unknown,
    ];
    let judgements = [Judgement::Pass, Judgement::Fail, Judgement::Wait, Judgement::Unknown];
    let standings = [Standing::Unverified, Standing::Verified, Standing::Proven];
    html! {
        div.row { @for one in progress { (Status::from(one).show()) } }
        div.row { @for one in outcomes { (Status::from(one).show()) } }
        div.row { @for one in judgements { (Status::from(one).show()) } }
        div.row { @for one in standings { (Status::from(one).show()) } }
    }
}
