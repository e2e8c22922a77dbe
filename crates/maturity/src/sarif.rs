//! The assessment as SARIF 2.1.0, for tools that show results beside the code.
//!
//! One result for each practice that is not met, at the place that tells most about it.

use evidence::Place;
use serde_json::{Value, json};

use crate::document::Assessment;
use crate::level::Verdict;
use crate::profile::{CategoryProfile, PracticeProfile};

/// The SARIF log of an assessment; `version` is the program's.
pub fn log(assessment: &Assessment, version: &str) -> Value {
    let mut results = Vec::new();
    let mut rules: Vec<Value> = Vec::new();
    let mut collect = |categories: &[CategoryProfile], component: Option<&str>| {
        for category in categories {
            for practice in category.practices.iter().filter(|each| each.verdict == Verdict::NotMet) {
                if !rules.iter().any(|rule| rule["id"] == practice.id.as_str()) {
                    rules.push(rule(category, practice));
                }
                results.push(result(practice, assessment, component));
            }
        }
    };
    collect(&assessment.categories, None);
    for component in &assessment.components {
        collect(&component.categories, Some(&component.name));
    }
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "throughline assess",
                "semanticVersion": version,
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(category: &CategoryProfile, practice: &PracticeProfile) -> Value {
    json!({
        "id": practice.id,
        "name": practice.name,
        "shortDescription": { "text": practice.name },
        "fullDescription": { "text": practice.why },
        "help": { "text": practice.instruction },
        "defaultConfiguration": { "level": "note" },
        "properties": { "category": category.key, "level": practice.level.name() },
    })
}

fn result(practice: &PracticeProfile, assessment: &Assessment, component: Option<&str>) -> Value {
    let mut text = format!("{} is not met: {}.", practice.name, practice.reason);
    if let Some(change) = &practice.would_change {
        text.push_str(&format!(" What would change it: {change}."));
    }
    text.push_str(&format!(" {}", practice.instruction));
    if let Some(component) = component {
        text = format!("{component}: {text}");
    }
    let mut result = json!({
        "ruleId": practice.id,
        "level": "note",
        "kind": "fail",
        "message": { "text": text },
        "partialFingerprints": {
            "practice/v1": format!("{}/{}", component.unwrap_or_default(), practice.id),
        },
    });
    if let Some((file, line)) = place(practice, assessment) {
        result["locations"] = json!([{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&file), "uriBaseId": "%SRCROOT%" },
            "region": { "startLine": line },
        } }]);
    }
    result
}

/// The place that tells most: where a step would change something, what speaks against the practice,
/// where something of it was seen, or the first definition of a pipeline.
fn place(practice: &PracticeProfile, assessment: &Assessment) -> Option<(String, u32)> {
    let in_file = |place: &Place| match place {
        Place::File { file, line, .. } => Some((file.clone(), line.unwrap_or(1))),
        Place::Commit { .. } | Place::Ref { .. } => None,
    };
    let edit = assessment
        .next
        .iter()
        .filter(|step| step.practices.iter().any(|wanted| wanted.id == practice.id))
        .flat_map(|step| &step.edits)
        .find_map(|edit| Some((edit.file.clone(), edit.after_line?)));
    let against = practice.evidence.iter().flat_map(|shown| &shown.against);
    let seen = practice.evidence.iter().flat_map(|shown| &shown.places);
    let anywhere = assessment
        .categories
        .iter()
        .flat_map(|category| &category.practices)
        .flat_map(|practice| &practice.evidence)
        .filter(|shown| shown.measure.starts_with("pipelines.") || shown.measure.starts_with("files."))
        .flat_map(|shown| &shown.places);
    edit.or_else(|| against.chain(seen).chain(anywhere).find_map(in_file))
}

/// A path as a relative reference: what has a meaning in one is escaped.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}
