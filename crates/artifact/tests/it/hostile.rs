//! Archives and documents of packages that are damaged or made up, in any way.

use std::path::Path;

use artifact::Package;
use artifact::package;
use artifact::registry::Route;
use proptest::prelude::*;
use tar::EntryType;

use crate::fixture::Fixture;
use crate::malicious::{Raw, archive, package_of};

const NAMES: [&[u8]; 18] = [
    b"a",
    b"a/b",
    b"d",
    b"d/e",
    b"./a",
    b"../a",
    b"..",
    b"/a",
    b"a/../../b",
    b"",
    b".",
    b"a//b",
    b"\xff",
    b"a\x1b",
    b"link",
    b"link/a",
    b".wh.a",
    b"././@LongLink",
];
const TARGETS: [&[u8]; 9] = [b"", b"a", b"..", b"../..", b"/etc", b"a/../..", b".", b"d", b"\xff"];
const KINDS: [u8; 14] = [
    b'0', b'0', b'0', b'5', b'5', b'2', b'2', b'1', b'3', b'6', b'S', b'x', b'L', b'g',
];
const TEXTS: [&[u8]; 5] = [
    b"",
    b"text",
    b"../../evil\0",
    b"19 path=../../evil\n",
    b"99999999999 size=1\n",
];

/// A raw entry by its places in the lists.
type Entry = (usize, usize, usize, usize);

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = (0..KINDS.len(), 0..NAMES.len(), 0..TARGETS.len(), 0..TEXTS.len());
    prop::collection::vec(entry, 0..6)
}

/// Everything below a folder, but what is below `inside`.
fn outside(folder: &Path, inside: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let entry = entry.unwrap();
            if entry.path() == inside {
                continue;
            }
            found.push(entry.path().display().to_string());
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// The links below a folder, with where each leads.
fn links(folder: &Path) -> Vec<(std::path::PathBuf, std::path::PathBuf)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(at).into_iter().flatten().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_symlink() {
                found.push((entry.path(), std::fs::read_link(entry.path()).unwrap()));
            } else if kind.is_dir() {
                open.push(entry.path());
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_an_archive_holds_nothing_is_written_outside_and_no_link_leads_out(
        entries in entries(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let fixture = Fixture::with(&[("a", "1")]);
        let model = fixture.build(&[("a", "a")]).unwrap();
        let raw: Vec<Raw<'_>> = entries
            .iter()
            .map(|(kind, name, target, text)| Raw(EntryType::new(KINDS[*kind]), NAMES[*name], TARGETS[*target], TEXTS[*text]))
            .collect();
        let mut bytes = archive(&raw);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let made = package_of(&fixture.store, &model, &bytes);
        let outer = tempfile::tempdir().unwrap();
        let target = outer.path().join("in/target");
        std::fs::create_dir_all(&target).unwrap();
        let before = outside(outer.path(), &target);
        let unpacked = package::unpack(&fixture.store, &made, &target);
        prop_assert_eq!(outside(outer.path(), &target), before);
        let real = target.canonicalize().unwrap();
        for (place, to) in links(&target) {
            if let Ok(led) = place.canonicalize() {
                prop_assert!(led.starts_with(&real), "{} leads to {}", place.display(), to.display());
            }
            prop_assert!(!to.is_absolute());
        }
        let listed = package::contents(&fixture.store, &made);
        prop_assert_eq!(unpacked.is_ok(), listed.is_ok(), "{:?} {:?}", unpacked.err(), listed.err());
    }

    #[test]
    fn a_document_of_a_package_that_is_damaged_is_refused_or_read(
        of_config in any::<bool>(),
        at in any::<prop::sample::Index>(),
        piece in "[\\[\\]{}\":,0-9a-z]{0,8}|18446744073709551616|-1|null|\\\\u0000",
        removed in 0usize..30,
    ) {
        let fixture = Fixture::with(&[("a", "1")]);
        let model = fixture.build(&[("a", "a")]).unwrap();
        let digest = if of_config { model.manifest.config.digest } else { model.digest };
        let mut bytes = fixture.store.read(&digest, 100_000).unwrap();
        let at = at.index(bytes.len());
        bytes.splice(at..(at + removed).min(bytes.len()), piece.into_bytes());
        let stored = fixture.store.put_bytes(&bytes).unwrap().digest;
        let whole = if of_config {
            let manifest = fixture.store.read(&model.digest, 100_000).unwrap();
            let manifest = String::from_utf8(manifest).unwrap().replace(&digest.to_string(), &stored.to_string());
            fixture.store.put_bytes(manifest.as_bytes()).unwrap().digest
        } else {
            stored
        };
        if let Ok(read) = Package::read(&fixture.store, &whole) {
            let folder = tempfile::tempdir().unwrap();
            let _ = read.verify(&fixture.store);
            let _ = package::unpack(&fixture.store, &read, &folder.path().join("in"));
        }
    }
}

proptest! {
    #[test]
    fn no_request_brings_the_registry_down_or_names_anything_but_a_component(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "v2", "shop", "cart", "..", ".", "", "blobs", "manifests", "tags", "list", "referrers", "sha256:", "%3A", "%2e%2e",
                "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "1.0.0", "é", "%", "\u{0}",
            ]),
            0..7,
        ),
        query in "(n|last|artifactType)?=?[0-9a-z%&=é]{0,20}",
    ) {
        let path = format!("/{}", parts.join("/"));
        for method in ["GET", "HEAD", "PUT"] {
            match Route::parse(method, &path, &query) {
                Ok(route) => {
                    let name = route.name().map(ToString::to_string).unwrap_or_default();
                    prop_assert!(!name.contains("..") && !name.contains('%'));
                }
                Err(answer) => prop_assert!((400..500).contains(&answer.status)),
            }
        }
    }
}
