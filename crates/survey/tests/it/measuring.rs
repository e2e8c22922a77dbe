//! What is measured, on small histories made by git.

use evidence::{Place, Value, vocabulary};

use crate::fixture::{Work, count, measure, number, survey_of, value};

const GRACE: (&str, &str) = ("Grace Hopper", "grace@example.org");
const BOT: (&str, &str) = ("renovate[bot]", "29139614+renovate[bot]@users.noreply.github.com");

#[test]
fn people_bots_and_days_are_counted() {
    let work = Work::new();
    work.commit(0, "a.rs", "one");
    work.commit(0, "a.rs", "two");
    work.write("b.rs", "x");
    work.commit_by(1, GRACE, "three");
    work.write("Cargo.lock", "x");
    work.commit_by(2, BOT, "fix(deps): update rust crate x to v2");
    let evidence = work.survey(9).repository;
    assert_eq!(count(&evidence, "commits"), 4);
    assert_eq!(count(&evidence, "authors_in_window"), 2);
    assert_eq!(count(&evidence, "active_days_in_window"), 2);
    assert_eq!(number(&evidence, "commits_per_active_author_day"), 1.5);
    assert_eq!(number(&evidence, "bot_commits_share"), 0.25);
    assert!((number(&evidence, "top_author_share") - 2.0 / 3.0).abs() < 1e-9);
    assert_eq!(value(&evidence, "dependency_bot"), Value::Text("renovate".to_owned()));
    assert_eq!(count(&evidence, "dependency_updates_in_window"), 1);
}

#[test]
fn the_mailmap_of_the_moment_makes_one_of_two() {
    let work = Work::new();
    work.commit(0, "a", "one");
    work.commit_by(1, ("ada", "ada@home"), "two");
    work.write(".mailmap", "Ada Lovelace <ada@example.org> ada <ada@home>\n");
    work.commit_by(5, ("ada", "ada@home"), "three");
    assert_eq!(count(&work.survey(3).repository, "authors_in_window"), 2);
    assert_eq!(count(&work.survey(9).repository, "authors_in_window"), 1);
}

#[test]
fn branches_live_from_their_oldest_commit_to_their_merge() {
    let work = Work::new();
    work.commit(0, "a.rs", "one");
    work.git(&["checkout", "--quiet", "-b", "topic"]);
    work.commit(1, "b.rs", "two");
    work.commit(4, "b.rs", "three");
    work.git(&["checkout", "--quiet", "main"]);
    work.on(
        6,
        &[
            "merge",
            "--quiet",
            "--no-ff",
            "-m",
            "Merge pull request #7 from x/topic",
            "topic",
        ],
    );
    work.git(&["checkout", "--quiet", "-b", "open"]);
    work.commit(7, "c.rs", "open work");
    work.git(&["checkout", "--quiet", "main"]);
    let evidence = work.survey(30).repository;
    assert_eq!(number(&evidence, "branch_life_days_p90"), 5.0);
    assert_eq!(count(&evidence, "merges_in_window"), 1);
    assert_eq!(count(&evidence, "trunk_commits_in_window"), 2);
    assert_eq!(number(&evidence, "pull_request_share"), 0.5);
    assert_eq!(number(&evidence, "direct_to_trunk_share"), 0.5);
    assert_eq!(count(&evidence, "branches_active"), 1);
    assert_eq!(count(&evidence, "long_lived_branches"), 1);
    let places = &measure(&evidence, "branches_active").unwrap().places;
    assert!(matches!(&places[0], Place::Ref { name, .. } if name == "open"));
    assert_eq!(count(&work.survey(120).repository, "branches_stale"), 1);
}

#[test]
fn releases_have_intervals_lead_times_and_lines() {
    let work = Work::new();
    work.commit(0, "a.rs", "one");
    work.on(1, &["tag", "-m", "r", "v1.0.0"]);
    work.git(&["branch", "release/1.x"]);
    work.commit(2, "a.rs", "two");
    work.commit(6, "CHANGELOG.md", "three");
    work.on(10, &["tag", "-m", "r", "v2.0.0"]);
    work.commit(11, "a.rs", "fix: x");
    work.on(11, &["tag", "v2.0.1"]);
    work.git(&["checkout", "--quiet", "release/1.x"]);
    work.commit(12, "a.rs", "backport");
    work.on(13, &["tag", "-m", "r", "v1.0.1"]);
    work.git(&["checkout", "--quiet", "main"]);
    work.on(14, &["tag", "-m", "r", "v3.0.0-rc.1"]);
    let evidence = work.survey(20).repository;
    assert_eq!(count(&evidence, "releases"), 4);
    assert_eq!(count(&evidence, "prereleases_in_year"), 1);
    assert_eq!(number(&evidence, "release_interval_days_p50"), 2.0);
    assert_eq!(value(&evidence, "version_scheme"), Value::Text("semver".to_owned()));
    assert_eq!(value(&evidence, "versions_unique"), Value::Boolean(true));
    assert_eq!(number(&evidence, "lead_time_days_p90"), 8.0);
    assert_eq!(number(&evidence, "lead_time_days_p50"), 2.5);
    assert_eq!(count(&evidence, "hotfix_releases_in_year"), 1);
    assert_eq!(count(&evidence, "release_lines"), 1);
    assert_eq!(number(&evidence, "releases_annotated_share"), 0.75);
    assert_eq!(number(&evidence, "changelog_with_releases_share"), 0.5);
    assert_eq!(
        count(&evidence, "branches_active"),
        0,
        "a release line is no work in progress"
    );
}

#[test]
fn tests_and_code_that_change_together_are_seen_also_inside_of_a_file() {
    let work = Work::new();
    work.write("src/a.rs", "fn a() {}\n#[cfg(test)]\nmod tests {}\n");
    work.commit_by(0, GRACE, "a with tests");
    work.write("src/a.rs", "fn b() {}\n#[cfg(test)]\nmod tests {}\n");
    work.commit_by(1, GRACE, "b without");
    work.write("src/x.py", "x = 1\n");
    work.write("tests/test_x.py", "assert x\n");
    work.commit_by(2, GRACE, "x with tests");
    let evidence = work.survey(9).repository;
    let share = measure(&evidence, "tests_with_code_share").unwrap();
    assert_eq!(share.sample, Some(3));
    assert!((number(&evidence, "tests_with_code_share") - 2.0 / 3.0).abs() < 1e-9);
    assert_eq!(share.against.len(), 1);
}

#[test]
fn people_of_neighbouring_months_are_compared_since_there_are_any() {
    let work = Work::new();
    work.commit(0, "a", "one");
    work.commit(10, "a", "two");
    work.commit(45, "a", "three");
    work.write("b", "x");
    work.commit_by(50, GRACE, "four");
    assert!(measure(&work.survey(30).repository, "author_overlap").is_none());
    let evidence = work.survey(61).repository;
    assert_eq!(number(&evidence, "author_overlap"), 0.5);
    assert_eq!(measure(&evidence, "author_overlap").unwrap().sample, Some(1));
}

#[test]
fn reverts_are_counted_and_timed() {
    let work = Work::new();
    work.commit(0, "a.rs", "one");
    let bad = work.commit(1, "a.rs", "bad");
    work.on(4, &["revert", "--no-edit", &bad]);
    let evidence = work.survey(9).repository;
    assert_eq!(count(&evidence, "reverts_in_window"), 1);
    assert_eq!(number(&evidence, "revert_days_p50"), 3.0);
}

#[test]
fn components_have_the_part_of_history_that_is_in_their_folders() {
    let work = Work::new();
    for (folder, name) in [("services/cart", "@shop/cart"), ("services/pay", "@shop/pay")] {
        work.write(
            &format!("{folder}/package.json"),
            &format!("{{\"name\": \"{name}\", \"version\": \"1.0.0\"}}\n"),
        );
        work.write(&format!("{folder}/Dockerfile"), "FROM scratch\n");
    }
    work.commit_by(0, GRACE, "both");
    work.commit(1, "services/cart/index.ts", "cart");
    work.commit(2, "services/cart/index.ts", "cart again");
    work.on(3, &["tag", "-m", "r", "@shop/cart@1.0.0"]);
    work.commit(4, "services/pay/index.ts", "pay");
    work.on(5, &["tag", "-m", "r", "@shop/pay@1.0.0"]);
    let survey = work.survey(9);
    let of = |name: &str| {
        let is = |evidence: &&evidence::Evidence| {
            evidence
                .subject
                .component
                .as_ref()
                .is_some_and(|component| component.folder.ends_with(name))
        };
        survey.components.iter().find(is)
    };
    let names: Vec<_> = survey.components.iter().map(|e| e.subject.component.clone()).collect();
    let cart = of("cart").unwrap_or_else(|| panic!("{names:?}"));
    let pay = of("pay").unwrap();
    assert_eq!(count(cart, "commits_in_window"), 3);
    assert_eq!(count(pay, "commits_in_window"), 2);
    assert_eq!((count(cart, "releases"), count(pay, "releases")), (1, 1));
    assert_eq!(count(&survey.repository, "releases"), 2);
    assert_eq!(count(cart, "commits"), 4, "of the repository as a whole");
}

#[test]
fn every_measure_is_of_the_kind_that_is_declared() {
    let work = Work::new();
    work.commit(0, "README.md", "one");
    work.commit(1, "package.json", "{\"name\": \"x\"}");
    work.write(
        ".github/workflows/ci.yml",
        "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: make test\n",
    );
    work.commit_by(2, GRACE, "ci");
    work.on(3, &["tag", "v1.0.0"]);
    let survey = work.survey(9);
    let own = env!("CARGO_MANIFEST_DIR");
    let project = survey_of(std::path::Path::new(own), 1_100).ok();
    let all = project.iter().chain([&survey]);
    for evidence in all.flat_map(|survey| survey.components.iter().chain([&survey.repository])) {
        for (name, measure) in &evidence.measures {
            let declared = vocabulary::find(name).unwrap_or_else(|| panic!("`{name}` is not declared"));
            use vocabulary::Kind;
            let fits = match (declared.kind, &measure.value) {
                (Kind::Boolean, Value::Boolean(_)) | (Kind::Count, Value::Integer(_)) => true,
                (Kind::Share, Value::Number(share)) => (0.0..=1.0).contains(share),
                (Kind::Days | Kind::Number, Value::Number(number)) => number.is_finite(),
                (Kind::Text, Value::Text(_)) | (Kind::List, Value::List(_)) => true,
                _ => false,
            };
            assert!(fits, "`{name}` is {:?}, which is no {:?}", measure.value, declared.kind);
        }
    }
}

#[test]
fn branches_that_work_is_collected_on_are_told_by_their_merges() {
    let work = Work::new();
    work.commit(0, "a.rs", "one");
    work.git(&["checkout", "--quiet", "-b", "develop"]);
    for day in [2, 30, 60] {
        work.commit(day, &format!("{day}.rs"), "work");
        work.git(&["checkout", "--quiet", "main"]);
        let subject = "Merge pull request #7 from acme/develop";
        work.on(day + 1, &["merge", "--quiet", "--no-ff", "-m", subject, "develop"]);
        work.git(&["checkout", "--quiet", "develop"]);
    }
    work.git(&["checkout", "--quiet", "main"]);
    let evidence = work.survey(70).repository;
    assert_eq!(
        value(&evidence, "integration_branches"),
        Value::List(vec!["develop".to_owned()])
    );
}

#[test]
fn short_branches_are_no_collections() {
    let work = Work::new();
    work.commit(0, "a.rs", "one");
    for day in [2, 30] {
        let name = format!("fix-{day}");
        work.git(&["checkout", "--quiet", "-b", &name]);
        work.commit(day, &format!("{day}.rs"), "work");
        work.git(&["checkout", "--quiet", "main"]);
        let subject = format!("Merge branch '{name}'");
        work.on(day + 1, &["merge", "--quiet", "--no-ff", "-m", &subject, &name]);
    }
    let evidence = work.survey(70).repository;
    assert_eq!(value(&evidence, "integration_branches"), Value::List(Vec::new()));
}

#[test]
fn versions_that_follow_each_other_are_one_line() {
    let work = Work::new();
    for (day, tag) in [(0, "v1.0.0"), (10, "v1.1.0"), (20, "v2.0.0")] {
        work.commit(day, "a.rs", "work");
        work.git(&["tag", tag]);
    }
    assert_eq!(count(&work.survey(30).repository, "lines_released"), 0);
    work.git(&["checkout", "--quiet", "-b", "release-1.1", "v1.1.0"]);
    work.commit(25, "b.rs", "mend");
    work.git(&["tag", "v1.1.1"]);
    work.git(&["checkout", "--quiet", "main"]);
    assert_eq!(count(&work.survey(30).repository, "lines_released"), 2);
    // Later only the newest line goes on.
    work.commit(150, "a.rs", "work");
    work.git(&["tag", "v2.1.0"]);
    assert_eq!(count(&work.survey(155).repository, "lines_released"), 0);
}
