//! Commits, refs, ancestry, files and versions of real repositories.

use source::version::Scheme;
use source::{ChangeKind, EntryKind, SourceError};

use crate::fixture::{Fixture, line, name};

#[tokio::test]
async fn making_a_repository_twice_gives_the_same_one() {
    let fixture = Fixture::new().await;
    let again = fixture.repositories.create(&name(), &line("other")).await.unwrap();
    assert_eq!(again.path(), fixture.repository.path());
    assert_eq!(again.head(), Some(line("main")));
    assert_eq!(fixture.repositories.list().unwrap(), [name()]);
    let team = fixture.repository.path().parent().unwrap();
    let names: Vec<_> = std::fs::read_dir(team)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names, ["cart.git"], "nothing is left behind");
    let missing = facts::ComponentName::new("shop/none").unwrap();
    assert!(matches!(
        fixture.repositories.get(&missing),
        Err(SourceError::NoRepository(_))
    ));
}

#[tokio::test]
async fn a_commit_says_who_when_and_why() {
    let fixture = Fixture::new().await;
    let first = fixture.work.commit("feat: one\n\nbecause");
    let second = fixture.work.commit("fix: two");
    fixture.push();
    let info = fixture.repository.commit(&second).unwrap();
    assert_eq!(
        (info.title(), info.parents.as_slice()),
        ("fix: two", [first.clone()].as_slice())
    );
    assert_eq!(
        (info.author.name.as_str(), info.committer.email.as_str()),
        ("Ada", "grace@example.org")
    );
    assert_eq!(info.committed_at.to_string(), "2026-11-23T10:00:00Z");
    assert_eq!(
        fixture.repository.commit(&first).unwrap().message,
        "feat: one\n\nbecause\n"
    );
    let absent = facts::Commit::new("0".repeat(39) + "1").unwrap();
    assert!(matches!(
        fixture.repository.commit(&absent),
        Err(SourceError::NoCommit(_))
    ));
    assert!(!fixture.repository.has(&absent).unwrap());
}

#[tokio::test]
async fn refs_lead_to_commits_also_through_annotated_tags() {
    let fixture = Fixture::new().await;
    let commit = fixture.work.commit("one");
    fixture.work.git(&["tag", "plain"]);
    fixture.work.git(&["tag", "-a", "v1.0.0", "-m", "annotated"]);
    fixture.work.git(&["tag", "tree", "HEAD^{tree}"]);
    fixture.push();
    let refs = fixture.repository.refs().unwrap();
    let commits: Vec<_> = refs
        .0
        .iter()
        .map(|(name, target)| (name.as_str(), target.commit.clone()))
        .collect();
    let some = Some(commit.clone());
    let wanted = [
        ("refs/heads/main", some.clone()),
        ("refs/tags/plain", some.clone()),
        ("refs/tags/tree", None),
        ("refs/tags/v1.0.0", some),
    ];
    assert_eq!(commits, wanted);
    for text in ["main", "v1.0.0", "refs/heads/main", commit.as_str(), commit.short()] {
        assert_eq!(fixture.repository.resolve(text).unwrap(), commit, "{text}");
    }
    for text in ["", "nothing", "-x", "main~1", "@", "tree", "../main", "0123456789"] {
        assert!(
            matches!(fixture.repository.resolve(text), Err(SourceError::NoRevision(_))),
            "{text}"
        );
    }
}

#[tokio::test]
async fn ancestry_and_logs_follow_the_graph() {
    let fixture = Fixture::new().await;
    let work = &fixture.work;
    let a = work.commit("a");
    let b = work.commit("b");
    work.git(&["checkout", "--quiet", "-b", "side", a.as_str()]);
    let c = work.commit("c");
    work.git(&["checkout", "--quiet", "main"]);
    work.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "side"]);
    let merge = work.head();
    work.git(&["checkout", "--quiet", "--orphan", "alone"]);
    let alone = work.commit("alone");
    fixture.push();
    let repository = &fixture.repository;
    assert!(repository.is_ancestor(&a, &merge).unwrap() && repository.is_ancestor(&c, &merge).unwrap());
    assert!(repository.is_ancestor(&a, &a).unwrap() && !repository.is_ancestor(&merge, &a).unwrap());
    assert_eq!(repository.merge_base(&b, &c).unwrap(), Some(a.clone()));
    assert_eq!(repository.merge_base(&b, &alone).unwrap(), None);
    assert_eq!(
        repository.first_parents(&merge, 10).unwrap(),
        [merge.clone(), b.clone(), a.clone()]
    );
    let arrived = |known: &[&facts::Commit], new, limit| {
        let known: Vec<_> = known.iter().map(|commit| (*commit).clone()).collect();
        repository.arrived(&known, new, limit).unwrap()
    };
    let only_merge = std::slice::from_ref(&merge);
    assert_eq!(arrived(&[], &merge, 10), [a.clone(), b.clone(), merge.clone()]);
    assert_eq!(arrived(&[&b], &merge, 10), only_merge);
    assert_eq!(arrived(&[&b, &c], &merge, 10), only_merge);
    assert_eq!(arrived(&[&c], &merge, 1), only_merge, "the newest count");
    assert_eq!(arrived(&[&merge], &b, 10), [], "a branch that went back brings nothing");
    let between = repository.between(Some(&b), &merge, 10).unwrap();
    assert_eq!(between.len(), 2);
    assert!(between.contains(&c) && between.contains(&merge));
}

#[tokio::test]
async fn files_and_folders_are_read_at_a_commit_without_following_links() {
    let fixture = Fixture::new().await;
    let work = &fixture.work;
    work.write("app/throughline.yaml", "throughline: 1\n");
    work.write("app/run", "#!/bin/sh\n");
    work.git(&["add", "--all"]);
    work.git(&["update-index", "--chmod=+x", "app/run"]);
    std::os::unix::fs::symlink("/etc/passwd", work.0.join("app/link")).unwrap();
    work.git(&["add", "app/link"]);
    work.git(&["commit", "--quiet", "-m", "files"]);
    let commit = work.head();
    fixture.push();
    let repository = &fixture.repository;
    let file = |path: &str, limit| repository.file(&commit, path, limit);
    assert_eq!(file("app/throughline.yaml", 100).unwrap().unwrap(), b"throughline: 1\n");
    assert_eq!(
        file("./app//throughline.yaml", 100).unwrap().unwrap(),
        b"throughline: 1\n"
    );
    assert!(file("app/none", 100).unwrap().is_none());
    assert!(file("../app/throughline.yaml", 100).unwrap().is_none());
    assert!(file("app/run/below", 100).unwrap().is_none());
    assert!(matches!(
        file("app/throughline.yaml", 3),
        Err(SourceError::TooLarge { size: 15, .. })
    ));
    let error = file("app/link", 100).unwrap_err();
    assert!(error.to_string().contains("is a symlink"), "{error}");
    let kinds: Vec<_> = repository
        .folder(&commit, "app")
        .unwrap()
        .unwrap()
        .into_iter()
        .map(|e| (e.name, e.kind))
        .collect();
    let wanted = [
        ("link", EntryKind::Link),
        ("run", EntryKind::Executable),
        ("throughline.yaml", EntryKind::File),
    ];
    assert_eq!(kinds, wanted.map(|(name, kind)| (name.to_owned(), kind)));
    assert!(repository.folder(&commit, "app/run").unwrap().is_none());
}

#[tokio::test]
async fn changed_paths_are_those_that_git_itself_names() {
    let fixture = Fixture::new().await;
    let work = &fixture.work;
    for path in [
        "same",
        "a/changed",
        "a/removed",
        "b/deep/er/removed",
        "becomes-folder",
        "c/x",
    ] {
        work.write(path, path);
    }
    let old = work.commit("old");
    work.write("a/changed", "other");
    work.write("a/added", "new");
    work.write("ü/ö", "new");
    for path in ["a/removed", "b/deep/er/removed", "becomes-folder"] {
        std::fs::remove_file(work.0.join(path)).unwrap();
    }
    work.write("becomes-folder/x", "x");
    std::fs::remove_file(work.0.join("c/x")).unwrap();
    std::fs::remove_dir(work.0.join("c")).unwrap();
    work.write("c", "a file now");
    let new = work.commit("new");
    fixture.push();
    let ours: Vec<_> = fixture
        .repository
        .changed_paths(Some(&old), &new)
        .unwrap()
        .into_iter()
        .map(|c| {
            let letter = match c.change {
                ChangeKind::Added => "A",
                ChangeKind::Modified => "M",
                ChangeKind::Removed => "D",
            };
            format!("{letter}\t{}", c.path)
        })
        .collect();
    let theirs = work.git(&[
        "-c",
        "core.quotePath=false",
        "diff",
        "--no-renames",
        "--name-status",
        old.as_str(),
        new.as_str(),
    ]);
    let mut theirs: Vec<_> = theirs.lines().map(str::to_owned).collect();
    let mut sorted = ours.clone();
    sorted.sort();
    theirs.sort();
    assert_eq!(sorted, theirs);
    assert_eq!(fixture.repository.changed_paths(None, &old).unwrap().len(), 6);
    assert!(fixture.repository.changed_paths(Some(&new), &new).unwrap().is_empty());
}

#[tokio::test]
async fn versions_come_from_the_real_graph_and_its_tags() {
    let fixture = Fixture::new().await;
    let work = &fixture.work;
    let first = work.commit("start");
    work.git(&["tag", "-a", "v1.2.0", "-m", "release"]);
    let second = work.commit("feat: more");
    work.git(&["checkout", "--quiet", "-b", "release/1.x"]);
    let third = work.commit("fix!: breaks");
    fixture.push();
    let main = line("main");
    let version = |commit, on: &str, scheme| {
        fixture
            .repository
            .version(commit, scheme, &line(on), &main)
            .unwrap()
            .to_string()
    };
    assert_eq!(version(&first, "main", Scheme::Semantic), "1.2.0");
    assert_eq!(version(&second, "main", Scheme::Semantic), "1.3.0");
    assert_eq!(version(&third, "main", Scheme::Semantic), "2.0.0");
    assert_eq!(version(&third, "release/1.x", Scheme::Semantic), "1.4.0-release-1-x.3");
    assert_eq!(version(&third, "main", Scheme::Calendar), "2026.11.3");
}

#[tokio::test]
async fn an_open_repository_sees_what_is_pushed_later() {
    let fixture = Fixture::new().await;
    assert!(fixture.repository.refs().unwrap().0.is_empty());
    for round in 0..3 {
        let commit = fixture.work.commit(&format!("round {round}"));
        fixture.push();
        assert_eq!(fixture.repository.resolve("main").unwrap(), commit);
        assert_eq!(
            fixture.repository.commit(&commit).unwrap().title(),
            format!("round {round}")
        );
    }
    fixture.repository.tidy().await.unwrap();
    assert_eq!(
        fixture
            .repository
            .first_parents(&fixture.work.head(), 10)
            .unwrap()
            .len(),
        3
    );
}
