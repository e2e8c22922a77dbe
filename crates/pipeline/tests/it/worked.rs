//! The worked examples of docs/examples are read and planned, and meet the published schema.

use std::path::Path;

use pipeline::Definition;
use pipeline::definition::modules::{Gathering, Module};

#[test]
fn every_worked_example_is_right_planned_and_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples");
    let listed = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let validator = jsonschema::validator_for(pipeline::definition::json_schema()).unwrap();
    let of_module = jsonschema::validator_for(pipeline::definition::modules::json_schema()).unwrap();
    let mut read = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let mut gathering = Gathering::of(text.as_bytes(), "");
        while let Some(location) = gathering.next() {
            let text = std::fs::read_to_string(folder.join(&location.path)).unwrap();
            let tree: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
            assert!(of_module.is_valid(&tree), "{location}");
            gathering.bring(location, Ok(Module { commit: None, text }));
        }
        let definition = Definition::parse_with(&text, &name, &gathering.finish());
        let definition = definition.unwrap_or_else(|wrong| panic!("{wrong}"));
        definition.plan().check().unwrap();
        assert!(
            !definition.plan().steps.is_empty() || !definition.components().is_empty(),
            "{name}"
        );
        let tree: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let against: Vec<String> = validator.iter_errors(&tree).map(|error| error.to_string()).collect();
        assert_eq!(against, Vec::<String>::new(), "{name}");
        assert!(listed.contains(&format!("[{name}]({name})")), "{name} is not listed");
        assert!(text.starts_with("# "), "{name} does not say what it is");
        read += 1;
    }
    assert_eq!(read, 11);
}
