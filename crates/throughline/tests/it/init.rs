//! A first definition for what lies in a folder.

use insta::assert_snapshot;
use throughline::Exit;

use crate::support::Home;

const CARGO: &str = "[package]\nname = \"shop\"\nversion = \"1.0.0\"\n";
const WORKFLOW: &str = "on: [push]\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: cargo clippy --all-targets\n      - run: cargo test --all-features\n      - run: cargo test --target ${{ matrix.target }}\n      - uses: codecov/codecov-action@v4\n";

fn shop() -> Home {
    let home = Home::new().with("PATH", "/nowhere");
    home.file("Cargo.toml", CARGO);
    home.file("Cargo.lock", "");
    for (folder, name, text) in [
        ("src", "main.rs", "fn main() {}"),
        (".github/workflows", "ci.yml", WORKFLOW),
    ] {
        std::fs::create_dir_all(home.current.join(folder)).unwrap();
        home.file(&format!("{folder}/{name}"), text);
    }
    home
}

#[test]
fn what_was_found_is_said_and_the_file_passes_its_check() {
    let home = shop();
    let called = home.call(&["init"]);
    assert_eq!(called.exit, Exit::Done);
    assert_snapshot!(called.shown());
    assert_eq!(home.call(&["check"]).exit, Exit::Done);
}

#[test]
fn a_file_that_is_there_is_not_touched_unless_that_is_said() {
    let home = shop();
    home.file("throughline.yaml", "throughline: 1\n");
    let called = home.call(&["init"]);
    assert_eq!(called.exit, Exit::Refused);
    assert_snapshot!(called.shown());
    let text = || std::fs::read_to_string(home.current.join("throughline.yaml")).unwrap();
    assert_eq!(text(), "throughline: 1\n");
    assert_eq!(home.call(&["init", "--force"]).exit, Exit::Done);
    assert!(text().contains("cargo test"));
}

#[test]
fn printing_writes_nothing_and_gives_what_would_be_written() {
    let home = shop();
    let printed = home.call(&["init", "--print"]);
    assert_eq!(printed.exit, Exit::Done);
    assert!(!home.current.join("throughline.yaml").exists());
    assert_snapshot!(printed.out);
    assert_eq!(home.call(&["init"]).exit, Exit::Done);
    let written = std::fs::read_to_string(home.current.join("throughline.yaml")).unwrap();
    assert_eq!(written, printed.out);
}

#[test]
fn the_document_holds_all_that_was_found_and_left() {
    let home = shop();
    let called = home.call(&["init", "--print", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&called.out).unwrap();
    assert_eq!(json["schema"], "init/1");
    assert_eq!(json["written"], false);
    assert_eq!(json["found"][0]["kind"], "Rust");
    assert_eq!(json["not_taken"][0]["line"], 9);
    assert_eq!(json["missing"][0], "cargo");
}

#[test]
fn a_folder_in_which_nothing_says_how_it_is_built_gets_no_file() {
    let home = Home::new();
    home.file("README.md", "hello");
    let called = home.call(&["init"]);
    assert_eq!(called.exit, Exit::NotFound);
    assert_snapshot!(called.shown());
    assert!(!home.current.join("throughline.yaml").exists());
    assert_eq!(home.call(&["init", "nowhere"]).exit, Exit::NotFound);
}

#[test]
fn a_file_that_git_leaves_out_is_written_with_a_word() {
    let home = Home::new();
    home.git(&["init", "--quiet"]);
    home.file("Cargo.toml", CARGO);
    home.file("Cargo.lock", "");
    home.file("build.rs", "fn main() {}");
    home.file(".gitignore", "/*\n!/Cargo.toml\n!/Cargo.lock\n");
    let called = home.call(&["init"]);
    assert_eq!(called.exit, Exit::Done);
    assert!(
        called.err.contains("git ignores throughline.yaml here"),
        "{}",
        called.err
    );
    assert!(called.err.contains("!/throughline.yaml"));
}

fn two_folders() -> Home {
    let home = Home::new().with("PATH", "/nowhere");
    for (folder, name, text) in [
        ("backend/src", "main.rs", "fn main() {}"),
        ("backend", "Cargo.toml", CARGO),
        ("backend", "Cargo.lock", ""),
        (
            "frontend",
            "package.json",
            "{\"scripts\": {\"build\": \"vite build\"}, \"private\": true}",
        ),
        ("frontend", "package-lock.json", ""),
    ] {
        std::fs::create_dir_all(home.current.join(folder)).unwrap();
        home.file(&format!("{folder}/{name}"), text);
    }
    home
}

#[test]
fn what_is_deployed_by_itself_gets_a_file_in_its_folder() {
    let home = two_folders();
    let called = home.call(&["init"]);
    assert_eq!(called.exit, Exit::Done, "{}", called.err);
    assert_snapshot!(called.shown());
    for folder in ["", "backend/", "frontend/"] {
        assert!(home.current.join(format!("{folder}throughline.yaml")).exists());
    }
    assert_eq!(home.call(&["check"]).exit, Exit::Done);
}

#[test]
fn none_of_several_files_is_written_where_one_is_there() {
    let home = two_folders();
    home.file("frontend/throughline.yaml", "throughline: 1\n");
    let called = home.call(&["init"]);
    assert_eq!(called.exit, Exit::Refused);
    assert!(
        called.err.contains("frontend/throughline.yaml is there already"),
        "{}",
        called.err
    );
    assert!(!home.current.join("throughline.yaml").exists());
    assert!(!home.current.join("backend/throughline.yaml").exists());
    assert_eq!(home.call(&["init", "--one"]).exit, Exit::Done);
}
