//! Unpacked packages: whole or absent, read-only, shared.

use std::os::unix::fs::{MetadataExt as _, symlink};
use std::sync::Arc;

use artifact::UnpackCache;
use artifact::package::{self, PackageError};

use crate::fixture::Fixture;

#[test]
fn unpacked_files_are_read_only_and_links_lead_where_they_led() {
    let fixture = Fixture::with(&[("dir/server*", "binary"), ("dir/sub/data", "d")]);
    symlink("sub/data", fixture.workspace.path().join("dir/link")).unwrap();
    let package = fixture.build(&[("dir", "app")]).unwrap();
    let cache = UnpackCache::open(&fixture.data.path().join("cache")).unwrap();
    let folder = cache.get(&fixture.store, &package).unwrap();
    let mode = |path: &str| std::fs::metadata(folder.join(path)).unwrap().mode() & 0o7777;
    assert_eq!((mode("app/server"), mode("app/sub/data")), (0o555, 0o444));
    assert_eq!((mode("app"), mode("app/sub"), mode("")), (0o555, 0o555, 0o555));
    assert_eq!(std::fs::read_to_string(folder.join("app/link")).unwrap(), "d");
}

#[test]
fn a_package_is_unpacked_once_also_when_many_ask_at_once() {
    let fixture = Fixture::with(&[("a", "1"), ("b/c", "2")]);
    let package = Arc::new(fixture.build(&[(".", ".")]).unwrap());
    let folder = fixture.data.path().join("cache");
    let cache = UnpackCache::open(&folder).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let place = cache.get(&fixture.store, &package).unwrap();
                assert_eq!(std::fs::read_to_string(place.join("b/c")).unwrap(), "2");
            });
        }
    });
    let names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names, [package.digest.hex().as_str()]);
}

#[test]
fn what_a_crash_left_half_unpacked_is_removed_at_the_next_start() {
    let fixture = Fixture::with(&[("a", "1")]);
    let package = fixture.build(&[("a", "a")]).unwrap();
    let folder = fixture.data.path().join("cache");
    let half = folder.join(".unpacking-1-0/deep");
    std::fs::create_dir_all(&half).unwrap();
    std::fs::set_permissions(&half, std::os::unix::fs::PermissionsExt::from_mode(0o555)).unwrap();
    let cache = UnpackCache::open(&folder).unwrap();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    cache.get(&fixture.store, &package).unwrap();
    cache.remove(&package.digest).unwrap();
    cache.remove(&package.digest).unwrap();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    cache.get(&fixture.store, &package).unwrap();
}

#[test]
fn a_failed_unpacking_leaves_nothing_in_the_cache() {
    let fixture = Fixture::with(&[("a", "1"), ("b", "2")]);
    let package = fixture.build(&[(".", ".")]).unwrap();
    std::fs::remove_file(fixture.store.path(&package.manifest.layers[0].digest)).unwrap();
    let folder = fixture.data.path().join("cache");
    let cache = UnpackCache::open(&folder).unwrap();
    assert!(matches!(
        cache.get(&fixture.store, &package),
        Err(PackageError::Blob(_))
    ));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn a_folder_that_holds_something_is_not_unpacked_into() {
    let fixture = Fixture::with(&[("a", "1")]);
    let package = fixture.build(&[("a", "a")]).unwrap();
    let error = package::unpack(&fixture.store, &package, fixture.workspace.path()).unwrap_err();
    assert!(error.to_string().contains("not empty"), "{error}");
}
