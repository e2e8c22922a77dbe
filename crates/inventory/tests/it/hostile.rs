//! Nothing panics, and every measure is one of the vocabulary, whatever a tree holds.

use evidence::vocabulary::{self, Kind};
use evidence::{Measures, MemoryTree, Value};
use proptest::prelude::*;

/// Names that some reader opens.
const NAMES: &[&str] = &[
    "Cargo.toml",
    "package.json",
    "a/package.json",
    "pyproject.toml",
    "requirements.txt",
    "setup.py",
    "setup.cfg",
    "go.mod",
    "pom.xml",
    "build.gradle",
    "settings.gradle.kts",
    "gradle/libs.versions.toml",
    "x.csproj",
    "Gemfile",
    "a.gemspec",
    "composer.json",
    "mix.exs",
    "Dockerfile",
    "compose.yaml",
    "deploy/a.yaml",
    "charts/a/Chart.yaml",
    "charts/a/templates/b.yaml",
    "main.tf",
    "prod.tfvars",
    ".github/dependabot.yml",
    "renovate.json",
    "CODEOWNERS",
    "OWNERS",
    "openapi.yaml",
    "api.proto",
    "buf.yaml",
    "schema.graphql",
    ".env",
    "src/lib.rs",
    "app_test.go",
    "README.md",
    "CONTRIBUTING.md",
    "docs/adr/0001-a.md",
    "CHANGELOG.md",
    "Makefile",
    "CMakeLists.txt",
    "dvc.yaml",
    "a.ipynb",
    "train.py",
    "db/migrate/20200101000000_a.rb",
    "migrations/1_a.up.sql",
    "alembic/versions/a.py",
    "prisma/migrations/1/migration.sql",
    "throughline.yaml",
    "environments.yaml",
    ".gitattributes",
    ".pre-commit-config.yaml",
    "codecov.yml",
    "sonar-project.properties",
    "Jenkinsfile",
    "key.pem",
    "application-prod.yml",
    "flake.nix",
    "grafana/dashboard.json",
    "alerts.yml",
];

fn check(measures: &Measures) {
    for (name, measure) in measures {
        let declared = vocabulary::find(name).unwrap_or_else(|| panic!("`{name}` is not declared"));
        let fits = matches!(
            (declared.kind, &measure.value),
            (Kind::Boolean, Value::Boolean(_))
                | (Kind::Count, Value::Integer(_))
                | (Kind::Share | Kind::Days | Kind::Number, Value::Number(_))
                | (Kind::Text, Value::Text(_))
                | (Kind::List, Value::List(_))
        );
        assert!(
            fits,
            "`{name}` is declared as {:?} and is {:?}",
            declared.kind, measure.value
        );
        if let (Kind::Share, Value::Number(share)) = (declared.kind, &measure.value) {
            assert!((0.0..=1.0).contains(share), "`{name}` is {share}");
        }
    }
}

fn read_all(files: &[(&str, Vec<u8>)]) {
    let tree = MemoryTree::of_bytes(files.iter().map(|(path, bytes)| (*path, bytes.clone())));
    let inventory = inventory::read(&tree);
    check(&inventory::measures(&inventory, None));
    for component in inventory::components(&inventory) {
        check(&inventory::measures(&inventory, Some(&component)));
    }
}

#[test]
fn every_reader_survives_texts_that_are_deep_long_or_cut_off() {
    let deep = "[".repeat(10_000);
    let braces = "{".repeat(10_000);
    let tags = "<a>".repeat(5_000);
    let long = "x".repeat(100_000);
    let indented: String = (0..800).map(|depth| " ".repeat(depth) + "a:\n").collect();
    let texts: Vec<Vec<u8>> = vec![
        Vec::new(),
        deep.into_bytes(),
        braces.into_bytes(),
        tags.into_bytes(),
        long.into_bytes(),
        indented.into_bytes(),
        b"\xef\xbb\xbf".to_vec(),
        b"\xff\xfe{\0\"\0".to_vec(),
        b"\xfe\xff\0".to_vec(),
        b"\0\0\0".to_vec(),
        b"\xff\xc0\x80".to_vec(),
        "a: \"\u{e9}\u{fffd}\r\n\r\n- b\r\n".as_bytes().to_vec(),
        b"{\"name\": null, \"version\": 3, \"scripts\": [], \"dependencies\": {\"a\": {}}}".to_vec(),
        b"---\n---\n--- #\n\t\n...\n".to_vec(),
        b"FROM\nFROM $A\nUSER\nRUN <<\n".to_vec(),
        b"* @a\n[ @b\n/***/ @c\n!x @d\n".to_vec(),
        b"resource \"a\" {\n b = <<E\n".to_vec(),
    ];
    for text in &texts {
        let files: Vec<(&str, Vec<u8>)> = NAMES.iter().map(|name| (*name, text.clone())).collect();
        read_all(&files);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let files: Vec<(&str, Vec<u8>)> = NAMES.iter().map(|name| (*name, bytes.clone())).collect();
        read_all(&files);
    }

    #[test]
    fn no_text_of_the_formats_signs_makes_a_reader_panic(
        text in "[a-zA-Zé:=\"'{}\\[\\]()<>@#$%&*!/\\\\ \t\n.,-]{0,300}"
    ) {
        let files: Vec<(&str, Vec<u8>)> = NAMES.iter().map(|name| (*name, text.clone().into_bytes())).collect();
        read_all(&files);
    }
}
