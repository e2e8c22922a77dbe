//! Files on a disk that loses its power at any operation, and on the real one.

use std::path::Path;

use disk::{Draft, LocalDisk, replace};
use testkit::SimulatedDisk;

const PLACE: &str = "/folder/file";

#[test]
fn a_power_cut_at_any_operation_leaves_the_old_file_or_the_new_one_as_a_whole() {
    let place = Path::new(PLACE);
    for old in [None, Some(b"old".as_slice())] {
        SimulatedDisk::cut_everywhere(
            || match old {
                Some(old) => SimulatedDisk::new().with(place, old),
                None => SimulatedDisk::new(),
            },
            |disk| replace(disk, place, 0o600, b"the new one"),
            |survivors, done| {
                let there = survivors.get(place).map(Vec::as_slice);
                assert!(
                    there == Some(b"the new one".as_slice()) || (!done && there == old),
                    "{there:?}"
                );
            },
        );
    }
}

#[test]
fn a_draft_that_is_given_up_leaves_what_was_there_and_nothing_else() {
    let place = Path::new(PLACE);
    let disk = SimulatedDisk::new().with(place, b"old").with_room(4);
    assert!(replace(&disk, place, 0o600, b"too much").is_err());
    let mut draft = Draft::begin(&disk, place, 0o600).unwrap();
    draft.add(b"new").unwrap();
    drop(draft.seal().unwrap());
    assert_eq!(disk.names(), [place]);
}

#[test]
fn a_draft_of_a_dead_writer_is_in_nobodys_way() {
    let folder = testkit::folder();
    let place = folder.path().join("file");
    std::fs::write(folder.path().join("file.draft"), "half").unwrap();
    replace(&LocalDisk, &place, 0o600, b"whole").unwrap();
    assert_eq!(std::fs::read(&place).unwrap(), b"whole");
    let mode = std::os::unix::fs::PermissionsExt::mode(&place.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}
