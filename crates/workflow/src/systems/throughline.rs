//! Throughline's own definition, as far as its shape tells.

use crate::model::{At, Job, System, Workflow};
use crate::occasion::{Occasion, Occasions};
use crate::purpose::Purpose;
use crate::read::Reader;
use crate::steps;
use crate::yaml::Node;

/// Reads a definition.
pub(crate) fn read(reader: &Reader<'_>, file: &str) -> Vec<Workflow> {
    let documents = reader.yaml(file);
    let Some(root) = documents.first().filter(|root| root.get("throughline").is_some()) else {
        return Vec::new();
    };
    // Every commit on a followed branch is built, requests too.
    let on = Occasions::of([Occasion::Trunk, Occasion::Branch, Occasion::Request]);
    let mut workflow = Workflow::new(System::Throughline, file, on.clone());
    let folder = crate::purpose::parent(file).to_owned();
    let list = root.get("steps").cloned().unwrap_or_else(Node::nothing);
    let named: Vec<(String, u32, Node)> = if list.is_map() {
        list.members()
            .iter()
            .map(|(key, node)| (key.name.clone(), key.line, node.clone()))
            .collect()
    } else {
        list.elements()
            .iter()
            .map(|node| {
                (
                    node.text_of("name").unwrap_or("step").to_owned(),
                    node.line,
                    node.clone(),
                )
            })
            .collect()
    };
    for (name, line, node) in named {
        let mut job = Job::new(&name, At::new(file, line), on.clone());
        job.folder.clone_from(&folder);
        job.needs = node
            .get("needs")
            .or_else(|| node.get("after"))
            .map(Node::texts)
            .unwrap_or_default();
        job.image = node.text_of("image").map(str::to_owned);
        job.timeout = node.member("timeout").map(|(key, _)| key.line);
        job.cache = node.member("cache").map(|(key, _)| key.line);
        let command = node.get("run").or_else(|| node.get("command")).unwrap_or(&node);
        if command.text().is_some() || command.is_list() {
            steps::script(reader, file, command, &mut job);
        }
        job.end = steps::end_of(&list);
        workflow.jobs.push(job);
    }
    if let Some((key, _)) = root.member("package") {
        let mut job = Job::new("package", At::new(file, key.line), on.clone());
        job.needs = workflow.jobs.iter().map(|job| job.id.clone()).collect();
        for purpose in [Purpose::Package, Purpose::Keep, Purpose::Version] {
            let detail = if purpose == Purpose::Version { "throughline" } else { "" };
            job.steps
                .push(steps::doing(At::new(file, key.line), purpose, detail, "package", &on));
        }
        job.keeps = Some(key.line);
        workflow.jobs.push(job);
    }
    vec![workflow]
}
