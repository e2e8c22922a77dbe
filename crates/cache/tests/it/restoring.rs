//! Results that are put back.

use std::os::unix::fs::PermissionsExt as _;

use cache::{CacheError, Key, Output, OutputKind, Restored};
use facts::Digest;

use crate::workspace::{Workspace, files};

fn built() -> (Workspace, Key) {
    let workspace = Workspace::new();
    workspace.write("src/a", "source");
    workspace.write("out/lib/one", "first");
    let program = workspace.write("out/program", "binary");
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("lib/one", workspace.root().join("out/link")).unwrap();
    let key = workspace.manifest(&["src"]).key();
    workspace.keep(&workspace.store, &key);
    (workspace, key)
}

#[test]
fn outputs_come_back_with_bytes_modes_and_links_and_their_log() {
    let (workspace, key) = built();
    std::fs::remove_dir_all(workspace.root().join("out")).unwrap();
    let restored = workspace.restore(&workspace.store, &key).unwrap();
    assert_eq!(
        restored,
        Restored {
            written: 3,
            left: 0,
            removed: 0,
            bytes: 11
        }
    );
    assert_eq!(workspace.read("out/link").as_deref(), Some("first"));
    let program = workspace.root().join("out/program");
    assert_eq!(program.metadata().unwrap().permissions().mode() & 0o777, 0o755);
    let kept = workspace.store.find(&key).unwrap();
    assert_eq!(workspace.store.log(&key, &kept).unwrap(), b"said something");
    assert_eq!(kept.took_ms, 1200);
}

#[test]
fn what_is_there_already_is_left_and_what_is_not_of_the_result_goes() {
    let (workspace, key) = built();
    workspace.write("out/stale", "of another run");
    workspace.write("out/lib/one", "changed");
    workspace.write("kept", "not an output");
    let restored = workspace.restore(&workspace.store, &key).unwrap();
    assert_eq!((restored.written, restored.left, restored.removed), (1, 2, 1));
    assert_eq!(workspace.read("out/lib/one").as_deref(), Some("first"));
    assert_eq!(workspace.read("out/stale"), None);
    assert!(workspace.read("kept").is_some());
}

#[test]
fn writing_to_what_was_put_back_does_not_change_what_is_kept() {
    let (workspace, key) = built();
    std::fs::remove_dir_all(workspace.root().join("out")).unwrap();
    workspace.restore(&workspace.store, &key).unwrap();
    workspace.write("out/lib/one", "scribbled");
    workspace.restore(&workspace.store, &key).unwrap();
    assert_eq!(workspace.read("out/lib/one").as_deref(), Some("first"));
}

#[test]
fn damaged_bytes_are_never_put_back_and_the_result_is_dropped() {
    for damage in ["short", "other", "gone"] {
        let (workspace, key) = built();
        std::fs::remove_dir_all(workspace.root().join("out")).unwrap();
        let hex = Digest::of("binary").hex();
        let blob = workspace.beside("store/blobs").join(&hex[..2]).join(&hex);
        match damage {
            "short" => std::fs::write(&blob, "bin").unwrap(),
            "other" => std::fs::write(&blob, "yranib").unwrap(),
            _ => std::fs::remove_file(&blob).unwrap(),
        }
        let error = workspace.restore(&workspace.store, &key).unwrap_err();
        assert!(
            matches!(error, CacheError::Damaged(ref path) if path == "out/program"),
            "{error}"
        );
        assert_eq!(workspace.read("out/program"), None);
        assert!(workspace.store.find(&key).is_none());
        // The step runs again, and its result is kept anew.
        workspace.write("out/program", "binary");
        workspace.keep(&workspace.store, &key);
        workspace.restore(&workspace.store, &key).unwrap();
    }
}

#[test]
fn a_forged_record_writes_nothing_outside_of_the_outputs() {
    for path in ["src/a", "../outside", "out/../../outside", "/etc/throughline-test"] {
        let (workspace, key) = built();
        let mut kept = workspace.store.find(&key).unwrap();
        let (digest, size) = workspace
            .store
            .keep_file(&workspace.root().join("out/program"))
            .unwrap();
        kept.outputs = vec![Output {
            path: path.into(),
            kind: OutputKind::File {
                digest,
                size,
                executable: false,
            },
        }];
        workspace.store.keep(&key, &kept).unwrap();
        assert!(matches!(
            workspace.restore(&workspace.store, &key),
            Err(CacheError::Damaged(_))
        ));
        assert_eq!(workspace.read("src/a").as_deref(), Some("source"));
        assert!(!workspace.beside("outside").exists());
    }
}

#[test]
fn nothing_is_written_through_a_link_that_leads_out() {
    let (workspace, key) = built();
    std::fs::remove_dir_all(workspace.root().join("out/lib")).unwrap();
    std::fs::create_dir(workspace.beside("elsewhere")).unwrap();
    std::os::unix::fs::symlink(workspace.beside("elsewhere"), workspace.root().join("out/lib")).unwrap();
    // The link itself is an output that is not of the result: it goes, and the folder comes back.
    workspace.restore(&workspace.store, &key).unwrap();
    assert!(files(&workspace.beside("elsewhere")).is_empty());
    assert_eq!(workspace.read("out/lib/one").as_deref(), Some("first"));

    std::fs::remove_dir_all(workspace.root().join("out")).unwrap();
    std::os::unix::fs::symlink(workspace.beside("elsewhere"), workspace.root().join("out")).unwrap();
    let _ = workspace.restore(&workspace.store, &key);
    assert!(files(&workspace.beside("elsewhere")).is_empty());
}

#[test]
fn a_broken_record_is_no_result() {
    let (workspace, key) = built();
    for record in files(&workspace.beside("store/results")) {
        std::fs::write(record, "{").unwrap();
    }
    assert!(workspace.store.find(&key).is_none());
}
