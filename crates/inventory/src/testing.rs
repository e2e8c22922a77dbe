//! Small trees for tests of the families.

use evidence::{Measure, MemoryTree, Value};

use crate::Inventory;

pub(crate) fn inventory(files: &[(&str, &str)]) -> Inventory {
    crate::read(&MemoryTree::of(files.iter().copied()))
}

/// A measure of a small tree; absent where it is left out.
pub(crate) fn measure(files: &[(&str, &str)], name: &str) -> Option<Measure> {
    crate::measures(&inventory(files), None).remove(&format!("files.{name}"))
}

/// The words of a list.
pub(crate) fn words(files: &[(&str, &str)], name: &str) -> Vec<String> {
    match measure(files, name).map(|measure| measure.value) {
        Some(Value::List(words)) => words,
        other => panic!("{name} is {other:?}"),
    }
}

/// A boolean.
pub(crate) fn yes(files: &[(&str, &str)], name: &str) -> bool {
    match measure(files, name).map(|measure| measure.value) {
        Some(Value::Boolean(yes)) => yes,
        other => panic!("{name} is {other:?}"),
    }
}

/// A count.
pub(crate) fn count(files: &[(&str, &str)], name: &str) -> i64 {
    match measure(files, name).map(|measure| measure.value) {
        Some(Value::Integer(count)) => count,
        other => panic!("{name} is {other:?}"),
    }
}
