//! Definitions of other systems: the first byte chooses whose it is.
#![no_main]

use evidence::MemoryTree;
use libfuzzer_sys::fuzz_target;

const FILES: [&str; 16] = [
    ".github/workflows/a.yml",
    ".gitlab-ci.yml",
    "Jenkinsfile",
    ".circleci/config.yml",
    "azure-pipelines.yml",
    ".buildkite/pipeline.yml",
    ".woodpecker.yml",
    ".drone.yml",
    ".travis.yml",
    ".tekton/a.yaml",
    "ci/pipeline.yml",
    "appveyor.yml",
    ".cirrus.yml",
    "bitbucket-pipelines.yml",
    "package.json",
    "Makefile",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, text)) = bytes.split_first() else {
        return;
    };
    let name = FILES[usize::from(*first) % FILES.len()];
    let tree = MemoryTree::of_bytes([(name, text.to_vec())]);
    let workflows = workflow::read(&tree, None);
    let _ = workflow::measures(&workflows, None);
});
