//! Building packages: what goes in, what is refused, and that the digest depends on nothing else.

use std::os::unix::fs::symlink;

use artifact::package::{self, Change, ContentKind, PackageError};
use artifact::{BlobStore, Package};
use facts::Digest;
use proptest::prelude::*;
use serde_json::json;

use crate::fixture::{Fixture, recipe, write};

#[test]
fn the_same_inputs_give_the_same_digest_whatever_the_machine_did_to_the_files() {
    let files = [
        ("out/server*", "binary"),
        ("out/data/b", "2"),
        ("out/data/a", "1"),
        ("readme", "r"),
    ];
    let first = Fixture::with(&files);
    let mut reversed = files;
    reversed.reverse();
    let second = Fixture::with(&reversed);
    let past = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(5);
    for name in ["out/server", "out/data/a"] {
        let file = std::fs::File::open(second.workspace.path().join(name)).unwrap();
        file.set_modified(past).unwrap();
    }
    let recipe_of = [("out", "app"), ("readme", "doc/")];
    let a = first.build(&recipe_of).unwrap();
    let b = second.build(&recipe_of).unwrap();
    assert_eq!(a.digest, b.digest);
    assert_eq!(
        first.paths(&a),
        [
            "app",
            "app/data",
            "app/data/a",
            "app/data/b",
            "app/server",
            "doc",
            "doc/readme"
        ]
    );
}

#[test]
fn the_digest_of_a_known_package_never_changes() {
    // A change here means that every package of every user gets another digest: the compressor, the
    // archive's headers or the JSON changed.
    let fixture = Fixture::with(&[
        ("bin/server*", "#!/bin/sh\n"),
        ("migrations/V1__a.sql", "create table a (id int);\n"),
    ]);
    let package = fixture.build(&[("bin", "bin"), ("migrations", "migrations")]).unwrap();
    let manifest = String::from_utf8(fixture.store.read(&package.digest, 10_000).unwrap()).unwrap();
    assert_eq!(
        package.digest.to_string(),
        "sha256:fb7b063ce7b4576c337950670e2ad7b5b403f6b93d095bf5a16a75f60589c9a6",
        "{manifest}"
    );
}

#[test]
fn the_order_of_keys_in_the_document_does_not_count() {
    let fixture = Fixture::with(&[("a", "1")]);
    let mut first = recipe(&[("a", "a")]);
    let mut second = first.clone();
    first.document = json!({ "x": { "a": 1, "b": [ { "c": 1, "d": 2 } ] }, "y": 2 });
    second.document = json!({ "y": 2, "x": { "b": [ { "d": 2, "c": 1 } ], "a": 1 } });
    let build = |recipe: &artifact::Recipe| {
        package::build(&fixture.store, fixture.workspace.path(), recipe)
            .unwrap()
            .digest
    };
    assert_eq!(build(&first), build(&second));
    second.commit_time = facts::Timestamp::from_second(1_700_000_001).unwrap();
    assert_ne!(build(&first), build(&second));
}

#[test]
fn a_package_reads_back_as_it_was_built() {
    let fixture = Fixture::with(&[("bin/server*", "binary"), ("notes", "n")]);
    let built = fixture
        .build(&[("bin/server", "server"), ("notes", "doc/notes.txt")])
        .unwrap();
    let again = BlobStore::open(&fixture.data.path().join("blobs")).unwrap();
    let read = Package::read(&again, &built.digest).unwrap();
    assert_eq!(read, built);
    read.verify(&again).unwrap();
    let contents = package::contents(&again, &read).unwrap();
    let kinds: Vec<_> = contents.iter().map(|c| (c.path.as_str(), c.kind.clone())).collect();
    let file = |text: &str, executable| ContentKind::File {
        size: text.len() as u64,
        digest: Digest::of(text),
        executable,
    };
    assert_eq!(
        kinds,
        [
            ("doc", ContentKind::Folder),
            ("doc/notes.txt", file("n", false)),
            ("server", file("binary", true)),
        ]
    );
}

#[test]
fn empty_folders_long_names_and_large_files_are_kept() {
    let long = format!("deep/{}/{}", "x".repeat(200), "y".repeat(200));
    let large = "0123456789".repeat(50_000);
    let fixture = Fixture::with(&[(&long, "l"), ("large", &large)]);
    std::fs::create_dir(fixture.workspace.path().join("empty")).unwrap();
    let package = fixture.build(&[(".", ".")]).unwrap();
    let paths = fixture.paths(&package);
    assert!(paths.contains(&"empty".to_owned()) && paths.contains(&long));
    let folder = fixture.data.path().join("out");
    package::unpack(&fixture.store, &package, &folder).unwrap();
    assert_eq!(std::fs::read_to_string(folder.join("large")).unwrap(), large);
    assert_eq!(std::fs::read_to_string(folder.join(long)).unwrap(), "l");
}

#[test]
fn the_whole_workspace_comes_without_its_git_folder() {
    let fixture = Fixture::with(&[("a", "1"), (".git/config", "secret"), ("sub/.gitignore", "x")]);
    let package = fixture.build(&[(".", "app")]).unwrap();
    assert_eq!(
        fixture.paths(&package),
        ["app", "app/a", "app/sub", "app/sub/.gitignore"]
    );
}

#[test]
fn a_missing_file_is_named_with_a_hint() {
    let fixture = Fixture::with(&[("a", "1")]);
    for from in ["target/release/server", "a/b"] {
        let error = fixture.build(&[("a", "a"), (from, "server")]).unwrap_err();
        assert_eq!(error.to_string(), format!("`{from}` is not in the workspace"));
        assert!(error.hint().unwrap().contains("does a step before"));
    }
}

#[test]
fn paths_that_climb_or_are_absolute_are_refused_on_both_sides() {
    let fixture = Fixture::with(&[("a", "1")]);
    for (from, to) in [
        ("../a", "a"),
        ("/etc/passwd", "a"),
        ("a", "../a"),
        ("a", "/a"),
        ("x/../a", "a"),
        ("a\0", "a"),
    ] {
        let error = fixture.build(&[(from, to)]).unwrap_err();
        assert!(matches!(error, PackageError::Path { .. }), "{error}");
    }
}

#[test]
fn symlinks_out_of_the_workspace_are_refused_wherever_they_stand() {
    let fixture = Fixture::with(&[("dir/a", "1")]);
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "secret", "s");
    let top = fixture.workspace.path();
    symlink(outside.path().join("secret"), top.join("absolute")).unwrap();
    symlink("../../../../../../../../etc/passwd", top.join("dir/climbs")).unwrap();
    symlink(outside.path(), top.join("folder")).unwrap();
    for from in ["absolute", "dir", "folder", "folder/secret", "."] {
        let error = fixture.build(&[(from, "x")]).unwrap_err();
        assert!(matches!(error, PackageError::Escapes { .. }), "{from}: {error}");
        assert!(error.to_string().contains("leads out of the workspace"), "{error}");
    }
}

#[test]
fn symlinks_inside_stay_links_and_those_to_files_elsewhere_bring_the_file() {
    let fixture = Fixture::with(&[("dir/real", "1"), ("other/file", "2"), ("other/more", "3")]);
    let top = fixture.workspace.path();
    std::fs::create_dir(top.join("dir/sub")).unwrap();
    symlink("../real", top.join("dir/sub/link")).unwrap();
    symlink("../other/file", top.join("dir/copied")).unwrap();
    let package = fixture.build(&[("dir", "app")]).unwrap();
    let contents = package::contents(&fixture.store, &package).unwrap();
    let kind = |path: &str| contents.iter().find(|c| c.path == path).unwrap().kind.clone();
    assert_eq!(
        kind("app/sub/link"),
        ContentKind::Link {
            target: "../real".into()
        }
    );
    assert_eq!(
        kind("app/copied"),
        ContentKind::File {
            size: 1,
            digest: Digest::of("2"),
            executable: false
        }
    );

    symlink("../other", top.join("dir/folder")).unwrap();
    assert!(matches!(
        fixture.build(&[("dir", "app")]),
        Err(PackageError::Link { .. })
    ));
    std::fs::remove_file(top.join("dir/folder")).unwrap();
    symlink("nowhere", top.join("dir/dangling")).unwrap();
    let error = fixture.build(&[("dir", "app")]).unwrap_err();
    assert!(error.to_string().contains("nothing is there"), "{error}");
    std::fs::remove_file(top.join("dir/dangling")).unwrap();
    symlink("itself", top.join("dir/itself")).unwrap();
    assert!(
        fixture
            .build(&[("dir", "app")])
            .unwrap_err()
            .to_string()
            .contains("back to itself")
    );
}

#[test]
fn pipes_and_sockets_are_refused_without_waiting_for_them() {
    let fixture = Fixture::with(&[("dir/a", "1")]);
    let pipe = fixture.workspace.path().join("dir/pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let error = fixture.build(&[("dir", "app")]).unwrap_err();
    assert!(error.to_string().contains("is a pipe"), "{error}");
    assert!(fixture.build(&[("dir/pipe", "app")]).is_err());
}

#[test]
fn two_sources_of_one_path_and_empty_packages_are_refused() {
    let fixture = Fixture::with(&[("a", "1"), ("b", "2"), ("dir/x", "3")]);
    let error = fixture.build(&[("a", "x"), ("b", "x")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`x` would be in the package twice, from `a` and from `b`"
    );
    assert!(matches!(
        fixture.build(&[("a", "app"), ("dir", "app")]),
        Err(PackageError::Twice { .. })
    ));
    assert!(fixture.build(&[("dir", "app"), ("a", "app/a")]).is_ok());
    assert!(matches!(fixture.build(&[]), Err(PackageError::Empty)));
    assert!(matches!(
        fixture.build(&[("a", ".wh.a")]),
        Err(PackageError::Whiteout { .. })
    ));
}

#[test]
fn the_difference_of_two_packages_lists_what_differs_and_nothing_else() {
    let fixture = Fixture::with(&[
        ("dir/same", "s"),
        ("dir/changed", "1"),
        ("dir/removed", "r"),
        ("dir/mode", "m"),
    ]);
    let a = fixture.build(&[("dir", ".")]).unwrap();
    let top = fixture.workspace.path();
    write(top, "dir/changed", "2");
    write(top, "dir/mode*", "m");
    write(top, "dir/added", "a");
    std::fs::remove_file(top.join("dir/removed")).unwrap();
    let mut second = recipe(&[("dir", ".")]);
    second.document = json!({ "service": { "command": ["bin/server", "-v"] }, "verify": [] });
    let b = package::build(&fixture.store, top, &second).unwrap();

    let difference = package::difference(&fixture.store, &a, &b).unwrap();
    let paths: Vec<_> = difference.files.iter().map(Change::path).collect();
    assert_eq!(paths, ["added", "changed", "mode", "removed"]);
    assert_eq!(difference.config, ["document.service", "document.verify"]);
    assert!(package::difference(&fixture.store, &a, &a).unwrap().is_empty());

    second = recipe(&[("dir", ".")]);
    second.commit_time = facts::Timestamp::from_second(5).unwrap();
    let c = package::build(&fixture.store, top, &second).unwrap();
    let d = fixture.build(&[("dir", ".")]).unwrap();
    let difference = package::difference(&fixture.store, &c, &d).unwrap();
    assert!(difference.files.is_empty() && difference.encoding_only && !difference.is_empty());
}

#[test]
fn a_damaged_package_is_named_before_anything_runs_from_it() {
    let fixture = Fixture::with(&[("a", "1")]);
    let package = fixture.build(&[("a", "a")]).unwrap();
    let layer = fixture.store.path(&package.manifest.layers[0].digest);
    let mut bytes = std::fs::read(&layer).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::remove_file(&layer).unwrap();
    std::fs::write(&layer, bytes).unwrap();
    assert!(package.verify(&fixture.store).is_err());
    assert!(package::contents(&fixture.store, &package).is_err());
    assert!(package::unpack(&fixture.store, &package, &fixture.data.path().join("out")).is_err());
    let other = fixture.store.put_bytes(b"{}").unwrap().digest;
    assert!(matches!(
        Package::read(&fixture.store, &other),
        Err(PackageError::NotAPackage { .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_unpacked_is_what_was_packed(
        files in proptest::collection::btree_map("[a-z]{1,3}(/[a-z]{1,3}){0,2}", ".{0,40}", 1..12)
    ) {
        // A name cannot be both a file and a folder.
        let names: Vec<_> = files.keys().cloned().collect();
        prop_assume!(!names.iter().any(|a| names.iter().any(|b| b.starts_with(&format!("{a}/")))));
        let listed: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let fixture = Fixture::with(&listed);
        let package = fixture.build(&[(".", "app")]).unwrap();
        let folder = fixture.data.path().join("out");
        package::unpack(&fixture.store, &package, &folder).unwrap();
        for (name, text) in &files {
            prop_assert_eq!(&std::fs::read_to_string(folder.join("app").join(name)).unwrap(), text);
        }
        prop_assert_eq!(fixture.build(&[(".", "app")]).unwrap().digest, package.digest);
    }
}
