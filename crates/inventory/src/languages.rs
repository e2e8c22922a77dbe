//! Languages by the endings of files, and which files are tests by each language's convention.

/// The language of a source file, by its ending; absent where it is no source of a program.
pub(crate) fn of(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next()?;
    let (stem, ending) = name.rsplit_once('.')?;
    if stem.is_empty() {
        return None;
    }
    Some(match ending.to_ascii_lowercase().as_str() {
        "rs" => "rust",
        "ts" | "tsx" | "mts" | "cts" => "typescript",
        "js" | "jsx" | "mjs" | "cjs" => "javascript",
        "vue" | "svelte" | "astro" => "javascript",
        "py" | "pyx" => "python",
        "go" => "go",
        "java" => "java",
        "kt" => "kotlin",
        "kts" if stem != "build.gradle" && stem != "settings.gradle" && !stem.ends_with(".gradle") => "kotlin",
        "scala" | "sc" => "scala",
        "groovy" => "groovy",
        "clj" | "cljs" | "cljc" => "clojure",
        "cs" => "csharp",
        "fs" | "fsx" => "fsharp",
        "vb" => "visual-basic",
        "rb" | "rake" => "ruby",
        "php" => "php",
        "ex" | "exs" => "elixir",
        "erl" | "hrl" => "erlang",
        "swift" => "swift",
        "m" | "mm" => "objective-c",
        "dart" => "dart",
        "c" | "h" => "c",
        "cc" | "cpp" | "cxx" | "hpp" | "hh" | "hxx" | "c++" => "cpp",
        "hs" => "haskell",
        "ml" | "mli" => "ocaml",
        "lua" => "lua",
        "r" => "r",
        "jl" => "julia",
        "pl" | "pm" => "perl",
        "t" if path.split('/').any(|part| part == "t") => "perl",
        "sh" | "bash" | "zsh" | "fish" => "shell",
        "bats" => "shell",
        "ps1" | "psm1" => "powershell",
        "elm" => "elm",
        "zig" => "zig",
        "nim" => "nim",
        "cr" => "crystal",
        "sol" => "solidity",
        "tf" | "tofu" => "hcl",
        "nix" => "nix",
        _ => return None,
    })
}

/// Whether a language writes products rather than the ways around them.
pub(crate) fn writes_products(language: &str) -> bool {
    !matches!(language, "hcl" | "nix" | "shell" | "powershell")
}

/// Folders that hold tests in most technologies.
pub(crate) fn is_test_folder(part: &str) -> bool {
    matches!(
        part.to_ascii_lowercase().as_str(),
        "test"
            | "tests"
            | "__tests__"
            | "spec"
            | "specs"
            | "e2e"
            | "e2e-tests"
            | "integration-tests"
            | "integration_tests"
            | "integrationtest"
            | "integrationtests"
            | "acceptance-tests"
            | "acceptance"
            | "functional-tests"
            | "unittests"
            | "unit-tests"
            | "unit_tests"
            | "testing"
            | "cypress"
            | "testsuite"
            | "test-suite"
            | "androidtest"
            | "smoke-tests"
            | "smoke_tests"
            | "system-tests"
            | "ui-tests"
            | "browser-tests"
            | "perf-tests"
            | "load-tests"
            | "loadtests"
            | "performance-tests"
    )
}

/// Whether any folder on the way to a file holds tests.
pub(crate) fn in_test_folder(path: &str) -> bool {
    let Some((folder, _)) = path.rsplit_once('/') else {
        return false;
    };
    folder.split('/').any(|part| {
        is_test_folder(part) || {
            // `Shop.UnitTests`, `ShopTests` of .NET and Swift; `src/integrationTest` of Gradle.
            let project = part.ends_with(".Tests")
                || part.ends_with(".Test")
                || part.ends_with("Tests") && part.len() > 5
                || part.ends_with("_tests")
                || part.ends_with("-tests")
                || part.ends_with("-test")
                || part.ends_with("-e2e");
            project || (part.ends_with("Test") && folder.contains("src/"))
        }
    })
}

/// Whether a source file of a language is a test by name and place. Rust's tests inside a file are
/// seen by content, elsewhere.
pub(crate) fn is_test(path: &str, language: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let by_name = match language {
        "rust" => stem == "tests" || stem == "test" || stem.ends_with("_test") || stem.ends_with("_tests"),
        "go" => return stem.ends_with("_test"),
        "javascript" | "typescript" => {
            [
                ".test",
                ".spec",
                ".cy",
                "-test",
                "-spec",
                "_test",
                ".e2e",
                ".e2e-spec",
                ".it",
            ]
            .iter()
            .any(|ending| stem.ends_with(ending))
                || stem.contains(".test.")
                || stem.contains(".spec.")
                || stem == "test"
        }
        "python" => stem.starts_with("test_") || stem.ends_with("_test") || stem == "tests" || stem == "conftest",
        "java" | "kotlin" | "groovy" | "scala" => {
            path.contains("src/test/")
                || path.contains("src/it/")
                || ["Test", "Tests", "IT", "Spec", "TestCase", "Specification"]
                    .iter()
                    .any(|ending| stem.ends_with(ending) && stem.len() > ending.len())
        }
        "csharp" | "fsharp" | "visual-basic" => ["Test", "Tests", "Specs"]
            .iter()
            .any(|ending| stem.ends_with(ending) && stem.len() > ending.len()),
        "ruby" => {
            stem.ends_with("_spec") || stem.ends_with("_test") || stem.starts_with("test_") || stem.ends_with("_steps")
        }
        "php" => ["Test", "Cest", "Spec"]
            .iter()
            .any(|ending| stem.ends_with(ending) && stem.len() > ending.len()),
        "elixir" | "dart" => stem.ends_with("_test"),
        "erlang" => stem.ends_with("_SUITE") || stem.ends_with("_tests"),
        "swift" | "objective-c" => stem.ends_with("Tests") || stem.ends_with("Test"),
        "c" | "cpp" => {
            ["_test", "_tests", "_unittest", "-test", "_spec"]
                .iter()
                .any(|ending| stem.ends_with(ending))
                || stem.starts_with("test_")
                || stem.starts_with("test-")
        }
        "haskell" => stem.ends_with("Spec") || stem.ends_with("Test"),
        "shell" => name.ends_with(".bats"),
        "lua" => stem.ends_with("_spec"),
        "clojure" => stem.ends_with("_test"),
        "r" => stem.starts_with("test-") || stem.starts_with("test_"),
        "perl" => name.ends_with(".t"),
        _ => false,
    };
    by_name || in_test_folder(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_names_its_tests_in_its_own_way() {
        for (path, language) in [
            ("pkg/server_test.go", "go"),
            ("src/app.spec.ts", "typescript"),
            ("src/__tests__/app.js", "javascript"),
            ("tests/test_app.py", "python"),
            ("app/src/test/java/org/ShopTest.java", "java"),
            ("src/Shop.UnitTests/Basket.cs", "csharp"),
            ("spec/models/user_spec.rb", "ruby"),
            ("tests/cli.rs", "rust"),
        ] {
            assert_eq!(of(path), Some(language), "{path}");
            assert!(is_test(path, language), "{path}");
        }
    }

    #[test]
    fn words_that_only_look_like_tests_are_products() {
        for (path, language) in [
            ("src/contest.py", "python"),
            ("src/latest.js", "javascript"),
            ("pkg/testing.go", "go"),
            ("src/main/java/org/Test.java", "java"),
            ("src/attestation.rs", "rust"),
        ] {
            assert!(!is_test(path, language), "{path}");
        }
    }
}
