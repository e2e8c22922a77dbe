//! The SARIF log has what the published schema requires.

use std::collections::{BTreeMap, BTreeSet};

use evidence::{Evidence, Measure, Place, Stream, Subject};
use maturity::document::Assessment;
use maturity::{Model, Profile, Statements, sarif};

fn assessment() -> Assessment {
    let at = Place::line(".github/workflows/a b.yml", 12, "cargo test");
    let evidence = Evidence {
        subject: Subject {
            repository: "sample".to_owned(),
            commit: None,
            at: "2026-03-01T00:00:00Z".parse().unwrap(),
            window_days: 90,
            component: None,
        },
        streams: BTreeSet::from([Stream::History, Stream::Files, Stream::Pipelines]),
        measures: BTreeMap::from([
            ("pipelines.builds".to_owned(), Measure::of(true).seen_at([at])),
            ("pipelines.builds_on_push_to_trunk".to_owned(), Measure::of(false)),
            ("pipelines.builds_on_request".to_owned(), Measure::of(false)),
        ]),
        findings: Vec::new(),
        limits: Vec::new(),
    };
    let profile = Profile::of(&evidence, &Model::shipped(), &Statements::default());
    Assessment::new(profile, Vec::new())
}

/// What SARIF 2.1.0 requires of the parts that are used here (section 3 of the standard).
#[test]
fn the_log_has_the_required_properties() {
    let log = sarif::log(&assessment(), "0.1.0");
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert!(run["tool"]["driver"]["name"].is_string());
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let ids: BTreeSet<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), rules.len(), "ids of rules are unique");
    let results = run["results"].as_array().unwrap();
    assert!(!results.is_empty());
    for result in results {
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        assert!(ids.contains(result["ruleId"].as_str().unwrap()));
        assert!(["none", "note", "warning", "error"].contains(&result["level"].as_str().unwrap()));
        assert!(
            ["fail", "notApplicable", "pass", "review", "open", "informational"]
                .contains(&result["kind"].as_str().unwrap())
        );
        // The standard: where `kind` is not `fail`, `level` is `none`.
        assert!(result["kind"] == "fail" || result["level"] == "none");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], ".github/workflows/a%20b.yml");
        assert!(place["region"]["startLine"].as_u64().unwrap() >= 1);
    }
}
