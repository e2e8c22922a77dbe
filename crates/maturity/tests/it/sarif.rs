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

/// The properties that the published schema of SARIF 2.1.0 knows of the objects that are used here: it allows no others.
#[rustfmt::skip]
const KNOWN: &[(&str, &[&str])] = &[
    ("log", &["$schema", "version", "runs", "inlineExternalProperties", "properties"]),
    (
        "run",
        &[
            "tool", "invocations", "conversion", "language", "versionControlProvenance", "originalUriBaseIds", "artifacts",
            "logicalLocations", "graphs", "results", "automationDetails", "runAggregates", "baselineGuid", "redactionTokens",
            "defaultEncoding", "defaultSourceLanguage", "newlineSequences", "columnKind", "externalPropertyFileReferences",
            "threadFlowLocations", "taxonomies", "addresses", "translations", "policies", "webRequests", "webResponses",
            "specialLocations", "properties",
        ],
    ),
    (
        "driver",
        &[
            "guid", "name", "organization", "product", "productSuite", "shortDescription", "fullDescription", "fullName",
            "version", "semanticVersion", "dottedQuadFileVersion", "releaseDateUtc", "downloadUri", "informationUri",
            "globalMessageStrings", "notifications", "rules", "taxa", "locations", "language", "contents", "isComprehensive",
            "localizedDataSemanticVersion", "minimumRequiredLocalizedDataSemanticVersion", "associatedComponent",
            "translationMetadata", "supportedTaxonomies", "properties",
        ],
    ),
    (
        "rule",
        &[
            "id", "deprecatedIds", "guid", "deprecatedGuids", "name", "deprecatedNames", "shortDescription", "fullDescription",
            "messageStrings", "defaultConfiguration", "helpUri", "help", "relationships", "properties",
        ],
    ),
    (
        "result",
        &[
            "ruleId", "ruleIndex", "rule", "kind", "level", "message", "analysisTarget", "locations", "guid",
            "correlationGuid", "occurrenceCount", "partialFingerprints", "fingerprints", "stacks", "codeFlows", "graphs",
            "graphTraversals", "relatedLocations", "suppressions", "baselineState", "rank", "attachments", "hostedViewerUri",
            "workItemUris", "provenance", "fixes", "taxa", "webRequest", "webResponse", "properties",
        ],
    ),
    ("physicalLocation", &["address", "artifactLocation", "region", "contextRegion", "properties"]),
    ("artifactLocation", &["uri", "uriBaseId", "index", "description", "properties"]),
    (
        "region",
        &[
            "startLine", "startColumn", "endLine", "endColumn", "charOffset", "charLength", "byteOffset", "byteLength",
            "snippet", "message", "sourceLanguage", "properties",
        ],
    ),
    ("configuration", &["enabled", "level", "rank", "parameters", "properties"]),
    ("text", &["text", "markdown", "properties"]),
    ("message", &["text", "markdown", "id", "arguments", "properties"]),
];

fn only_known(kind: &str, object: &serde_json::Value) {
    let (_, known) = KNOWN.iter().find(|(name, _)| *name == kind).unwrap();
    for key in object
        .as_object()
        .unwrap_or_else(|| panic!("a {kind} is an object"))
        .keys()
    {
        assert!(known.contains(&key.as_str()), "{kind}: {key}");
    }
}

#[test]
fn the_log_has_no_property_that_the_schema_does_not_know() {
    let log = sarif::log(&assessment(), "0.1.0");
    only_known("log", &log);
    for run in log["runs"].as_array().unwrap() {
        only_known("run", run);
        assert!(["utf16CodeUnits", "unicodeCodePoints"].contains(&run["columnKind"].as_str().unwrap()));
        let driver = &run["tool"]["driver"];
        only_known("driver", driver);
        for rule in driver["rules"].as_array().unwrap() {
            only_known("rule", rule);
            only_known("configuration", &rule["defaultConfiguration"]);
            for text in ["shortDescription", "fullDescription", "help"] {
                only_known("text", &rule[text]);
                assert!(rule[text]["text"].is_string(), "{text}");
            }
            assert!(rule["properties"].is_object());
        }
        for result in run["results"].as_array().unwrap() {
            only_known("result", result);
            only_known("message", &result["message"]);
            assert!(
                result["partialFingerprints"]
                    .as_object()
                    .unwrap()
                    .values()
                    .all(serde_json::Value::is_string)
            );
            for location in result["locations"].as_array().into_iter().flatten() {
                let physical = &location["physicalLocation"];
                only_known("physicalLocation", physical);
                only_known("artifactLocation", &physical["artifactLocation"]);
                only_known("region", &physical["region"]);
            }
        }
    }
}
