//! What another system's definition starts is taken over, and what is not taken is named.

use crate::{commands, drafted, names};

const CARGO: &str = "[package]\nname = \"shop\"\nversion = \"1.0.0\"\n";

fn rust(workflow: &str) -> draft::Draft {
    drafted(&[
        ("Cargo.toml", CARGO),
        ("Cargo.lock", ""),
        ("src/main.rs", "fn main() {}"),
        (".github/workflows/ci.yml", workflow),
    ])
}

fn reason(draft: &draft::Draft, line: u32) -> &str {
    let part = draft.untaken.iter().find(|part| part.line == line);
    part.map(|part| part.reason.as_str())
        .unwrap_or_else(|| panic!("nothing of line {line} in\n{}", draft.text))
}

#[test]
fn the_checks_and_tests_of_a_job_become_steps_with_their_place() {
    let draft = rust(
        "on: [push]\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: cargo fmt --check\n      - run: |\n          cargo clippy --all-targets -- -D warnings\n          cargo test --all-features\n",
    );
    assert_eq!(names(&draft), ["format", "lint", "build", "test"]);
    assert_eq!(commands(&draft, "lint"), "cargo clippy --all-targets -- -D warnings");
    assert_eq!(commands(&draft, "test"), "cargo test --all-features");
    let test = draft.steps.iter().find(|step| step.name == "test").unwrap();
    assert_eq!(test.from.as_deref(), Some(".github/workflows/ci.yml:10"));
    assert!(
        draft
            .text
            .contains("# All that builds, tests and checks is taken over.")
    );
}

#[test]
fn each_part_that_is_left_has_its_line_and_its_reason() {
    let draft = rust(
        "on: [push]\njobs:\n  test:\n    runs-on: ubuntu-latest\n    strategy: { matrix: { rust: [stable, beta] } }\n    steps:\n      - run: sudo apt-get install -y jq\n      - run: cargo test ${{ matrix.flags }}\n      - run: cargo +nightly miri test\n      - run: |\n          if true; then\n            cargo test\n          fi\n      - uses: codecov/codecov-action@v4\n  mac:\n    runs-on: macos-latest\n    steps: [{ run: cargo test }]\n  publish:\n    if: startsWith(github.ref, 'refs/tags/')\n    runs-on: ubuntu-latest\n    steps: [{ run: cargo publish }]\n",
    );
    assert!(reason(&draft, 5).contains("none of stable, beta is on this machine"));
    assert!(reason(&draft, 7).contains("machine"));
    assert!(reason(&draft, 8).contains("GitHub Actions"));
    assert!(reason(&draft, 9).contains("nightly"));
    assert!(reason(&draft, 11).contains("conditions"));
    assert!(reason(&draft, 14).contains("elsewhere"));
    assert!(reason(&draft, 15).contains("macos"));
    assert!(reason(&draft, 18).contains("tags"));
    assert_eq!(commands(&draft, "test"), "cargo test --locked");
    assert!(
        draft
            .text
            .contains("#   .github/workflows/ci.yml:9  cargo +nightly miri test: ")
    );
}

#[test]
fn the_same_holds_for_gitlab() {
    let draft = drafted(&[
        ("go.mod", "module example.org/a\n"),
        ("main.go", "package main\n\nfunc main() {}\n"),
        (
            ".gitlab-ci.yml",
            "test:\n  script:\n    - go vet ./...\n    - go test -race ./...\n",
        ),
    ]);
    assert_eq!(commands(&draft, "lint"), "go vet ./...");
    assert_eq!(commands(&draft, "test"), "go test -race ./...");
}

#[test]
fn python_tests_find_the_programs_of_their_environment_by_name() {
    let draft = drafted(&[
        (
            "pyproject.toml",
            "[project]\nname = \"a\"\n[build-system]\nrequires = []\n",
        ),
        ("tests/test_a.py", "import pytest"),
        (
            ".github/workflows/ci.yml",
            "on: [push]\njobs:\n  t:\n    runs-on: ubuntu-latest\n    steps:\n      - run: pip install -e '.[cli]' pytest\n      - run: pytest -q tests\n",
        ),
    ]);
    assert_eq!(commands(&draft, "test"), ". .venv/bin/activate\npytest -q tests");
    assert!(commands(&draft, "install").ends_with("pip install -e '.[cli]' pytest"));
}

#[test]
fn what_changes_files_or_wants_a_browser_is_no_check() {
    let draft = drafted(&[
        (
            "package.json",
            "{\"name\": \"a\", \"version\": \"1.0.0\", \"scripts\": {\"lint:fix\": \"eslint --fix .\", \"test\": \"vitest\", \"test:e2e\": \"playwright test\"}}",
        ),
        ("package-lock.json", ""),
        (
            ".github/workflows/ci.yml",
            "on: [push]\njobs:\n  t:\n    runs-on: ubuntu-latest\n    steps:\n      - run: npm run lint:fix\n      - run: npm run test:e2e\n      - run: npm test\n",
        ),
    ]);
    assert_eq!(names(&draft), ["install", "test", "pack"]);
    assert!(reason(&draft, 6).contains("changes files"));
    assert!(reason(&draft, 7).contains("browser"));
}

#[test]
fn a_job_for_documents_does_not_turn_the_tests_off() {
    let draft = drafted(&[
        (
            "CMakeLists.txt",
            "project(a)\nenable_testing()\nadd_executable(a a.c)\n",
        ),
        (
            ".github/workflows/doc.yml",
            "on: [push]\njobs:\n  t:\n    runs-on: ubuntu-latest\n    steps:\n      - run: cmake -S . -B b -DA_TEST=OFF -DA_LIMIT=3\n",
        ),
    ]);
    assert!(commands(&draft, "build").contains("-DA_LIMIT=3"));
    assert!(!commands(&draft, "build").contains("A_TEST"));
}

#[test]
fn variables_come_along_and_what_makes_warnings_errors_does_not() {
    let draft = rust(
        "on: [push]\nenv: { RUSTFLAGS: \"-D warnings\", CARGO_TERM_COLOR: always }\njobs:\n  t:\n    runs-on: ubuntu-latest\n    env: { SHOP_MODE: strict }\n    steps:\n      - run: cargo test\n        env: { LIMIT: 10, TOKEN: \"${{ secrets.TOKEN }}\" }\n",
    );
    assert!(
        draft
            .text
            .contains("variables: { LIMIT: \"10\", SHOP_MODE: \"strict\" }"),
        "{}",
        draft.text
    );
    assert!(draft.untaken.iter().any(|part| part.what == "variable RUSTFLAGS"));
    assert!(draft.untaken.iter().any(|part| part.what == "variable TOKEN"));
}

#[test]
fn a_program_of_the_repository_that_tests_is_started_as_it_is_there() {
    let draft = drafted(&[
        ("setup.py", "setup()"),
        ("runtests.py", ""),
        (
            ".github/workflows/ci.yml",
            "on: [push]\njobs:\n  t:\n    runs-on: ubuntu-latest\n    steps:\n      - run: pip install redis\n      - run: python runtests.py -v 2\n",
        ),
    ]);
    assert_eq!(
        commands(&draft, "test"),
        ". .venv/bin/activate\npython runtests.py -v 2"
    );
    let install = commands(&draft, "install");
    assert!(install.contains("activate\npip install --quiet"), "{install}");
}

#[test]
fn building_tests_is_no_testing() {
    let draft =
        rust("on: [push]\njobs:\n  t:\n    runs-on: ubuntu-latest\n    steps:\n      - run: cargo test --no-run\n");
    assert_eq!(commands(&draft, "test"), "cargo test --locked");
}

#[test]
fn a_script_called_test_tests_whatever_it_starts_on_the_way() {
    let draft = drafted(&[
        (
            "package.json",
            "{\"name\": \"a\", \"version\": \"1.0.0\", \"scripts\": {\"build\": \"tsc --build\", \"test\": \"npm run build && prettier --check . && node --test\"}}",
        ),
        (
            ".github/workflows/ci.yml",
            "on: [push]\njobs:\n  t:\n    runs-on: ubuntu-latest\n    steps:\n      - run: npm install\n      - run: npm run build\n      - run: npm test\n",
        ),
    ]);
    assert_eq!(names(&draft), ["install", "build", "test", "pack"]);
}

#[test]
fn the_time_that_a_job_may_take_is_that_of_its_steps() {
    let workflow = |limit: &str| {
        format!(
            "on: [push]\njobs:\n  t:\n    runs-on: ubuntu-latest\n    {limit}\n    steps:\n      - run: cargo test --all-features\n"
        )
    };
    let with = |limit: &str| {
        let text = workflow(limit);
        let files = [
            ("Cargo.toml", "[package]\nname = \"a\"\nversion = \"1.0.0\"\n"),
            ("src/main.rs", "fn main() {}"),
            (".github/workflows/ci.yml", text.as_str()),
        ];
        drafted(&files).text
    };
    assert!(with("timeout-minutes: 10 # usually 4").contains("    timeout: 10m\n"));
    for limit in ["timeout-minutes: ${{ matrix.limit }}", "timeout-minutes: 0", "name: t"] {
        assert!(!with(limit).contains("timeout:"), "{limit}");
    }
}

#[test]
fn what_another_definition_builds_beside_the_build_does_not_take_its_place() {
    let package = "{\"name\": \"a\", \"version\": \"1.0.0\", \"scripts\": {\"build\": \"rollup -c\", \"build:types\": \"tsc\", \"lint\": \"prettier -c .\"}, \"devDependencies\": {\"prettier\": \"3\"}}";
    let workflow = "on: [push]\njobs:\n  t:\n    runs-on: ubuntu-latest\n    steps:\n      - run: pnpm run lint\n      - run: pnpm run -r prepare-all\n      - run: pnpm run build\n      - run: pnpm run build:types\n      - run: pnpm build\n";
    let draft = drafted(&[
        ("package.json", package),
        ("pnpm-lock.yaml", ""),
        (".github/workflows/ci.yml", workflow),
    ]);
    assert_eq!(commands(&draft, "build"), "pnpm run build\npnpm run build:types");
    // A lint that formats is one step.
    assert_eq!(crate::names(&draft), ["install", "lint", "build", "pack"]);
    let untaken: Vec<&str> = draft.untaken.iter().map(|part| part.reason.as_str()).collect();
    assert_eq!(
        untaken,
        ["starts `prepare-all` in members of the workspace: what it is for cannot be told"]
    );
}

#[test]
fn a_check_whose_program_nothing_installs_is_left_and_named() {
    let package = |dependencies: &str| {
        format!(
            "{{\"name\": \"a\", \"version\": \"1.0.0\", \"scripts\": {{\"lint\": \"eslint src && eslint tests\"}}, \"devDependencies\": {{{dependencies}}}}}"
        )
    };
    let without = package("");
    let draft = drafted(&[("package.json", &without), ("package-lock.json", "")]);
    assert!(!crate::names(&draft).contains(&"lint"));
    assert!(
        draft
            .notes
            .iter()
            .any(|note| note.contains("`npm run lint` is left out: it starts `eslint`")),
        "{:?}",
        draft.notes
    );
    let with = package("\"@acme/eslint-config\": \"1\"");
    let draft = drafted(&[("package.json", &with), ("package-lock.json", "")]);
    assert!(crate::names(&draft).contains(&"lint"));
}

#[test]
fn a_folder_is_the_same_with_its_last_slash() {
    let draft = drafted(&[
        (
            "pyproject.toml",
            "[tool.poetry]\nname = \"a\"\nversion = \"1\"\n[build-system]\nrequires = [\"poetry-core\"]\n",
        ),
        ("poetry.lock", ""),
        ("a/__init__.py", ""),
        ("tests/test_a.py", "import pytest"),
        (
            ".github/workflows/ci.yml",
            "on: [push]\njobs:\n  t:\n    runs-on: ubuntu-latest\n    steps:\n      - run: poetry run pytest -q tests/\n      - run: poetry run pytest -q tests\n",
        ),
    ]);
    assert_eq!(commands(&draft, "test"), "poetry run pytest -q tests/");
}
