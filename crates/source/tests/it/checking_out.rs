//! Checkouts: exactly the commit's files, nothing run, nothing outside.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use source::{CheckoutLimits, SourceError};

use crate::fixture::{Fixture, below};

#[tokio::test]
async fn a_checkout_holds_the_files_of_the_commit_and_nothing_of_git() {
    let fixture = Fixture::new().await;
    let work = &fixture.work;
    work.write("dir/file", "text");
    work.write("run", "#!/bin/sh\n");
    std::fs::set_permissions(work.0.join("run"), std::fs::Permissions::from_mode(0o755)).unwrap();
    symlink("dir/file", work.0.join("link")).unwrap();
    let old = work.commit("old");
    work.write("dir/file", "newer");
    work.commit("newer");
    fixture.push();
    let folder = fixture.folder.path().join("runs/1/work");
    fixture
        .repository
        .checkout(&old, &folder, CheckoutLimits::default())
        .await
        .unwrap();
    assert_eq!(below(&folder), ["dir", "dir/file", "link", "run"]);
    assert_eq!(std::fs::read_to_string(folder.join("link")).unwrap(), "text");
    assert_eq!(std::fs::metadata(folder.join("run")).unwrap().mode() & 0o111, 0o111);
    assert_eq!(below(folder.parent().unwrap()).len(), 5, "no index is left");
    let again = fixture
        .repository
        .checkout(&old, &folder, CheckoutLimits::default())
        .await;
    assert!(matches!(again, Err(SourceError::NotEmpty(_))));
    let absent = facts::Commit::new("1".repeat(40)).unwrap();
    let other = fixture.folder.path().join("other");
    let missing = fixture
        .repository
        .checkout(&absent, &other, CheckoutLimits::default())
        .await;
    assert!(matches!(missing, Err(SourceError::NoCommit(_))));
}

#[tokio::test]
async fn hooks_filters_submodules_and_large_file_pointers_are_left_alone() {
    let fixture = Fixture::new().await;
    let work = &fixture.work;
    let trap = fixture.folder.path().join("trap");
    let touch = format!("touch {}", trap.display());
    work.write(
        ".gitattributes",
        "*.bin filter=lfs\n*.txt filter=evil\n* export-ignore\n*.id ident\n",
    );
    work.write(
        "a.bin",
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
    );
    work.write("a.txt", "text");
    work.write(
        ".gitmodules",
        &format!("[submodule \"sub\"]\n\tpath = sub\n\turl = ext::sh -c \"{touch}\"\n"),
    );
    let inner = work.commit("inner");
    work.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{inner},sub")]);
    work.git(&["commit", "--quiet", "-m", "submodule"]);
    let commit = work.head();
    fixture.push();
    // As if somebody had got into the server's own settings.
    let config = fixture.repository.path().join("config");
    let mut settings = std::fs::read_to_string(&config).unwrap();
    settings.push_str(&format!(
        "[core]\n\thooksPath = {0}/hooks\n\tfsmonitor = \"{touch}\"\n",
        fixture.folder.path().display()
    ));
    std::fs::write(&config, settings).unwrap();
    let hooks = fixture.folder.path().join("hooks");
    std::fs::create_dir(&hooks).unwrap();
    for hook in ["post-checkout", "post-index-change", "reference-transaction"] {
        std::fs::write(hooks.join(hook), format!("#!/bin/sh\n{touch}\n")).unwrap();
        std::fs::set_permissions(hooks.join(hook), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let folder = fixture.folder.path().join("checkout");
    fixture
        .repository
        .checkout(&commit, &folder, CheckoutLimits::default())
        .await
        .unwrap();
    assert!(!trap.exists(), "something of the repository was run");
    assert_eq!(
        below(&folder),
        [".gitattributes", ".gitmodules", "a.bin", "a.txt", "sub"]
    );
    assert!(
        std::fs::read_to_string(folder.join("a.bin"))
            .unwrap()
            .starts_with("version https://git-lfs")
    );
}

#[tokio::test]
async fn trees_made_to_reach_into_git_or_outside_are_refused() {
    let fixture = Fixture::new().await;
    let work = &fixture.work;
    let evil = work.feed(
        &["hash-object", "-w", "--stdin"],
        b"[core]\n\tfsmonitor = touch /tmp/evil\n",
    );
    let target = work.feed(&["hash-object", "-w", "--stdin"], b"/tmp");
    let inner = work.feed(&["mktree"], format!("100644 blob {evil}\tconfig\n").as_bytes());
    let trees = [
        format!("040000 tree {inner}\t.git\n"),
        format!("040000 tree {inner}\t.GIT\n"),
        format!("040000 tree {inner}\t.Git\n"),
        format!("040000 tree {inner}\t.git.\n"),
        format!("040000 tree {inner}\t.git::$INDEX_ALLOCATION\n"),
        format!("040000 tree {inner}\tgit~1\n"),
        format!("040000 tree {inner}\tGIT~1\n"),
        format!("040000 tree {inner}\t.g\u{200c}it\n"),
        format!("120000 blob {target}\t.git\n"),
        format!("040000 tree {inner}\t..\n"),
        format!("040000 tree {inner}\t.\n"),
        format!("120000 blob {target}\t.gitmodules\n"),
        format!("100644 blob {evil}\ta/b\n"),
    ];
    for tree in trees {
        // Git's own tools refuse most of them, so the object is made byte by byte.
        let (head, path) = tree.trim_end().split_once('\t').unwrap();
        let mut parts = head.split(' ');
        let (mode, id) = (parts.next().unwrap().trim_start_matches('0'), parts.nth(1).unwrap());
        let mut raw = format!("{mode} {path}\0").into_bytes();
        raw.extend(
            (0..40)
                .step_by(2)
                .map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap()),
        );
        let tree = work.feed(&["hash-object", "-w", "-t", "tree", "--literally", "--stdin"], &raw);
        let commit = facts::Commit::new(work.git(&["commit-tree", "-m", "evil", &tree])).unwrap();

        // A push of it is refused ...
        let remote = fixture.repository.path().to_str().unwrap();
        let (said, pushed) = work.try_git(&["push", "--quiet", remote, &format!("{commit}:refs/heads/evil")]);
        assert!(!pushed, "{path:?}: {said}");

        // ... and if it got in by another way, so is its checkout, or it stays harmless.
        let objects = work.0.join(".git/objects");
        let alternates = fixture.repository.path().join("objects/info/alternates");
        std::fs::create_dir_all(alternates.parent().unwrap()).unwrap();
        std::fs::write(&alternates, format!("{}\n", objects.display())).unwrap();
        let repository = source::Repository::open(fixture.repository.path()).unwrap();
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("in/checkout");
        let result = repository.checkout(&commit, &folder, CheckoutLimits::default()).await;
        let escaped: Vec<_> = below(outer.path())
            .into_iter()
            .filter(|p| !p.starts_with("in/checkout") && p != "in")
            .collect();
        assert!(escaped.is_empty(), "{path:?}: {escaped:?}");
        if [".gitmodules", "a/b"].contains(&path) {
            std::fs::remove_file(&alternates).unwrap();
            continue;
        }
        let error = result.expect_err(path);
        assert!(error.hint().is_some(), "{path:?}: {error}");
        assert!(!folder.join(".git").exists());
        std::fs::remove_file(&alternates).unwrap();
    }
}

#[tokio::test]
async fn small_repositories_that_unfold_without_end_are_refused_before_the_first_file() {
    let fixture = Fixture::new().await;
    let work = &fixture.work;
    let blob = work.feed(&["hash-object", "-w", "--stdin"], b"boom");
    let mut lines: String = (0..10).map(|n| format!("100644 blob {blob}\tf{n}\n")).collect();
    for _ in 0..9 {
        let tree = work.feed(&["mktree"], lines.as_bytes());
        lines = (0..10).map(|n| format!("040000 tree {tree}\td{n}\n")).collect();
    }
    let commit = work.commit_of_tree(&lines);
    work.git(&["update-ref", "refs/heads/bomb", commit.as_str()]);
    fixture.push();
    let folder = fixture.folder.path().join("checkout");
    let limits = CheckoutLimits {
        entries: 5_000,
        ..CheckoutLimits::default()
    };
    let error = fixture.repository.checkout(&commit, &folder, limits).await.unwrap_err();
    assert!(matches!(error, SourceError::TooManyFiles { .. }), "{error}");
    assert!(!folder.exists());
    let small = work.commit("small");
    work.write("large", &"x".repeat(1_000));
    let large = work.commit("large");
    fixture.push();
    let limits = CheckoutLimits {
        bytes: 999,
        ..CheckoutLimits::default()
    };
    assert!(fixture.repository.checkout(&small, &folder, limits).await.is_ok());
    let other = fixture.folder.path().join("other");
    assert!(fixture.repository.checkout(&large, &other, limits).await.is_err());
}

#[tokio::test]
async fn names_too_long_for_the_disk_are_a_clear_error() {
    let fixture = Fixture::new().await;
    let work = &fixture.work;
    let blob = work.feed(&["hash-object", "-w", "--stdin"], b"x");
    let commit = work.commit_of_tree(&format!("100644 blob {blob}\t{}\n", "n".repeat(300)));
    work.git(&["update-ref", "refs/heads/long", commit.as_str()]);
    fixture.push();
    let folder = fixture.folder.path().join("checkout");
    let error = fixture
        .repository
        .checkout(&commit, &folder, CheckoutLimits::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("File name too long"), "{error}");
    assert!(error.hint().unwrap().contains("rename the file"));
}
