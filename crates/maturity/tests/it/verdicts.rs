//! What the shipped model says of evidence that is easily taken for more than it is.

use std::collections::{BTreeMap, BTreeSet};

use evidence::{Evidence, Measure, Stream, Subject, Value};
use maturity::{Model, Profile, Statements, Verdict};

fn list(words: &[&str]) -> Measure {
    Measure::of(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
}

/// The verdict on a practice, where all that is asked for besides is denied.
fn verdict(id: &str, measures: &[(&str, Measure)]) -> Verdict {
    let mut all: BTreeMap<String, Measure> = evidence::vocabulary::all()
        .filter_map(|declared| {
            let value = match declared.kind {
                evidence::vocabulary::Kind::Boolean => Measure::of(false),
                evidence::vocabulary::Kind::Count => Measure::of(0_i64),
                evidence::vocabulary::Kind::List => Measure::of(Vec::<String>::new()),
                _ => return None,
            };
            Some((declared.name.to_owned(), value))
        })
        .collect();
    all.insert("history.commits".to_owned(), Measure::of(100_i64));
    for (name, measure) in measures {
        assert!(all.contains_key(*name) || measure.value != Value::Boolean(false));
        all.insert((*name).to_owned(), measure.clone());
    }
    let evidence = Evidence {
        subject: Subject {
            repository: "sample".to_owned(),
            commit: None,
            at: "2026-03-01T00:00:00Z".parse().unwrap(),
            window_days: 90,
            component: None,
        },
        streams: BTreeSet::from([Stream::History, Stream::Files, Stream::Pipelines]),
        measures: all,
        findings: Vec::new(),
        limits: Vec::new(),
    };
    let profile = Profile::of(&evidence, &Model::shipped(), &Statements::default());
    profile.practice(id).unwrap_or_else(|| panic!("no {id}")).verdict
}

#[test]
fn a_guide_without_a_way_of_changes_is_not_enough() {
    let guide = |more: &[(&'static str, Measure)]| {
        let mut measures = vec![
            ("pipelines.definitions", Measure::of(1_i64)),
            ("files.contributing", Measure::of(true)),
            ("history.docs_changed_days", Measure::of(10.0)),
        ];
        measures.extend(more.iter().cloned());
        verdict("C0.2", &measures)
    };
    assert_eq!(guide(&[]), Verdict::InsufficientEvidence);
    let told = ("files.process_documented", Measure::of(true));
    assert_eq!(guide(std::slice::from_ref(&told)), Verdict::Met);
    // What is written of a project that has ended is not lived.
    assert_eq!(
        guide(&[told, ("files.retired", Measure::of(true))]),
        Verdict::InsufficientEvidence
    );
}

#[test]
fn a_pipeline_reaches_production_by_a_release_or_a_deployment_and_not_by_a_registry_or_a_site() {
    let published = |kinds: &[&str]| ("pipelines.packages_published", list(kinds));
    let pushed = ("pipelines.images_pushed", Measure::of(true));
    assert_eq!(verdict("B2.5", &[published(&["npm"])]), Verdict::Met);
    assert_eq!(
        verdict("B2.5", &[published(&["image"]), pushed.clone()]),
        Verdict::InsufficientEvidence
    );
    let released = ("history.releases", Measure::of(9_i64));
    assert_eq!(
        verdict("B2.5", &[published(&["image"]), pushed, released.clone()]),
        Verdict::Met
    );
    assert_eq!(
        verdict("B2.5", &[published(&["pages"]), released.clone()]),
        Verdict::NotMet
    );
    assert_eq!(verdict("B2.5", &[published(&["pages"])]), Verdict::InsufficientEvidence);
    let deploys = |tool: &str| {
        [
            ("pipelines.deploys", Measure::of(true)),
            ("pipelines.deploy_to_production", Measure::of(true)),
            ("pipelines.deploy_tools", list(&[tool])),
        ]
    };
    assert_eq!(verdict("B2.5", &deploys("helm")), Verdict::Met);
    assert_eq!(verdict("B2.5", &deploys("vercel")), Verdict::Met);
    // Beside releases, a host of sites shows a demo or the documentation.
    let mut beside = deploys("vercel").to_vec();
    beside.push(released);
    assert_eq!(verdict("B2.5", &beside), Verdict::InsufficientEvidence);
}

#[test]
fn what_is_released_by_tags_is_not_deployed_without_a_hand() {
    let automatic = ("pipelines.deploy_production_automatic", Measure::of(true));
    assert_eq!(verdict("B4.2", std::slice::from_ref(&automatic)), Verdict::Met);
    let by_tag = ("pipelines.publish_on_tag", Measure::of(true));
    assert_ne!(verdict("B4.2", &[automatic, by_tag]), Verdict::Met);
}

#[test]
fn one_line_with_a_branch_is_not_several() {
    let branch = ("history.release_lines", Measure::of(1_i64));
    assert_eq!(
        verdict("B4.3", std::slice::from_ref(&branch)),
        Verdict::InsufficientEvidence
    );
    assert_eq!(
        verdict("B4.3", &[branch, ("history.lines_released", Measure::of(2_i64))]),
        Verdict::Met
    );
    assert_eq!(verdict("B4.3", &[]), Verdict::NotMet);
}

#[test]
fn a_guide_for_users_of_a_library_is_no_guide_to_its_deployment() {
    let told = ("files.deploy_documented", Measure::of(true));
    assert_eq!(
        verdict("B0.5", std::slice::from_ref(&told)),
        Verdict::InsufficientEvidence
    );
    assert_eq!(
        verdict("B0.5", &[told, ("files.containers", Measure::of(1_i64))]),
        Verdict::Met
    );
}

#[test]
fn services_for_the_tests_of_a_library_do_not_deploy_it() {
    let compose = [
        ("files.compose", Measure::of(true)),
        ("files.containers", Measure::of(1_i64)),
    ];
    assert_eq!(verdict("B0.6", &compose), Verdict::Met);
    let mut library = compose.to_vec();
    library.push(("history.releases", Measure::of(9_i64)));
    assert_eq!(verdict("B0.6", &library), Verdict::InsufficientEvidence);
}

#[test]
fn two_people_for_a_few_commits_are_no_stable_team() {
    let team = |commits: i64, authors: i64| {
        [
            ("history.author_overlap", Measure::of(0.7)),
            ("history.authors_in_window", Measure::of(authors)),
            ("history.commits_in_window", Measure::of(commits)),
        ]
    };
    assert_eq!(verdict("C1.3", &team(20, 2)), Verdict::InsufficientEvidence);
    assert_eq!(verdict("C1.3", &team(200, 6)), Verdict::Met);
}

#[test]
fn work_that_is_collected_on_a_branch_is_branching() {
    let quiet = [("history.branches_active", Measure::of(0_i64))];
    assert_eq!(verdict("D2.1", &quiet), Verdict::Met);
    let collected = [quiet[0].clone(), ("history.integration_branches", list(&["develop"]))];
    assert_ne!(verdict("D2.1", &collected), Verdict::Met);
}

#[test]
fn versions_that_were_given_up_are_no_versions_of_today() {
    let tags = |age: f64, commits: i64| {
        [
            ("history.releases", Measure::of(150_i64)),
            ("history.versions_unique", Measure::of(true)),
            ("history.last_release_days", Measure::of(age)),
            ("history.commits_in_window", Measure::of(commits)),
        ]
    };
    assert_eq!(verdict("B1.3", &tags(900.0, 40)), Verdict::InsufficientEvidence);
    assert_eq!(verdict("B1.3", &tags(900.0, 2)), Verdict::Met);
    assert_eq!(verdict("B1.3", &tags(100.0, 40)), Verdict::Met);
}

#[test]
fn tests_that_need_a_database_show_no_isolation() {
    let tests = [
        ("files.test_files", Measure::of(90_i64)),
        ("pipelines.tests_unit", Measure::of(true)),
    ];
    assert_ne!(verdict("T2.1", &tests), Verdict::Met);
    let mut alone = tests.to_vec();
    alone.push(("pipelines.tests_unit_alone", Measure::of(true)));
    assert_eq!(verdict("T2.1", &alone), Verdict::Met);
}

#[test]
fn a_format_or_a_type_check_is_not_yet_an_analysis() {
    for weak in ["pipelines.format_check", "pipelines.type_check"] {
        assert_eq!(
            verdict("I1.2", &[(weak, Measure::of(true))]),
            Verdict::InsufficientEvidence,
            "{weak}"
        );
    }
    assert_eq!(verdict("I1.2", &[("pipelines.lint", Measure::of(true))]), Verdict::Met);
    assert_eq!(verdict("I1.2", &[]), Verdict::NotMet);
}
