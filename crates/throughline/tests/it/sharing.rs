//! Results of steps shared between machines, by the program itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use process::{Ending, Output, Spec};
use serde_json::Value;

use crate::program::PROGRAM;

const STEPS: &str = "throughline: 1
steps:
  generate:
    run: mkdir -p gen && tr a-z A-Z < src/text > gen/text && echo generated
    inputs: [src]
    outputs: [gen]
  each-time:
    run: test -s gen/text
    needs: [generate]
package:
  files: [{ from: gen/text, to: share/text }]
";

/// Machines with the same files, and what they share.
struct Machines {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    variables: BTreeMap<String, String>,
}

impl Machines {
    fn new() -> Self {
        Self {
            folder: testkit::folder(),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
            variables: [("PATH".to_owned(), std::env::var("PATH").unwrap())].into(),
        }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the definition on a machine, whose folder is made where it is new.
    fn run(&self, machine: &str, arguments: &[&str]) -> Output {
        self.run_of(STEPS, machine, arguments)
    }

    fn run_of(&self, definition: &str, machine: &str, arguments: &[&str]) -> Output {
        // A component is called by the name of its folder.
        let work = self.place(machine).join("work");
        std::fs::create_dir_all(work.join("src")).unwrap();
        std::fs::write(work.join("throughline.yaml"), definition).unwrap();
        std::fs::write(work.join("src/text"), "hello\n").unwrap();
        let spec = Spec::new(PROGRAM)
            .args(["run", "--json"])
            .args(arguments)
            .folder(&work)
            .variables(&self.variables)
            .variable("HOME", self.place(machine).join("home"));
        let run = process::run(spec, b"", Duration::from_secs(60), 1 << 20);
        self.runtime.block_on(run).unwrap()
    }

    /// Runs it, and says whether the step was put back, and what was warned of.
    fn kept(&self, machine: &str, arguments: &[&str]) -> (bool, Vec<String>) {
        let output = self.run(machine, arguments);
        assert_eq!(output.ending, Ending::Code(0), "{}", output.complaint());
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let steps = document["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["name"] == "generate").unwrap();
        let complaint = output.complaint();
        let warnings = complaint.lines().filter_map(|line| line.strip_prefix("warning: "));
        (step["kept"].as_bool().unwrap(), warnings.map(str::to_owned).collect())
    }
}

#[test]
fn a_result_of_one_machine_is_put_back_on_another_over_a_folder() {
    let machines = Machines::new();
    let shared = machines.place("shared");
    let sharing = ["--shared-results", shared.to_str().unwrap()];
    let reading = [sharing.as_slice(), &["--shared-results-access", "read"]].concat();
    assert_eq!(machines.kept("reader", &reading), (false, vec![]));
    assert!(!shared.exists(), "who reads sends nothing");
    assert_eq!(machines.kept("first", &sharing), (false, vec![]));
    assert_eq!(machines.kept("second", &reading), (true, vec![]));
    assert_eq!(
        std::fs::read_to_string(machines.place("second/work/gen/text")).unwrap(),
        "HELLO\n"
    );
}

#[test]
fn a_damaged_file_of_a_shared_folder_is_told_and_the_step_runs() {
    let machines = Machines::new();
    let shared = machines.place("shared");
    let sharing = ["--shared-results", shared.to_str().unwrap()];
    machines.kept("first", &sharing);
    let hex = facts::Digest::of("HELLO\n").hex();
    let blob = shared.join("local/blobs").join(&hex[..2]).join(&hex);
    std::fs::write(&blob, "HELL\n").unwrap();
    let (kept, warnings) = machines.kept("second", &sharing);
    assert!(!kept);
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(
        warnings[0].contains(&hex) && warnings[0].contains("is damaged"),
        "{warnings:#?}"
    );
    assert_eq!(std::fs::read_to_string(&blob).unwrap(), "HELLO\n", "it was put right");
    assert_eq!(machines.kept("third", &sharing), (true, vec![]));
}

#[test]
fn an_isolated_step_does_not_see_the_folder_that_results_are_shared_through() {
    let machines = Machines::new();
    let shared = machines.place("shared");
    let sharing = ["--shared-results", shared.to_str().unwrap()];
    let definition = STEPS.replace(
        "test -s gen/text",
        &format!("ls -A {0}; touch {0}/evil", shared.display()),
    );
    let output = machines.run_of(&definition, "first", &sharing);
    if output.complaint().contains("isolat") {
        testkit::skip(testkit::Need::Isolation, "this machine isolates no steps");
        return;
    }
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["result"], "failed", "{document}");
    assert!(!shared.join("evil").exists());
    // What the first step made was shared all the same.
    assert!(shared.join("local/results").exists());
}

#[test]
fn places_that_results_cannot_be_shared_through_are_refused_with_a_hint() {
    let machines = Machines::new();
    for place in ["gs://bucket", "https://example.org/bucket"] {
        let output = machines.run("first", &["--shared-results", place]);
        assert_eq!(output.ending, Ending::Code(2));
        assert!(
            output.complaint().contains("s3://BUCKET/PREFIX"),
            "{}",
            output.complaint()
        );
    }
}

#[test]
#[cfg(not(feature = "s3"))]
fn a_program_without_buckets_says_so_and_how_to_have_them() {
    let output = Machines::new().run("first", &["--shared-results", "s3://results"]);
    assert_eq!(output.ending, Ending::Code(2));
    let complaint = output.complaint();
    assert!(complaint.contains("built without S3"), "{complaint}");
    assert!(complaint.contains("--features s3"), "{complaint}");
}

#[cfg(feature = "s3")]
mod buckets {
    use process::{Channel, Child, Signal};
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    use super::*;

    /// A server that speaks the API of S3, with a bucket `results`; its endpoint.
    fn start(machines: &Machines) -> Option<(Child, String)> {
        let Some(program) = testkit::tool("s3rver") else {
            testkit::skip(testkit::Need::S3rver, "s3rver is not installed");
            return None;
        };
        let spec = Spec::new(program)
            .args(["--address", "127.0.0.1", "--port", "0", "--silent"])
            .args(["--configure-bucket", "results", "--directory"])
            .arg(machines.place("bucket"))
            .variables(&machines.variables)
            .stdout(Channel::Pipe);
        machines.runtime.block_on(async {
            let mut child = process::spawn(spec).unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some(address) = line.strip_prefix("S3rver listening on ") {
                    return Some((child, format!("http://{address}")));
                }
            }
            None
        })
    }

    #[test]
    fn a_result_of_one_machine_is_put_back_on_another_over_a_bucket() {
        let mut machines = Machines::new();
        let Some((mut server, endpoint)) = start(&machines) else {
            return;
        };
        let keys = machines.place("keys");
        std::fs::write(
            &keys,
            "[ci]\naws_access_key_id = S3RVER\naws_secret_access_key = S3RVER\n",
        )
        .unwrap();
        let address = format!("s3://results/team?profile=ci&credentials={}", keys.display());
        machines.variables.insert("AWS_ENDPOINT_URL".to_owned(), endpoint);
        let sharing = ["--shared-results", address.as_str()];
        assert_eq!(machines.kept("first", &sharing), (false, vec![]));
        assert_eq!(machines.kept("second", &sharing), (true, vec![]));
        assert_eq!(
            std::fs::read_to_string(machines.place("second/work/gen/text")).unwrap(),
            "HELLO\n"
        );

        // Without the server the same runs go on, with one warning for each.
        machines.runtime.block_on(async {
            server.kill_group(Signal::KILL, Duration::ZERO).await.unwrap();
        });
        let (kept, warnings) = machines.kept("third", &sharing);
        assert!(!kept);
        assert_eq!(warnings.len(), 1, "{warnings:#?}");
        assert!(warnings[0].contains("s3://results/team do not answer"), "{warnings:#?}");
        assert!(
            machines.kept("second", &sharing).0,
            "what is kept at home needs no share"
        );
    }

    #[test]
    fn an_address_without_keys_is_refused_with_a_hint() {
        let output = Machines::new().run("first", &["--shared-results", "s3://results"]);
        assert_eq!(output.ending, Ending::Code(2));
        assert!(
            output.complaint().contains("AWS_ACCESS_KEY_ID"),
            "{}",
            output.complaint()
        );
    }
}
