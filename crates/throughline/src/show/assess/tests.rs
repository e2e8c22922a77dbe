//! The view over a made assessment.

use std::collections::{BTreeMap, BTreeSet};

use evidence::{Evidence, Finding, Measure, Stream};
use maturity::document::{Assessment, Month};
use maturity::next::{self, Ground, Proposal};
use maturity::{Model, Profile, Statements};

use super::*;

/// What a small service with a little pipeline would show.
fn evidence() -> Evidence {
    let at = |file: &str, line, what: &str| Place::line(file, line, what);
    let ci = ".github/workflows/ci.yml";
    let mut measures: BTreeMap<String, Measure> = BTreeMap::new();
    let mut add = |name: &str, measure: Measure| {
        measures.insert(name.to_owned(), measure);
    };
    for yes in [
        "pipelines.builds",
        "pipelines.tests_unit",
        "pipelines.lint",
        "pipelines.builds_on_request",
    ] {
        add(yes, Measure::of(true).seen_at([at(ci, 12, "cargo test")]));
    }
    for no in [
        "pipelines.builds_on_push_to_trunk",
        "pipelines.artifacts_kept",
        "pipelines.images_pushed",
        "pipelines.coverage",
        "pipelines.security_per_change",
        "pipelines.version_automatic",
        "pipelines.tag_automatic",
        "files.owners",
    ] {
        add(no, Measure::of(false));
    }
    add("pipelines.packages_published", Measure::of(Vec::<String>::new()));
    add("pipelines.definitions", Measure::of(1usize));
    add("files.stacks", Measure::of(vec!["rust".to_owned()]));
    add("files.build_scripted", Measure::of(vec!["cargo".to_owned()]));
    add("files.test_files", Measure::of(14usize));
    add("files.lock_files", Measure::of(1usize));
    add("history.commits", Measure::of(412usize));
    add(
        "history.tests_with_code_share",
        Measure::of(0.31).from_sample(58).in_spite_of([Place::Commit {
            commit: "3fce3b5bb0236da2".into(),
            what: "Handle empty names".into(),
        }]),
    );
    add("history.lead_time_days_p50", Measure::of(3.2));
    Evidence {
        subject: Subject {
            repository: "guestbook".into(),
            commit: Some("3fce3b5bb0236da2df6d99672afb8a719642eca7".into()),
            at: "2026-08-04T14:00:08Z".parse().unwrap(),
            window_days: 90,
            component: None,
        },
        streams: BTreeSet::from([Stream::History, Stream::Files, Stream::Pipelines]),
        measures,
        findings: vec![Finding {
            place: at(".github/workflows/old.yml", 3, ""),
            problem: "this is no YAML".into(),
            hint: Some("look at the indentation".into()),
        }],
        limits: vec!["the clone is shallow: commits before 1 May 2026 are not seen".into()],
    }
}

fn assessment() -> Assessment {
    let (evidence, model, statements) = (evidence(), Model::shipped(), Statements::default());
    let profile = Profile::of(&evidence, &model, &statements);
    let ground = Ground {
        profile: &profile,
        evidence: &evidence,
        model: &model,
        statements: &statements,
    };
    let propose = |recipe| {
        (recipe == maturity::model::Recipe::BuildOnPush).then(|| {
            let mut after = evidence.clone();
            after
                .measures
                .insert("pipelines.builds_on_push_to_trunk".into(), Measure::of(true));
            Proposal {
                edits: vec![next::Edit {
                    file: ".github/workflows/ci.yml".into(),
                    after_line: Some(3),
                    after: Some("on:".into()),
                    lines: "  push:\n    branches: [main]\n".into(),
                }],
                evidence: after,
            }
        })
    };
    let next = next::steps(ground, 3, &propose);
    let month = Month::of(&profile);
    let mut assessment = Assessment::new(profile, next);
    assessment.history = vec![month];
    assessment
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn the_view_shows_where_each_category_stands_and_what_to_do_next() {
    insta::assert_snapshot!(plain(&view(&assessment(), Some(80))));
}

#[test]
fn no_line_but_those_to_be_copied_is_wider_than_the_terminal() {
    for columns in [72, 80, 100, 120] {
        for line in plain(&view(&assessment(), Some(columns))).lines() {
            assert!(
                width(line) <= columns || line.trim_start().starts_with('+'),
                "{columns}: {line}"
            );
        }
    }
}

#[test]
fn a_practice_is_explained_with_its_evidence() {
    let assessment = assessment();
    let culture = &assessment.categories[0];
    insta::assert_snapshot!(plain(&explain(culture, |practice| practice.id == "C1.5", Some(80))));
}

#[test]
fn the_report_is_one_file_that_asks_nobody_for_anything() {
    let mut assessment = assessment();
    assessment.subject.repository = "<script>alert(1)</script>".to_owned();
    let html = report(&assessment);
    if let Some(file) = std::env::var_os("THROUGHLINE_WRITE_REPORT") {
        std::fs::write(file, &html).unwrap();
    }
    for asking in ["<script", "src=", "http://", "https://", "@import", "url(", "<link"] {
        assert!(!html.contains(asking), "{asking}");
    }
    for practice in assessment.categories.iter().flat_map(|category| &category.practices) {
        assert!(html.contains(&format!("id=\"{}\"", practice.id)), "{}", practice.id);
    }
}

#[test]
fn what_is_said_of_many_places_is_said_once() {
    let finding = |file: &str, problem: &str| evidence::Finding {
        place: evidence::Place::file(file),
        problem: problem.to_owned(),
        hint: None,
    };
    let mut read = assessment();
    read.findings = vec![
        finding("a", "the object is missing"),
        finding("b", "is not a text"),
        finding("c", "the object is missing"),
        finding("d", "the object is missing"),
        finding("e", "the object is missing"),
    ];
    let shown = plain(&view(&read, Some(80)));
    assert!(shown.contains("a, c, d and 1 more: the object is missing"), "{shown}");
    assert!(shown.contains("b: is not a text"), "{shown}");
    assert_eq!(shown.matches("the object is missing").count(), 1);
}
