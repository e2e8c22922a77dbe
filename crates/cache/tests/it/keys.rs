//! Which files are inputs, and what changes a key.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use cache::{Memory, SeenFile, Tree, explain};
use facts::SystemClock;
use pipeline::Globs;

use crate::workspace::Workspace;

#[test]
fn ignored_files_are_no_inputs_unless_they_are_named_in_full() {
    let workspace = Workspace::new();
    workspace.write(".gitignore", "target/\n*.log\n");
    workspace.write("src/lib.rs", "");
    workspace.write(".hidden", "");
    workspace.write("target/debug/x", "");
    workspace.write("a.log", "");
    workspace.write(".git/config", "");
    assert_eq!(workspace.paths(&["**"]), [".gitignore", ".hidden", "src/lib.rs"]);
    assert_eq!(workspace.paths(&["src", "a.log"]), ["a.log", "src/lib.rs"]);
    assert_eq!(workspace.paths(&["**", "!**/*.rs"]), [".gitignore", ".hidden"]);
}

#[test]
fn a_look_at_a_part_sees_what_a_look_at_all_sees_there_and_passes_little_else() {
    let workspace = Workspace::new();
    workspace.write(".gitignore", "target/\n*.log\n");
    workspace.write("a/.gitignore", "/made\n");
    for folder in ["a", "a/b", "a/bc", "a/made", "target/a"] {
        for name in ["x.rs", "y.rs", "z.log"] {
            workspace.write(&format!("{folder}/{name}"), "");
        }
    }
    (0..50).for_each(|n| drop(workspace.write(&format!("many/{n}/file"), "")));
    let all = Tree::look(&workspace.root()).unwrap();
    for place in [
        "",
        "a",
        "a/b",
        "a/b/x.rs",
        "a/b/z.log",
        "a/made",
        "target",
        "nowhere/at/all",
    ] {
        let part = Tree::look_at(&workspace.root(), [place]).unwrap();
        let below = |file: &&SeenFile| place.is_empty() || Path::new(&file.path).starts_with(place);
        let expected: Vec<SeenFile> = all.files().iter().filter(below).cloned().collect();
        assert_eq!(part.files(), expected, "{place}");
    }
    assert!(all.entries() > 70);
    // The top, `a`, and what lies in `a/b`.
    let part = Tree::look_at(&workspace.root(), ["a/b/x.rs"]).unwrap();
    assert!(part.entries() < 20, "{}", part.entries());
}

#[test]
fn outputs_are_looked_for_where_their_patterns_begin() {
    let workspace = Workspace::new();
    for path in [
        "out/a",
        "out/sub/b",
        "out/sub/.git/c",
        "other/d",
        "e.o",
        "deep/f.o",
        ".git/config",
    ] {
        workspace.write(path, "");
    }
    std::os::unix::fs::symlink("out", workspace.root().join("link")).unwrap();
    let found = |patterns: &[&str]| -> Vec<String> {
        let globs = Globs::new(patterns.iter().copied()).unwrap();
        let found = Tree::outputs(&workspace.root(), &globs).unwrap();
        found.into_iter().map(|file| file.path).collect()
    };
    assert_eq!(found(&["out"]), ["out/a", "out/sub/b"]);
    assert_eq!(found(&["out/sub/", "!out/sub/b"]), Vec::<String>::new());
    assert_eq!(found(&["out/a", "other"]), ["other/d", "out/a"]);
    assert_eq!(found(&["*.o", "out/**/b"]), ["e.o", "out/sub/b"]);
    // A link is an output itself, and nothing is looked for behind it.
    assert_eq!(found(&["link", "link/a", "link/*"]), ["link"]);
    assert_eq!(
        found(&[".git", "missing", "out/a/below", "out//a"]),
        Vec::<String>::new()
    );
}

#[test]
fn the_key_changes_with_bytes_names_modes_and_links_and_with_nothing_else() {
    let workspace = Workspace::new();
    let file = workspace.write("src/a", "one");
    workspace.write("src/b", "two");
    workspace.write("other", "x");
    std::os::unix::fs::symlink("a", workspace.root().join("src/link")).unwrap();
    let first = workspace.manifest(&["src"]);

    workspace.write("other", "y");
    workspace.write("src/a", "one");
    assert_eq!(workspace.manifest(&["src"]).key(), first.key());

    let mut keys = vec![first.key()];
    let mut differs = |what: &str| {
        let key = workspace.manifest(&["src"]).key();
        assert!(!keys.contains(&key), "{what}");
        keys.push(key);
    };
    workspace.write("src/a", "eno");
    differs("the same length, other bytes");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    differs("the mode");
    std::fs::remove_file(workspace.root().join("src/link")).unwrap();
    std::os::unix::fs::symlink("b", workspace.root().join("src/link")).unwrap();
    differs("where the link points");
    std::fs::rename(workspace.root().join("src/b"), workspace.root().join("src/c")).unwrap();
    differs("the name");

    let reasons = explain(Some(&first), &workspace.manifest(&["src"]));
    let said: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        ["changed: `src/a` and `src/link`", "new: `src/c`", "gone: `src/b`"]
    );
}

#[test]
fn a_file_written_twice_in_a_moment_is_never_taken_for_the_first_writing() {
    let workspace = Workspace::new();
    for round in 0..200 {
        workspace.write("src/a", &format!("{round:04}"));
        let key = workspace.manifest(&["src"]).key();
        workspace.write("src/a", &format!("{:04}", round + 1));
        assert_ne!(workspace.manifest(&["src"]).key(), key, "round {round}");
    }
}

#[test]
fn what_is_remembered_is_used_after_a_restart_and_a_broken_memory_is_empty() {
    let workspace = Workspace::new();
    let place = workspace.write("src/a", "one");
    // A file from long ago, so that its digest is remembered at once.
    let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    std::fs::File::options()
        .append(true)
        .open(&place)
        .unwrap()
        .set_modified(long_ago)
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(60));
    let before = workspace.manifest(&["src"]);
    workspace.memory.save().unwrap();
    let text = std::fs::read_to_string(workspace.beside("memory")).unwrap();
    assert!(text.contains("src/a"), "{text}");

    // A memory that says otherwise is believed as long as the file looks the same: it was not read.
    let other = facts::Digest::of("other");
    std::fs::write(
        workspace.beside("memory"),
        text.replace(&before.inputs[0].digest.hex(), &other.hex()),
    )
    .unwrap();
    let memory = Memory::open(&workspace.beside("memory"));
    let seen = cache::SeenFile::at(&workspace.root(), "src/a").unwrap().unwrap();
    assert_eq!(memory.digest(&workspace.root(), &seen, &SystemClock).unwrap(), other);

    std::fs::write(workspace.beside("memory"), b"\xff\x00 broken\n1 2 3\n").unwrap();
    let memory = Memory::open(&workspace.beside("memory"));
    assert_eq!(
        memory.digest(&workspace.root(), &seen, &SystemClock).unwrap(),
        before.inputs[0].digest
    );
}
