//! Services beside the tests of another system, and the versions its tests run with.

use draft::{Draft, Machine, ServicesAs, Wishes};

use crate::{commands, drafted, drafted_with};

const PYTHON: (&str, &str) = (
    "pyproject.toml",
    "[project]\nname = \"a\"\n[build-system]\nrequires = []\n",
);

fn machine(containers: bool, programs: &[&str]) -> Wishes {
    Wishes {
        machine: Machine {
            versions: Default::default(),
            containers,
            programs: programs.iter().map(|program| (*program).to_owned()).collect(),
            toolchains: vec!["stable".to_owned(), "nightly".to_owned()],
        },
        ..Wishes::default()
    }
}

/// A job of Python with services, and its variables.
fn job(services: &str, variables: &str, wishes: &Wishes, more: &[(&str, &str)]) -> Draft {
    let workflow = format!(
        "on: [push]\njobs:\n  t:\n    runs-on: ubuntu-latest\n    services: {services}\n    env: {variables}\n    steps:\n      - run: pip install -e .\n      - run: pytest\n"
    );
    let mut files = vec![
        PYTHON,
        ("tests/test_a.py", "import pytest"),
        (".github/workflows/ci.yml", &workflow),
    ];
    files.extend(more);
    drafted_with(&files, wishes)
}

fn test_step(draft: &Draft) -> &str {
    &draft.text[draft.text.find("  test:").unwrap()..draft.text.find("package:").unwrap()]
}

#[test]
fn a_database_of_a_job_stands_beside_the_tests_and_is_found_by_their_variables() {
    let draft = job(
        "{ db: { image: \"postgres:16\", env: { POSTGRES_PASSWORD: secret, POSTGRES_DB: shop }, ports: [\"5432:5432\"] } }",
        "{ DATABASE_URL: \"postgres://postgres:secret@localhost:5432/shop\", MODE: strict }",
        &machine(true, &[]),
        &[],
    );
    let test = test_step(&draft);
    assert!(
        test.contains("export DATABASE_URL=\"postgres://postgres:secret@$DB_HOST:$DB_PORT/shop\""),
        "{test}"
    );
    assert!(test.contains("variables: { MODE: \"strict\" }"), "{test}");
    assert!(test.contains("image: postgres:16\n        port: 5432"), "{test}");
    assert!(test.contains("POSTGRES_DB: \"shop\""), "{test}");
    assert!(
        test.contains("ready: { run: pg_isready -h 127.0.0.1 -U postgres, within: 2m }"),
        "{test}"
    );
    assert!(!test.contains("inputs:"), "{test}");
    assert!(draft.untaken.is_empty(), "{:?}", draft.untaken);
}

#[test]
fn without_containers_a_service_is_the_program_of_the_machine() {
    let draft = job(
        "{ postgres: { image: \"postgres:16\", env: { POSTGRES_USER: shop } } }",
        "{ PGHOST: localhost, PGPORT: 5432, PGUSER: shop }",
        &machine(false, &["postgres"]),
        &[],
    );
    let test = test_step(&draft);
    assert!(test.contains("export PGHOST=\"$POSTGRES_HOST\"\n"), "{test}");
    assert!(test.contains("export PGPORT=\"$POSTGRES_PORT\"\n"), "{test}");
    assert!(test.contains("initdb --pgdata db --username shop"), "{test}");
    assert!(test.contains("postgres -D db -p \"$PORT\""), "{test}");
    assert!(draft.programs.contains(&"postgres".to_owned()));
}

#[test]
fn what_can_be_asked_for_is_asked_for_instead() {
    let services = "{ redis: { image: redis } }";
    let told = "{ REDIS_HOST: localhost }";
    let mut wishes = machine(true, &["redis-server"]);
    let code = [("src/a/__init__.py", "os.environ['REDIS_PORT']")];
    let draft = job(services, told, &wishes, &code);
    assert!(test_step(&draft).contains("image: redis"), "{}", draft.text);
    wishes.services = ServicesAs::Process;
    let draft = job(services, told, &wishes, &code);
    let test = test_step(&draft);
    assert!(
        test.contains("run: exec redis-server --bind 127.0.0.1 --port \"$PORT\" --save \"\""),
        "{test}"
    );
    // The step has them by the service's name.
    assert!(
        !test.contains("export REDIS_HOST=") && !test.contains("REDIS_HOST: "),
        "{test}"
    );
}

#[test]
fn a_service_whose_address_stands_in_the_code_listens_there() {
    let code = [("src/a/__init__.py", "redis.Redis('localhost', 6379)")];
    let draft = job(
        "{ redis: { image: redis } }",
        "{}",
        &machine(true, &["redis-server"]),
        &code,
    );
    let test = test_step(&draft);
    assert!(test.contains("--port 6379"), "{test}");
    assert!(test.contains("ready: { run: redis-cli -p 6379 ping"), "{test}");
    assert!(test.contains("nothing else may listen there"), "{test}");
}

#[test]
fn a_service_nobody_knows_is_named_unless_it_says_its_port() {
    let draft = job(
        "{ own: { image: example.org/own }, other: { image: example.org/other, ports: [\"8080:80\"] } }",
        "{ OTHER_URL: \"http://localhost:8080/x\" }",
        &machine(true, &[]),
        &[],
    );
    let test = test_step(&draft);
    assert!(test.contains("image: example.org/other\n        port: 80"), "{test}");
    assert!(
        test.contains("export OTHER_URL=\"http://$OTHER_HOST:$OTHER_PORT/x\""),
        "{test}"
    );
    assert!(
        draft
            .untaken
            .iter()
            .any(|part| part.what.contains("example.org/own") && part.reason.contains("port"))
    );
}

#[test]
fn services_and_variables_of_gitlab_are_taken_too() {
    let draft = drafted(&[
        ("go.mod", "module example.org/a\n"),
        ("main.go", "package main\n\nfunc main() {}\n"),
        (
            ".gitlab-ci.yml",
            "variables: { POSTGRES_DB: shop }\ntest:\n  services: [{ name: \"postgres:16\", alias: db }]\n  variables: { DATABASE_URL: \"postgres://postgres@db/shop\" }\n  script: [go test ./...]\n",
        ),
    ]);
    let test = test_step(&draft);
    assert!(
        test.contains("export DATABASE_URL=\"postgres://postgres@$DB_HOST:$DB_PORT/shop\""),
        "{test}"
    );
    assert!(test.contains("POSTGRES_DB: \"shop\""), "{test}");
}

#[test]
fn versions_that_are_on_the_machine_become_a_matrix_and_the_others_are_named() {
    let workflow = "on: [push]\njobs:\n  t:\n    runs-on: ubuntu-latest\n    strategy: { matrix: { python-version: [\"3.9\", \"3.11\", \"3.12\"] } }\n    steps:\n      - run: pip install -e .\n      - run: pytest\n";
    let files = [
        PYTHON,
        ("tests/test_a.py", "import pytest"),
        (".github/workflows/ci.yml", workflow),
    ];
    let draft = drafted_with(&files, &machine(false, &["python3.11", "python3.12"]));
    let test = test_step(&draft);
    assert!(test.contains("matrix: { PYTHON: [\"3.11\", \"3.12\"] }"), "{test}");
    assert!(test.contains("concurrency: test"), "{test}");
    assert_eq!(
        commands(&draft, "test"),
        "python$PYTHON -m venv .venv-$PYTHON && echo '*' > .venv-$PYTHON/.gitignore\n. .venv-$PYTHON/bin/activate\npip install --quiet --upgrade pip\npip install -e .\npytest"
    );
    assert!(
        draft.untaken.iter().any(|part| part.what.ends_with(": 3.9")),
        "{:?}",
        draft.untaken
    );
    let alone = drafted_with(&files, &machine(false, &["python3.11"]));
    assert!(!alone.text.contains("matrix: {"));
    assert!(
        alone
            .untaken
            .iter()
            .any(|part| part.reason.contains("only 3.11 is on this machine"))
    );
}

#[test]
fn toolchains_of_rust_become_a_matrix_too() {
    let files = [
        ("Cargo.toml", "[package]\nname = \"a\"\n"),
        ("Cargo.lock", ""),
        ("src/main.rs", "fn main() {}"),
        (
            ".github/workflows/ci.yml",
            "on: [push]\njobs:\n  t:\n    runs-on: ubuntu-latest\n    strategy: { matrix: { rust: [stable, beta, nightly] } }\n    steps:\n      - run: cargo test\n",
        ),
    ];
    let draft = drafted_with(&files, &machine(false, &[]));
    assert_eq!(commands(&draft, "test"), "cargo \"+$RUST\" test");
    assert!(
        draft.text.contains("matrix: { RUST: [\"stable\", \"nightly\"] }"),
        "{}",
        draft.text
    );
}

#[test]
fn a_service_that_an_action_starts_stands_beside_the_tests_too() {
    let workflow = "on: [push]\njobs:\n  t:\n    runs-on: ubuntu-latest\n    strategy: { matrix: { include: [{ redis: 6 }, { redis: 8 }] } }\n    steps:\n      - uses: supercharge/redis-github-action@1.8.1\n        with: { redis-version: \"${{ matrix.redis }}\" }\n      - run: pip install -e .\n      - run: pytest\n";
    let code = ("tests/test_a.py", "import pytest\nos.environ['REDIS_PORT']");
    let files = [PYTHON, code, (".github/workflows/ci.yml", workflow)];
    let draft = drafted_with(&files, &machine(true, &[]));
    assert!(
        test_step(&draft).contains("image: redis:8\n        port: 6379"),
        "{}",
        draft.text
    );
}

#[test]
fn an_address_that_a_test_only_falls_back_on_is_told_and_one_that_it_insists_on_is_not() {
    let services = "{ redis: { image: redis } }";
    let wishes = machine(true, &["redis-server"]);
    let falls_back = [(
        "tests/test_b.py",
        "url = os.environ.get('REDIS_URL', 'redis://localhost:6379')",
    )];
    let draft = job(services, "{}", &wishes, &falls_back);
    assert!(test_step(&draft).contains("image: redis\n"), "{}", draft.text);
    let insists = [(
        "tests/test_b.py",
        "os.environ['REDIS_HOST']\nurl = 'redis://127.0.0.1:6379/4'",
    )];
    let draft = job(services, "{}", &wishes, &insists);
    assert!(test_step(&draft).contains("--port 6379"), "{}", draft.text);
}

#[test]
fn a_user_called_as_the_service_is_no_address() {
    let draft = job(
        "{ postgres: { image: \"postgres:16\" } }",
        "{ PGHOST: localhost, PGUSER: postgres }",
        &machine(true, &[]),
        &[],
    );
    let test = test_step(&draft);
    assert!(test.contains("PGUSER: \"postgres\""), "{test}");
}

#[test]
fn what_prepares_a_service_by_its_client_comes_before_the_tests() {
    let workflow = "on: [push]\njobs:\n  t:\n    runs-on: ubuntu-latest\n    services: { postgres: { image: \"example.org/postgres-ssl:18\" } }\n    steps:\n      - run: psql -c \"CREATE ROLE a PASSWORD U&'x'\"\n      - run: pip install hatch 'virtualenv<20'\n      - run: hatch run test\n";
    let files = [
        PYTHON,
        ("tests/test_a.py", "import pytest"),
        (".github/workflows/ci.yml", workflow),
    ];
    let draft = drafted_with(&files, &machine(true, &[]));
    let test = commands(&draft, "test");
    assert!(
        test.contains("psql -c \"CREATE ROLE a PASSWORD U&'x'\"\n. .venv/bin/activate"),
        "{test}"
    );
    // What only starts the tests there is not all that is installed here.
    assert!(commands(&draft, "install").contains("--editable ."), "{}", draft.text);
    assert!(test_step(&draft).contains("image: example.org/postgres-ssl:18"));
}

#[test]
fn of_variants_in_several_jobs_the_usual_one_stands_beside_the_tests() {
    let of = |image: &str| {
        format!(
            "on: [push]\njobs:\n  t:\n    runs-on: ubuntu-latest\n    services: {{ {image}: {{ image: {image} }} }}\n    steps:\n      - run: hatch run test\n"
        )
    };
    let (a, b) = (of("valkey"), of("redis"));
    let files = [
        PYTHON,
        ("tests/test_a.py", "import pytest\nos.environ['REDIS_PORT']"),
        (".github/workflows/a.yml", &a),
        (".github/workflows/b.yml", &b),
    ];
    let draft = drafted_with(&files, &machine(true, &[]));
    let test = test_step(&draft);
    assert!(test.contains("image: redis") && !test.contains("valkey"), "{test}");
}
