//! What packages are called.

use serde_json::json;

use crate::house::{ENVIRONMENTS, House};
use crate::repository::Repository;

/// The version of a commit's package, once it has one.
fn version(house: &House, commit: &str) -> String {
    house.until("a version", || {
        house.change("team/app", commit)["change"]["version"]
            .as_str()
            .map(str::to_owned)
    })
}

#[test]
fn the_versions_of_a_line_rise_also_when_its_branch_is_rewritten() {
    let house = House::new();
    let repository = Repository::of_service("one");
    let first = repository.commit("feat: one");
    repository.push(&house, "team/app", &["main"]);
    assert_eq!(version(&house, &first), "0.1.0");
    repository.commit("feat: two");
    let third = repository.commit("fix: three");
    repository.push(&house, "team/app", &["main"]);
    assert_eq!(version(&house, &third), "0.2.1");
    repository.git(&["reset", "--quiet", "--hard", &first]);
    let fourth = repository.commit("fix: another third");
    let fifth = repository.commit("fix: more");
    repository.push(&house, "team/app", &["--force", "main"]);
    assert_eq!(version(&house, &fifth), "0.2.3");
    assert_eq!(version(&house, &fourth), "0.2.2");
    house.is_whole();
}

#[test]
fn several_lines_rise_side_by_side_each_in_its_own_range() {
    let environments = ENVIRONMENTS.replace("  staging:\n", "  staging:\n    lines: [main, release/1.x]\n");
    let house = House::with(&environments, json!({}));
    let repository = Repository::of_service("one");
    let first = repository.commit("feat: one");
    repository.git(&["tag", "v1.3.0"]);
    repository.push(&house, "team/app", &["main", "v1.3.0"]);
    // Before it comes to another line as well, it has its name.
    assert_eq!(version(&house, &first), "1.3.0");
    repository.git(&["checkout", "--quiet", "-b", "release/1.x"]);
    repository.push(&house, "team/app", &["release/1.x"]);
    let mends = [
        repository.commit("fix: a"),
        repository.commit("feat!: b"),
        repository.commit("fix: c"),
    ];
    repository.push(&house, "team/app", &["release/1.x"]);
    repository.git(&["checkout", "--quiet", "main"]);
    let news = [
        repository.commit("fix: a of main"),
        repository.commit("feat!: d"),
        repository.commit("fix: e"),
    ];
    repository.push(&house, "team/app", &["main"]);
    let of = |commits: &[String; 3]| commits.each_ref().map(|commit| version(&house, commit));
    assert_eq!(
        of(&mends),
        ["1.3.1-release-1-x.2", "1.4.0-release-1-x.3", "1.4.1-release-1-x.4"]
    );
    assert_eq!(of(&news), ["1.3.1", "2.0.0", "2.0.1"]);
    house.is_whole();
}

/// A definition like that of the small service, with this version.
fn versioned(version: &str, steps: &str) -> String {
    let definition = crate::repository::service("VERSION: one", &format!("version: {version}\n"));
    definition.replace("steps:\n", &format!("steps:\n{steps}"))
}

/// How the build of a commit ended: its result, and what its step `version` says.
fn printed(house: &House, commit: &str) -> (String, String) {
    let build = house.built(commit);
    let steps = build["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["name"] == "version").unwrap();
    let message = step["message"].as_str().unwrap_or_default().to_owned();
    (build["run"]["result"].as_str().unwrap().to_owned(), message)
}

#[test]
fn a_command_in_the_component_s_folder_prints_the_version() {
    let house = House::new();
    let repository = Repository::of_service("one");
    let script =
        "echo looking >&2\necho \"$THROUGHLINE_SEMANTIC_VERSION-$(cat number)-$THROUGHLINE_CALENDAR_VERSION\"\n";
    repository.write("version.sh", script.as_bytes());
    repository.write("number", b"7");
    repository.define(&versioned("{ command: sh version.sh }", ""));
    let commit = repository.commit("feat: one");
    repository.push(&house, "team/app", &["main"]);
    let production = house.comes_to("team/app", "production", &commit);
    let version = version(&house, &commit);
    assert!(
        version.starts_with("0.1.0-7-20") && version.ends_with(".1"),
        "{version}"
    );
    let build = house.built(&commit);
    let run = build["run"]["id"].as_str().unwrap();
    assert!(
        house.log_of(run, "version").contains("looking"),
        "its log is that of any other step"
    );
    // The version is a name: nothing of the package holds it.
    let package = production["package"].as_str().unwrap();
    let manifest = house.get(&format!("/v2/team/app/manifests/{package}")).is(200);
    let config = manifest["config"]["digest"].as_str().unwrap();
    let config = house.get(&format!("/v2/team/app/blobs/{config}")).text();
    assert!(!config.contains(&version) && !config.contains("version.sh"), "{config}");
    house.is_whole();
}

#[test]
fn what_is_no_version_fails_the_run_and_says_why() {
    let house = House::new();
    let repository = Repository::of_service("one");
    let cases = [
        ("'true'", "the command printed nothing on standard output"),
        ("echo 1; echo 2", "the command printed more than one line"),
        ("echo 'one two'", "the command printed `one two`, which is no version"),
        ("echo ../../x", "the command printed `../../x`, which is no version"),
        ("exit 3", "exit code 3"),
        ("./absent.sh", "exit code 127"),
    ];
    let mut commits = Vec::new();
    for (command, _) in cases {
        repository.define(&versioned(
            &format!("{{ command: {command:?} }}").replace("\"'true'\"", "'true'"),
            "",
        ));
        commits.push(repository.commit(command));
    }
    repository.push(&house, "team/app", &["main"]);
    // The first push of a branch brings its newest commit alone.
    for ((command, wanted), commit) in cases.iter().zip(&commits) {
        repository.push(&house, "team/app", &["--force", &format!("{commit}:refs/heads/main")]);
        let (result, message) = printed(&house, commit);
        assert_eq!(result, "failed", "{command}");
        assert!(message.contains(wanted), "{command}: {message}");
        assert_eq!(
            house.change("team/app", commit)["change"]["version"],
            json!(null),
            "{command}"
        );
    }
}

#[test]
fn a_printed_version_is_for_one_commit_and_stays_when_the_run_is_repeated() {
    let house = House::new();
    let repository = Repository::of_service("one");
    let go = house.folder().join("go");
    let late = format!("  late: {{ run: 'test -e {}' }}\n", go.display());
    repository.define(&versioned("{ command: cat /proc/sys/kernel/random/uuid }", &late));
    let first = repository.commit("feat: one");
    repository.push(&house, "team/app", &["main"]);
    let build = house.built(&first);
    assert_eq!(build["run"]["result"], "failed");
    let of_step = |build: &serde_json::Value| {
        let steps = build["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["name"] == "version").unwrap();
        step["outputs"]["version"].as_str().unwrap().to_owned()
    };
    let printed_first = of_step(&build);
    std::fs::write(&go, "").unwrap();
    let run = build["run"]["id"].as_str().unwrap();
    house.post(&format!("/api/v1/runs/{run}/retry"), &json!({})).is(200);
    assert_eq!(version(&house, &first), printed_first);
    // Another commit that prints the same fails, and nothing is put in its place.
    repository.define(&versioned(&format!("{{ command: echo {printed_first} }}"), ""));
    let second = repository.commit("feat: two");
    repository.push(&house, "team/app", &["main"]);
    let (result, message) = printed(&house, &second);
    assert_eq!(result, "failed");
    assert!(
        message.contains(&format!("is that of commit {} already", &first[..10])),
        "{message}"
    );
    house.is_whole();
}
