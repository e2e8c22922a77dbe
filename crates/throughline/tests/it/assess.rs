//! Repositories assessed by the program, as people call it.

use serde_json::Value;
use throughline::Exit;

use crate::support::Home;

const WORKFLOW: &str = "name: CI\non:\n  pull_request:\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: cargo test\n";

/// A small repository of Rust, whose pipeline builds requests only.
fn repository() -> Home {
    let home = Home::new();
    home.file("Cargo.toml", "[package]\nname = \"a\"\nversion = \"0.1.0\"\n");
    home.file(
        "src/lib.rs",
        "#[cfg(test)]\nmod tests {\n    #[test]\n    fn it() {}\n}\n",
    );
    home.file(".github/workflows/ci.yml", WORKFLOW);
    home.git(&["init", "--quiet", "--initial-branch", "main"]);
    commit(&home, "Begin");
    home
}

fn commit(home: &Home, subject: &str) {
    home.git(&["add", "--all"]);
    home.git(&[
        "-c",
        "user.name=Ada",
        "-c",
        "user.email=ada@example.org",
        "commit",
        "--quiet",
        "--message",
        subject,
    ]);
}

fn document(home: &Home, arguments: &[&str]) -> Value {
    let called = home.call(&[&["assess", "--json"], arguments].concat());
    assert_eq!(called.exit, Exit::Done, "{}", called.shown());
    serde_json::from_str(&called.out).unwrap()
}

fn verdict<'a>(document: &'a Value, id: &str) -> &'a Value {
    document["categories"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|category| category["practices"].as_array().unwrap())
        .find(|practice| practice["id"] == id)
        .unwrap_or_else(|| panic!("{id}"))
}

#[test]
fn the_lines_that_are_proposed_change_the_verdict_when_they_are_added() {
    let home = repository();
    let before = document(&home, &["--steps", "100"]);
    assert_eq!(before["schema"], "assessment/1");
    // It builds requests; whether what comes to trunk is built in another way is not said.
    assert_eq!(verdict(&before, "B2.1")["verdict"], "insufficient-evidence");
    let step = before["next"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| {
            step["practices"]
                .as_array()
                .unwrap()
                .iter()
                .any(|wanted| wanted["id"] == "B2.1")
        })
        .unwrap();
    let edit = &step["edits"][0];
    assert_eq!(
        (&edit["file"], &edit["after_line"]),
        (&".github/workflows/ci.yml".into(), &2.into())
    );
    let mut lines: Vec<&str> = WORKFLOW.lines().collect();
    lines.insert(2, edit["lines"].as_str().unwrap().trim_end());
    home.file(".github/workflows/ci.yml", &lines.join("\n"));
    commit(&home, "Build each push");
    let after = document(&home, &[]);
    assert_eq!(verdict(&after, "B2.1")["verdict"], "met");
    assert_eq!(verdict(&after, "B1.1")["verdict"], "met");
}

#[test]
fn statements_stand_in_the_repository_and_mistakes_in_them_are_findings() {
    let home = repository();
    home.file(
        ".throughline/maturity.yaml",
        "throughline: 1\ndeclined:\n  - { practice: B4.4, because: nobody asks for it }\n",
    );
    commit(&home, "Decline");
    let read = document(&home, &[]);
    assert_eq!(verdict(&read, "B4.4")["verdict"], "declined");
    home.file(
        ".throughline/maturity.yaml",
        "throughline: 1\ndeclined:\n  - { practice: B44, because: no }\n",
    );
    commit(&home, "Decline wrongly");
    let read = document(&home, &[]);
    assert_eq!(verdict(&read, "B4.4")["verdict"], "insufficient-evidence");
    let finding = &read["findings"][0];
    assert_eq!(finding["problem"], "there is no practice `B44`");
    assert_eq!(finding["place"]["line"], 3);
}

#[test]
fn a_gate_of_ones_own_fails_below_the_level() {
    let home = repository();
    assert_eq!(home.call(&["assess", "--fail-under", "build=base"]).exit, Exit::Failed);
    let called = home.call(&["assess", "--fail-under", "bild=base"]);
    assert_eq!(called.exit, Exit::Usage);
    assert!(called.shown().contains("did you mean `build`?"), "{}", called.shown());
    assert_eq!(home.call(&["assess", "--fail-under", "build=bsae"]).exit, Exit::Usage);
}

#[test]
fn where_there_is_no_repository_one_is_told_what_to_do() {
    let home = Home::new();
    let called = home.call(&["assess"]);
    assert_eq!(called.exit, Exit::NotFound);
    assert!(
        called.shown().contains("is not in a git repository"),
        "{}",
        called.shown()
    );
    home.git(&["init", "--quiet"]);
    let called = home.call(&["assess"]);
    assert_eq!(called.exit, Exit::Done, "{}", called.shown());
    assert!(called.out.contains("no commit yet"), "{}", called.out);
}

#[test]
fn a_broken_pipeline_is_a_finding_and_nothing_is_met_by_it() {
    let home = repository();
    home.file(".github/workflows/ci.yml", "on: [push\njobs: {\n");
    commit(&home, "Break");
    let read = document(&home, &[]);
    assert!(!read["findings"].as_array().unwrap().is_empty());
    assert_ne!(verdict(&read, "B2.1")["verdict"], "met");
}

#[test]
fn the_model_can_be_printed_checked_and_changed() {
    let home = repository();
    let model = home.call(&["assess", "--print-model"]).out;
    home.file("model.yaml", &model);
    assert_eq!(home.call(&["check", "model.yaml"]).exit, Exit::Done);
    home.file(
        "strict.yaml",
        &model.replace("met: history.commits > 0", "met: history.commits > 1000"),
    );
    let read = document(&home, &["--model", "strict.yaml"]);
    assert_eq!(verdict(&read, "B0.1")["verdict"], "not-met");
    home.file(
        "wrong.yaml",
        &model.replace("met: history.commits > 0", "met: history.comits > 0"),
    );
    let called = home.call(&["assess", "--model", "wrong.yaml"]);
    assert_eq!(called.exit, Exit::BadFile);
    assert!(called.out.contains("did you mean `commits`?"), "{}", called.out);
}

#[test]
fn a_report_and_a_log_are_written_where_asked() {
    let home = repository();
    let called = home.call(&[
        "assess",
        "--html",
        "report.html",
        "--sarif",
        "log.sarif",
        "--history",
        "3",
    ]);
    assert_eq!(called.exit, Exit::Done, "{}", called.shown());
    assert!(home.git(&["status", "--porcelain"]).contains("report.html"));
    let explained = home.call(&["assess", "--explain", "B2.1"]);
    assert!(
        explained.out.contains("builds on push to trunk: no"),
        "{}",
        explained.out
    );
    assert_eq!(home.call(&["assess", "--explain", "B22"]).exit, Exit::NotFound);
    assert_eq!(home.call(&["assess", "--component", "other"]).exit, Exit::NotFound);
}
