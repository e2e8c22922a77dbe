//! Repositories of unusual forms and with unusual contents.

use evidence::{EntryKind, Place, Tree as _, TreeError, Value};

use crate::fixture::{Work, count, is_limited, measure, number, options, survey_of, value};

#[test]
fn bare_repositories_linked_worktrees_and_folders_within_show_the_same() {
    let work = Work::new();
    work.commit(0, "src/a.rs", "one");
    work.commit(1, "src/b.rs", "two");
    let here = work.survey(9).repository;
    let bare = work.folder.path().join("bare.git");
    let url = format!("file://{}", work.path.display());
    work.git(&["clone", "--quiet", "--bare", &url, bare.to_str().unwrap()]);
    let linked = work.folder.path().join("linked");
    work.git(&["worktree", "add", "--quiet", "--detach", linked.to_str().unwrap()]);
    for path in [&bare, &linked, &work.path.join("src"), &work.path.join(".git")] {
        let survey = survey_of(path, 9).unwrap();
        assert_eq!(survey.repository.measures, here.measures, "{}", path.display());
        assert_eq!(survey.repository.subject.commit, here.subject.commit);
        assert_eq!(survey.repository.subject.repository, "shop");
    }
}

#[test]
fn a_shallow_clone_says_what_it_cannot_see_and_claims_nothing_about_it() {
    let work = Work::new();
    for day in 0..30 {
        work.commit(day, "a.rs", &format!("day {day}"));
    }
    work.on(20, &["tag", "v1.0.0", "HEAD~5"]);
    let clone = work.folder.path().join("clone");
    let url = format!("file://{}", work.path.display());
    work.git(&["clone", "--quiet", "--depth=3", &url, clone.to_str().unwrap()]);
    let evidence = survey_of(&clone, 30).unwrap().repository;
    assert!(is_limited(&evidence, "the clone is shallow"));
    assert!(is_limited(&evidence, "the window reaches back behind"));
    assert_eq!(value(&evidence, "shallow"), Value::Boolean(true));
    for name in [
        "commits",
        "age_days",
        "commits_in_window",
        "releases",
        "reverts_in_window",
        "branches_active",
    ] {
        assert!(measure(&evidence, name).is_none(), "{name}");
    }
    assert!(number(&evidence, "last_commit_days") < 2.0);
    // Long after, the window is all seen again: nothing happened in it.
    let later = survey_of(&clone, 300).unwrap().repository;
    assert_eq!(count(&later, "commits_in_window"), 0);
}

#[test]
fn a_clone_of_one_branch_does_not_count_branches() {
    let work = Work::new();
    work.commit(0, "a", "one");
    work.git(&["branch", "topic"]);
    let clone = work.folder.path().join("clone");
    let url = format!("file://{}", work.path.display());
    work.git(&["clone", "--quiet", "--single-branch", &url, clone.to_str().unwrap()]);
    let evidence = survey_of(&clone, 9).unwrap().repository;
    assert!(is_limited(&evidence, "only one branch was cloned"));
    assert!(measure(&evidence, "branches_active").is_none());
    assert_eq!(count(&evidence, "commits"), 1);
}

#[test]
fn contents_that_a_partial_clone_lacks_prove_nothing() {
    let work = Work::new();
    work.git(&["config", "uploadpack.allowFilter", "true"]);
    work.commit(0, "src/a.rs", "one");
    work.commit(1, "package.json", "{}");
    let clone = work.folder.path().join("clone");
    let url = format!("file://{}", work.path.display());
    work.git(&[
        "clone",
        "--quiet",
        "--bare",
        "--filter=blob:none",
        &url,
        clone.to_str().unwrap(),
    ]);
    let evidence = survey_of(&clone, 9).unwrap().repository;
    assert!(is_limited(&evidence, "the clone is partial"), "{:?}", evidence.limits);
    assert!(is_limited(&evidence, "cannot be read"), "{:?}", evidence.limits);
    assert!(measure(&evidence, "change_lines_median").is_none());
    let negative = |(name, measure): (&String, &evidence::Measure)| {
        !name.starts_with("history.") && measure.value == Value::Boolean(false)
    };
    assert!(!evidence.measures.iter().any(negative));
}

#[test]
fn a_broken_commit_ends_the_history_there_and_is_told() {
    let work = Work::new();
    let first = work.commit(0, "a", "one");
    work.commit(1, "a", "two");
    work.commit(2, "a", "three");
    let object = work.path.join(".git/objects").join(&first[..2]).join(&first[2..]);
    std::fs::remove_file(&object).unwrap();
    std::fs::write(&object, "rubbish").unwrap();
    let evidence = work.survey(9).repository;
    assert!(is_limited(&evidence, "1 commit cannot be read"));
    assert!(measure(&evidence, "commits").is_none());
    assert!(measure(&evidence, "commits_in_window").is_none());
    let told = |finding: &evidence::Finding| matches!(&finding.place, Place::Commit { commit, .. } if *commit == first);
    assert!(evidence.findings.iter().any(told), "{:?}", evidence.findings);
}

#[test]
fn a_broken_folder_of_an_old_commit_is_told_and_the_rest_goes_on() {
    let work = Work::new();
    for day in 0..30 {
        work.commit(day, &format!("src/{day}.rs"), "a file");
    }
    let tree = work.git(&["rev-parse", "HEAD~20:src"]);
    let object = work.path.join(".git/objects").join(&tree[..2]).join(&tree[2..]);
    std::fs::remove_file(&object).unwrap();
    std::fs::write(&object, "rubbish").unwrap();
    let evidence = work.survey(40).repository;
    assert_eq!(count(&evidence, "commits"), 30);
    let broken = evidence
        .findings
        .iter()
        .filter(|finding| finding.problem.contains("what it changed"));
    assert_eq!(broken.count(), 2, "{:?}", evidence.findings);
    assert!(
        measure(&evidence, "change_files_median").is_none(),
        "two of thirty are too many"
    );
}

#[test]
fn replaced_and_grafted_history_is_read_as_it_was() {
    let work = Work::new();
    work.commit(0, "a", "one");
    work.commit(1, "a", "two");
    work.commit(2, "a", "three");
    work.git(&["replace", "--graft", "HEAD"]);
    std::fs::create_dir_all(work.path.join(".git/info")).unwrap();
    let head = work.git(&["rev-parse", "HEAD"]);
    std::fs::write(work.path.join(".git/info/grafts"), format!("{head}\n")).unwrap();
    let evidence = work.survey(9).repository;
    assert_eq!(count(&evidence, "commits"), 3);
    assert!(is_limited(&evidence, "1 object is replaced"));
    assert!(is_limited(&evidence, "grafts"));
}

#[test]
fn wrong_clocks_do_not_move_the_others() {
    let work = Work::new();
    for day in [0, 1, 2, -7000, 3, 9000, 4] {
        work.commit(day, "a", &format!("on day {day}"));
    }
    let evidence = work.survey(10).repository;
    assert_eq!(count(&evidence, "commits"), 7);
    assert_eq!(count(&evidence, "commits_in_window"), 7);
    assert!(number(&evidence, "age_days") < 11.0);
    assert!(is_limited(&evidence, "2 commits on trunk cannot be of the date"));
    assert!(measure(&evidence, "last_commit_days").is_some());
}

#[test]
fn tags_on_trees_and_blobs_are_told_and_no_releases() {
    let work = Work::new();
    work.commit(0, "a", "one");
    work.git(&["tag", "v1.0.0", "HEAD:a"]);
    work.git(&["tag", "v1.1.0", "HEAD^{tree}"]);
    work.git(&["tag", "-m", "of a tree", "v1.2.0", "HEAD^{tree}"]);
    work.on(1, &["tag", "-m", "right", "v2.0.0"]);
    work.git(&["tag", "-m", "of a tag", "v2.1.0", "v2.0.0"]);
    let evidence = work.survey(9).repository;
    assert_eq!(
        count(&evidence, "releases"),
        1,
        "two names of one commit are one release"
    );
    let told = |kind: &str| evidence.findings.iter().filter(|f| f.problem.contains(kind)).count();
    assert_eq!(
        (told("of a blob"), told("of a tree")),
        (1, 2),
        "{:?}",
        evidence.findings
    );
}

#[test]
fn fifty_thousand_tags_are_read() {
    let work = Work::new();
    let commit = work.commit(0, "a", "one");
    let mut tags: Vec<String> = (0..50_000).map(|number| format!("refs/tags/v1.{number}.0")).collect();
    tags.sort();
    let mut packed = "# pack-refs with: peeled fully-peeled sorted \n".to_owned();
    for tag in tags {
        packed.push_str(&format!("{commit} {tag}\n"));
    }
    std::fs::write(work.path.join(".git/packed-refs"), packed).unwrap();
    let evidence = work.survey(9).repository;
    assert_eq!(count(&evidence, "releases"), 1);
    assert_eq!(measure(&evidence, "versions_unique").unwrap().sample, Some(50_000));
}

#[test]
fn hostile_names_links_and_submodules_are_listed_and_not_followed() {
    let work = Work::new();
    let blob = work.feed(&["hash-object", "-w", "--stdin"], b"text");
    let link = work.feed(&["hash-object", "-w", "--stdin"], b"/etc/passwd");
    let commit = "1".repeat(40);
    let mut lines = Vec::new();
    for name in [
        &b".."[..],
        b".git",
        b"a\nb",
        b"\x1b[31mred",
        b"caf\xc3\xa9",
        b"caf\xe9",
        b"caf\xea",
        b"-rf",
        b"con",
    ] {
        lines.extend_from_slice(format!("100644 blob {blob}\t").as_bytes());
        lines.extend_from_slice(name);
        lines.push(0);
    }
    lines.extend_from_slice(format!("120000 blob {link}\tout\0160000 commit {commit}\tsub\0").as_bytes());
    let tree = work.feed(&["mktree", "-z", "--missing"], &lines);
    let commit = work.on(0, &["commit-tree", "-m", "hostile", &tree]);
    work.git(&["update-ref", "refs/heads/main", &commit]);
    let survey = work.survey(9);
    let tree = survey.tree.unwrap();
    let paths: Vec<_> = tree.entries().iter().map(|entry| entry.path.as_str()).collect();
    assert!(
        paths.contains(&"..") && paths.contains(&"a\nb") && paths.contains(&"café"),
        "{paths:?}"
    );
    assert_eq!(
        paths.iter().filter(|path| path.contains('\u{fffd}')).count(),
        1,
        "names that read alike stand once"
    );
    assert_eq!(tree.read("out", 100), Ok(None), "a link is not followed");
    let kinds: Vec<_> = tree
        .entries()
        .iter()
        .filter(|e| e.path == "sub" || e.path == "out")
        .map(|e| e.kind)
        .collect();
    assert_eq!(kinds, [EntryKind::Link, EntryKind::Submodule]);
    assert!(is_limited(&survey.repository, "1 submodule is not looked into (`sub`)"));
    assert_eq!(
        tree.read("..", 100),
        Ok(Some(b"text".to_vec())),
        "it is a name and no way out"
    );
}

#[test]
fn a_huge_file_is_not_read() {
    let work = Work::new();
    let folder = work.folder.path().join("huge");
    let file = std::fs::File::create(&folder).unwrap();
    file.set_len(200 * 1024 * 1024).unwrap();
    let settings = ["-c", "core.bigFileThreshold=1m", "-c", "core.compression=1"];
    let blob = work.git(&[&settings[..], &["hash-object", "-w", folder.to_str().unwrap()]].concat());
    let small = work.feed(&["hash-object", "-w", "--stdin"], b"fn main() {}\n");
    let lines = format!("100644 blob {blob}\thuge.yml\n100644 blob {small}\tmain.rs\n");
    let tree = work.feed(&["mktree"], lines.as_bytes());
    let commit = work.on(0, &["commit-tree", "-m", "huge", &tree]);
    work.git(&["update-ref", "refs/heads/main", &commit]);
    let survey = work.survey(9);
    let tree = survey.tree.unwrap();
    let most = 1024 * 1024;
    assert!(matches!(tree.read("huge.yml", most), Err(TreeError::TooLong { size, .. }) if size == 200 * most));
    assert_eq!(
        number(&survey.repository, "change_lines_median"),
        1.0,
        "its lines are not counted"
    );
}

#[test]
fn files_that_are_kept_elsewhere_are_not_taken_for_their_pointers() {
    let work = Work::new();
    work.write(".gitattributes", "*.yml filter=lfs diff=lfs merge=lfs -text\n");
    let id = "0".repeat(64);
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{id}\nsize 12345\n");
    work.write(".github/workflows/ci.yml", &pointer);
    work.git(&["config", "filter.lfs.clean", "cat"]);
    work.commit_by(0, ("Ada Lovelace", "ada@example.org"), "large");
    let survey = work.survey(9);
    let read = survey.tree.as_ref().unwrap().read(".github/workflows/ci.yml", 1_000);
    assert!(matches!(read, Err(TreeError::Unreadable { .. })), "{read:?}");
    assert!(is_limited(&survey.repository, "kept in LFS"));
}

#[test]
fn messages_and_names_in_other_encodings_are_read() {
    let work = Work::new();
    work.git(&["config", "i18n.commitEncoding", "ISO-8859-1"]);
    work.write("a", "1");
    work.git(&["add", "a"]);
    let message = work.folder.path().join("message");
    std::fs::write(&message, b"Revert \"caf\xe9\"\n").unwrap();
    work.on(0, &["commit", "--quiet", "-F", message.to_str().unwrap()]);
    work.git(&["config", "i18n.commitEncoding", "KOI8-R"]);
    std::fs::write(&message, b"Revert \"\xd7\"\n").unwrap();
    work.on(
        1,
        &["commit", "--quiet", "--allow-empty", "-F", message.to_str().unwrap()],
    );
    let evidence = work.survey(9).repository;
    let places = &measure(&evidence, "reverts_in_window").unwrap().places;
    let whats: Vec<_> = places
        .iter()
        .map(|place| match place {
            Place::Commit { what, .. } => what.as_str(),
            _ => "",
        })
        .collect();
    assert_eq!(whats, ["Revert \"\u{fffd}\"", "Revert \"café\""]);
}

#[test]
fn a_tree_that_grows_without_end_is_cut() {
    let work = Work::new();
    let blob = work.feed(&["hash-object", "-w", "--stdin"], b"x");
    let mut line = format!("100644 blob {blob}\tf\n");
    for _ in 0..12 {
        let tree = work.feed(&["mktree"], line.as_bytes());
        line = (0..10).map(|n| format!("040000 tree {tree}\t{n}\n")).collect();
    }
    let tree = work.feed(&["mktree"], line.as_bytes());
    let commit = work.on(0, &["commit-tree", "-m", "bomb", &tree]);
    work.git(&["update-ref", "refs/heads/main", &commit]);
    let mut options = options(9);
    options.most_files = 5_000;
    let evidence = survey::survey(&work.path, &options, &()).unwrap().repository;
    assert!(is_limited(&evidence, "more files than"), "{:?}", evidence.limits);
    assert!(
        is_limited(&evidence, "1 change of the window touches very many files"),
        "{:?}",
        evidence.limits
    );
    let negative = |measure: &evidence::Measure| measure.value == Value::Boolean(false);
    let files = evidence.measures.iter().filter(|(name, _)| name.starts_with("files."));
    assert!(!files.into_iter().any(|(_, measure)| negative(measure)));
}
