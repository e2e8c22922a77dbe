//! Commands that are started with the values of a matrix are taken over with them, and what cannot be is named.

use draft::Draft;

use crate::{commands, drafted};

/// The draft of a Rust program whose job `t` has this matrix and these steps.
fn job(matrix: &str, more: &str, steps: &str) -> Draft {
    let workflow = format!(
        "on: [push]\njobs:\n  t:\n    runs-on: ubuntu-latest\n{more}    strategy:\n      matrix:\n{matrix}    steps:\n{steps}"
    );
    drafted(&[
        ("Cargo.toml", "[package]\nname = \"a\"\n"),
        ("Cargo.lock", ""),
        ("src/main.rs", "fn main() {}"),
        (".github/workflows/ci.yml", &workflow),
    ])
}

fn reasons(draft: &Draft) -> Vec<String> {
    let told = draft.untaken.iter();
    told.map(|part| format!("{}: {}", part.what, part.reason)).collect()
}

/// The lines of a step in the file.
fn step<'d>(draft: &'d Draft, name: &str) -> &'d str {
    let from = draft.text.find(&format!("\n  {name}:\n")).expect("the step");
    let rest = &draft.text[from + 1..];
    let to = rest
        .match_indices("\n  ")
        .map(|(at, _)| at)
        .find(|at| rest.as_bytes()[at + 3] != b' ');
    &rest[..to.unwrap_or(rest.len())]
}

#[test]
fn a_command_with_a_value_of_its_matrix_is_done_once_for_each() {
    let draft = job(
        "        features: [\"\", \"--all-features\", \"--no-default-features --features=std\"]\n",
        "",
        "      - run: cargo test ${{ matrix.features }} --locked\n",
    );
    assert_eq!(commands(&draft, "test"), "cargo test $FEATURES --locked");
    let test = step(&draft, "test");
    assert!(
        test.contains("matrix: { FEATURES: [\"\", \"--all-features\", \"--no-default-features --features=std\"] }"),
        "{test}"
    );
    assert!(
        test.contains("concurrency: test") && !test.contains("inputs:"),
        "{test}"
    );
    assert!(reasons(&draft).is_empty(), "{:?}", reasons(&draft));
}

#[test]
fn combinations_that_are_left_out_or_added_there_are_so_here() {
    let draft = job(
        "        mode: [--lib, --bins]\n        level: [a, b]\n        exclude: [{ mode: --bins, level: b }]\n        include: [{ mode: --bins, level: c }]\n",
        "",
        "      - run: cargo test ${{ matrix.mode }} --features \"${{ matrix.level }}x\"\n",
    );
    assert_eq!(commands(&draft, "test"), "cargo test $MODE --features \"${LEVEL}x\"");
    let test = step(&draft, "test");
    let rows = [
        "{ MODE: \"--lib\", LEVEL: \"a\" }",
        "{ MODE: \"--lib\", LEVEL: \"b\" }",
        "{ MODE: \"--bins\", LEVEL: \"a\" }",
        "{ MODE: \"--bins\", LEVEL: \"c\" }",
    ];
    let listed: Vec<&str> = test.lines().filter_map(|line| line.trim().strip_prefix("- ")).collect();
    assert_eq!(listed, rows, "{test}");
    let all = job(
        "        mode: [--lib, --bins]\n        level: [a, b]\n",
        "",
        "      - run: cargo test ${{ matrix.mode }} --features ${{ matrix.level }}\n",
    );
    assert!(
        step(&all, "test").contains("matrix:\n      MODE: [\"--lib\", \"--bins\"]\n      LEVEL: [\"a\", \"b\"]\n"),
        "{}",
        all.text
    );
}

#[test]
fn combinations_of_other_machines_and_axes_that_no_command_names_are_left() {
    let draft = job(
        "        os: [ubuntu-latest, windows-latest]\n        include:\n          - { os: ubuntu-latest, flags: --all-features }\n          - { os: windows-latest, flags: --features=windows }\n",
        "    name: x\n",
        "      - run: cargo test ${{ matrix.flags }}\n",
    );
    // The job runs on Linux whatever the axis says, so both are done.
    assert!(step(&draft, "test").contains("--features=windows"), "{}", draft.text);
    assert!(
        reasons(&draft)[0] == "os of the matrix of job `t`: the steps run on this machine",
        "{:?}",
        reasons(&draft)
    );
    let workflow = "on: [push]\njobs:\n  t:\n    runs-on: ${{ matrix.os }}\n    strategy: { matrix: { include: [{ os: ubuntu-latest, flags: --all-features }, { os: windows-latest, flags: --features=windows }] } }\n    steps: [{ run: \"cargo test ${{ matrix.flags }}\" }]\n";
    let draft = drafted(&[
        ("Cargo.toml", "[package]\nname = \"a\"\n"),
        ("src/main.rs", "fn main() {}"),
        (".github/workflows/ci.yml", workflow),
    ]);
    assert_eq!(commands(&draft, "test"), "cargo test --all-features");
    assert!(!draft.text.contains("    matrix:"), "{}", draft.text);
}

#[test]
fn a_variable_that_has_a_value_of_the_matrix_is_its_axis() {
    let draft = job(
        "        backend: [memory, disk]\n",
        "    env: { BACKEND_OF_TESTS: \"${{ matrix.backend }}\" }\n",
        "      - run: cargo test\n",
    );
    assert_eq!(commands(&draft, "test"), "cargo test");
    let test = step(&draft, "test");
    assert!(
        test.contains("matrix: { BACKEND_OF_TESTS: [\"memory\", \"disk\"] }"),
        "{test}"
    );
    assert!(reasons(&draft).is_empty(), "{:?}", reasons(&draft));
}

#[test]
fn what_a_shell_would_make_something_else_of_is_named_and_left() {
    for (matrix, command, reason) in [
        (
            "        x: [\"a; rm b\", c]\n",
            "cargo test ${{ matrix.x }}",
            "more to a shell than text",
        ),
        ("        x: [a, b]\n", "cargo test '${{ matrix.x }}'", "single quotes"),
        (
            "        x: [cargo, cross]\n",
            "${{ matrix.x }} test",
            "in the place of the program",
        ),
        (
            "        x: [-a, a]\n",
            "cargo test ${{ matrix.x }}",
            "differ only in signs",
        ),
        (
            "        x: ${{ fromJSON(needs.a.outputs.x) }}\n",
            "cargo test ${{ matrix.x }}",
            "only GitHub Actions knows",
        ),
        (
            "        x: [a, b]\n",
            "cargo test ${{ matrix.x }} ${{ github.sha }}",
            "only GitHub Actions knows",
        ),
        (
            "        x: [--target=a, --target=b]\n",
            "cargo test ${{ matrix.x }}",
            "builds for another platform",
        ),
    ] {
        let draft = job(matrix, "", &format!("      - run: {command}\n"));
        assert_eq!(commands(&draft, "test"), "cargo test --locked", "{command}");
        assert!(!draft.text.contains("    matrix:"), "{}", draft.text);
        assert!(
            reasons(&draft).iter().any(|told| told.contains(reason)),
            "{command}: {:?}",
            reasons(&draft)
        );
    }
}

#[test]
fn with_which_values_a_command_is_left_is_said() {
    let draft = job(
        "        x: [--lib, --bins, --target=wasm32-wasip1]\n",
        "",
        "      - run: cargo test ${{ matrix.x }}\n      - run: cargo build --release --features ${{ matrix.x }}\n",
    );
    assert!(
        step(&draft, "test").contains("matrix: { X: [\"--lib\", \"--bins\"] }"),
        "{}",
        draft.text
    );
    assert!(
        reasons(&draft).iter().any(|told| told.starts_with("X=--target=wasm32-wasip1 of cargo test") && told.contains("another platform")),
        "{:?}",
        reasons(&draft)
    );
}

#[test]
fn the_matrix_of_gitlab_sets_variables_that_stay_as_they_are() {
    let draft = drafted(&[
        ("go.mod", "module example.org/a\n"),
        ("main.go", "package main\n\nfunc main() {}\n"),
        (
            ".gitlab-ci.yml",
            "test:\n  parallel:\n    matrix:\n      - TAGS: [a, b]\n        RACE: -race\n      - TAGS: c\n        RACE: -v\n  script:\n    - go test -tags $TAGS ${RACE} ./...\n",
        ),
    ]);
    assert_eq!(commands(&draft, "test"), "go test -tags $TAGS $RACE ./...");
    let test = step(&draft, "test");
    assert!(
        test.contains("- { TAGS: \"c\", RACE: \"-v\" }") && test.matches("- {").count() == 3,
        "{test}"
    );
}
