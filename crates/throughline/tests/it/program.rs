//! The program itself, as a process.

use std::collections::BTreeMap;
use std::time::Duration;

use process::{Channel, Ending, Output, Spec};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use crate::support::Home;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_throughline");

fn run(arguments: &[&str], variables: &BTreeMap<String, String>) -> Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let folder = testkit::folder();
    let spec = Spec::new(PROGRAM)
        .args(arguments)
        .folder(folder.path())
        .variables(variables)
        .variable("HOME", folder.path());
    runtime
        .block_on(process::run(spec, b"", Duration::from_secs(120), 1 << 20))
        .unwrap()
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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let folder = testkit::folder();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let spec = Spec::new(PROGRAM)
        .args(["schema"])
        .folder(folder.path())
        .stdout(Channel::File(writer.into()))
        .stderr(Channel::Pipe);
    let ending: Ending = runtime.block_on(async { process::spawn(spec).unwrap().wait().await.unwrap().ending });
    assert_eq!(ending, Ending::Code(0));
}

#[test]
fn a_server_is_started_used_and_stopped() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let mut home = Home::new();
    let spec = || {
        let arguments = ["serve", "--data", "data", "--address", "127.0.0.1:0"];
        let spec = Spec::new(PROGRAM)
            .args(arguments)
            .folder(&home.current)
            .variables(&home.variables);
        spec.stdout(Channel::Pipe).stderr(Channel::Pipe)
    };
    let (mut server, token) = runtime.block_on(async {
        let mut server = process::spawn(spec()).unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let token = lines.next_line().await.unwrap();
        (server, token)
    });
    let token = token.unwrap_or_else(|| {
        let mut said = String::new();
        let _ = runtime.block_on(server.stderr.take().unwrap().read_to_string(&mut said));
        panic!("no token: {said}")
    });
    assert!(token.starts_with("tl_"), "{token}");
    home.input = format!("{token}\n");
    let login = home.call(&["login", "--data", "data", "--no-link"]);
    assert_eq!(login.exit, throughline::Exit::Done, "{}", login.shown());

    for reading in [
        &["whoami"][..],
        &["status"],
        &["runs"],
        &["environments"],
        &["diff", "staging", "production"],
        &["token", "list"],
        &["secret", "list"],
        &["repo", "list"],
        &["ledger", "verify"],
    ] {
        let called = home.call(&[reading, &["--json"]].concat());
        assert_eq!(called.exit, throughline::Exit::Done, "{reading:?}: {}", called.shown());
        let document: serde_json::Value = serde_json::from_str(&called.out).unwrap();
        let schema = document["schema"]
            .as_str()
            .unwrap_or_else(|| panic!("{reading:?} has no schema"));
        assert!(schema.ends_with("/1"), "{reading:?}: {schema}");
        assert_eq!(home.call(reading).exit, throughline::Exit::Done, "{reading:?}");
    }
    home.input = "hunter2-and-more\n".into();
    assert_eq!(
        home.call(&["secret", "set", "shop/registry"]).exit,
        throughline::Exit::Done
    );
    assert!(home.call(&["secret", "list"]).out.contains("shop/registry"));
    let made = home.call(&["token", "create", "ci", "--role", "viewer", "--for", "1d"]);
    assert!(made.out.starts_with("tl_"), "{}", made.shown());
    assert_eq!(home.call(&["token", "revoke", "ci"]).exit, throughline::Exit::Done);
    let policy = home.call(&["policy", "show"]);
    home.file("environments.yaml", &policy.out);
    assert_eq!(
        home.call(&["policy", "set", "environments.yaml"]).exit,
        throughline::Exit::Done
    );
    assert_eq!(home.call(&["ledger", "rebuild"]).exit, throughline::Exit::Done);
    assert!(home.call(&["ledger", "export"]).out.starts_with('{'));
    assert_eq!(home.call(&["runs", "latest"]).exit, throughline::Exit::NotFound);

    let down = home.call(&["down"]);
    assert_eq!(down.exit, throughline::Exit::Done, "{}", down.shown());
    let ended = runtime.block_on(server.wait()).unwrap();
    assert_eq!(ended.ending, Ending::Code(0));
    assert_eq!(home.call(&["whoami"]).exit, throughline::Exit::NotReachable);
}

#[test]
fn a_server_does_not_listen_to_other_machines_without_encryption() {
    let output = run(&["serve", "--data", "data", "--address", "0.0.0.0:0"], &BTreeMap::new());
    assert_eq!(output.ending, Ending::Code(2), "{}", output.complaint());
    assert!(
        output
            .complaint()
            .contains("hint: give a certificate with --tls-certificate and --tls-key, put a proxy"),
        "{}",
        output.complaint()
    );
}
