//! Layers made to break out: none unpacks, none lists, and nothing is written outside.

use std::io::Write as _;
use std::path::Path;

use artifact::package::{self, PackageError};
use artifact::{BlobStore, Package};
use facts::Digest;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tar::{EntryType, Header};

use crate::fixture::Fixture;

/// One raw entry: its kind, its name as it stands in the header, its link target, its bytes.
pub struct Raw<'a>(pub EntryType, pub &'a [u8], pub &'a [u8], pub &'a [u8]);

pub fn archive(entries: &[Raw<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Raw(kind, name, target, text) in entries {
        let mut header = Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target);
        header.set_entry_type(*kind);
        header.set_mode(0o6777);
        header.set_size(text.len() as u64);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(text);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// A package whose only layer is `archive`, otherwise well made.
pub fn package_of(store: &BlobStore, model: &Package, archive: &[u8]) -> Package {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(archive).unwrap();
    let layer = store.put_bytes(&gzip.finish().unwrap()).unwrap();
    let read = |digest| serde_json::from_slice::<Value>(&store.read(digest, 100_000).unwrap()).unwrap();
    let mut config = read(&model.manifest.config.digest);
    config["rootfs"]["diff_ids"] = json!([Digest::of(archive)]);
    let config = store.put_bytes(config.to_string().as_bytes()).unwrap();
    let mut manifest = read(&model.digest);
    manifest["config"]["digest"] = json!(config.digest);
    manifest["layers"][0]["digest"] = json!(layer.digest);
    let manifest = store.put_bytes(manifest.to_string().as_bytes()).unwrap();
    Package::read(store, &manifest.digest).unwrap()
}

fn everything_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let entry = entry.unwrap();
            found.push(entry.path().strip_prefix(folder).unwrap().display().to_string());
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_archive_of_the_corpus_is_refused_and_writes_nothing_outside() {
    use EntryType as E;
    let file = |name: &'static [u8]| Raw(E::Regular, name, b"", b"evil");
    let link = |name: &'static [u8], target: &'static [u8]| Raw(E::Symlink, name, target, b"");
    let corpus: Vec<(&str, Vec<Raw<'_>>)> = vec![
        ("climbs", vec![file(b"../evil")]),
        ("climbs later", vec![file(b"a/../../evil")]),
        ("climbs and comes back", vec![file(b"a/../b")]),
        ("absolute", vec![file(b"/tmp/evil")]),
        ("replaces the folder", vec![file(b".")]),
        ("control character", vec![file(b"a\x1b[31m")]),
        ("not UTF-8", vec![file(b"\xff\xfe")]),
        ("link to an absolute path", vec![link(b"a", b"/etc/passwd")]),
        ("link that climbs", vec![link(b"a", b"../evil")]),
        ("link that climbs in its middle", vec![link(b"d/a", b"x/../../../evil")]),
        ("link without a target", vec![link(b"a", b"")]),
        (
            "file through a link",
            vec![link(b"a", b"b"), Raw(E::Directory, b"b", b"", b""), file(b"a/evil")],
        ),
        ("file through a link to here", vec![link(b"a", b"."), file(b"a/evil")]),
        ("file over a link", vec![link(b"a", b"b"), file(b"a")]),
        (
            "folder over a link",
            vec![link(b"a", b"b"), Raw(E::Directory, b"a", b"", b"")],
        ),
        ("link over a folder", vec![file(b"a/b"), link(b"a", b"b")]),
        ("hard link", vec![file(b"a"), Raw(E::Link, b"b", b"a", b"")]),
        ("hard link out", vec![Raw(E::Link, b"b", b"/etc/passwd", b"")]),
        ("character device", vec![Raw(E::Char, b"null", b"", b"")]),
        ("block device", vec![Raw(E::Block, b"sda", b"", b"")]),
        ("pipe", vec![Raw(E::Fifo, b"pipe", b"", b"")]),
        ("file twice", vec![file(b"a"), file(b"a")]),
        ("file twice by another spelling", vec![file(b"d/a"), file(b"./d//a")]),
        ("file and folder", vec![file(b"a"), file(b"a/b")]),
        ("deleted file", vec![file(b".wh.a")]),
        ("sparse", vec![Raw(E::GNUSparse, b"a", b"", b"")]),
        ("unknown kind", vec![Raw(E::new(b'Q'), b"a", b"", b"")]),
        (
            "global header",
            vec![Raw(E::XGlobalHeader, b"a", b"", b"12 path=../x\n"), file(b"b")],
        ),
        (
            "long name that climbs",
            vec![Raw(E::GNULongName, b"././@LongLink", b"", b"../../evil\0"), file(b"a")],
        ),
        (
            "extended name that climbs",
            vec![Raw(E::XHeader, b"x", b"", b"19 path=../../evil\n"), file(b"a")],
        ),
    ];
    let fixture = Fixture::with(&[("a", "1")]);
    let model = fixture.build(&[("a", "a")]).unwrap();
    for (name, entries) in corpus {
        let package = package_of(&fixture.store, &model, &archive(&entries));
        let outer = tempfile::tempdir().unwrap();
        let target = outer.path().join("in/target");
        let error = package::unpack(&fixture.store, &package, &target).unwrap_err();
        // The archive reader itself refuses some of them before they can be named.
        let refused = matches!(error, PackageError::Malicious { .. } | PackageError::Layer { .. });
        assert!(refused, "{name}: {error}");
        assert!(!error.to_string().contains('\x1b'), "{name}");
        let outside: Vec<_> = everything_below(outer.path())
            .into_iter()
            .filter(|path| !path.starts_with("in/target/"))
            .collect();
        assert_eq!(outside, ["in", "in/target"], "{name}");
        let error = package::contents(&fixture.store, &package).unwrap_err();
        let refused = matches!(error, PackageError::Malicious { .. } | PackageError::Layer { .. });
        assert!(refused, "{name}: {error}");
    }
}

#[test]
fn harmless_archives_of_other_tools_unpack_without_their_modes() {
    use std::os::unix::fs::MetadataExt as _;
    let fixture = Fixture::with(&[("a", "1")]);
    let model = fixture.build(&[("a", "a")]).unwrap();
    let entries = [
        Raw(EntryType::Directory, b"./", b"", b""),
        Raw(EntryType::Directory, b"./d/", b"", b""),
        Raw(EntryType::Regular, b"./d/setuid", b"", b"x"),
        Raw(EntryType::Symlink, b"./d/link", b"setuid", b""),
        Raw(EntryType::Regular, b"e/without/folder", b"", b"y"),
    ];
    let package = package_of(&fixture.store, &model, &archive(&entries));
    let target = fixture.data.path().join("out");
    package::unpack(&fixture.store, &package, &target).unwrap();
    assert_eq!(
        std::fs::metadata(target.join("d/setuid")).unwrap().mode() & 0o7777,
        0o555
    );
    assert_eq!(std::fs::read_to_string(target.join("d/link")).unwrap(), "x");
    assert_eq!(std::fs::read_to_string(target.join("e/without/folder")).unwrap(), "y");
}

#[test]
fn truncated_archives_and_trailing_bytes_are_refused() {
    let fixture = Fixture::with(&[("a", "1")]);
    let model = fixture.build(&[("a", "a")]).unwrap();
    let whole = archive(&[Raw(EntryType::Regular, b"a", b"", b"some text")]);
    for cut in [100, 512, 515, 520] {
        let package = package_of(&fixture.store, &model, &whole[..cut]);
        let target = fixture.data.path().join(format!("cut{cut}"));
        let result = package::unpack(&fixture.store, &package, &target);
        assert!(result.is_err(), "cut at {cut}");
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&whole).unwrap();
    let mut bytes = gzip.finish().unwrap();
    bytes.extend_from_slice(b"trailing");
    let layer = fixture.store.put_bytes(&bytes).unwrap();
    let mut package = package_of(&fixture.store, &model, &whole);
    package.manifest.layers[0].digest = layer.digest;
    assert!(matches!(
        package::contents(&fixture.store, &package),
        Err(PackageError::Layer { .. })
    ));
}

#[test]
fn a_layer_whose_unpacked_bytes_are_not_the_announced_ones_is_refused() {
    let fixture = Fixture::with(&[("a", "1")]);
    let model = fixture.build(&[("a", "a")]).unwrap();
    let mut package = package_of(
        &fixture.store,
        &model,
        &archive(&[Raw(EntryType::Regular, b"a", b"", b"x")]),
    );
    package.diff_ids = vec![Digest::of("other")];
    assert!(package::contents(&fixture.store, &package).is_err());
}
