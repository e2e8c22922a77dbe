//! Definitions that cannot be followed: the run fails at once, and says where and what to do.

use serde_json::Value;

use crate::house::House;
use crate::repository::{Repository, steps};

/// Pushes a definition of bytes and gives the failed build's reason.
fn reason(house: &House, repository: &Repository, definition: &[u8]) -> String {
    repository.write("throughline.yaml", definition);
    let commit = repository.commit("a change");
    repository.push(house, "team/app", &["HEAD:main"]);
    let build = house.built(&commit);
    assert_eq!(build["run"]["result"], "failed", "{build}");
    assert_eq!(
        build["steps"].as_array().unwrap().len(),
        0,
        "nothing of it is run: {build}"
    );
    build["run"]["reason"].as_str().unwrap().to_owned()
}

#[test]
fn a_definition_that_is_wrong_fails_its_run_with_place_message_and_hint() {
    let house = House::new();
    let repository = Repository::new();
    let huge = [
        b"throughline: 1\nsteps:\n  a: { run: 'true' }\n# ".to_vec(),
        vec![b'x'; 5 << 20],
    ]
    .concat();
    let table: &[(&str, &[u8], &str, &str)] = &[
        ("broken YAML", b"throughline: 1\nsteps: {\n", "throughline.yaml:", ""),
        (
            "an unknown key",
            b"throughline: 1\nsteps:\n  a: { rnu: 'true' }\n",
            "throughline.yaml:3:8: ",
            "did you mean `run`?",
        ),
        (
            "a cycle",
            b"throughline: 1\nsteps:\n  a: { run: x, needs: [b] }\n  b: { run: x, needs: [a] }\n",
            "throughline.yaml:",
            "",
        ),
        (
            "an unknown need",
            b"throughline: 1\nsteps:\n  a: { run: x, needs: [bb] }\n  b: { run: x }\n",
            "throughline.yaml:3:24: ",
            "`b`",
        ),
        (
            "no command",
            b"throughline: 1\nsteps:\n  a: { timeout: 1s }\n",
            "throughline.yaml:3:",
            "",
        ),
        ("a newer version", b"throughline: 9\n", "throughline.yaml:1:14: ", ""),
        (
            "a key of later",
            b"throughline: 1\nsteps:\n  a: { run: x, network: none }\n",
            "throughline.yaml:3:16: ",
            "not supported by this version",
        ),
        ("garbage", b"\x00\x01\xff\xfe\x7fELF\x02\x01", "throughline.yaml", ""),
        ("an empty file", b"", "throughline.yaml", ""),
        ("a huge file", &huge, "throughline.yaml", ""),
    ];
    for (what, definition, place, words) in table {
        let reason = reason(&house, &repository, definition);
        assert!(reason.starts_with(place), "{what}: {reason}");
        assert!(reason.contains(words), "{what}: {reason}");
        assert!(reason.contains("hint: "), "{what}: {reason}");
        assert!(reason.len() < 2_000 && !reason.contains('\u{0}'), "{what}: {reason}");
    }
    // The house is none the worse for it.
    let commit = repository.push_definition(&house, "team/app", &steps("  a: { run: 'true' }\n"));
    assert_eq!(house.built(&commit)["run"]["result"], "succeeded");
    house.is_whole();
}

#[test]
fn a_repository_without_a_definition_says_what_to_add() {
    let house = House::new();
    let repository = Repository::new();
    repository.write("README", b"hello");
    let commit = repository.commit("a change");
    repository.push(&house, "team/app", &["main"]);
    let build = house.built(&commit);
    assert_eq!(build["run"]["result"], "failed");
    let reason = build["run"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("throughline.yaml") && reason.contains("hint: add a"),
        "{reason}"
    );
    assert_eq!(house.change("team/app", &commit)["change"]["state"], "build-failed");
}

#[test]
fn a_definition_that_is_no_file_is_no_definition() {
    let house = House::new();
    let repository = Repository::new();
    repository.write("throughline.yaml/file", b"hello");
    let folder = repository.commit("a folder");
    repository.push(&house, "team/app", &["main"]);
    assert_eq!(house.built(&folder)["run"]["result"], "failed");
    repository.git(&["rm", "-rq", "throughline.yaml"]);
    std::os::unix::fs::symlink("/etc/passwd", repository.path().join("throughline.yaml")).unwrap();
    let link = repository.commit("a link");
    repository.push(&house, "team/app", &["main"]);
    let build = house.built(&link);
    assert_eq!(build["run"]["result"], "failed");
    assert!(!build.to_string().contains("root"), "{build}");
}

#[test]
fn a_command_that_is_missing_fails_its_step_and_the_log_says_so() {
    let house = House::new();
    let repository = Repository::new();
    let definition = steps(
        "  missing: { run: no-such-command --really }\n  shell: { run: 'true', shell: no-such-shell }\n  \
         folder: { run: 'true', folder: nowhere }\n  after: { run: 'true', needs: [missing] }\n  \
         outside: { run: 'true', folder: link/deep }\n",
    );
    std::os::unix::fs::symlink("/etc", repository.path().join("link")).unwrap();
    let commit = repository.push_definition(&house, "team/app", &definition);
    let build = house.built(&commit);
    let id = build["run"]["id"].as_str().unwrap();
    let message = |name: &str| {
        let step = house.step(id, name);
        assert_eq!(step["result"], "failed", "{step}");
        step["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(message("missing"), "exit code 127");
    assert!(house.log_of(id, "missing").contains("no-such-command"));
    assert!(message("shell").contains("could not start") && message("shell").contains("no-such-shell"));
    assert!(message("folder").contains("nowhere"), "{}", message("folder"));
    message("outside");
    let after = house.step(id, "after");
    assert_eq!(
        (&after["result"], &after["attempts"]),
        (&Value::from("skipped"), &Value::Array(Vec::new()))
    );
}

#[test]
fn a_package_whose_files_are_missing_or_lead_outside_fails_with_their_names() {
    let house = House::new();
    let repository = Repository::new();
    std::os::unix::fs::symlink("/etc/passwd", repository.path().join("secret")).unwrap();
    for (files, name) in [
        ("app/nothing", "app/nothing"),
        ("'*.jar'", "*.jar"),
        ("secret", "secret"),
        ("../up", ".."),
    ] {
        let definition =
            format!("throughline: 1\nsteps:\n  a: {{ run: 'true' }}\npackage: {{ files: [{{ from: {files} }}] }}\n");
        let commit = repository.push_definition(&house, "team/app", &definition);
        let build = house.built(&commit);
        assert_eq!(build["run"]["result"], "failed", "{files}: {build}");
        assert!(
            build["run"]["reason"].as_str().unwrap().contains(name),
            "{files}: {build}"
        );
    }
    let leaked = house
        .files()
        .into_iter()
        .filter(|path| path.starts_with(house.data().join("blobs")));
    for path in leaked {
        assert!(
            !String::from_utf8_lossy(&crate::house::bytes_of(&path)).contains("root:x:0:0"),
            "{path:?}"
        );
    }
}
