//! The published JSON Schemas: they are those of the types, and the worked examples meet them.

use std::path::{Path, PathBuf};

use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema")
}

/// Compares a schema with the file that is published; `UPDATE_SCHEMAS=1` writes the file.
fn published(name: &str, schema: &Value) {
    let path = folder().join(name);
    let generated = serde_json::to_string_pretty(schema).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::create_dir_all(folder()).unwrap();
        std::fs::write(&path, &generated).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == generated,
        "docs/schema/{name} is stale: run `UPDATE_SCHEMAS=1 cargo nextest run -p pipeline schemas`"
    );
}

/// The tree of a file, read without any of our own code.
fn tree(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// What the schema has against a file.
fn against(schema: &Value, file: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(schema).unwrap();
    validator
        .iter_errors(file)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn the_published_schemas_are_those_of_the_types() {
    published("throughline.json", pipeline::definition::json_schema());
    published("environments.json", pipeline::environments::json_schema());
    published("module.json", pipeline::definition::modules::json_schema());
}

#[test]
fn the_worked_examples_meet_the_schemas() {
    let definition = tree(include_str!("../examples/throughline.yaml"));
    assert_eq!(
        against(pipeline::definition::json_schema(), &definition),
        Vec::<String>::new()
    );
    for text in [
        include_str!("../examples/environments.yaml"),
        pipeline::environments::DEFAULT,
    ] {
        assert_eq!(
            against(pipeline::environments::json_schema(), &tree(text)),
            Vec::<String>::new()
        );
    }
}

#[test]
fn the_schemas_refuse_what_the_reader_refuses() {
    let schema = pipeline::definition::json_schema();
    for text in [
        "throughline: 2\nsteps: {a: {run: x}}\n",
        "steps: {a: {run: x}}\n",
        "throughline: 1\nsteps: {a: {run: x, need: [b]}}\n",
        "throughline: 1\nsteps: {a: {run: x, image: {}}}\n",
        "throughline: 1\nsteps: {a: {}}\n",
        "throughline: 1\nsteps: {a: {run: x, timeout: soon}}\n",
        "throughline: 1\nsteps: {a: {run: x, timeout: null}}\n",
        "throughline: 1\nsteps: {a: {run: x, effect: none}}\n",
        "throughline: 1\nsteps: {a: {run: x, variables: {A: 1.5}}}\n",
        "throughline: 1\ndatabase: {engine: oracle, migrations: m}\n",
    ] {
        assert!(!against(schema, &tree(text)).is_empty(), "{text}");
        assert!(pipeline::Definition::parse(text, "t.yaml").is_err(), "{text}");
    }
    let schema = pipeline::environments::json_schema();
    for text in [
        "throughline: 1\n",
        "throughline: 1\nenvironments: {a: {target: {kind: docker}}}\n",
        "throughline: 1\nenvironments: {a: {strategy: {kind: canary, weight: 51}}}\n",
        "throughline: 1\nenvironments: {a: {soak: 1 day}}\n",
    ] {
        assert!(!against(schema, &tree(text)).is_empty(), "{text}");
        assert!(pipeline::Environments::parse(text, "e.yaml").is_err(), "{text}");
    }
}
