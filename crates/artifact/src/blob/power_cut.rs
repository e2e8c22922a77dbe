//! Tests of the writer on a disk that loses power or room at any operation.

use std::path::Path;

use facts::Digest;
use testkit::SimulatedDisk;

use super::{BlobError, BlobStore, Stored};

fn write(disk: &SimulatedDisk) -> Result<Stored, BlobError> {
    let store = BlobStore::on("/store/sha256".into(), "/store/incoming".into(), Box::new(disk.clone()));
    let mut writer = store.writer()?;
    writer.add(b"one")?;
    writer.add(b"two")?;
    writer.finish()
}

#[test]
fn a_power_cut_at_any_operation_leaves_no_short_blob_under_its_digest() {
    let whole = Path::new("/store/sha256").join(Digest::of("onetwo").hex());
    SimulatedDisk::cut_everywhere(SimulatedDisk::new, write, |survivors, done| {
        let there = survivors.iter().filter(|(path, _)| path.starts_with("/store/sha256"));
        for (path, bytes) in there {
            assert_eq!(path.file_name().unwrap().to_str().unwrap(), Digest::of(bytes).hex());
        }
        assert!(
            !done || survivors.contains_key(&whole),
            "a blob is confirmed only when all is durable"
        );
    });
}

#[test]
fn a_full_disk_is_said_clearly_and_leaves_nothing_behind() {
    for room in 0..6 {
        let disk = SimulatedDisk::new().with_room(room);
        let error = write(&disk).unwrap_err();
        assert!(error.is_full(), "{error}");
        assert!(error.to_string().contains("no space left"), "{error}");
        assert!(error.hint().is_some());
        assert!(disk.names().is_empty(), "room for {room} bytes");
    }
}
