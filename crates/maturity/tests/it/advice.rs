//! Every piece of advice is applied, read again, and changes the verdict it is given for.

use std::collections::BTreeSet;

use evidence::{Component, Evidence, Measure, Measures, MemoryTree, Stream, Subject, Tree};
use maturity::advice::Site;
use maturity::model::Recipe;
use maturity::next::{self, Ground, NextStep};
use maturity::{Model, Profile, Statements};

fn pipelines(tree: &dyn Tree, component: Option<&Component>) -> Measures {
    workflow::measures(&workflow::read(tree, Some("main")), component)
}

fn files(tree: &dyn Tree, component: Option<&Component>) -> Measures {
    inventory::measures(&inventory::read(tree), component)
}

fn evidence(tree: &dyn Tree, component: Option<&Component>) -> Evidence {
    let mut measures = pipelines(tree, component);
    measures.extend(files(tree, component));
    measures.insert("history.default_branch".to_owned(), Measure::of("main"));
    measures.insert("history.commits".to_owned(), Measure::of(40usize));
    Evidence {
        subject: Subject {
            repository: "sample".to_owned(),
            commit: None,
            at: "2026-03-01T00:00:00Z".parse().unwrap(),
            window_days: 90,
            component: component.cloned(),
        },
        streams: BTreeSet::from([Stream::History, Stream::Files, Stream::Pipelines]),
        measures,
        findings: Vec::new(),
        limits: Vec::new(),
    }
}

pub fn steps(all: &[(&str, &str)]) -> Vec<NextStep> {
    steps_of(all, None)
}

pub fn steps_of(all: &[(&str, &str)], component: Option<&Component>) -> Vec<NextStep> {
    let tree = MemoryTree::of(all.iter().copied());
    let evidence = evidence(&tree, component);
    let (model, statements) = (Model::shipped(), Statements::default());
    let profile = Profile::of(&evidence, &model, &statements);
    let workflows = workflow::read(&tree, Some("main"));
    let site = Site {
        tree: &tree,
        workflows: &workflows,
        evidence: &evidence,
        pipelines: &|tree| pipelines(tree, component),
        files: &|tree| files(tree, component),
    };
    let ground = Ground {
        profile: &profile,
        evidence: &evidence,
        model: &model,
        statements: &statements,
    };
    next::steps(ground, 100, &|recipe: Recipe| site.propose(recipe))
}

/// The step that brings a practice, with lines to add.
pub fn advice<'a>(steps: &'a [NextStep], practice: &str) -> &'a NextStep {
    let step = steps
        .iter()
        .find(|step| step.practices.iter().any(|wanted| wanted.id == practice))
        .unwrap_or_else(|| panic!("no step brings {practice}"));
    assert!(
        !step.edits.is_empty(),
        "the step to {practice} has no lines: {}",
        step.instruction
    );
    step
}

pub const RUST: (&str, &str) = ("Cargo.toml", "[package]\nname = \"a\"\nversion = \"0.1.0\"\n");
pub const RUST_CODE: (&str, &str) = (
    "src/lib.rs",
    "#[cfg(test)]\nmod tests {\n    #[test]\n    fn it() {}\n}\n",
);

const STACKS: &[&[(&str, &str)]] = &[
    &[RUST, RUST_CODE],
    &[
        ("go.mod", "module a\n\ngo 1.24\n"),
        ("a.go", "package a\n"),
        ("a_test.go", "package a\n"),
    ],
    &[
        (
            "package.json",
            "{\"name\": \"a\", \"scripts\": {\"build\": \"tsc\", \"test\": \"vitest run\", \"lint\": \"eslint .\"}}",
        ),
        ("package-lock.json", "{}"),
        ("src/a.ts", "export const a = 1;\n"),
        ("src/a.test.ts", "import { a } from './a';\n"),
    ],
    &[
        ("pom.xml", "<project/>"),
        ("src/main/java/A.java", "class A {}"),
        ("src/test/java/ATest.java", "class ATest {}"),
    ],
    &[
        ("pyproject.toml", "[project]\nname = \"a\"\n"),
        ("a.py", "a = 1\n"),
        ("tests/test_a.py", "def test_a(): pass\n"),
    ],
    &[
        ("Gemfile", "gem 'rspec'\n"),
        (".rspec", ""),
        ("lib/a.rb", "A = 1\n"),
        ("spec/a_spec.rb", "describe A\n"),
    ],
    &[
        ("a.sln", ""),
        ("src/A.csproj", "<Project Sdk=\"Microsoft.NET.Sdk\"/>"),
        ("src/A.cs", "class A {}"),
    ],
    &[
        ("CMakeLists.txt", "project(a)\n"),
        ("a.cc", "int main() {}\n"),
        ("test/a-test.cc", "int main() {}\n"),
    ],
];

#[test]
fn where_there_is_no_pipeline_a_whole_one_is_proposed_for_the_stack() {
    for files in STACKS {
        let steps = steps(files);
        let step = advice(&steps, "B2.1");
        assert_eq!(step.edits[0].file, ".github/workflows/build.yml", "{}", files[0].0);
        assert!(step.edits[0].after_line.is_none());
        let brought: Vec<&str> = step.practices.iter().map(|wanted| wanted.id.as_str()).collect();
        assert!(brought.contains(&"B0.4"), "{}: {brought:?}", files[0].0);
    }
}

const REQUESTS_ONLY: &str = "name: CI\non:\n  pull_request:\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: cargo test\n\n  other:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo hello\n";
const ON_PUSH: &str = "name: CI\non:\n  push:\n    branches: [main]\n  pull_request:\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: cargo build\n      - run: cargo test\n\n  other:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo hello\n";

#[test]
fn a_trigger_is_added_to_the_workflow_that_lacks_it() {
    let steps = steps(&[RUST, RUST_CODE, (".github/workflows/ci.yml", REQUESTS_ONLY)]);
    let edit = &advice(&steps, "B2.1").edits[0];
    assert_eq!(
        (edit.file.as_str(), edit.after_line),
        (".github/workflows/ci.yml", Some(2))
    );
    assert_eq!(edit.after.as_deref(), Some("on:"));
    assert_eq!(edit.lines, "  push:\n    branches: [main]\n");
}

#[test]
fn steps_are_added_at_the_end_of_the_job_that_builds() {
    let steps = steps(&[RUST, RUST_CODE, (".github/workflows/ci.yml", ON_PUSH)]);
    for (practice, line) in [
        (
            "I1.2",
            "      - name: Lint\n        run: cargo clippy --locked --all-targets -- -D warnings\n",
        ),
        (
            "B1.2",
            "      - uses: actions/upload-artifact@v4\n        with:\n          name: build-${{ github.sha }}\n          path: target/debug/\n",
        ),
    ] {
        let edit = &advice(&steps, practice).edits[0];
        assert_eq!(
            (edit.file.as_str(), edit.after_line),
            (".github/workflows/ci.yml", Some(12)),
            "{practice}"
        );
        assert_eq!(edit.lines, line);
    }
    for practice in ["I3.2", "T3.3", "I1.3", "B2.2"] {
        advice(&steps, practice);
    }
}

#[test]
fn tests_that_no_pipeline_runs_are_run_by_the_one_that_builds() {
    let workflow = ON_PUSH.replace("      - run: cargo test\n", "");
    let steps = steps(&[RUST, RUST_CODE, (".github/workflows/ci.yml", &workflow)]);
    let edit = &advice(&steps, "T0.1").edits[0];
    assert_eq!(edit.after_line, Some(11));
    assert_eq!(edit.lines, "      - name: Test\n        run: cargo test --locked\n");
}

#[test]
fn what_would_not_change_the_verdict_is_not_proposed_as_lines() {
    // Nothing is known about the history, so a guide alone cannot show that a process is kept.
    let steps = steps(&[("README", "nothing here\n")]);
    assert!(steps.iter().all(|step| step.edits.is_empty()), "{steps:?}");
}

#[test]
fn the_system_that_builds_is_the_one_that_gets_the_lines() {
    let gitlab = "build:\n  script:\n    - cargo build\n    - cargo test\n";
    let github = "on: [issues]\njobs:\n  greet:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo hello\n";
    let steps = steps(&[
        RUST,
        RUST_CODE,
        (".gitlab-ci.yml", gitlab),
        (".github/workflows/greet.yml", github),
    ]);
    let edits = steps.iter().flat_map(|step| &step.edits);
    assert!(
        edits.clone().all(|edit| !edit.file.starts_with(".github/workflows")),
        "{steps:?}"
    );
    let edit = &advice(&steps, "I1.2").edits[0];
    assert_eq!((edit.file.as_str(), edit.after_line), (".gitlab-ci.yml", Some(4)));
}

#[test]
fn a_guide_that_is_there_gets_no_second_one_beside_it() {
    let steps = steps(&[
        RUST,
        RUST_CODE,
        ("CONTRIBUTING.rst", "Contributing\n"),
        (".github/workflows/ci.yml", ON_PUSH),
    ]);
    assert!(
        steps
            .iter()
            .flat_map(|step| &step.edits)
            .all(|edit| edit.file != "CONTRIBUTING.md")
    );
}

#[test]
fn steps_are_ordered_by_what_they_bring_for_their_effort() {
    let steps = steps(&[RUST, RUST_CODE]);
    assert!(steps.windows(2).all(|pair| pair[0].score >= pair[1].score));
    assert_eq!(steps[0].edits[0].file, ".github/workflows/build.yml");
    let mut brought = BTreeSet::new();
    for wanted in steps.iter().flat_map(|step| &step.practices) {
        assert!(brought.insert(&wanted.id), "{} is brought twice", wanted.id);
    }
}
