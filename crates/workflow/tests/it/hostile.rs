//! Whatever stands in a definition, reading it ends and does not panic.

use evidence::MemoryTree;
use proptest::prelude::*;

const FILES: &[&str] = &[
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
    "throughline.yaml",
    "package.json",
    "Makefile",
];

/// Pieces that definitions are made of.
const PIECES: &[&str] = &[
    "on: push",
    "jobs:",
    "steps:",
    "- run: make",
    "- uses: ./x",
    "uses: ./.github/workflows/a.yml",
    "  ",
    "\n",
    "\t",
    ": ",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "<<: *a",
    "!reference [x, script]",
    "extends: a",
    "include: .gitlab-ci.yml",
    "needs: [a]",
    "if: (a == 'b' && ",
    "rules:",
    "script: |",
    "pipeline {",
    "stage('x') {",
    "sh '''",
    "node {",
    "\"",
    "'",
    "$(",
    "`",
    "case x in",
    "<<EOF",
    "make: make\n\tmake make\n",
    "\"scripts\": {\"a\": \"npm run a\"}",
    "\u{0}",
    "\u{feff}",
    "é",
    "|| true",
    "${{ fromJSON(x) }}",
    "template: azure-pipelines.yml",
    "a:",
    "- ",
    "? ",
    "---",
    "...",
    "%YAML 9",
    "when:",
    "trigger:",
];

fn understand(text: &str) {
    let files: Vec<(&str, &str)> = FILES.iter().map(|file| (*file, text)).collect();
    let workflows = workflow::read(&MemoryTree::of(files), None);
    workflow::measures(&workflows, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pieces_in_any_order_are_survived(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60)) {
        understand(&pieces.concat());
    }

    #[test]
    fn lines_of_pieces_are_survived(pieces in prop::collection::vec((0usize..5, prop::sample::select(PIECES)), 0..40)) {
        let text: String = pieces.iter().map(|(depth, piece)| format!("{}{piece}\n", "  ".repeat(*depth))).collect();
        understand(&text);
    }

    #[test]
    fn any_text_is_survived(text in "(?s).{0,400}") {
        understand(&text);
    }
}

#[test]
fn deep_and_long_definitions_end() {
    let deep = "a: ".repeat(5_000);
    let brackets = "[".repeat(20_000);
    let parentheses = format!("on: push\njobs:\n  a:\n    if: {}\n    steps: []\n", "(".repeat(7_000));
    let nots = format!("on: push\njobs:\n  a:\n    if: {}x\n    steps: []\n", "!".repeat(7_000));
    let shells = format!(
        "on: push\njobs:\n  a:\n    steps:\n      - run: \"{}\"\n",
        "$(".repeat(5_000)
    );
    let groovy = "pipeline { stages { ".repeat(3_000);
    let closures = "{".repeat(30_000);
    let calls = format!("node {{ {} }}", "a(".repeat(5_000));
    for text in [deep, brackets, parentheses, nots, shells, groovy, closures, calls] {
        understand(&text);
    }
}
