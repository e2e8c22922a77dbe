//! Messages between server, shim and keeper: understood or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| executor::fuzzing::read_as_every_side(bytes));
