//! Profiles of a small model over made evidence.

use std::collections::{BTreeMap, BTreeSet};

use evidence::{Evidence, Measure, Stream, Subject};
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

const MODEL: &str = "
throughline: 1
name: small
categories:
  - key: build
    name: Build
    practices:
      - { id: B0, level: base, name: n, why: w, class: automatic, effort: 1, value: 1, do: d, met: pipelines.builds, satisfied_by: [B2] }
      - { id: B1, level: beginner, name: n, why: w, class: automatic, effort: 1, value: 1, do: d, met: pipelines.artifacts_kept }
      - { id: B1t, level: beginner, name: n, why: w, class: attestation, effort: 1, value: 1, do: d, proof: a statement }
      - { id: B2, level: intermediate, name: n, why: w, class: automatic, effort: 1, value: 1, do: d, met: pipelines.builds_on_push_to_trunk, not_met: never }
      - { id: B3, level: advanced, name: n, why: w, class: automatic, effort: 1, value: 1, do: d, needs: [deployments], proof: records }
      - { id: B4, level: expert, name: n, why: w, class: automatic, effort: 1, value: 1, do: d, met: history.revert_share < limit.share, limits: {share: 0.1}, sample: {history.revert_share: 10}, when: history.commits > 5 }
  - key: learning
    name: Learning
    when: files.training_code > 0
    practices:
      - { id: M0, level: base, name: n, why: w, class: automatic, effort: 1, value: 1, do: d, met: files.training_code > 0 }
";

fn evidence(measures: &[(&str, Measure)]) -> Evidence {
    Evidence {
        subject: Subject {
            repository: "sample".to_owned(),
            commit: None,
            at: "2026-03-01T00:00:00Z".parse::<Timestamp>().unwrap(),
            window_days: 90,
            component: None,
        },
        streams: BTreeSet::from([Stream::History, Stream::Files, Stream::Pipelines]),
        measures: measures
            .iter()
            .map(|(name, measure)| ((*name).to_owned(), measure.clone()))
            .collect::<BTreeMap<_, _>>(),
        findings: Vec::new(),
        limits: Vec::new(),
    }
}

fn model() -> Model {
    Model::parse(MODEL, "model").unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn profile(measures: &[(&str, Measure)], statements: &str) -> Profile {
    let model = model();
    let statements = Statements::parse(&format!("throughline: 1\n{statements}"), &model).unwrap();
    Profile::of(&evidence(measures), &model, &statements)
}

fn verdict(profile: &Profile, id: &str) -> Verdict {
    profile.practice(id).unwrap_or_else(|| panic!("{id}")).verdict
}

#[test]
fn what_was_not_seen_is_neither_met_nor_not_met() {
    let profile = profile(&[], "");
    for practice in profile.practices() {
        assert_eq!(practice.verdict, Verdict::InsufficientEvidence, "{}", practice.id);
    }
    let build = &profile.categories[0];
    assert_eq!((build.at_least, build.at_most), (None, Some(Level::Expert)));
    assert_eq!(
        profile.practice("B3").unwrap().reason,
        "not visible from a repository: needs records of deployments"
    );
    assert_eq!(profile.practice("B0").unwrap().reason, "builds: not seen");
    assert_eq!(profile.left_out[0].id, "learning");
}

#[test]
fn a_weaker_practice_follows_from_a_stronger_one() {
    let profile = profile(
        &[
            ("pipelines.builds", Measure::of(false)),
            ("pipelines.builds_on_push_to_trunk", Measure::of(true)),
        ],
        "",
    );
    assert_eq!(verdict(&profile, "B0"), Verdict::Met);
    assert_eq!(profile.practice("B0").unwrap().satisfied_by.as_deref(), Some("B2"));
}

#[test]
fn levels_mix_and_the_bounds_say_so() {
    let profile = profile(
        &[
            ("pipelines.builds", Measure::of(true)),
            ("pipelines.artifacts_kept", Measure::of(false)),
            ("pipelines.builds_on_push_to_trunk", Measure::of(true)),
        ],
        "",
    );
    let build = &profile.categories[0];
    assert_eq!((build.at_least, build.at_most), (Some(Level::Base), Some(Level::Base)));
    assert_eq!(build.above, ["B2"]);
    let practice = profile.practice("B1").unwrap();
    assert_eq!(
        (practice.verdict, practice.reason.as_str()),
        (Verdict::NotMet, "artifacts kept: no")
    );
    assert_eq!(practice.would_change.as_deref(), Some("artifacts kept"));
}

#[test]
fn a_practice_that_only_a_statement_can_show_holds_nobody_down() {
    let profile = profile(
        &[
            ("pipelines.builds", Measure::of(true)),
            ("pipelines.artifacts_kept", Measure::of(true)),
        ],
        "",
    );
    assert_eq!(profile.categories[0].at_least, Some(Level::Beginner));
    assert_eq!(verdict(&profile, "B1t"), Verdict::InsufficientEvidence);
}

#[test]
fn a_measure_that_rests_on_too_little_is_not_used() {
    let share = |sample| {
        [
            ("history.commits", Measure::of(10usize)),
            ("history.revert_share", Measure::of(0.0).from_sample(sample)),
        ]
    };
    assert_eq!(verdict(&profile(&share(10), ""), "B4"), Verdict::Met);
    let few = profile(&share(9), "");
    assert_eq!(verdict(&few, "B4"), Verdict::InsufficientEvidence);
    assert_eq!(few.practice("B4").unwrap().reason, "revert: rests on 9 of at least 10");
}

#[test]
fn what_does_not_apply_is_told_apart() {
    let profile = profile(&[("history.commits", Measure::of(3usize))], "");
    assert!(profile.practice("B4").is_none());
    let left_out = &profile.categories[0].not_applicable[0];
    assert_eq!(
        (left_out.id.as_str(), left_out.reason.as_str()),
        ("B4", "does not apply: commits: 3 (asked for: more than 5)")
    );
}

#[test]
fn statements_fill_gaps_and_do_not_override_what_is_seen() {
    let statements = "
attested:
  - { practice: B3, statement: we can, by: the team, on: 2026-01-01 }
  - { practice: B2, statement: we can, by: the team, on: 2025-01-01 }
  - { practice: B1, statement: we can, by: the team, on: 2026-01-01 }
declined:
  - { practice: B4, because: it does not fit }
";
    let profile = profile(&[("pipelines.artifacts_kept", Measure::of(false))], statements);
    assert_eq!(verdict(&profile, "B3"), Verdict::Attested);
    assert_eq!(verdict(&profile, "B4"), Verdict::Declined);
    assert_eq!(verdict(&profile, "B1"), Verdict::NotMet);
    assert!(
        profile
            .practice("B1")
            .unwrap()
            .reason
            .ends_with("the team states otherwise, and what is seen counts")
    );
    assert_eq!(verdict(&profile, "B2"), Verdict::InsufficientEvidence);
    assert!(
        profile
            .practice("B2")
            .unwrap()
            .reason
            .starts_with("what the team said held until 2025-06-30")
    );
}

#[test]
fn an_unread_stream_makes_its_measures_unknown() {
    let mut evidence = evidence(&[("pipelines.builds", Measure::of(false))]);
    evidence.streams.remove(&Stream::Pipelines);
    let profile = Profile::of(&evidence, &model(), &Statements::default());
    assert_eq!(verdict(&profile, "B0"), Verdict::InsufficientEvidence);
    assert_eq!(
        profile.practice("B0").unwrap().reason,
        "pipeline definitions could not be read"
    );
}

#[test]
fn the_same_evidence_gives_the_same_bytes() {
    let measures = [
        ("pipelines.builds", Measure::of(true)),
        ("history.commits", Measure::of(1000usize)),
    ];
    let shipped = Model::shipped();
    let bytes = || serde_json::to_vec(&Profile::of(&evidence(&measures), &shipped, &Statements::default())).unwrap();
    assert_eq!(bytes(), bytes());
}

fn measures() -> impl Strategy<Value = Vec<(&'static str, Option<bool>)>> {
    let names = [
        "pipelines.builds",
        "pipelines.artifacts_kept",
        "pipelines.builds_on_push_to_trunk",
    ];
    prop::collection::vec(prop::option::of(any::<bool>()), names.len()).prop_map(move |mut values| {
        // What builds each push builds: readers do not contradict themselves.
        if values[2] == Some(true) {
            values[0] = Some(true);
        }
        names.iter().copied().zip(values).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_sure_is_never_above_what_may_be(values in measures()) {
        let seen: Vec<(&str, Measure)> = values.into_iter().filter_map(|(name, value)| Some((name, Measure::of(value?)))).collect();
        let profile = profile(&seen, "");
        for category in &profile.categories {
            prop_assert!(category.at_least <= category.at_most);
        }
    }

    #[test]
    fn further_evidence_narrows_the_bounds_and_changes_no_verdict_that_was_given(values in measures(), keep in prop::collection::vec(any::<bool>(), 3)) {
        let all: Vec<(&str, Measure)> = values.iter().filter_map(|(name, value)| Some((*name, Measure::of((*value)?)))).collect();
        let part: Vec<(&str, Measure)> = all.iter().zip(keep).filter(|(_, keep)| *keep).map(|(measure, _)| measure.clone()).collect();
        let (before, after) = (profile(&part, ""), profile(&all, ""));
        prop_assert!(before.categories[0].at_least <= after.categories[0].at_least);
        prop_assert!(before.categories[0].at_most >= after.categories[0].at_most);
        for practice in before.practices().filter(|practice| practice.verdict == Verdict::Met) {
            prop_assert_eq!(verdict(&after, &practice.id), Verdict::Met);
        }
    }
}
