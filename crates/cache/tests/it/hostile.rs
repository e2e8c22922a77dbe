//! Records that somebody else wrote: whatever stands in them, nothing outside of the workspace changes.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use cache::{Kept, Limits, Output, OutputKind};
use facts::{Digest, SystemClock, Timestamp};
use pipeline::Globs;
use proptest::prelude::*;

use crate::workspace::{Workspace, files, key};

/// Parts of paths that mean something.
const PARTS: [&str; 14] = [
    "", ".", "..", "out", "a", "b.txt", "x", "/", "link", ".git", "hooks", "\u{0}", "é", "*",
];

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PARTS.to_vec()), 1..6).prop_map(|parts| parts.join("/"))
}

fn kind(place: &Path) -> impl Strategy<Value = OutputKind> + use<> {
    let beside = place.display().to_string();
    prop_oneof![
        4 => Just("evil").prop_map(|text| OutputKind::File {
            digest: Digest::of(text),
            size: 4,
            executable: true,
        }),
        1 => any::<u64>().prop_map(|size| OutputKind::File {
            digest: Digest::of("evil"),
            size,
            executable: false,
        }),
        2 => prop::sample::select(vec![
            "..".to_owned(),
            "../..".to_owned(),
            ".".to_owned(),
            "/".to_owned(),
            beside,
            String::new(),
        ])
        .prop_map(|to| OutputKind::Link { to }),
    ]
}

/// What lies beneath a folder, with the bytes of its files.
fn everything(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() {
                found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            } else {
                found.push((path.display().to_string(), Vec::new()));
            }
        }
    }
    found.sort();
    found
}

fn record(outputs: Vec<Output>) -> Kept {
    Kept {
        version: cache::Store::VERSION,
        outputs,
        log: None,
        took_ms: 1,
        made_by: "run_1".into(),
        made_at: Timestamp::UNIX_EPOCH,
    }
}

fn file(path: &str, size: u64) -> Output {
    let digest = Digest::of("evil");
    let kind = OutputKind::File {
        digest,
        size,
        executable: false,
    };
    Output {
        path: path.to_owned(),
        kind,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_a_record_says_nothing_outside_of_the_workspace_changes(
        absolute in any::<bool>(),
        places in prop::collection::vec(path(), 1..4),
        kinds in prop::collection::vec(kind(Path::new("/nowhere")), 4),
        globs in prop::sample::select(vec!["**/*.txt", "**", "**/*", "out", "out/**", "*/*", "{a,out}/**"]),
    ) {
        let workspace = Workspace::new();
        workspace.write(".git/config", "ours");
        let outside = workspace.beside("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("b.txt"), "ours").unwrap();
        symlink(&outside, workspace.root().join("link")).unwrap();
        workspace.store.keep_bytes(b"evil").unwrap();
        let outputs = places.into_iter().zip(kinds).map(|(path, kind)| {
            let path = if absolute { format!("{}/{path}", outside.display()) } else { path };
            Output { path, kind }
        });
        let kept = record(outputs.collect());
        let before = everything(&outside);
        let globs = Globs::new([globs]).unwrap();
        let _ = cache::restore(&workspace.root(), &workspace.store, &key("k"), &kept, &globs, &workspace.memory, &SystemClock);
        prop_assert_eq!(everything(&outside), before);
        let config = workspace.read(".git/config");
        prop_assert_eq!(config.as_deref(), Some("ours"));
        prop_assert!(!workspace.root().join(".git/hooks").exists());
        prop_assert_eq!(workspace.root().parent().unwrap().read_dir().unwrap().count(), 3);
    }

    #[test]
    fn a_record_that_is_damaged_anywhere_is_read_or_none(at in 0usize..400, byte in any::<u8>(), cut in any::<bool>()) {
        let workspace = Workspace::new();
        workspace.write("out/a", "one");
        workspace.keep(&workspace.store, &key("k"));
        let place = files(&workspace.beside("store/results")).remove(0);
        let mut bytes = std::fs::read(&place).unwrap();
        let at = at % bytes.len();
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        std::fs::write(&place, bytes).unwrap();
        if let Some(kept) = workspace.store.find(&key("k")) {
            let globs = Globs::new(["out"]).unwrap();
            let _ = cache::restore(&workspace.root(), &workspace.store, &key("k"), &kept, &globs, &workspace.memory, &SystemClock);
        }
        let limits = Limits { most_bytes: 10, unused_for: Duration::from_secs(60) };
        workspace.store.collect(limits, Timestamp::UNIX_EPOCH).unwrap();
    }
}

#[test]
fn a_record_with_an_absolute_path_writes_nothing_there_whatever_the_outputs_are() {
    let workspace = Workspace::new();
    workspace.store.keep_bytes(b"evil").unwrap();
    let place = workspace.beside("b.txt");
    for globs in ["**/*.txt", "**"] {
        let kept = record(vec![file(&place.display().to_string(), 4)]);
        let globs = Globs::new([globs]).unwrap();
        let restored = cache::restore(
            &workspace.root(),
            &workspace.store,
            &key("k"),
            &kept,
            &globs,
            &workspace.memory,
            &SystemClock,
        );
        assert!(restored.is_err());
        assert!(!place.exists());
    }
}

#[test]
fn sizes_that_no_disk_has_are_counted_without_overflow() {
    let workspace = Workspace::new();
    let kept = record(vec![file("out/a", u64::MAX), file("out/b", u64::MAX)]);
    let other = Kept {
        outputs: vec![Output {
            path: "out/c".into(),
            kind: OutputKind::File {
                digest: Digest::of("another"),
                size: u64::MAX,
                executable: false,
            },
        }],
        ..kept.clone()
    };
    workspace.store.keep(&key("k"), &kept).unwrap();
    workspace.store.keep(&key("l"), &other).unwrap();
    let limits = Limits {
        most_bytes: 10,
        unused_for: Duration::from_secs(u64::from(u32::MAX)),
    };
    let collected = workspace.store.collect(limits, Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(collected.results, 2);
}
