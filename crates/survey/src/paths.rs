//! What a changed path is, told by the path alone. A change touches many files, and their contents are
//! not read for this.

/// Kinds of files, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Class(u16);

impl Class {
    /// Code of tests.
    pub const TEST: Self = Self(1);
    /// Code that is no test's.
    pub const PRODUCT: Self = Self(1 << 1);
    /// The readme, the guide for contributors, runbooks.
    pub const GUIDE: Self = Self(1 << 2);
    /// What changed from release to release.
    pub const CHANGELOG: Self = Self(1 << 3);
    /// Definitions of pipelines.
    pub const PIPELINE: Self = Self(1 << 4);
    /// Settings of test runners, and what only serves tests.
    pub const TEST_SETUP: Self = Self(1 << 5);
    /// Infrastructure and deployment.
    pub const INFRASTRUCTURE: Self = Self(1 << 6);
    /// Changes of databases.
    pub const MIGRATION: Self = Self(1 << 7);
    /// Configuration of environments.
    pub const CONFIGURATION: Self = Self(1 << 8);
    /// What names dependencies: manifests and lock files.
    pub const DEPENDENCIES: Self = Self(1 << 9);
    /// What no person writes by hand: locked, generated, vendored, minified, recorded.
    pub const MACHINE: Self = Self(1 << 10);

    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn add(&mut self, other: Self, yes: bool) {
        if yes {
            self.0 |= other.0;
        }
    }
}

const CODE: &[&str] = &[
    "bas", "bash", "c", "cc", "clj", "cljs", "coffee", "cpp", "cr", "cs", "css", "cu", "cxx", "d", "dart", "el", "elm",
    "erb", "erl", "ex", "exs", "f90", "fs", "go", "gradle", "groovy", "h", "haml", "hpp", "hs", "htm", "html", "ipynb",
    "java", "jl", "js", "jsx", "kt", "kts", "less", "lisp", "lua", "m", "mjs", "cjs", "ml", "mli", "mm", "mts", "cts",
    "nim", "njk", "php", "pl", "pm", "proto", "ps1", "py", "pyx", "r", "rb", "rs", "s", "sass", "scala", "scss", "sh",
    "slim", "sql", "svelte", "swift", "ts", "tsx", "twig", "v", "vb", "vue", "zig", "zsh", "feature", "graphql",
    "bats",
];

const LOCKS: &[&str] = &[
    "bun.lock",
    "bun.lockb",
    "cargo.lock",
    "composer.lock",
    "flake.lock",
    "gemfile.lock",
    "go.sum",
    "go.work.sum",
    "gopkg.lock",
    "gradle.lockfile",
    "mix.lock",
    "npm-shrinkwrap.json",
    "package-lock.json",
    "packages.lock.json",
    "pdm.lock",
    "pipfile.lock",
    "pnpm-lock.yaml",
    "podfile.lock",
    "poetry.lock",
    "pubspec.lock",
    "uv.lock",
    "yarn.lock",
    ".terraform.lock.hcl",
];

const MANIFESTS: &[&str] = &[
    "build.gradle",
    "build.gradle.kts",
    "build.sbt",
    "cargo.toml",
    "chart.yaml",
    "composer.json",
    "deps.edn",
    "directory.packages.props",
    "environment.yml",
    "flake.nix",
    "gemfile",
    "go.mod",
    "libs.versions.toml",
    "mix.exs",
    "package.json",
    "packages.config",
    "package.swift",
    "pipfile",
    "podfile",
    "pom.xml",
    "project.clj",
    "pubspec.yaml",
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
];

const MACHINE_FOLDERS: &[&str] = &[
    "vendor",
    "vendored",
    "node_modules",
    "third_party",
    "third-party",
    "thirdparty",
    "dist",
    "__snapshots__",
    "__generated__",
    "generated",
    ".yarn",
    "bower_components",
    "cassettes",
    "snapshots",
    "site-packages",
];

const BINARY: &[&str] = &[
    "7z", "a", "avif", "bin", "bmp", "class", "dll", "doc", "docx", "dylib", "eot", "exe", "gif", "gz", "ico", "jar",
    "jpeg", "jpg", "mov", "mp3", "mp4", "o", "otf", "pdf", "png", "pptx", "psd", "pyc", "so", "svg", "tar", "tgz",
    "ttf", "wasm", "webm", "webp", "woff", "woff2", "xls", "xlsx", "zip", "zst", "parquet", "pkl", "onnx", "pt", "h5",
];

const TEST_FOLDERS: &[&str] = &[
    "test",
    "tests",
    "spec",
    "specs",
    "__tests__",
    "__mocks__",
    "e2e",
    "cypress",
    "playwright",
    "testing",
    "testdata",
    "fixtures",
    "acceptance",
    "features",
    "integration-tests",
    "integration_tests",
    "unit-tests",
    "functional-tests",
    "acceptance-tests",
    "inttest",
    "integrationtest",
    "androidtest",
    "testfixtures",
    "it",
];

/// Tells what a path is.
pub(crate) fn classify(path: &str) -> Class {
    let lower = path.to_lowercase();
    let name = lower.rsplit('/').next().unwrap_or_default();
    let folders: Vec<&str> = lower.split('/').collect();
    let folders = &folders[..folders.len() - 1];
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let in_folder = |names: &[&str]| folders.iter().any(|folder| names.contains(folder));
    let is_data = matches!(
        extension,
        "yml" | "yaml" | "json" | "toml" | "ini" | "properties" | "env" | "conf" | "cue"
    );
    let mut class = Class::default();

    let is_lock = LOCKS.contains(&name);
    let is_machine = is_lock
        || in_folder(MACHINE_FOLDERS)
        || BINARY.contains(&extension)
        || matches!(extension, "snap" | "map" | "lock" | "approved" | "ambr" | "golden")
        || is_generated(name, stem, extension);
    class.add(Class::MACHINE, is_machine);
    let is_requirements = (name.starts_with("requirements") && matches!(extension, "txt" | "in"))
        || (in_folder(&["requirements"]) && extension == "txt");
    let is_manifest = MANIFESTS.contains(&name) || is_requirements || extension == "csproj" || extension == "gemspec";
    class.add(Class::DEPENDENCIES, is_lock || is_manifest);

    let is_pipeline = is_pipeline(&lower, name, folders);
    class.add(Class::PIPELINE, is_pipeline);
    let is_migration = is_migration(name, folders, extension);
    class.add(Class::MIGRATION, is_migration);
    let is_infrastructure = !is_pipeline && is_infrastructure(name, stem, extension, folders, is_data);
    class.add(Class::INFRASTRUCTURE, is_infrastructure);

    let is_code = CODE.contains(&extension);
    let is_test = !is_pipeline && is_test(path, stem, extension, folders, is_code);
    class.add(Class::TEST, is_test);
    class.add(Class::TEST_SETUP, is_test_setup(name, stem));
    let vendored = in_folder(MACHINE_FOLDERS) || is_generated(name, stem, extension);
    let is_other = is_test || is_pipeline || is_migration || vendored || is_manifest;
    let is_script = is_infrastructure && !matches!(extension, "ts" | "py" | "go");
    let is_product = is_code && !is_other && !is_script;
    class.add(Class::PRODUCT, is_product && !is_test_setup(name, stem));

    let is_text = matches!(extension, "md" | "rst" | "txt" | "adoc" | "asciidoc" | "org" | "");
    let changelog = [
        "changelog",
        "changes",
        "history",
        "news",
        "release-notes",
        "release_notes",
        "releasenotes",
    ];
    let is_changelog = is_text && changelog.contains(&if extension.is_empty() { name } else { stem })
        || in_folder(&[
            ".changeset",
            "changelog.d",
            "newsfragments",
            "releasenotes",
            "changelogs",
            ".changes",
        ]);
    class.add(Class::CHANGELOG, is_changelog);
    let bare = if extension.is_empty() { name } else { stem };
    let is_guide = is_text
        && ([
            "readme",
            "contributing",
            "development",
            "hacking",
            "runbook",
            "deploying",
            "releasing",
            "operations",
        ]
        .contains(&bare)
            || bare.contains("runbook")
            || in_folder(&["runbook", "runbooks", "playbooks"]) && extension == "md");
    class.add(Class::GUIDE, is_guide);
    class.add(
        Class::CONFIGURATION,
        is_configuration(name, stem, folders, is_data, is_pipeline),
    );
    class
}

fn is_generated(name: &str, stem: &str, extension: &str) -> bool {
    stem.ends_with(".min")
        || stem.ends_with(".pb")
        || stem.ends_with("_pb2")
        || stem.ends_with("_pb2_grpc")
        || stem.ends_with(".g")
        || stem.ends_with(".generated")
        || stem.ends_with("_generated")
        || stem.ends_with(".designer")
        || stem.starts_with("zz_generated")
        || (extension == "go" && (stem.starts_with("mock_") || stem.starts_with("fake_")))
        || name == "schema.rb"
        || name == "structure.sql"
}

fn is_pipeline(path: &str, name: &str, folders: &[&str]) -> bool {
    let starts = [
        ".github/workflows/",
        ".github/actions/",
        ".circleci/",
        ".buildkite/",
        ".gitlab/ci/",
        ".gitlab-ci/",
        ".woodpecker/",
        ".tekton/",
        ".azure-pipelines/",
        "azure-pipelines/",
        ".semaphore/",
        ".teamcity/",
        "concourse/",
        "jenkins/",
    ];
    let names = [
        ".travis.yml",
        ".gitlab-ci.yml",
        ".gitlab-ci.yaml",
        "azure-pipelines.yml",
        "azure-pipelines.yaml",
        ".drone.yml",
        ".woodpecker.yml",
        ".woodpecker.yaml",
        "appveyor.yml",
        ".appveyor.yml",
        "bitbucket-pipelines.yml",
        "cloudbuild.yaml",
        "cloudbuild.yml",
        "buildspec.yml",
        ".cirrus.yml",
        "throughline.yaml",
        "wercker.yml",
        "codefresh.yml",
        "screwdriver.yaml",
    ];
    let is_data = name.ends_with(".yml") || name.ends_with(".yaml");
    starts.iter().any(|start| path.starts_with(start))
        || names.contains(&name)
        || name.starts_with("jenkinsfile")
        || name.ends_with(".jenkinsfile")
        || (name == "action.yml" || name == "action.yaml")
        || is_data && (name.starts_with("azure-pipelines") || name.ends_with(".gitlab-ci.yml"))
        || is_data
            && folders
                .last()
                .is_some_and(|folder| matches!(*folder, "ci" | ".ci" | "pipelines"))
}

fn is_migration(name: &str, folders: &[&str], extension: &str) -> bool {
    let in_folder = |names: &[&str]| folders.iter().any(|folder| names.contains(folder));
    let folder = in_folder(&[
        "migrations",
        "migration",
        "migrate",
        "changelogs",
        "liquibase",
        "flyway",
    ]) || folders
        .windows(2)
        .any(|pair| pair == ["alembic", "versions"] || pair == ["db", "changelog"]);
    let form = matches!(
        extension,
        "sql" | "py" | "rb" | "php" | "js" | "ts" | "cs" | "go" | "xml" | "yaml" | "yml" | "exs" | "kt" | "java" | "rs"
    );
    let numbered = name.starts_with(|c: char| c.is_ascii_digit() || c == 'v' || c == 'u' || c == 'r' || c == 'm');
    form && (folder && (extension == "sql" || numbered || name.contains('_'))
        || extension == "sql" && name.contains("__") && numbered)
}

fn is_infrastructure(name: &str, stem: &str, extension: &str, folders: &[&str], is_data: bool) -> bool {
    let in_folder = |names: &[&str]| folders.iter().any(|folder| names.contains(folder));
    let descriptors = in_folder(&[
        "k8s",
        "kubernetes",
        "kustomize",
        "helm",
        "helm_deploy",
        "charts",
        "manifests",
        "deploy",
        "deployment",
        "deployments",
        "ansible",
        "terraform",
        "infra",
        "infrastructure",
        "cloudformation",
        "argocd",
        "flux",
        "cdk",
    ]);
    matches!(
        extension,
        "tf" | "tfvars" | "bicep" | "nomad" | "hcl" | "dockerfile" | "containerfile" | "pp"
    ) || stem == "dockerfile"
        || stem == "containerfile"
        || stem.starts_with("docker-compose")
        || stem == "compose"
        || matches!(
            name,
            "dockerfile"
                | "procfile"
                | "vagrantfile"
                | "skaffold.yaml"
                | "kustomization.yaml"
                | "serverless.yml"
                | "pulumi.yaml"
                | "cdk.json"
                | "fly.toml"
                | "app.yaml"
                | "manifest.yml"
                | "render.yaml"
                | "vercel.json"
                | "netlify.toml"
                | "heroku.yml"
                | "template.yaml"
                | "helmfile.yaml"
        )
        || descriptors && (is_data || matches!(extension, "tpl" | "j2" | "sh" | "ts" | "py" | "go" | "tmpl"))
}

fn is_test(path: &str, stem: &str, extension: &str, folders: &[&str], is_code: bool) -> bool {
    let named = stem.ends_with("_test")
        || stem.ends_with("-test")
        || stem.ends_with(".test")
        || stem.ends_with("_spec")
        || stem.ends_with("-spec")
        || stem.ends_with(".spec")
        || stem.ends_with(".cy")
        || stem.ends_with(".e2e")
        || stem.ends_with("_tests")
        || stem == "tests"
        || stem == "test"
        || stem.starts_with("test_")
        || stem.starts_with("test-")
        || matches!(extension, "feature" | "bats")
        || is_test_class(path, extension);
    let in_folder = folders.iter().any(|folder| {
        TEST_FOLDERS.contains(folder)
            || folder.ends_with(".tests")
            || folder.ends_with(".test")
            || folder.ends_with("_test")
            || folder.ends_with("-tests")
            || folder.ends_with("_tests")
            || folder.ends_with("unittests")
    });
    (is_code || matches!(extension, "snap")) && named || in_folder
}

/// `CartTest.java` is a test, `Latest.java` is none: the word begins with a capital.
fn is_test_class(path: &str, extension: &str) -> bool {
    let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
    matches!(
        extension,
        "java" | "kt" | "scala" | "cs" | "swift" | "php" | "groovy" | "ts" | "js" | "vb" | "fs"
    ) && ["Test", "Tests", "Spec", "Specs", "IT", "TestCase"]
        .iter()
        .any(|word| stem.ends_with(word))
}

fn is_test_setup(name: &str, stem: &str) -> bool {
    let starts = [
        "jest.config",
        "jest.setup",
        "vitest.config",
        "playwright.config",
        "cypress.config",
        "karma.conf",
        "phpunit",
        "pytest",
        "tox",
        "noxfile",
        ".mocharc",
        "codecov",
        ".codecov",
        ".coveragerc",
        ".nycrc",
        ".rspec",
        "nextest",
    ];
    starts.iter().any(|start| name.starts_with(start)) || stem == "conftest" || stem == "cypress"
}

fn is_configuration(name: &str, stem: &str, folders: &[&str], is_data: bool, is_pipeline: bool) -> bool {
    let in_folder = |names: &[&str]| folders.iter().any(|folder| names.contains(folder));
    let of_environment = in_folder(&[
        "config",
        "configs",
        "configuration",
        "environments",
        "envs",
        "overlays",
        "settings",
    ]);
    !is_pipeline
        && (is_data && of_environment
            || name.starts_with(".env")
            || is_data
                && (stem.starts_with("application") || stem.starts_with("appsettings") || stem.starts_with("values"))
            || folders.last().is_some_and(|folder| *folder == "settings") && name.ends_with(".py"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, yes: &[Class], no: &[Class]) {
        let class = classify(path);
        assert!(yes.iter().all(|kind| class.has(*kind)), "{path} lacks one: {class:?}");
        assert!(
            !no.iter().any(|kind| class.has(*kind)),
            "{path} has one too many: {class:?}"
        );
    }

    #[test]
    fn tests_are_told_from_product_code() {
        for path in [
            "src/cart_test.go",
            "src/cart.test.ts",
            "spec/models/cart_spec.rb",
            "src/test/java/CartTest.java",
            "tests/it/main.rs",
            "Shop.Tests/Cart.cs",
            "test/fixtures/cart.json",
            "features/buy.feature",
        ] {
            check(path, &[Class::TEST], &[Class::PRODUCT]);
        }
        for path in [
            "src/cart.go",
            "src/latest.ts",
            "app/contest.rb",
            "lib/protest.py",
            "src/attestation.rs",
        ] {
            check(path, &[Class::PRODUCT], &[Class::TEST, Class::MACHINE]);
        }
    }

    #[test]
    fn what_no_person_writes_is_known() {
        for path in [
            "Cargo.lock",
            "vendor/x/y.go",
            "dist/app.js",
            "a/app.min.js",
            "api/x.pb.go",
            "logo.png",
            "src/__snapshots__/x.snap",
        ] {
            check(path, &[Class::MACHINE], &[Class::PRODUCT]);
        }
    }

    #[test]
    fn pipelines_infrastructure_migrations_and_configuration_are_known() {
        check(
            ".github/workflows/ci.yml",
            &[Class::PIPELINE],
            &[Class::INFRASTRUCTURE, Class::CONFIGURATION],
        );
        check("Jenkinsfile", &[Class::PIPELINE], &[]);
        check("services/a/.gitlab-ci.yml", &[Class::PIPELINE], &[]);
        check("infra/main.tf", &[Class::INFRASTRUCTURE], &[Class::PRODUCT]);
        check("Dockerfile", &[Class::INFRASTRUCTURE], &[Class::PRODUCT]);
        check("k8s/deployment.yaml", &[Class::INFRASTRUCTURE], &[Class::PIPELINE]);
        check("db/migrate/20240101_add_x.rb", &[Class::MIGRATION], &[Class::PRODUCT]);
        check("migrations/versions/0001_x.py", &[Class::MIGRATION], &[Class::PRODUCT]);
        check("src/main/resources/V2__x.sql", &[Class::MIGRATION], &[]);
        check("config/production.yml", &[Class::CONFIGURATION], &[Class::PRODUCT]);
        check(
            "src/main/resources/application-prod.properties",
            &[Class::CONFIGURATION],
            &[],
        );
        check("jest.config.js", &[Class::TEST_SETUP], &[Class::PRODUCT]);
    }

    #[test]
    fn guides_changelogs_and_manifests_are_known() {
        check("README.md", &[Class::GUIDE], &[Class::PRODUCT]);
        check("docs/runbooks/x.md", &[Class::GUIDE], &[]);
        check("docs/guide.md", &[], &[Class::GUIDE]);
        check("CHANGELOG.md", &[Class::CHANGELOG], &[Class::GUIDE]);
        check(".changeset/brave-cat.md", &[Class::CHANGELOG], &[]);
        check("src/history.rs", &[Class::PRODUCT], &[Class::CHANGELOG]);
        check("requirements/base.txt", &[Class::DEPENDENCIES], &[]);
        check("go.sum", &[Class::DEPENDENCIES, Class::MACHINE], &[]);
    }

    proptest::proptest! {
        #[test]
        fn no_path_breaks_the_telling(path in "\\PC{0,60}(/\\PC{0,20}){0,3}") {
            let _ = classify(&path);
        }
    }
}
