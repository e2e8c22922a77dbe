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
    assert_eq!(version(&house, &first), "1.3.0");
    let of = |commits: &[String; 3]| commits.each_ref().map(|commit| version(&house, commit));
    assert_eq!(
        of(&mends),
        ["1.3.1-release-1-x.2", "1.4.0-release-1-x.3", "1.4.1-release-1-x.4"]
    );
    assert_eq!(of(&news), ["1.3.1", "2.0.0", "2.0.1"]);
    house.is_whole();
}
