//! The program itself, as a process.

use std::collections::BTreeMap;
use std::time::Duration;

use process::{Channel, Ending, Output, Spec};

const PROGRAM: &str = env!("CARGO_BIN_EXE_throughline");

fn run(arguments: &[&str], variables: &BTreeMap<String, String>) -> Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = testkit::folder();
    let spec = Spec::new(PROGRAM).args(arguments).folder(folder.path()).variables(variables).variable("HOME", folder.path());
    runtime.block_on(process::run(spec, b"", Duration::from_secs(20), 1 << 20)).unwrap()
}

#[test]
fn the_exit_code_is_that_of_the_table() {
    let none = BTreeMap::new();
    let ended = |arguments: &[&str]| run(arguments, &none).ending;
    assert_eq!(ended(&["--version"]), Ending::Code(0));
    assert_eq!(ended(&["nonsense"]), Ending::Code(2));
    assert_eq!(ended(&["check"]), Ending::Code(3));
    assert_eq!(ended(&["status"]), Ending::Code(5));
}

#[test]
fn pipes_get_no_colours_and_data_alone() {
    let output = run(&["settings"], &BTreeMap::new());
    assert!(!output.stdout.contains(&0x1b));
    assert!(!output.stderr.contains(&0x1b));
    assert!(output.complaint().contains("the settings file is"));
}

#[test]
fn a_reader_that_has_gone_ends_the_command_quietly() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = testkit::folder();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let spec = Spec::new(PROGRAM).args(["schema"]).folder(folder.path()).stdout(Channel::File(writer.into())).stderr(Channel::Pipe);
    let ending: Ending = runtime.block_on(async { process::spawn(spec).unwrap().wait().await.unwrap().ending });
    assert_eq!(ending, Ending::Code(0));
}
