//! The documents that are made from the code: the vocabulary, and the JSON Schemas.

use std::fmt::Write as _;
use std::path::Path;

use evidence::vocabulary::{self, Kind};

/// Compares a document with what is published; `UPDATE_DOCUMENTS=1` writes it.
fn published(name: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::write(&path, made).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == made, "docs/{name} is stale: run `cargo xtask generate`");
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "yes or no",
        Kind::Count => "count",
        Kind::Share => "share",
        Kind::Days => "days",
        Kind::Number => "number",
        Kind::Text => "word",
        Kind::List => "list",
    }
}

#[test]
fn the_vocabulary_is_documented_as_it_is() {
    let mut text = String::from(
        "# The measures of evidence\n\n\
         What is read from a repository to say how mature its delivery is, by name. Rules of a maturity model ask for these\n\
         names and for nothing else. This page is generated from the declarations in\n\
         `crates/evidence/src/vocabulary`.\n\n\
         A measure that was not seen is neither yes nor no. \"No\" is only said where looking was complete. A *share* is a\n\
         number between 0 and 1. The *window* is the model's, 90 days before the moment by default. Each measure carries\n\
         the places it was seen at and, for shares and spans, how many observations it rests on.\n",
    );
    for (family, about) in [
        ("history", "Read from commits, branches and tags."),
        ("pipelines", "Read from the definitions of pipelines, of any system."),
        ("files", "Read from the files of the commit."),
    ] {
        let _ = write!(
            text,
            "\n## {family}\n\n{about}\n\n| measure | kind | meaning |\n| --- | --- | --- |\n"
        );
        for declared in vocabulary::all().filter(|declared| declared.name.split('.').next() == Some(family)) {
            let meaning = maturity::words::meaning(declared.name).replace('|', "\\|");
            let _ = writeln!(text, "| `{}` | {} | {meaning} |", declared.name, kind(declared.kind));
        }
    }
    published("evidence.md", &text);
}

#[test]
fn the_schemas_are_those_of_the_types() {
    for (name, schema) in [
        ("schema/maturity.json", maturity::model::json_schema()),
        ("schema/statements.json", maturity::statements::json_schema()),
    ] {
        published(name, &(serde_json::to_string_pretty(schema).unwrap() + "\n"));
    }
}
