//! What the tests share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use executor::conformance::Bench;
use executor::{LocalExecutor, LocalOptions};

/// An example of this crate, which the test build makes beside the tests.
pub fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("examples")
        .join(name);
    assert!(
        path.exists(),
        "{} is missing (hint: build the examples: `cargo build -p executor --examples`)",
        path.display()
    );
    path
}

pub fn options(folder: &Path) -> LocalOptions {
    let mut options = LocalOptions::new(folder, example("shim"));
    options.grace = Duration::from_millis(300);
    options
}

/// A local executor over a new data folder.
pub fn local() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let options = options(&folder.path().join("data"));
    let make = move || Arc::new(LocalExecutor::new(options.clone()).unwrap());
    Bench {
        executor: make(),
        again: Box::new(move || make()),
        work,
        run: Bench::fresh_run(),
        held: Box::new(folder),
    }
}
