//! Definitions run in a folder, by the program itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use process::{Channel, Child, Ending, Output, Signal, Spec};
use serde_json::Value;

use crate::program::PROGRAM;

/// A folder with a definition, and a home for what is kept.
pub struct Folder {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

const STEPS: &str = "throughline: 1
steps:
  generate:
    run: mkdir -p gen && tr a-z A-Z < src/text > gen/text && echo generated
    inputs: [src]
    outputs: [gen]
  check:
    needs: [generate]
    run: grep -q HELLO gen/text && echo checked
    inputs: [checks]
  each-time:
    run: echo each time
package:
  files: [{ from: gen/text, to: share/text }]
";

impl Folder {
    pub fn new(definition: &str) -> Self {
        let folder = Self {
            folder: testkit::folder(),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
        };
        folder.write("throughline.yaml", definition);
        folder.write("src/text", "hello\n");
        folder
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub fn write(&self, path: &str, text: &str) {
        let place = self.path().join(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, text).unwrap();
    }

    fn spec(&self, arguments: &[&str]) -> Spec {
        let variables: BTreeMap<String, String> = [("PATH".to_owned(), std::env::var("PATH").unwrap())].into();
        Spec::new(PROGRAM)
            .arg("run")
            .args(arguments)
            .folder(self.path())
            .variables(&variables)
            .variable("HOME", self.folder.path().join("home"))
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        let run = process::run(self.spec(arguments), b"", Duration::from_secs(60), 1 << 20);
        self.runtime.block_on(run).unwrap()
    }

    /// Runs with `--json`; the document, whatever the exit code.
    pub fn document(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let output = self.run(&arguments);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", output.complaint()))
    }

    /// By step, whether its result was put back.
    fn kept(document: &Value) -> BTreeMap<String, bool> {
        let steps = document["steps"].as_array().unwrap().iter();
        steps
            .map(|step| {
                (
                    step["name"].as_str().unwrap().to_owned(),
                    step["kept"].as_bool().unwrap(),
                )
            })
            .collect()
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let spec = self.spec(arguments).stdout(Channel::Null).stderr(Channel::Null);
        let _entered = self.runtime.enter();
        process::spawn(spec).unwrap()
    }

    fn wait_for(&self, path: &Path) {
        for _ in 0..600 {
            if path.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{} never came", path.display());
    }

    /// Runs git, which must succeed; what it says.
    pub fn git(&self, arguments: &[&str]) -> String {
        let spec = Spec::new("git")
            .args(["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"])
            .args(arguments)
            .folder(self.path())
            .pass(["PATH"]);
        let output = self
            .runtime
            .block_on(process::run(spec, b"", Duration::from_secs(120), 1 << 20))
            .unwrap();
        assert!(output.is_success(), "{}", output.complaint());
        output.text().trim_end().to_owned()
    }
}

fn kept(steps: [(&str, bool); 4]) -> BTreeMap<String, bool> {
    steps.map(|(name, kept)| (name.to_owned(), kept)).into()
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}

#[test]
fn what_has_not_changed_is_put_back_and_the_package_is_the_same() {
    let folder = Folder::new(STEPS);
    let first = folder.document(&[]);
    assert_eq!(first["schema"], "run/1");
    assert_eq!(first["result"], "succeeded");
    assert_eq!(first["steps"][0]["why"][0], "it has not run here before");
    let none = [
        ("generate", false),
        ("check", false),
        ("each-time", false),
        ("package", false),
    ];
    assert_eq!(Folder::kept(&first), kept(none));

    std::fs::remove_dir_all(folder.path().join("gen")).unwrap();
    let second = folder.document(&[]);
    let both = [
        ("generate", true),
        ("check", true),
        ("each-time", false),
        ("package", false),
    ];
    assert_eq!(Folder::kept(&second), kept(both));
    assert_eq!(second["package"]["digest"], first["package"]["digest"]);
    let log = second["steps"][0]["log"].as_str().unwrap();
    assert!(std::fs::read_to_string(log).unwrap().contains("generated"));
}

#[test]
fn a_step_runs_when_what_the_steps_before_it_leave_is_different_and_says_so() {
    let folder = Folder::new(STEPS);
    folder.run(&[]);
    folder.write("src/text", "hello again\n");
    let document = folder.document(&[]);
    assert_eq!(document["steps"][0]["why"][0], "changed: `src/text`");
    assert_eq!(document["steps"][1]["why"][0], "what `generate` leaves has changed");
    // Back to what it was: both results are still kept.
    folder.write("src/text", "hello\n");
    let back = [
        ("generate", true),
        ("check", true),
        ("each-time", false),
        ("package", false),
    ];
    assert_eq!(Folder::kept(&folder.document(&[])), kept(back));
}

#[test]
fn a_failed_step_shows_its_last_words_and_is_not_kept() {
    let folder = Folder::new(STEPS);
    folder.write("src/text", "goodbye\n");
    let output = folder.run(&[]);
    assert_eq!(output.ending, Ending::Code(1));
    let said = output.complaint();
    assert!(said.contains("✗ check") && said.contains("exit code 1"), "{said}");
    assert!(said.contains("`check` did not succeed"), "{said}");
    let again = folder.document(&[]);
    assert_eq!(again["steps"][1]["kept"], false);
    assert_eq!(again["package"], Value::Null);
}

#[test]
fn a_look_ahead_says_what_would_run_and_runs_nothing() {
    let folder = Folder::new(STEPS);
    folder.run(&[]);
    folder.write("src/text", "hello you\n");
    std::fs::remove_dir_all(folder.path().join("gen")).unwrap();
    let plan = folder.document(&["--dry-run"]);
    assert_eq!(plan["schema"], "plan/1");
    let what: Vec<&str> = plan["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["what"].as_str().unwrap())
        .collect();
    assert_eq!(what, ["runs", "depends", "runs", "runs"]);
    assert!(!folder.path().join("gen").exists());
}

#[test]
fn named_steps_run_with_what_they_need_and_unknown_ones_are_refused() {
    let folder = Folder::new(STEPS);
    let document = folder.document(&["check"]);
    let names: Vec<&str> = document["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["generate", "check"]);
    let output = folder.run(&["chekc"]);
    assert_eq!(output.ending, Ending::Code(3));
    assert!(
        output.complaint().contains("did you mean `check`?"),
        "{}",
        output.complaint()
    );
}

#[test]
fn a_package_is_written_as_an_image_layout() {
    let folder = Folder::new(STEPS);
    let document = folder.document(&["--output", "image"]);
    let index = std::fs::read_to_string(folder.path().join("image/index.json")).unwrap();
    assert!(
        index.contains(document["package"]["digest"].as_str().unwrap()),
        "{index}"
    );
    // The next one takes its place; nothing of the first stays.
    folder.write("src/text", "hello again\n");
    let second = folder.document(&["--output", "image"]);
    assert_ne!(second["package"]["digest"], document["package"]["digest"]);
    let index = std::fs::read_to_string(folder.path().join("image/index.json")).unwrap();
    assert!(index.contains(second["package"]["digest"].as_str().unwrap()), "{index}");
    let first = document["package"]["digest"].as_str().unwrap();
    let first = first.strip_prefix("sha256:").unwrap();
    assert!(!folder.path().join("image/blobs/sha256").join(first).exists());
    // What is no package is left alone, and nothing runs for it.
    let output = folder.run(&["--output", "src"]);
    assert_eq!(output.ending, Ending::Code(2));
    assert!(
        output.complaint().contains("src holds something else than a package\n"),
        "{}",
        output.complaint()
    );
    assert_eq!(
        std::fs::read_to_string(folder.path().join("src/text")).unwrap(),
        "hello again\n"
    );
}

#[test]
fn old_results_are_collected_and_packages_stay_whole() {
    let folder = Folder::new(STEPS);
    let first = folder.document(&[]);
    let kept = folder.folder.path().join("home/.cache/throughline");
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let packages = files(&kept.join("blobs"));
    for path in files(&kept) {
        let file = std::fs::File::options().append(true).open(path).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    folder.write("src/text", "hello again\n");
    folder.run(&[]);
    let results = files(&kept.join("results/results"));
    assert_eq!(results.len(), 2, "those of the second run alone: {results:?}");
    assert!(
        packages.iter().all(|path| path.exists()),
        "what packages are made of stays"
    );
    // What was collected is made anew, into the same package.
    folder.write("src/text", "hello\n");
    let again = folder.document(&["--output", "image"]);
    assert!(!Folder::kept(&again)["generate"]);
    assert_eq!(again["package"]["digest"], first["package"]["digest"]);
}

#[test]
fn a_commit_and_what_is_not_committed_are_named() {
    let folder = Folder::new(STEPS);
    folder.git(&["init", "-q"]);
    folder.git(&["add", "."]);
    folder.git(&["commit", "-qm", "one"]);
    let clean = folder.document(&[]);
    assert_eq!(clean["commit"].as_str().unwrap().len(), 40);
    // What the steps leave is not committed either, and nothing ignores it here.
    assert_eq!(clean["uncommitted"], 0);
    folder.write("src/more", "x");
    assert!(folder.document(&[])["uncommitted"].as_u64().unwrap() > 0);
}

#[test]
fn a_secret_is_given_by_a_file_and_shown_nowhere() {
    let folder = Folder::new(
        "throughline: 1\nsteps:\n  use:\n    run: cat $THROUGHLINE_SECRETS/token | wc -c; cat $THROUGHLINE_SECRETS/token\n    secrets: [{ secret: token }]\n",
    );
    let missing = folder.run(&[]);
    assert_eq!(missing.ending, Ending::Code(1));
    assert!(
        missing.complaint().contains("--secret token=FILE"),
        "{}",
        missing.complaint()
    );
    folder.write("the-token", "open-sesame-1234\n");
    let document = folder.document(&["--secret", "token=the-token"]);
    let log = std::fs::read_to_string(document["steps"][0]["log"].as_str().unwrap()).unwrap();
    assert!(log.contains("16") && !log.contains("open-sesame"), "{log}");
}

#[test]
fn two_runs_in_one_folder_do_not_get_into_each_others_way() {
    let folder = Folder::new("throughline: 1\nsteps:\n  long:\n    run: touch begun; sleep 30\n");
    let mut long = folder.start(&[]);
    folder.wait_for(&folder.path().join("begun"));
    let second = folder.run(&[]);
    assert_eq!(second.ending, Ending::Code(4));
    assert!(
        second.complaint().contains("another run works in this folder"),
        "{}",
        second.complaint()
    );
    long.signal(Signal::INT).unwrap();
    let ended = folder.runtime.block_on(long.wait()).unwrap();
    assert_eq!(ended.ending, Ending::Code(130));
}

/// The number may be that of a namespace, so the processes themselves are looked for.
fn somebody_works_in(folder: &Path) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let folder_of = std::fs::read_link(entry.path().join("cwd"));
        folder_of.is_ok_and(|cwd| cwd == folder) && entry.path().join("exe").exists()
    })
}

#[test]
fn whoever_asks_a_run_to_end_ends_its_steps() {
    for asked in [Signal::INT, Signal::TERM, Signal::HUP] {
        let folder = Folder::new("throughline: 1\nsteps:\n  long:\n    run: touch begun; sleep 300\n");
        let mut long = folder.start(&[]);
        folder.wait_for(&folder.path().join("begun"));
        long.signal(asked).unwrap();
        let ended = folder.runtime.block_on(long.wait()).unwrap();
        assert_eq!(ended.ending, Ending::Code(130), "{asked:?}");
        assert!(!somebody_works_in(&folder.path()), "{asked:?}");
    }
}

#[test]
fn what_a_killed_command_left_running_is_ended_by_the_next_one() {
    let folder = Folder::new("throughline: 1\nsteps:\n  long:\n    run: echo $$ > begun; test -e short || sleep 300\n");
    let mut long = folder.start(&[]);
    let begun = folder.path().join("begun");
    folder.wait_for(&begun);
    long.signal(Signal::KILL).unwrap();
    folder.runtime.block_on(long.wait()).unwrap();
    let before = std::fs::read_to_string(&begun).unwrap();
    folder.write("short", "");
    let document = folder.document(&[]);
    assert_eq!(document["result"], "succeeded");
    let left = somebody_works_in(&folder.path());
    assert!(!left, "a process of the killed run is left ({before})");
}

#[test]
fn a_file_that_changes_runs_everything_again() {
    let folder = Folder::new("throughline: 1\nsteps:\n  count:\n    run: echo x >> ../count\n    inputs: [src]\n");
    let mut watching = folder.start(&["--watch"]);
    let count = folder.folder.path().join("count");
    folder.wait_for(&count);
    let runs = |wanted: usize| {
        for _ in 0..600 {
            if std::fs::read_to_string(&count).unwrap().lines().count() >= wanted {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("it did not run {wanted} times");
    };
    // It may not watch yet when the first run has just ended, so the file changes until it is seen.
    for round in 0..100 {
        folder.write("src/text", &format!("round {round}\n"));
        std::thread::sleep(Duration::from_millis(300));
        if std::fs::read_to_string(&count).unwrap().lines().count() >= 2 {
            break;
        }
    }
    runs(2);
    watching.signal(Signal::INT).unwrap();
    assert_eq!(
        folder.runtime.block_on(watching.wait()).unwrap().ending,
        Ending::Code(0)
    );
}

#[test]
fn a_definition_that_is_wrong_is_placed_and_one_that_is_missing_is_named() {
    let folder = Folder::new("throughline: 1\nsteps:\n  a: { run: x, outputs: [out] }\n");
    let output = folder.run(&[]);
    assert_eq!(output.ending, Ending::Code(6));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("throughline.yaml:3") && said.contains("names no `inputs`"),
        "{said}"
    );
    std::fs::remove_file(folder.path().join("throughline.yaml")).unwrap();
    assert_eq!(folder.run(&[]).ending, Ending::Code(3));
}

#[test]
fn built_twice_from_nothing_the_same_package_comes_out_or_the_files_that_differ_are_named() {
    let folder = Folder::new(STEPS);
    assert!(
        folder.run(&[]).is_success(),
        "what earlier runs kept is no help and no harm"
    );
    let same = folder.document(&["--rebuild"]);
    assert_eq!(same["reproducible"], true, "{same}");
    assert_eq!(same["first"], same["second"]);
    folder.write(
        "throughline.yaml",
        "throughline: 1\nsteps:\n  make: { run: 'mkdir -p out && pwd > out/where && echo same > out/same' }\npackage:\n  files: [{ from: out }]\n",
    );
    let output = folder.run(&["--rebuild"]);
    assert!(!output.is_success());
    assert!(output.text().contains("not reproducible"), "{}", output.text());
    assert!(
        output.text().contains("out/where") && !output.text().contains("out/same"),
        "{}",
        output.text()
    );
    let differs = folder.document(&["--rebuild"]);
    assert_eq!(differs["files"].as_array().unwrap().len(), 1, "{differs}");
    assert!(
        !folder.path().join("out").exists(),
        "nothing is written into the folder itself"
    );
    folder.write("throughline.yaml", "throughline: 1\nsteps:\n  make: { run: 'true' }\n");
    let without = folder.run(&["--rebuild"]);
    assert!(
        without.complaint().contains("makes no package"),
        "{}",
        without.complaint()
    );
}

#[test]
fn on_a_line_that_forbids_caches_each_run_begins_with_empty_folders() {
    let folder = Folder::new(
        "throughline: 1
lines: { 'release/*': { tool_caches: forbidden } }
steps:
  first:
    run: mkdir -p kept && ls kept && date > kept/first
    cache: [{ path: kept, key: k }]
  second:
    needs: [first]
    run: ls kept && test -e kept/first
    cache: [{ path: kept, key: k }]
",
    );
    folder.write(".gitignore", "/kept\n");
    folder.write("kept/old", "from before");
    folder.git(&["init", "--quiet", "--initial-branch=main"]);
    folder.git(&["add", "--all"]);
    folder.git(&["commit", "--quiet", "-m", "one"]);
    assert_eq!(folder.document(&[])["result"], "succeeded");
    assert!(folder.path().join("kept/old").exists(), "allowed, it stays");
    folder.git(&["switch", "--quiet", "--create", "release/2.x"]);
    let output = folder.run(&[]);
    assert!(output.is_success(), "{}", output.complaint());
    let said = output.complaint();
    assert!(said.contains("kept began empty: the line forbids caches"), "{said}");
    assert!(!folder.path().join("kept/old").exists());
    assert!(
        folder.path().join("kept/first").exists(),
        "the second step finds what the first left"
    );
    let plan = folder.run(&["--dry-run"]).text().into_owned();
    assert!(plan.contains("the line forbids tools' caches"), "{plan}");
}

#[test]
fn a_folder_with_files_of_its_own_is_never_emptied() {
    let folder = Folder::new(
        "throughline: 1
lines: { '**': { tool_caches: forbidden } }
steps: { build: { run: 'true', cache: [{ path: src, key: k }] } }
",
    );
    folder.git(&["init", "--quiet", "--initial-branch=main"]);
    folder.git(&["add", "--all"]);
    folder.git(&["commit", "--quiet", "-m", "one"]);
    let output = folder.run(&[]);
    assert!(!output.is_success());
    let said = output.complaint();
    assert!(
        said.contains("`src` cannot be emptied") && said.contains("src/text"),
        "{said}"
    );
    assert!(folder.path().join("src/text").exists());
}
