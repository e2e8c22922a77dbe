//! What is drafted for trees of many kinds, as a person meets it.

mod checked;
mod stacks;
mod taken;

use draft::Draft;
use evidence::MemoryTree;

/// The draft for files in memory.
fn drafted(files: &[(&str, &str)]) -> Draft {
    let draft = draft::draft(&MemoryTree::of(files.iter().copied())).expect("a draft");
    check(&draft);
    draft
}

/// Whatever was drafted must pass the check.
fn check(draft: &Draft) {
    if let Err(wrong) = pipeline::Definition::parse_bytes(draft.text.as_bytes(), "throughline.yaml") {
        panic!("{wrong}\n{}", draft.text);
    }
}

/// The commands of a step, joined by lines.
fn commands(draft: &Draft, name: &str) -> String {
    let step = draft.steps.iter().find(|step| step.name == name);
    step.map(|step| step.run.join("\n"))
        .unwrap_or_else(|| panic!("no step {name} in\n{}", draft.text))
}

fn names(draft: &Draft) -> Vec<&str> {
    draft.steps.iter().map(|step| step.name.as_str()).collect()
}
