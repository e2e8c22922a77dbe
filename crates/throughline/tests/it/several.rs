//! A repository that holds several components, on a laptop.

use serde_json::Value;

use crate::run::Folder;

const LIST: &str = "throughline: 1
components:
  web: { needs: [core] }
  core: { path: libs/core }
  tools: {}
";

/// `web` needs `core`, `tools` stands alone; all is committed on `main`.
fn shop() -> Folder {
    let folder = Folder::new(LIST);
    folder.write(
        "web/throughline.yaml",
        "throughline: 1
steps:
  build: { run: 'cat \"$THROUGHLINE_NEEDS/core/text\" own > made', inputs: [own], outputs: [made] }
package: { files: [{ from: made }] }
",
    );
    folder.write(
        "libs/core/throughline.yaml",
        "throughline: 1\nsteps: { test: { run: 'true' } }\npackage: { files: [{ from: text }] }\n",
    );
    folder.write(
        "tools/throughline.yaml",
        "throughline: 1\nsteps: { test: { run: 'true' } }\n",
    );
    folder.write("web/own", "web\n");
    folder.write("libs/core/text", "core\n");
    folder.git(&["init", "--quiet", "--initial-branch=main"]);
    folder.git(&["remote", "add", "origin", "http://127.0.0.1/git/team/shop.git"]);
    folder.git(&["add", "--all"]);
    folder.git(&["commit", "--quiet", "-m", "a shop"]);
    folder
}

/// Which components ran, in their order, and with what result.
fn ran(folder: &Folder, arguments: &[&str]) -> Vec<(String, String)> {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
    let output = folder.run(&arguments);
    let documents = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    documents
        .map(|document| document.unwrap_or_else(|error| panic!("{error}: {}", output.complaint())))
        .map(|document| (text(&document["component"]), text(&document["result"])))
        .collect()
}

fn well(names: &[&str]) -> Vec<(String, String)> {
    names
        .iter()
        .map(|name| (format!("team/shop.{name}"), "succeeded".to_owned()))
        .collect()
}

#[test]
fn at_the_top_all_components_are_run_those_that_are_needed_first() {
    let folder = shop();
    assert_eq!(ran(&folder, &[]), well(&["core", "tools", "web"]));
    let made = std::fs::read_to_string(folder.path().join("web/made")).unwrap();
    assert_eq!(made, "core\nweb\n");
    // What it needs counts among what a kept result depends on.
    folder.write("libs/core/text", "other\n");
    assert_eq!(ran(&folder, &["--component", "web"]), well(&["core", "web"]));
    let made = std::fs::read_to_string(folder.path().join("web/made")).unwrap();
    assert_eq!(made, "other\nweb\n");
}

#[test]
fn since_a_commit_only_what_differs_is_run_and_what_needs_it() {
    let folder = shop();
    assert_eq!(ran(&folder, &["--since", "main"]), []);
    folder.git(&["checkout", "--quiet", "-b", "topic"]);
    folder.write("tools/new", "not committed");
    assert_eq!(ran(&folder, &["--since", "main"]), well(&["tools"]));
    folder.write("libs/core/text", "changed\n");
    folder.git(&["commit", "--quiet", "--all", "-m", "core"]);
    assert_eq!(ran(&folder, &["--since", "main"]), well(&["core", "tools", "web"]));
}

#[test]
fn in_a_component_s_folder_it_is_run_with_what_it_needs() {
    let folder = shop();
    assert_eq!(ran(&folder, &["--file", "tools/throughline.yaml"]), well(&["tools"]));
    assert_eq!(
        ran(&folder, &["--file", "web/throughline.yaml"]),
        well(&["core", "web"])
    );
}

#[test]
fn what_needs_a_component_that_fails_is_not_run_and_the_rest_is() {
    let folder = shop();
    folder.write(
        "libs/core/throughline.yaml",
        "throughline: 1\nsteps: { test: { rnu: 'true' } }\n",
    );
    let output = folder.run(&[]);
    assert!(!output.is_success());
    let told = format!("{}{}", output.text(), output.complaint());
    assert!(told.contains("libs/core/throughline.yaml:2:18"), "{told}");
    assert!(
        told.contains("web is not run: it needs core, which did not succeed"),
        "{told}"
    );
    assert!(told.contains("team/shop.tools"), "{told}");
}

#[test]
fn an_unknown_component_or_commit_is_named() {
    let folder = shop();
    let told = folder.run(&["--component", "wev"]).complaint();
    assert!(
        told.contains("there is no component `wev`") && told.contains("did you mean `web`?"),
        "{told}"
    );
    let told = folder.run(&["--since", "nowhere"]).complaint();
    assert!(told.contains("git knows no commit `nowhere`"), "{told}");
    let told = folder.run(&["test", "--watch"]).complaint();
    assert!(told.contains("--watch is for one component"), "{told}");
}

#[test]
fn a_look_ahead_says_what_hangs_on_what_is_needed() {
    let folder = shop();
    let output = folder.run(&["--dry-run", "--component", "web"]);
    let told = output.text();
    // The step that brings packages keeps nothing by its nature, and names what it brings.
    let needs = told.lines().find(|line| line.contains(" needs ")).unwrap();
    assert!(needs.contains("it brings what core made"), "{told}");
    assert!(told.contains("depends on the package of core"), "{told}");
    assert!(told.contains("the package is put together each time"), "{told}");
    assert!(!folder.path().join("web/made").exists());
}
