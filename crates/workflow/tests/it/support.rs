//! Reading made-up trees.

use evidence::{Measure, MemoryTree, Place, Value};
use workflow::Workflows;

/// What is read of files whose trunk is `main`.
pub fn read(files: &[(&str, &str)]) -> Workflows {
    workflow::read(&MemoryTree::of(files.iter().copied()), Some("main"))
}

/// A measure of files.
pub fn measure(files: &[(&str, &str)], name: &str) -> Option<Measure> {
    workflow::measures(&read(files), None)
        .get(&format!("pipelines.{name}"))
        .cloned()
}

/// Whether a measure says yes, says no, or says nothing.
pub fn says(files: &[(&str, &str)], name: &str) -> Option<bool> {
    match measure(files, name)?.value {
        Value::Boolean(yes) => Some(yes),
        other => panic!("{name} is no truth value: {other:?}"),
    }
}

/// The words of a list.
pub fn words(files: &[(&str, &str)], name: &str) -> Vec<String> {
    match measure(files, name).map(|measure| measure.value) {
        Some(Value::List(words)) => words,
        other => panic!("{name} is no list: {other:?}"),
    }
}

/// The places of a measure, as `file:line what`.
pub fn places(files: &[(&str, &str)], name: &str) -> Vec<String> {
    measure(files, name)
        .map(|measure| measure.places)
        .unwrap_or_default()
        .into_iter()
        .map(|place| match place {
            Place::File { file, line, what } => {
                format!("{file}:{} {}", line.unwrap_or_default(), what.unwrap_or_default())
            }
            other => format!("{other:?}"),
        })
        .collect()
}

/// What all jobs do, one line a job: `name [occasions] purposes`.
pub fn overview(files: &[(&str, &str)]) -> String {
    let workflows = read(files);
    let mut out = String::new();
    for workflow in &workflows.list {
        for job in &workflow.jobs {
            let occasions: Vec<String> = job
                .occasions
                .list()
                .map(|(occasion, truth)| {
                    let name = format!("{occasion:?}").to_lowercase();
                    if truth == workflow::occasion::Truth::Perhaps {
                        format!("{name}?")
                    } else {
                        name
                    }
                })
                .collect();
            let mut does: Vec<String> = Vec::new();
            for doing in job.steps.iter().flat_map(|step| &step.doings) {
                let detail = if doing.detail.is_empty() {
                    String::new()
                } else {
                    format!("={}", doing.detail)
                };
                let word = format!("{}:{}{detail}", doing.first().line, doing.purpose.word());
                if doing.purpose.word() != "setup" && !does.contains(&word) {
                    does.push(word);
                }
            }
            out.push_str(&format!("{} [{}] {}\n", job.id, occasions.join(" "), does.join(" ")));
        }
    }
    out
}
