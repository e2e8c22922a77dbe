//! What is drafted for trees of many kinds, as a person meets it.

mod beside;
mod checked;
mod components;
mod matrix;
mod stacks;
mod taken;

use draft::{Draft, Wishes};
use evidence::MemoryTree;

/// The draft for files in memory.
fn drafted(files: &[(&str, &str)]) -> Draft {
    drafted_with(files, &Wishes::default())
}

/// The draft as it is wished for.
fn drafted_with(files: &[(&str, &str)], wishes: &Wishes) -> Draft {
    let draft = draft::draft(&MemoryTree::of(files.iter().copied()), wishes).expect("a draft");
    check(&draft);
    draft
}

/// Whatever was drafted must pass the check.
fn check(draft: &Draft) {
    let inner = draft.components.iter().map(|component| &component.text);
    for text in std::iter::once(&draft.text).chain(inner) {
        if let Err(wrong) = pipeline::Definition::parse_bytes(text.as_bytes(), "throughline.yaml") {
            panic!("{wrong}\n{text}");
        }
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
