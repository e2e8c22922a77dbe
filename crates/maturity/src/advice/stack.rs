//! What the repository is built with, and the commands that go with it.

use evidence::Tree;

use super::{join, text};

/// A stack with its usual commands. What it does not know is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stack {
    /// What it is called for people.
    pub name: &'static str,
    /// The steps that set a machine of GitHub up, as YAML of a list of steps.
    pub setup: &'static str,
    /// An image of containers that brings what it needs.
    pub image: &'static str,
    /// Installs dependencies.
    pub install: Option<&'static str>,
    /// Builds.
    pub build: Option<&'static str>,
    /// Runs the tests.
    pub test: Option<&'static str>,
    /// Runs the linter.
    pub lint: Option<&'static str>,
    /// Measures coverage.
    pub coverage: Option<&'static str>,
    /// Scans dependencies for known weaknesses.
    pub audit: Option<&'static str>,
    /// The files that a build makes.
    pub kept: Option<&'static str>,
    /// Its name for the analysis of CodeQL.
    pub codeql: Option<&'static str>,
    /// Its name for release-please.
    pub release: &'static str,
}

impl Stack {
    /// The stack of a folder, of the root where it is empty.
    pub fn of(tree: &dyn Tree, folder: &str) -> Option<Self> {
        let has = |path: &str| tree.has(&join(folder, path));
        let package = text(tree, &join(folder, "package.json")).unwrap_or_default();
        let script = |name: &str| package.contains(&format!("\"{name}\":"));
        if has("Cargo.toml") {
            return Some(Self {
                name: "Rust",
                setup: "",
                image: "rust:1",
                install: None,
                build: Some("cargo build --locked --all-targets"),
                test: Some("cargo test --locked"),
                lint: Some("cargo clippy --locked --all-targets -- -D warnings"),
                coverage: Some(
                    "cargo install cargo-llvm-cov --locked && cargo llvm-cov --lcov --output-path lcov.info",
                ),
                audit: Some("cargo install cargo-audit --locked && cargo audit"),
                kept: Some("target/debug/"),
                codeql: Some("rust"),
                release: "rust",
            });
        }
        if has("go.mod") {
            return Some(Self {
                name: "Go",
                setup: "      - uses: actions/setup-go@v5\n        with:\n          go-version-file: go.mod\n",
                image: "golang:1",
                install: None,
                build: Some("go build ./..."),
                test: Some("go test ./..."),
                lint: Some("go vet ./..."),
                coverage: Some("go test -coverprofile=coverage.out ./..."),
                audit: Some("go run golang.org/x/vuln/cmd/govulncheck@latest ./..."),
                kept: None,
                codeql: Some("go"),
                release: "go",
            });
        }
        if has("package.json") {
            let (setup, install, run) = if has("pnpm-lock.yaml") {
                (
                    "      - uses: pnpm/action-setup@v4\n      - uses: actions/setup-node@v4\n        with:\n          node-version: lts/*\n          cache: pnpm\n",
                    "pnpm install --frozen-lockfile",
                    0,
                )
            } else if has("yarn.lock") {
                (
                    "      - uses: actions/setup-node@v4\n        with:\n          node-version: lts/*\n          cache: yarn\n",
                    "yarn install --frozen-lockfile",
                    1,
                )
            } else if has("package-lock.json") {
                (
                    "      - uses: actions/setup-node@v4\n        with:\n          node-version: lts/*\n          cache: npm\n",
                    "npm ci",
                    2,
                )
            } else {
                (
                    "      - uses: actions/setup-node@v4\n        with:\n          node-version: lts/*\n",
                    "npm install",
                    2,
                )
            };
            let build = ["pnpm run build", "yarn run build", "npm run build"][run];
            let test = ["pnpm test", "yarn test", "npm test"][run];
            let lint = ["pnpm exec eslint .", "yarn eslint .", "npx eslint ."][run];
            let audit = ["pnpm audit", "yarn npm audit", "npm audit"][run];
            return Some(Self {
                name: "Node.js",
                setup,
                image: "node:lts",
                install: Some(install),
                build: script("build").then_some(build),
                test: script("test").then_some(test),
                lint: Some(if script("lint") {
                    ["pnpm run lint", "yarn run lint", "npm run lint"][run]
                } else {
                    lint
                }),
                coverage: script("test")
                    .then_some(["pnpm exec c8 pnpm test", "yarn c8 yarn test", "npx c8 npm test"][run]),
                audit: Some(audit),
                kept: script("build").then_some("dist/"),
                codeql: Some("javascript-typescript"),
                release: "node",
            });
        }
        if has("pom.xml") {
            let wrapped = has("mvnw");
            return Some(Self {
                name: "Java (Maven)",
                setup: "      - uses: actions/setup-java@v4\n        with:\n          distribution: temurin\n          java-version: '21'\n          cache: maven\n",
                image: "maven:3-eclipse-temurin-21",
                install: None,
                build: None,
                test: Some(if wrapped { "./mvnw -B verify" } else { "mvn -B verify" }),
                lint: Some(if wrapped {
                    "./mvnw -B checkstyle:check"
                } else {
                    "mvn -B checkstyle:check"
                }),
                coverage: Some(if wrapped {
                    "./mvnw -B org.jacoco:jacoco-maven-plugin:prepare-agent verify org.jacoco:jacoco-maven-plugin:report"
                } else {
                    "mvn -B org.jacoco:jacoco-maven-plugin:prepare-agent verify org.jacoco:jacoco-maven-plugin:report"
                }),
                audit: Some("mvn -B org.owasp:dependency-check-maven:check"),
                kept: Some("target/*.jar"),
                codeql: Some("java-kotlin"),
                release: "maven",
            });
        }
        if has("build.gradle") || has("build.gradle.kts") {
            return Some(Self {
                name: "Java (Gradle)",
                setup: "      - uses: actions/setup-java@v4\n        with:\n          distribution: temurin\n          java-version: '21'\n      - uses: gradle/actions/setup-gradle@v4\n",
                image: "gradle:8-jdk21",
                install: None,
                build: Some(if has("gradlew") {
                    "./gradlew assemble"
                } else {
                    "gradle assemble"
                }),
                test: Some(if has("gradlew") {
                    "./gradlew check"
                } else {
                    "gradle check"
                }),
                lint: None,
                coverage: None,
                audit: None,
                kept: Some("build/libs/"),
                codeql: Some("java-kotlin"),
                release: "java",
            });
        }
        if has("pyproject.toml") || has("requirements.txt") || has("setup.py") {
            let install = match (has("uv.lock"), has("poetry.lock"), has("requirements.txt")) {
                (true, _, _) => "pip install uv && uv sync",
                (_, true, _) => "pip install poetry && poetry install",
                (_, _, true) => "pip install -r requirements.txt",
                _ => "pip install .",
            };
            return Some(Self {
                name: "Python",
                setup: "      - uses: actions/setup-python@v5\n        with:\n          python-version: '3.x'\n",
                image: "python:3",
                install: Some(install),
                build: None,
                test: Some(match (has("uv.lock"), has("poetry.lock")) {
                    (true, _) => "uv run pytest",
                    (_, true) => "poetry run pytest",
                    _ => "python -m pytest",
                }),
                lint: Some("pip install ruff && ruff check ."),
                coverage: Some("pip install pytest-cov && python -m pytest --cov --cov-report=xml"),
                audit: Some("pip install pip-audit && pip-audit"),
                kept: None,
                codeql: Some("python"),
                release: "python",
            });
        }
        if has("Gemfile") {
            return Some(Self {
                name: "Ruby",
                setup: "      - uses: ruby/setup-ruby@v1\n        with:\n          bundler-cache: true\n",
                image: "ruby:3",
                install: Some("bundle install"),
                build: None,
                test: Some(if has(".rspec") {
                    "bundle exec rspec"
                } else {
                    "bundle exec rake test"
                }),
                lint: Some("bundle exec rubocop"),
                coverage: None,
                audit: Some("gem install bundler-audit && bundle-audit check --update"),
                kept: None,
                codeql: Some("ruby"),
                release: "ruby",
            });
        }
        if has("composer.json") {
            return Some(Self {
                name: "PHP",
                setup: "      - uses: shivammathur/setup-php@v2\n        with:\n          php-version: '8.4'\n",
                image: "composer:2",
                install: Some("composer install --no-interaction"),
                build: None,
                test: Some("vendor/bin/phpunit"),
                lint: Some("vendor/bin/phpstan analyse"),
                coverage: Some("vendor/bin/phpunit --coverage-clover coverage.xml"),
                audit: Some("composer audit"),
                kept: None,
                codeql: None,
                release: "php",
            });
        }
        let within =
            |path: &str| folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        if tree
            .entries()
            .iter()
            .any(|entry| (entry.path.ends_with(".sln") || entry.path.ends_with(".csproj")) && within(&entry.path))
        {
            return Some(Self {
                name: ".NET",
                setup: "      - uses: actions/setup-dotnet@v4\n        with:\n          dotnet-version: '9.x'\n",
                image: "mcr.microsoft.com/dotnet/sdk:9.0",
                install: None,
                build: Some("dotnet build"),
                test: Some("dotnet test"),
                lint: Some("dotnet format --verify-no-changes"),
                coverage: Some("dotnet test --collect:\"XPlat Code Coverage\""),
                audit: Some("dotnet list package --vulnerable --include-transitive"),
                kept: None,
                codeql: Some("csharp"),
                release: "simple",
            });
        }
        if has("CMakeLists.txt") {
            return Some(Self {
                name: "C++ (CMake)",
                setup: "",
                image: "gcc:14",
                install: None,
                build: Some("cmake -B build && cmake --build build"),
                test: Some("ctest --test-dir build --output-on-failure"),
                lint: None,
                coverage: None,
                audit: None,
                kept: Some("build/"),
                codeql: Some("c-cpp"),
                release: "simple",
            });
        }
        if has("Makefile") {
            let makefile = text(tree, &join(folder, "Makefile")).unwrap_or_default();
            let target = |name: &str| makefile.lines().any(|line| line.starts_with(&format!("{name}:")));
            return Some(Self {
                name: "make",
                setup: "",
                image: "gcc:14",
                install: None,
                build: Some("make"),
                test: target("test")
                    .then_some("make test")
                    .or(target("check").then_some("make check")),
                lint: target("lint").then_some("make lint"),
                coverage: target("coverage").then_some("make coverage"),
                audit: None,
                kept: None,
                codeql: None,
                release: "simple",
            });
        }
        None
    }

    /// What installs, builds and tests, in this order.
    pub fn commands(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        [("Install", self.install), ("Build", self.build), ("Test", self.test)]
            .into_iter()
            .filter_map(|(name, command)| Some((name, command?)))
    }
}
