//! Conditions of stages, and small questions about calls.

use super::syntax::{Call, Value};
use crate::comparison;
use crate::occasion::{Condition, Filter, Occasion, Pattern};

/// Blocks around steps that change nothing of what matters here.
const AROUND: &[&str] = &[
    "script",
    "withCredentials",
    "withEnv",
    "timestamps",
    "ansiColor",
    "wrap",
    "ws",
    "lock",
    "milestone",
    "sshagent",
    "configFileProvider",
    "withMaven",
    "nodejs",
    "container",
    "dir",
    "retry",
    "timeout",
    "node",
    "podTemplate",
    "try",
    "tool",
    "gitlabCommitStatus",
    "withDockerRegistry",
    "withDockerContainer",
    "docker.withRegistry",
    "stage",
    "if",
    "for",
    "",
    "each",
    "steps",
    "withSonarQubeEnv",
    "withKubeConfig",
    "withAWS",
    "parallel",
    "catchError",
    "warnError",
    "waitUntil",
    "finally",
    "else",
    "realtimeJUnit",
    "inside",
    "withRun",
    "while",
    "=",
];

pub(super) fn is_around(name: &str) -> bool {
    AROUND.contains(&name) || name.ends_with(".inside") || name.ends_with(".withRun") || name.ends_with(".each")
}

pub(super) fn assigned(call: &Call) -> Vec<(String, String)> {
    call.body
        .iter()
        .filter(|inner| inner.name == "=")
        .filter_map(|inner| {
            let argument = inner.arguments.first()?;
            match &argument.value {
                Value::Text(text, _) => Some((argument.name.clone()?, text.clone())),
                _ => None,
            }
        })
        .collect()
}

pub(super) fn speaks_of_tags(call: &Call) -> bool {
    let mut all = Vec::new();
    call.all(&mut all);
    all.iter()
        .any(|call| matches!(call.name.as_str(), "buildingTag" | "tag"))
        || all.iter().any(|call| {
            call.arguments
                .iter()
                .any(|argument| argument.value.written().contains("TAG_NAME"))
        })
}

/// A condition of `when { }`.
pub(super) fn when(call: &Call) -> Condition {
    let text = call.text().map(|(text, _)| text.to_owned());
    let pattern = || {
        let pattern = text
            .clone()
            .or_else(|| call.named("pattern").map(|(text, _)| text))
            .unwrap_or_default();
        let compare = call.named("comparator").map(|(text, _)| text).unwrap_or_default();
        if compare == "REGEXP" {
            Pattern::Regex(pattern)
        } else {
            Pattern::glob(&pattern)
        }
    };
    match call.name.as_str() {
        "branch" => Condition::All(vec![
            Condition::Branch(Filter::one(pattern())),
            Condition::Started(vec![Occasion::Request]).negated(),
        ]),
        "buildingTag" => Condition::Started(vec![Occasion::Tag]),
        "tag" => Condition::Tag(Filter::one(pattern())),
        "changeRequest" => Condition::Started(vec![Occasion::Request]),
        "not" => call.body.first().map_or(Condition::Unknown, when).negated(),
        "allOf" => Condition::All(call.body.iter().map(when).collect()),
        "anyOf" => Condition::Any(call.body.iter().map(when).collect()),
        "expression" => {
            let mut all = Vec::new();
            call.all(&mut all);
            let written = written_of(&call.body);
            if written.is_empty() {
                Condition::Unknown
            } else {
                comparison::condition(&written)
            }
        }
        "environment" => {
            let name = call.named("name").map(|(text, _)| text).unwrap_or_default();
            let value = call.named("value").map(|(text, _)| text).unwrap_or_default();
            comparison::condition(&format!("env.{name} == '{value}'"))
        }
        "triggeredBy" => match text.as_deref() {
            Some("TimerTrigger") => Condition::Started(vec![Occasion::Schedule]),
            Some(_) => Condition::Started(vec![Occasion::Manual]),
            None => Condition::Unknown,
        },
        "beforeAgent" | "beforeInput" | "beforeOptions" => Condition::Fixed(true),
        _ => Condition::Unknown,
    }
}

/// An expression as it is written: `return env.BRANCH_NAME == 'main'`.
pub(super) fn written_of(body: &[Call]) -> String {
    match body {
        [one] => {
            let arguments: Vec<String> = one.arguments.iter().map(|argument| argument.value.written()).collect();
            format!("{} {}", one.name, arguments.join(" ")).trim().to_owned()
        }
        _ => String::new(),
    }
}

/// The last line of what is in a block.
pub(super) fn last_line(call: &Call) -> Option<u32> {
    let mut all = Vec::new();
    call.all(&mut all);
    all.iter()
        .map(|call| {
            let text = call.text().map_or(0, |(text, line)| {
                line + u32::try_from(text.matches('\n').count()).unwrap_or(0)
            });
            call.line.max(text)
        })
        .max()
}
