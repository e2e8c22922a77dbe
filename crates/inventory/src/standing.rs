//! Whether a file is the product's own.
//!
//! Vendored and generated files, examples, and fixtures of tests say how somebody else works, or
//! nothing at all: a `package.json` below `testdata/` is input of a test, not a manifest.

/// What a file is to the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Its own.
    Own,
    /// A copy of somebody else's.
    Vendored,
    /// Written by a program.
    Generated,
    /// An example, a sample, a demo.
    Example,
    /// Input or expected output of tests.
    Fixture,
    /// A pattern that other files are made from.
    Template,
}

/// Folders of copies: package managers put them there, or a custom as old as C.
const VENDORED: &[&str] = &[
    "node_modules",
    "bower_components",
    "jspm_packages",
    "vendor",
    "vendored",
    "_vendor",
    "_vendored",
    "third_party",
    "third-party",
    "thirdparty",
    "3rdparty",
    "3rd_party",
    "extern",
    "externals",
    "pods",
    "carthage",
    "godeps",
    "site-packages",
    ".venv",
    "venv",
    ".yarn",
    ".bundle",
    ".cargo-vendor",
    "bundled_deps",
];

/// Folders of what a build writes.
const GENERATED: &[&str] = &[
    "dist",
    "generated",
    "__generated__",
    "_generated",
    ".generated",
    "generated-sources",
    ".next",
    ".nuxt",
    "__pycache__",
    ".terraform",
    ".gradle",
    "coverage-report",
    "htmlcov",
];

const EXAMPLES: &[&str] = &[
    "examples",
    "example",
    "samples",
    "sample",
    "demos",
    "demo",
    "_examples",
    "_example",
    "tutorial",
    "tutorials",
    "playground",
    "playgrounds",
    "quickstart",
    "quickstarts",
    "showcase",
    "code-samples",
];

const FIXTURES: &[&str] = &[
    "testdata",
    "test-data",
    "test_data",
    "testfiles",
    "fixtures",
    "fixture",
    "__fixtures__",
    "__snapshots__",
    "__mockdata__",
    "snapshots",
    "goldens",
    "golden",
    "golden_files",
    "test-fixtures",
    "test_fixtures",
    "test-resources",
    "cassettes",
    "vcr_cassettes",
    "corpus",
    "fuzz_corpus",
    "dummy",
    "mock-data",
    "mockdata",
    "testcases",
    "test-cases",
];

/// Folders that hold fixtures only below a folder of tests.
const FIXTURES_OF_TESTS: &[&str] = &[
    "data",
    "resources",
    "files",
    "assets",
    "support_files",
    "projects",
    "inputs",
    "input",
    "output",
    "expected",
    "repos",
    "res",
    "cases",
    "dummy_app",
    "test_app",
    "sandbox",
];

const TEMPLATES: &[&str] = &[
    "skeleton",
    "skeletons",
    "boilerplate",
    "boilerplates",
    "scaffold",
    "scaffolds",
    "scaffolding",
    "archetype-resources",
    "blueprint-files",
    "cookiecutters",
    "project-template",
    "project_template",
    "app-template",
    "starter-template",
];

/// Endings and marks of names that generators leave.
fn is_generated_name(name: &str) -> bool {
    const ENDINGS: &[&str] = &[
        ".min.js",
        ".min.css",
        ".bundle.js",
        ".pb.go",
        ".pb.gw.go",
        ".pb.cc",
        ".pb.h",
        "_pb2.py",
        "_pb2_grpc.py",
        "_pb2.pyi",
        "_pb.js",
        "_pb.d.ts",
        "_pb.ts",
        "_grpc_pb.js",
        ".g.dart",
        ".freezed.dart",
        ".g.cs",
        ".designer.cs",
        ".js.map",
        ".css.map",
        ".snap",
        "_generated.go",
        ".gen.go",
        ".gen.ts",
        ".generated.ts",
        ".generated.js",
        ".generated.go",
        ".generated.cs",
        "_string.go",
        ".pbobjc.m",
        ".d.ts.map",
    ];
    let small = name.to_ascii_lowercase();
    ENDINGS.iter().any(|ending| small.ends_with(ending))
        || small.starts_with("zz_generated")
        || matches!(
            small.as_str(),
            ".pnp.cjs" | ".pnp.loader.mjs" | ".pnp.js" | "bindata.go"
        )
}

/// The standing of a file, by its path.
pub(crate) fn of(path: &str) -> Standing {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut tests = false;
    let mut standing = Standing::Own;
    if !folder.is_empty() {
        for part in folder.split('/') {
            let small = part.to_ascii_lowercase();
            let small = small.as_str();
            if VENDORED.contains(&small) {
                return Standing::Vendored;
            }
            if standing != Standing::Own {
                continue;
            }
            standing = if GENERATED.contains(&small) {
                Standing::Generated
            } else if FIXTURES.contains(&small) || (tests && FIXTURES_OF_TESTS.contains(&small)) {
                Standing::Fixture
            } else if EXAMPLES.contains(&small) || small.ends_with("-examples") || small.ends_with("-example") {
                Standing::Example
            } else if TEMPLATES.contains(&small) || small.contains("{{") || small.contains("cookiecutter") {
                Standing::Template
            } else {
                Standing::Own
            };
            tests = tests || crate::languages::is_test_folder(part);
        }
    }
    if standing == Standing::Own && is_generated_name(name) {
        return Standing::Generated;
    }
    standing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_say_what_is_not_the_products_own() {
        for (path, standing) in [
            ("src/main.rs", Standing::Own),
            ("vendor/golang.org/x/net/http.go", Standing::Vendored),
            ("web/node_modules/left-pad/index.js", Standing::Vendored),
            ("examples/vendor/a.c", Standing::Vendored),
            ("pkg/testdata/go.mod", Standing::Fixture),
            ("tests/data/package.json", Standing::Fixture),
            ("data/package.json", Standing::Own),
            ("examples/guestbook/Cargo.toml", Standing::Example),
            ("api/service.pb.go", Standing::Generated),
            ("{{cookiecutter.name}}/setup.py", Standing::Template),
            ("charts/shop/templates/deployment.yaml", Standing::Own),
            ("src/example.rs", Standing::Own),
        ] {
            assert_eq!(of(path), standing, "{path}");
        }
    }
}
