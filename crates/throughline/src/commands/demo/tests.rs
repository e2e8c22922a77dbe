//! The story in the middle of a canary and at its end, as it is drawn, told and written down.

use std::time::Duration;

use facts::{Digest, RunId, Timestamp};
use serde_json::{Value, json};

use super::canary::Numbers;
use super::document::{Document, Ledger};
use super::draw::{Frame, draw};
use super::load::record::{Count, Totals};
use super::news::News;
use super::story::{Load, Look, Next, Outcome, Story};
use super::summary::Summary;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn digest(number: u8) -> Digest {
    Digest::of([number])
}

fn commit(number: u8) -> String {
    format!("{number}").repeat(40)
}

fn station(place: Value, state: &str, from: i64, to: Option<i64>) -> Value {
    let mut station = json!({ "place": place, "state": state, "started_at": at(from), "reached_at": null,
        "run": null, "note": null, "usually_seconds": null });
    if let Some(to) = to {
        station["reached_at"] = json!(at(to));
    }
    station
}

fn change(number: u8, state: &str, production: Value, verdicts: Value) -> Value {
    let environment = |name: &str| json!({ "kind": "environment", "environment": name });
    let mut stations = vec![
        station(json!({ "kind": "commit" }), "reached", 0, Some(0)),
        station(json!({ "kind": "run" }), "reached", 0, Some(12)),
        station(json!({ "kind": "package" }), "reached", 12, Some(12)),
        station(environment("staging"), "reached", 12, Some(14)),
    ];
    let mut last = production;
    last["place"] = environment("production");
    stations.push(last);
    let never_again = (state == "rolled-back").then(|| json!(["the canary failed: 13 of 61"]));
    json!({
        "schema": "change/1",
        "change": { "component": "demo/guestbook", "commit": commit(number), "branch": "main", "title": "x", "author": null,
            "arrived_at": at(0), "version": format!("0.{number}.0"), "package": digest(number), "state": state },
        "stations": stations, "waiting": [], "verdicts": verdicts, "never_again": never_again,
    })
}

fn run(number: u8, steps: &[(&str, &str, Option<&str>)], state: &str) -> Value {
    let steps: Vec<Value> = steps
        .iter()
        .map(|(name, state, result)| {
            let begun = (*state != "waiting").then(|| at(15));
            let ended = result.map(|_| at(16));
            json!({ "name": name, "action": name, "needs": [], "state": state, "result": result, "message": null,
                "outputs": null, "started_at": begun, "finished_at": ended, "attempts": [] })
        })
        .collect();
    let id = RunId::new(at(15), &facts::SystemEntropy);
    json!({
        "schema": "run/1",
        "run": { "id": id, "kind": "deployment", "component": "demo/guestbook", "commit": commit(number), "line": "main",
            "environment": "production", "state": state, "result": null, "reason": null, "requested_at": at(14),
            "started_at": at(14), "finished_at": null },
        "steps": steps,
    })
}

fn placed(number: u8) -> Value {
    json!({ "component": "demo/guestbook", "generation": 1, "package": digest(number), "version": format!("0.{number}.0"),
        "commit": commit(number), "configuration": null, "schema_state": {}, "since": null, "proven": true,
        "url": "http://127.0.0.1:1", "coming": null, "run": null, "traffic": [] })
}

fn look(changes: &[(u8, Value)], runs: Vec<Value>, staging: u8, production: u8) -> Look {
    let environment = |name: &str, number| json!({ "name": name, "after": [], "strategy": "rolling", "soak_seconds": 0, "components": [placed(number)] });
    let environments = json!({ "schema": "environments/1", "policy": digest(9),
        "environments": [environment("staging", staging), environment("production", production)] });
    Look {
        changes: changes
            .iter()
            .map(|(number, change)| (commit(*number), serde_json::from_value(change.clone()).unwrap()))
            .collect(),
        runs: runs
            .into_iter()
            .map(|run| serde_json::from_value(run).unwrap())
            .collect(),
        environments: Some(serde_json::from_value(environments).unwrap()),
    }
}

fn totals(third: u64) -> Totals {
    let mut totals = Totals {
        sent: 12_345,
        answered: 12_345,
        failed: third,
        ..Totals::default()
    };
    totals.by_package.insert(
        digest(1).to_string(),
        Count {
            sent: 12_000,
            failed: 0,
        },
    );
    totals.by_package.insert(
        digest(3).to_string(),
        Count {
            sent: 345,
            failed: third,
        },
    );
    totals
}

fn here() -> Value {
    station(json!({}), "reached", 14, Some(16))
}

/// The first change is in production, the second one's canary is judged.
fn in_the_middle() -> Story {
    let mut story = Story::new();
    story.chapters[0].commit = Some(commit(1));
    story.chapters[1].commit = Some(commit(2));
    let steps = [
        ("configure", "finished", Some("succeeded")),
        ("analyze", "running", None),
        ("promote", "waiting", None),
    ];
    let first = change(1, "in-production", here(), json!([]));
    let second = change(2, "deploying", station(json!({}), "underway", 14, None), json!([]));
    story.learn(look(&[(1, first), (2, second)], vec![run(2, &steps, "running")], 2, 1));
    story.canary = Some("not decided yet: 0 of 310 requests to the canary failed, 1 of 305 to the baseline; the difference lies between -2.25 and 1.40 percentage points, the margin is 1.00".to_owned());
    story.load = Some(Load {
        totals: totals(0),
        rate: 299.7,
    });
    story
}

/// All three came out as they should.
fn at_the_end() -> Story {
    let mut story = Story::new();
    for (chapter, number) in story.chapters.iter_mut().zip(1..) {
        chapter.commit = Some(commit(number));
        chapter.brought = ["staging", "production"]
            .map(|name| (name.to_owned(), digest(number)))
            .into();
    }
    let verdict = |result: &str, reason: &str| json!([{ "about": "canary", "environment": "production", "result": result, "reasons": [reason], "numbers": {}, "recorded_at": at(20) }]);
    let changes = [
        (1, change(1, "in-production", here(), json!([]))),
        (
            2,
            change(
                2,
                "in-production",
                here(),
                verdict("pass", "not worse by the margin: 0 of 465"),
            ),
        ),
        (
            3,
            change(
                3,
                "rolled-back",
                station(json!({}), "returned", 14, Some(16)),
                verdict("fail", "the canary fails more often: 13 of 61"),
            ),
        ),
    ];
    story.learn(look(&changes, Vec::new(), 3, 2));
    story
}

fn drawn(story: &Story, columns: usize) -> String {
    let frame = Frame {
        now: at(18),
        elapsed: Duration::from_millis(61_000),
        pages: "http://127.0.0.1:8400/login/once".to_owned(),
        columns,
    };
    let lines = draw(story, &frame).into_iter().map(|line| line.painted(columns));
    anstream::adapter::strip_str(&lines.collect::<Vec<_>>().join("\n")).to_string()
}

#[test]
fn a_canary_under_way_is_drawn_with_its_interval_and_the_load() {
    insta::assert_snapshot!(drawn(&in_the_middle(), 100));
}

#[test]
fn no_line_is_longer_than_the_terminal_is_wide() {
    for columns in [20, 40, 60, 80] {
        for line in drawn(&in_the_middle(), columns).lines() {
            assert!(crate::show::paint::width(line) <= columns, "{columns}: {line}");
        }
    }
}

#[test]
fn each_piece_of_news_is_told_once() {
    let (mut news, story) = (News::default(), in_the_middle());
    let told = |lines: Vec<crate::show::screen::Line>| {
        let lines = lines.into_iter().map(|line| line.painted(usize::MAX));
        anstream::adapter::strip_str(&lines.collect::<Vec<_>>().join("\n")).to_string()
    };
    insta::assert_snapshot!(told(news.of(&story, Duration::from_secs(18))));
    assert_eq!(told(news.of(&story, Duration::from_secs(19))), "");
    assert!(told(news.of(&story, Duration::from_secs(29))).contains("12,345 requests sent"));
    // What goes on without news says so, and not all the time.
    let mut news = News::default();
    news.of(&story, Duration::from_secs(18));
    assert!(!told(news.of(&story, Duration::from_secs(27))).contains("goes on"));
    let still = told(news.of(&story, Duration::from_secs(30)));
    assert!(still.contains("analyze goes on; nothing new for 12 s"), "{still}");
    assert!(!told(news.of(&story, Duration::from_secs(35))).contains("goes on"));
    assert!(told(news.of(&story, Duration::from_secs(41))).contains("nothing new for 23 s"));
}

#[test]
fn the_next_commit_is_pushed_when_the_one_before_is_in_production() {
    let mut story = Story::new();
    assert_eq!(story.next(), Next::Push(0));
    story.chapters[0].commit = Some(commit(1));
    assert_eq!(story.next(), Next::Wait);
    assert_eq!(in_the_middle().next(), Next::Wait);
    assert_eq!(at_the_end().next(), Next::End);
    let failed = change(1, "build-failed", station(json!({}), "not-coming", 0, None), json!([]));
    story.learn(look(&[(1, failed)], Vec::new(), 1, 1));
    assert_eq!(story.next(), Next::End);
    assert_eq!(
        story.chapters[0].outcome(),
        Some(Outcome::Other("build-failed".to_owned()))
    );
}

#[test]
fn the_document_says_what_happened_and_whether_it_is_right() {
    let story = at_the_end();
    let ledger = Ledger {
        facts: 186,
        verified: true,
    };
    let document = Document::of(&story.chapters, &totals(13), ledger, 58.04);
    insta::assert_json_snapshot!(document);
    assert!(document.amiss(&story.chapters).is_empty());

    let lost = Totals {
        unattributed_failed: 1,
        ..totals(13)
    };
    assert_eq!(
        Document::of(&story.chapters, &lost, ledger, 1.0)
            .amiss(&story.chapters)
            .len(),
        1
    );
    let mut spoiled = totals(13);
    spoiled
        .by_package
        .insert(digest(2).to_string(), Count { sent: 9, failed: 1 });
    assert_eq!(
        Document::of(&story.chapters, &spoiled, ledger, 1.0)
            .amiss(&story.chapters)
            .len(),
        1
    );
    let tampered = Ledger {
        facts: 186,
        verified: false,
    };
    assert_eq!(
        Document::of(&story.chapters, &totals(0), tampered, 1.0)
            .amiss(&story.chapters)
            .len(),
        1
    );
    let early = in_the_middle();
    assert!(
        Document::of(&early.chapters, &totals(0), ledger, 1.0)
            .amiss(&early.chapters)
            .len()
            >= 3
    );
}

#[test]
fn the_summary_says_what_happened_and_what_is_where() {
    let story = at_the_end();
    let document = Document::of(
        &story.chapters,
        &totals(13),
        Ledger {
            facts: 1_186,
            verified: true,
        },
        58.0,
    );
    let summary = Summary {
        story: &story,
        document: &document,
        amiss: &[],
    };
    insta::assert_snapshot!(anstream::adapter::strip_str(&summary.text()).to_string());
}

#[test]
fn the_sentence_that_is_read_is_the_one_that_the_story_shows() {
    assert!(Numbers::read(in_the_middle().canary.as_deref().unwrap()).is_some());
}
