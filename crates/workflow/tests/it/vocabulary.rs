//! Measures and the vocabulary that names them.

use evidence::vocabulary::{self, Kind};
use evidence::{MemoryTree, Value};

#[test]
fn every_measure_is_declared_with_its_kind_and_every_declared_one_is_written() {
    let tree = MemoryTree::of([(
        ".github/workflows/ci.yml",
        "on: push\njobs:\n  a:\n    steps:\n      - uses: actions/checkout@v4\n      - uses: googleapis/release-please-action@v4\n      - run: cargo test\n",
    )]);
    let workflows = workflow::read(&tree, None);
    let measures = workflow::measures(&workflows, None);
    for (name, measure) in &measures {
        let declared = vocabulary::find(name).unwrap_or_else(|| panic!("{name} is not declared"));
        let fits = matches!(
            (&measure.value, declared.kind),
            (Value::Boolean(_), Kind::Boolean)
                | (Value::Integer(_), Kind::Count)
                | (Value::Number(_), Kind::Share | Kind::Number | Kind::Days)
                | (Value::Text(_), Kind::Text)
                | (Value::List(_), Kind::List)
        );
        assert!(fits, "{name} is {:?}, declared as {:?}", measure.value, declared.kind);
    }
    let missing: Vec<&str> = vocabulary::all()
        .map(|declared| declared.name)
        .filter(|name| name.starts_with("pipelines.") && !measures.contains_key(*name))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn a_tree_without_definitions_says_so() {
    let workflows = workflow::read(&MemoryTree::of([("README.md", "x")]), None);
    let measures = workflow::measures(&workflows, None);
    assert_eq!(measures["pipelines.definitions"].value, Value::Integer(0));
    assert_eq!(measures["pipelines.builds"].value, Value::Boolean(false));
}
