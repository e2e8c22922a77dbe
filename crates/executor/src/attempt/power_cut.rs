//! Tests of the outcome on a disk that loses power at any operation.

use super::*;
use crate::shim::{Stored, stored};
use testkit::SimulatedDisk;

fn outcome() -> Outcome {
    Outcome {
        ended: Ended::Succeeded,
        started_at: SystemClock.now(),
        finished_at: SystemClock.now(),
        cpu_ms: 1,
        peak_memory_kib: 2,
        log_truncated: false,
        isolation: None,
        limits: None,
        container: None,
        services: Vec::new(),
    }
}

/// What the files of an attempt say after a power cut that left these bytes of its outcome.
fn read(outcome: Option<&[u8]>) -> Stored {
    let run = testkit::folder();
    let attempt = Attempt {
        step: facts::StepName::new("publish").unwrap(),
        number: 1,
    };
    let folder = run.path().join(attempt.folder());
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(logs::LOG), "").unwrap();
    if let Some(outcome) = outcome {
        std::fs::write(folder.join(logs::OUTCOME), outcome).unwrap();
    }
    stored(run.path(), &attempt).unwrap()
}

#[test]
fn a_power_cut_at_any_operation_leaves_a_durable_outcome_as_a_whole_or_none() {
    let (folder, outcome) = (Path::new("/attempt"), outcome());
    SimulatedDisk::cut_everywhere(
        SimulatedDisk::new,
        |disk| write_outcome(disk, folder, &outcome, true),
        |survivors, done| match read(survivors.get(&folder.join(logs::OUTCOME)).map(Vec::as_slice)) {
            Stored::Finished(read) => assert_eq!(read, outcome),
            Stored::Begun => assert!(!done, "it was said to be recorded"),
            Stored::Nothing => panic!("the attempt was begun"),
        },
    );
}

#[test]
fn what_a_power_cut_left_of_an_outcome_that_is_not_durable_counts_as_lost() {
    let (folder, outcome) = (Path::new("/attempt"), outcome());
    SimulatedDisk::cut_everywhere(
        SimulatedDisk::new,
        |disk| write_outcome(disk, folder, &outcome, false),
        |survivors, _| {
            let left = survivors.get(&folder.join(logs::OUTCOME)).map(Vec::as_slice);
            assert!(matches!(read(left), Stored::Begun));
        },
    );
    let whole = serde_json::to_vec(&outcome).unwrap();
    for length in 0..whole.len() {
        let zeros = [&whole[..length], &vec![0; whole.len() - length]].concat();
        assert!(
            matches!(read(Some(&whole[..length])), Stored::Begun),
            "{length} bytes of it"
        );
        assert!(
            matches!(read(Some(&zeros)), Stored::Begun),
            "{length} bytes of it, and zeros"
        );
    }
    assert!(matches!(read(Some(&whole)), Stored::Finished(read) if read == outcome));
}
