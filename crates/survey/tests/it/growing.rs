//! The same repository at several moments.

use survey::AsOf;

use crate::fixture::{Work, count, end_of, options};

fn history() -> Work {
    let work = Work::new();
    for month in 0..8 {
        let day = month * 30;
        work.commit(day, "src/a.rs", &format!("feat: month {month}"));
        work.git(&["checkout", "--quiet", "-b", &format!("topic-{month}")]);
        work.commit(day + 1, &format!("src/{month}.rs"), "work");
        work.commit(day + 3, &format!("tests/{month}.rs"), "tests");
        work.git(&["checkout", "--quiet", "main"]);
        let merge = [
            "merge",
            "--quiet",
            "--no-ff",
            "-m",
            "Merge pull request #1 from a/b",
            &format!("topic-{month}"),
        ];
        work.on(day + 9, &merge);
        work.git(&["branch", "--quiet", "-D", &format!("topic-{month}")]);
        work.on(day + 12, &["tag", "-m", "release", &format!("v1.{month}.0")]);
    }
    work
}

#[test]
fn a_timeline_is_what_single_surveys_give() {
    let work = history();
    let days = [5, 40, 100, 160, 239, 400];
    let moments: Vec<AsOf> = days.into_iter().map(end_of).collect();
    let timeline = survey::timeline(&work.path, &options(0), &moments, &()).unwrap();
    for (day, from_timeline) in days.into_iter().zip(&timeline) {
        let single = work.survey(day);
        assert_eq!(
            from_timeline.repository.measures, single.repository.measures,
            "day {day}"
        );
        assert_eq!(from_timeline.repository.subject, single.repository.subject);
        assert_eq!(from_timeline.repository.findings, single.repository.findings);
        assert_eq!(from_timeline.components, single.components);
    }
}

#[test]
fn a_past_moment_sees_the_branches_and_tags_of_then() {
    let work = history();
    let then = work.survey(35).repository;
    assert_eq!(count(&then, "releases"), 1);
    assert_eq!(count(&then, "branches_active"), 1, "one that was merged later");
    assert_eq!(count(&then, "commits"), 5);
    let later = work.survey(245).repository;
    assert_eq!(count(&later, "releases"), 8);
    assert_eq!(count(&later, "branches_active"), 0);
}

#[test]
fn a_commit_graph_file_changes_nothing() {
    let work = history();
    let without = work.survey(1_000);
    work.git(&["gc", "--quiet"]);
    work.git(&["commit-graph", "write", "--reachable"]);
    let with = work.survey(1_000);
    assert_eq!(without.repository, with.repository);
    // A broken one is no better than none.
    let file = work.path.join(".git/objects/info/commit-graph");
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "rubbish").unwrap();
    assert_eq!(work.survey(1_000).repository, with.repository);
}

#[test]
fn now_is_the_end_of_trunk_also_when_clocks_were_ahead() {
    let work = Work::new();
    work.commit(0, "a", "one");
    let newest = work.commit(3, "a", "from tomorrow");
    let mut options = options(0);
    options.as_of = AsOf::Now(end_of(1).timestamp());
    let survey = survey::survey(&work.path, &options, &()).unwrap();
    assert_eq!(survey.repository.subject.commit, Some(newest));
    options.as_of = end_of(1);
    let survey = survey::survey(&work.path, &options, &()).unwrap();
    assert_eq!(count(&survey.repository, "commits"), 1);
}
