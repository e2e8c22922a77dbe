//! The stacks, each with its own commands.

use crate::{commands, drafted, names};

const CARGO: &str = "[package]\nname = \"shop\"\nversion = \"1.0.0\"\n";

#[test]
fn a_rust_program_is_built_tested_and_packaged_by_its_name() {
    let draft = drafted(&[
        ("Cargo.toml", CARGO),
        ("Cargo.lock", ""),
        ("src/main.rs", "fn main() {}"),
    ]);
    assert_eq!(commands(&draft, "build"), "cargo build --release --locked");
    assert_eq!(commands(&draft, "test"), "cargo test --locked");
    assert_eq!(draft.files, ["target/release/shop"]);
}

#[test]
fn a_rust_library_is_packaged_as_it_would_be_published() {
    let draft = drafted(&[("Cargo.toml", CARGO), ("src/lib.rs", "")]);
    assert!(commands(&draft, "pack").contains("cargo package"));
    assert_eq!(draft.files, ["target/package/*.crate"]);
    assert!(draft.notes[0].contains("Cargo.lock"));
}

#[test]
fn a_rust_workspace_is_one_part_and_its_chores_are_no_programs() {
    let draft = drafted(&[
        ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\", \"xtask\"]\n"),
        ("Cargo.lock", ""),
        (
            "crates/web/Cargo.toml",
            "[package]\nname = \"web\"\n[dependencies]\naxum = \"0.8\"\n",
        ),
        (
            "crates/web/src/main.rs",
            "fn main() { let port = std::env::var(\"PORT\"); route(\"/healthz\"); }",
        ),
        ("xtask/Cargo.toml", "[package]\nname = \"xtask\"\n"),
        ("xtask/src/main.rs", "fn main() {}"),
    ]);
    assert_eq!(draft.files, ["target/release/web"]);
    assert!(draft.has_service);
    assert!(draft.text.contains("command: [bin/web]"), "{}", draft.text);
    assert!(draft.text.contains("health: { path: /healthz }"), "{}", draft.text);
    assert!(draft.text.contains("crates/web/src/main.rs:1"));
}

#[test]
fn a_build_that_asks_git_is_not_kept() {
    let files = [("Cargo.lock", ""), ("src/main.rs", "fn main() {}")];
    let kept = drafted(&[&files[..], &[("Cargo.toml", CARGO)]].concat());
    assert!(kept.text.contains("inputs:"));
    let asks = format!("{CARGO}[build-dependencies]\nvergen = \"9\"\n");
    let not = drafted(&[&files[..], &[("Cargo.toml", asks.as_str())]].concat());
    assert!(!not.text.contains("inputs:"));
}

#[test]
fn each_lock_file_means_its_manager() {
    let package =
        "{\"name\": \"a\", \"scripts\": {\"build\": \"vite build\", \"test\": \"vitest\"}, \"private\": true}";
    for (lock, install, build) in [
        ("package-lock.json", "npm ci", "npm run build"),
        ("pnpm-lock.yaml", "pnpm install --frozen-lockfile", "pnpm run build"),
        (
            "yarn.lock",
            "yarn install --frozen-lockfile --non-interactive",
            "yarn run build",
        ),
        ("bun.lock", "bun install --frozen-lockfile", "bun run build"),
    ] {
        let draft = drafted(&[("package.json", package), (lock, "")]);
        assert_eq!(commands(&draft, "install"), install);
        assert_eq!(commands(&draft, "build"), build);
        assert_eq!(draft.files, ["dist"]);
    }
    let berry = drafted(&[("package.json", package), ("yarn.lock", ""), (".yarnrc.yml", "")]);
    assert_eq!(commands(&berry, "install"), "yarn install --immutable");
}

#[test]
fn tests_that_want_a_browser_are_left_out_with_a_word() {
    let package = "{\"name\": \"a\", \"scripts\": {\"build\": \"vite build\", \"test\": \"playwright test\"}}";
    let draft = drafted(&[("package.json", package), ("package-lock.json", "")]);
    assert_eq!(names(&draft), ["install", "build"]);
    assert!(draft.notes[0].contains("browser"));
}

#[test]
fn the_members_of_a_node_workspace_are_packed_together() {
    let draft = drafted(&[
        ("package.json", "{\"private\": true, \"workspaces\": [\"packages/*\"]}"),
        ("package-lock.json", ""),
        (
            "packages/a/package.json",
            "{\"name\": \"@s/a\", \"version\": \"1.0.0\", \"scripts\": {\"build\": \"tsc\"}}",
        ),
        (
            "packages/b/package.json",
            "{\"name\": \"@s/b\", \"version\": \"1.0.0\", \"private\": true}",
        ),
    ]);
    assert_eq!(commands(&draft, "build"), "npm run build --workspaces --if-present");
    assert!(commands(&draft, "pack").ends_with("-w @s/a"));
}

#[test]
fn python_is_installed_by_the_tool_whose_lock_file_is_there() {
    let project = "[project]\nname = \"a\"\n[build-system]\nrequires = []\n[dependency-groups]\ntest = [\"pytest\"]\n";
    let code = [("src/a/__init__.py", ""), ("tests/test_a.py", "import pytest")];
    let uv = drafted(&[&code[..], &[("pyproject.toml", project), ("uv.lock", "")]].concat());
    assert_eq!(commands(&uv, "install"), "uv sync --locked --group test");
    assert_eq!(commands(&uv, "test"), "uv run --no-sync pytest");
    let poetry = drafted(&[&code[..], &[("pyproject.toml", project), ("poetry.lock", "")]].concat());
    assert_eq!(commands(&poetry, "install"), "poetry install --no-interaction");
    let pip = drafted(&[&code[..], &[("pyproject.toml", project)]].concat());
    assert!(commands(&pip, "install").ends_with("--editable . --group test"));
    assert_eq!(commands(&pip, "test"), ". .venv/bin/activate\npython -m pytest");
    assert_eq!(pip.files, ["dist/*.whl"]);
}

#[test]
fn an_application_without_a_build_system_is_packaged_as_code() {
    let draft = drafted(&[
        ("requirements.txt", "flask\n"),
        ("app.py", ""),
        ("shop/__init__.py", ""),
    ]);
    assert_eq!(draft.files, ["app.py", "requirements.txt", "shop"]);
}

#[test]
fn a_go_module_gives_the_programs_of_its_customary_places() {
    let main = "package main\n\nfunc main() {}\n";
    let draft = drafted(&[
        ("go.mod", "module example.org/shop/v2\n"),
        ("go.sum", ""),
        ("main.go", main),
        ("cmd/import/main.go", main),
        ("hack/gen/main.go", main),
        ("shop_test.go", "package main\n"),
    ]);
    assert_eq!(draft.files, ["bin/shop", "bin/import"]);
    // Put back with the programs, so that git does not see them then either.
    assert!(draft.text.contains("outputs: [bin/.gitignore, bin/shop, bin/import]"));
    assert_eq!(commands(&draft, "test"), "go test ./...");
}

#[test]
fn maven_and_gradle_are_started_by_their_wrappers() {
    let pom = "<project><parent><artifactId>p</artifactId></parent><artifactId>shop</artifactId></project>";
    let maven = drafted(&[("pom.xml", pom), ("mvnw", "")]);
    assert_eq!(
        commands(&maven, "build"),
        "sh mvnw --batch-mode --no-transfer-progress verify"
    );
    assert_eq!(maven.files, ["target/shop*.jar"]);
    let gradle = drafted(&[("build.gradle.kts", "plugins { java }"), ("settings.gradle.kts", "")]);
    assert_eq!(commands(&gradle, "build"), "gradle --no-daemon --console=plain build");
}

#[test]
fn cmake_installs_into_a_folder_that_git_does_not_see() {
    let lists = "project(shop)\nenable_testing()\noption(SHOP_BUILD_TESTS \"Build\" OFF)\ninstall(TARGETS shop)\n";
    let draft = drafted(&[("CMakeLists.txt", lists), ("main.cpp", "")]);
    assert!(commands(&draft, "build").contains("-DSHOP_BUILD_TESTS=ON"));
    assert!(commands(&draft, "build").contains("build/.gitignore"));
    assert_eq!(draft.files, ["stage/files"]);
}

#[test]
fn make_is_asked_for_the_targets_that_it_has() {
    let draft = drafted(&[("Makefile", "all: app\n\ntest: app\n\t./run\n"), ("app.c", "")]);
    assert_eq!(commands(&draft, "build"), "make all");
    assert_eq!(commands(&draft, "test"), "make test");
}

#[test]
fn the_programs_that_a_makefile_links_are_packaged() {
    let makefile = "all: server client docs\n.PHONY: docs\nserver: server.c\n\t$(CC) server.c -o server\nclient: client.c\n\t$(CC) client.c -o $@\ndocs:\n\techo\n";
    let draft = drafted(&[("Makefile", makefile), ("server.c", "")]);
    assert_eq!(draft.files, ["server", "client"]);
}

#[test]
fn a_second_stack_without_a_lock_file_is_named_and_left() {
    let draft = drafted(&[
        ("CMakeLists.txt", "project(a)\nadd_executable(a a.c)\n"),
        ("support/build.gradle", ""),
    ]);
    assert_eq!(names(&draft), ["build"]);
    assert!(draft.notes[0].contains("support/"));
}

#[test]
fn nothing_is_drafted_where_nothing_says_how_it_is_built() {
    let tree = evidence::MemoryTree::of([("README.md", "hello")]);
    assert_eq!(draft::draft(&tree, &draft::Wishes::default()), None);
}

const WITH_DEPENDENCIES: &str = "{\"name\": \"a\", \"private\": true, \"scripts\": {\"build\": \"vite build\", \"test\": \"vitest\", \"lint\": \"eslint .\"}, \"devDependencies\": {\"eslint\": \"9\", \"vite\": \"7\"}}";

#[test]
fn what_is_installed_stays_while_its_files_do_and_builds_and_tests_are_kept() {
    let draft = drafted(&[("package.json", WITH_DEPENDENCIES), ("package-lock.json", "")]);
    assert_eq!(
        commands(&draft, "install"),
        "node --version | cat - package.json package-lock.json | cmp -s - node_modules/.installed || npm ci\n\
         node --version | cat - package.json package-lock.json > node_modules/.installed"
    );
    assert!(
        draft
            .text
            .contains("cache: [{ path: node_modules, key: node_modules }]"),
        "{}",
        draft.text
    );
    assert!(draft.text.contains("outputs: [dist]"), "{}", draft.text);
    // The lint, the build and the tests.
    assert_eq!(draft.text.matches("inputs: [").count(), 3, "{}", draft.text);
}

#[test]
fn what_does_more_than_install_is_installed_each_time() {
    let prepared = WITH_DEPENDENCIES.replace("\"lint\"", "\"prepare\": \"node make.js\", \"lint\"");
    let draft = drafted(&[("package.json", &prepared), ("package-lock.json", "")]);
    assert_eq!(commands(&draft, "install"), "npm ci");
}

#[test]
fn a_build_into_a_folder_of_the_repository_is_not_kept() {
    let draft = drafted(&[
        ("package.json", WITH_DEPENDENCIES),
        ("package-lock.json", ""),
        ("dist/old.js", ""),
    ]);
    assert!(!draft.text.contains("outputs:"), "{}", draft.text);
}

#[test]
fn members_of_a_workspace_of_yarn_are_packed_by_npm() {
    let draft = drafted(&[
        ("package.json", "{\"private\": true, \"workspaces\": [\"packages/*\"]}"),
        ("yarn.lock", ""),
        ("packages/a/package.json", "{\"name\": \"a\", \"version\": \"1.0.0\"}"),
    ]);
    assert!(commands(&draft, "pack").ends_with("-w a"), "{}", draft.text);
}

#[test]
fn an_application_of_next_is_a_service_with_what_it_built() {
    let package = "{\"name\": \"a\", \"version\": \"1.0.0\", \"scripts\": {\"build\": \"npm-run-all build-app\", \"build-app\": \"next build\", \"start\": \"next start\"}, \"dependencies\": {\"next\": \"15\"}}";
    let draft = drafted(&[("package.json", package), ("package-lock.json", "")]);
    assert!(draft.has_service);
    assert!(draft.files.contains(&".next".to_owned()), "{:?}", draft.files);
}

#[test]
fn a_go_program_in_a_folder_that_says_nothing_is_called_as_its_module() {
    let draft = drafted(&[
        ("go.mod", "module example.org/shop/store\n\ngo 1.17\n"),
        ("src/main.go", "package main\n\nfunc main() {}\n"),
        ("src/lib.go", "package main\n"),
    ]);
    assert!(
        commands(&draft, "build").ends_with("-o bin/store ./src"),
        "{}",
        draft.text
    );
}

#[test]
fn a_tool_that_is_older_than_what_the_repository_wants_is_said() {
    let versions = [("node", "20.20.2"), ("go", "1.19.8")].map(|(name, number)| (name.to_owned(), number.to_owned()));
    let machine = draft::Machine {
        versions: versions.into(),
        ..draft::Machine::default()
    };
    let wishes = draft::Wishes {
        machine,
        ..draft::Wishes::default()
    };
    let files = [
        (
            "package.json",
            "{\"name\":\"a\",\"engines\":{\"node\":\">=22.12\"},\"scripts\":{\"test\":\"node a.js\"}}",
        ),
        (".nvmrc", "v18\n"),
    ];
    let told =
        "package.json wants Node >=22.12, and 20.20.2 is here: its steps may fail until a newer one is installed";
    let draft = crate::drafted_with(&files, &wishes);
    assert!(draft.notes.iter().any(|note| note == told), "{:?}", draft.notes);
    assert!(draft.text.contains(&format!("# note: {told}\n")), "{}", draft.text);
    assert!(!draft.text.contains(".nvmrc wants"), "{}", draft.text);
    // Where nothing is known of the machine, nothing is said.
    assert!(!drafted(&files).text.contains("is here"));
}
