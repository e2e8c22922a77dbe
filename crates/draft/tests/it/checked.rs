//! Whatever lies in a tree, what is drafted passes the check, and is the same again.

use draft::{Machine, ServicesAs, Wishes};
use evidence::MemoryTree;
use proptest::prelude::*;

use crate::check;

/// Names with which a tree is made: manifests, locks, code, and what nobody expects.
const NAMES: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "src/main.rs",
    "src/bin/a b.rs",
    "crates/a/Cargo.toml",
    "crates/a/src/main.rs",
    "crates/b/Cargo.toml",
    "crates/b/src/main.rs",
    "package.json",
    "package-lock.json",
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    "yarn.lock",
    "pyproject.toml",
    "uv.lock",
    "poetry.lock",
    "setup.py",
    "requirements.txt",
    "tests/test_a.py",
    "app.py",
    "go.mod",
    "go.sum",
    "main.go",
    "cmd/x/main.go",
    "pom.xml",
    "mvnw",
    "build.gradle",
    "settings.gradle.kts",
    "CMakeLists.txt",
    "Makefile",
    "configure.ac",
    "Makefile.am",
    "Dockerfile",
    ".gitignore",
    ".github/workflows/ci.yml",
    ".gitlab-ci.yml",
    ".circleci/config.yml",
    "rustfmt.toml",
];

/// Texts that mean something to some reader, and texts that want to break out of where they are put.
const TEXTS: &[&str] = &[
    "",
    "\u{0}\u{1b}[31m",
    "[package]\nname = \"a\"\nversion = \"1.0.0\"\n",
    "[package]\nname = \"a\\n  b: c # d\"\n[[bin]]\nname = \"x: y\"\n",
    "[workspace]\nmembers = [\"*\", \"a/**\"]\n",
    "[package]\nname = \"s\"\n[dependencies]\naxum = \"0\"\ns = { path = \"../s\" }\n",
    "fn main() { std::env::var(\"PORT\"); \"/health\"; }",
    "[workspace]\nmembers = [\"crates/*\"]\n",
    "{\"name\": \"@a/b\", \"version\": \"1.0.0\", \"scripts\": {\"build\": \"tsc --outDir 'x: y' #\", \"test\": \"a\\nb: c\"}}",
    "{\"private\": true, \"workspaces\": [\"*\"], \"scripts\": {\"build\": \"vite build\"}}",
    "[project]\nname = \"a: b\"\n[project.optional-dependencies]\n\"test \" = [\"pytest\"]\n[build-system]\nrequires = []\n",
    "[tool.poetry]\nname = \"a\"\n[tool.poetry.group.test]\noptional = true\n",
    "module example.org/a: b\n",
    "package main\nfunc main() { os.Getenv(\"PORT\"); http.ListenAndServe(\"/health\") }\n",
    "<project><artifactId>a\n# b: c</artifactId><finalName>${x}</finalName></project>",
    "project(a)\nadd_executable(a.b a.c)\nenable_testing()\noption(A_BUILD_TESTS \"x\" OFF)\n",
    "all: b\ntest:\n\techo\ninstall:\n\tcp x $(DESTDIR)/usr\n",
    "packages:\n  - 'a/*'\n  - \"!x\"\n",
    "on: [push]\njobs:\n  t:\n    runs-on: ubuntu-latest\n    env: { \"A: b\": \"c\\nd\" }\n    steps:\n      - uses: actions/checkout@v4\n      - run: |\n          cargo test --features 'a: b' # c\n          npm run \"x\ty\"\n      - run: \"pytest -k '\\u0007'\"\n      - run: echo ${{ secrets.X }}\n",
    "on: [push]\njobs:\n  t:\n    runs-on: ubuntu-latest\n    strategy: { matrix: { python-version: [\"3.9\", \"3.11\", \"x: y\"], rust: [stable, \"a b\"], pg: [9, 16] } }\n    services:\n      \"Ünsinn: [x]\": { image: \"postgres:${{ matrix.pg }}\", env: { POSTGRES_USER: \"a b'\", \"A: b\": x, POSTGRES_DB: shop }, ports: [\"5433:5432\"] }\n      redis: { image: redis, options: --health-cmd \"redis-cli ping\" }\n      package: { image: \"a/b:c d\" }\n      own: { image: example.org/own:1, ports: [\"80\", x] }\n    env: { DATABASE_URL: \"postgres://u:p\\\"$`@localhost:5433/shop\", PGPORT: 5433, REDIS_HOST: localhost }\n    steps:\n      - run: pip install -e .\n      - run: pytest\n      - run: cargo test\n      - run: npm test\n",
    "variables: { POSTGRES_DB: shop, DATABASE_URL: \"postgres://postgres@db/shop\" }\ntest:\n  services: [{ name: \"postgres:16\", alias: db }, \"mysql\", docker:dind]\n  parallel: { matrix: [{ PYTHON: [\"3.9\", \"3.11\"] }] }\n  script: [pytest, go test ./...]\n",
    "test:\n  script:\n    - make test\n    - \"go test ./... && echo 'a: b'\"\n",
    "dist/\nbuild\n/target\n",
];

fn a_tree() -> impl Strategy<Value = Vec<(String, String)>> {
    let folder = prop_oneof![
        6 => Just(String::new()),
        2 => Just("web/".to_owned()),
        2 => Just("a.b/".to_owned()),
        1 => Just("a b/".to_owned()),
        1 => Just("package/".to_owned()),
        1 => Just("Ünsinn: [x]/".to_owned()),
        1 => Just("services/api/".to_owned()),
    ];
    let file = (folder, prop::sample::select(NAMES), prop::sample::select(TEXTS))
        .prop_map(|(folder, name, text)| (format!("{folder}{name}"), text.to_owned()));
    prop::collection::vec(file, 1..14)
}

/// Machines with much, little or nothing, and all that can be asked for.
fn wishes() -> impl Strategy<Value = Wishes> {
    let services = prop_oneof![
        Just(ServicesAs::Machine),
        Just(ServicesAs::Container),
        Just(ServicesAs::Process)
    ];
    (any::<bool>(), services, any::<bool>(), any::<bool>()).prop_map(|(one, services, containers, has_all)| {
        let programs = Machine::PROGRAMS.iter().filter(|_| has_all);
        Wishes {
            one,
            services,
            machine: Machine {
                versions: Default::default(),
                containers,
                programs: programs.map(|program| (*program).to_owned()).collect(),
                toolchains: vec!["stable".to_owned(), "a b".to_owned()],
            },
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_draft_passes_the_check_and_is_the_same_again(files in a_tree(), wishes in wishes()) {
        let tree = MemoryTree::of(files.iter().map(|(path, text)| (path.as_str(), text.as_str())));
        if let Some(draft) = draft::draft(&tree, &wishes) {
            check(&draft);
            prop_assert_eq!(Some(draft), draft::draft(&tree, &wishes));
        }
    }
}
