//! Disks that are full: what is new is refused or fails and says so, what is there stays, and with room
//! everything goes on.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::house::{ENVIRONMENTS, House, ask};
use crate::repository::{Repository, command, steps};

/// Small file systems at places below a folder of their own. They go when the value does.
struct Disks {
    folder: tempfile::TempDir,
    mounted: Vec<PathBuf>,
}

impl Disks {
    fn new() -> Self {
        Self {
            folder: testkit::folder(),
            mounted: Vec::new(),
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn mount(&mut self, arguments: &[&str], at: &Path) -> bool {
        std::fs::create_dir_all(at).unwrap();
        let mounted = command(Path::new("/"), "mount", &[arguments, &[at.to_str().unwrap()]].concat());
        if !mounted.is_success() {
            let complaint = mounted.complaint();
            testkit::skip(
                testkit::Need::Mounts,
                &format!("a small file system cannot be mounted here: {complaint}"),
            );
            return false;
        }
        self.mounted.push(at.to_owned());
        true
    }

    /// A file system of `size` at a place below the data folder.
    fn small(&mut self, place: &str, size: &str) -> bool {
        let at = self.data().join(place);
        self.mount(&["-t", "tmpfs", "-o", &format!("size={size},mode=700"), "tmpfs"], &at)
    }

    /// Another place's folder, so that it does not share the small one's room.
    fn roomy(&mut self, place: &str) -> bool {
        let elsewhere = self.folder.path().join("roomy").join(place);
        std::fs::create_dir_all(&elsewhere).unwrap();
        let at = self.data().join(place);
        self.mount(&["--bind", elsewhere.to_str().unwrap()], &at)
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        for at in self.mounted.iter().rev() {
            command(Path::new("/"), "umount", &["--lazy", at.to_str().unwrap()]);
        }
    }
}

/// Fills the file system at `folder` to its last byte.
fn fill(folder: &Path) -> PathBuf {
    use std::io::Write as _;
    let path = folder.join("filler");
    let mut file = std::fs::File::create(&path).unwrap();
    for size in [64 << 10, 4 << 10, 1] {
        let bytes = vec![0_u8; size];
        while file.write_all(&bytes).is_ok() {}
    }
    path
}

#[test]
fn a_full_disk_of_workspaces_fails_runs_with_a_clear_message_and_a_retry_mends_them() {
    let mut disks = Disks::new();
    if !disks.small("runs", "4m") {
        return;
    }
    let house = House::with(ENVIRONMENTS, json!({ "data": disks.data() }));
    let repository = Repository::new();
    repository.write("data", &[b'x'; 100_000]);
    repository.define(&steps("  a: { run: 'cat data > copy' }\n"));
    let filler = fill(&disks.data().join("runs"));
    let commit = repository.commit("a change");
    repository.push(&house, "team/app", &["main"]);
    let build = house.built(&commit);
    assert_eq!(build["run"]["result"], "failed", "{build}");
    let reason = build["run"]["reason"].as_str().unwrap().to_lowercase();
    assert!(
        reason.contains("no space left") || reason.contains("disk is full"),
        "{reason}"
    );
    std::fs::remove_file(filler).unwrap();
    let id = build["run"]["id"].as_str().unwrap();
    house.post(&format!("/api/v1/runs/{id}/retry"), &json!(null)).is(200);
    house.until("the retried run's success", || {
        (house.run(id)["run"]["result"] == "succeeded").then_some(())
    });

    // A step that fills the disk fails by itself, and takes nothing with it.
    let commit = repository.push_definition(
        &house,
        "team/app",
        &steps("  a: { run: 'head -c 20m /dev/zero > big' }\n"),
    );
    let build = house.built(&commit);
    let id = build["run"]["id"].as_str().unwrap();
    assert_eq!(house.step(id, "a")["result"], "failed", "{build}");
    house.is_whole();
}

#[test]
fn a_full_disk_of_blobs_holds_changes_back_until_there_is_room() {
    let mut disks = Disks::new();
    if !disks.small("blobs", "2m") {
        return;
    }
    let house = House::with(ENVIRONMENTS, json!({ "data": disks.data() }));
    let repository = Repository::of_service("one");
    let first = repository.commit("feat: one");
    repository.push(&house, "team/app", &["main"]);
    let place = house.comes_to("team/app", "production", &first);
    // Running when it gets full.
    let go = house.folder().join("go");
    let long = steps(&format!(
        "  long: {{ run: 'until [ -e {} ]; do sleep 0.02; done; echo over' }}\n",
        go.display()
    ));
    let running = repository.push_definition(&house, "team/app", &long);
    let run = house.is_at(&running, "long");
    let filler = fill(&disks.data().join("blobs"));
    std::fs::write(go, "").unwrap();
    assert_eq!(
        house.ended(&run)["run"]["result"],
        "succeeded",
        "what runs ends, with or without a kept log"
    );
    repository.define(&crate::repository::service("VERSION: two", ""));
    let second = repository.commit("feat: two");
    repository.push(&house, "team/app", &["main"]);
    house.until("a word about the full disk", || {
        let log = house.log().to_lowercase();
        (log.contains("no space left") || log.contains("disk is full") || log.contains("full")).then_some(())
    });
    assert_eq!(
        ask("GET", place["url"].as_str().unwrap(), &[], b"").unwrap().text(),
        "one"
    );
    let policy = "throughline: 1\nenvironments: { staging: {}, production: { after: [staging] }, third: {} }\n";
    let refused = house.ask_as(&house.token, "PUT", "/api/v1/policy", policy.as_bytes(), &[]);
    refused.expect_problem(507, "disk-full");
    std::fs::remove_file(filler).unwrap();
    let build = house.built(&second);
    if build["run"]["result"] == "failed" {
        assert!(
            build["run"]["reason"]
                .as_str()
                .unwrap()
                .to_lowercase()
                .contains("space"),
            "{build}"
        );
        let id = build["run"]["id"].as_str().unwrap();
        house.post(&format!("/api/v1/runs/{id}/retry"), &json!(null)).is(200);
    }
    house.comes_to("team/app", "production", &second);
    house.is_whole();
}

#[test]
fn a_full_disk_of_the_ledger_refuses_what_is_new_and_what_runs_ends_with_room() {
    let mut disks = Disks::new();
    if !disks.small("", "4m") {
        return;
    }
    let roomy = [
        "blobs",
        "repositories",
        "runs",
        "caches",
        "targets",
        "databases",
        "packages",
    ];
    if !roomy.iter().all(|place| disks.roomy(place)) {
        return;
    }
    let mut house = House::with(ENVIRONMENTS, json!({ "data": disks.data() }));
    let repository = Repository::new();
    let go = house.folder().join("go");
    let long = format!(
        "  long: {{ run: 'until [ -e {} ]; do sleep 0.02; done; echo over' }}\n  after: {{ run: 'true', needs: [long] }}\n",
        go.display()
    );
    let failing = repository.push_definition(&house, "team/app", &steps("  a: { run: 'false' }\n"));
    let over = house.built(&failing)["run"]["id"].as_str().unwrap().to_owned();
    let commit = repository.push_definition(&house, "team/app", &steps(&long));
    let run = house.is_at(&commit, "long");
    let filler = fill(&disks.data());
    let told = house
        .post("/api/v1/tokens", &json!({ "name": "x", "role": "viewer" }))
        .expect_problem(507, "disk-full");
    assert!(told.contains("hint: make room"), "{told}");
    // What can be read is read, and a wish is answered.
    house.run(&run);
    for wish in ["cancel", "cancel"] {
        house
            .post(&format!("/api/v1/runs/{run}/{wish}"), &json!(null))
            .expect_problem(507, "disk-full");
    }
    house
        .post(&format!("/api/v1/runs/{over}/retry"), &json!(null))
        .expect_problem(507, "disk-full");
    std::fs::write(&go, "").unwrap();
    repository.define(&steps("  a: { run: 'true' }\n"));
    let late = repository.commit("while it is full");
    let pushed = repository.try_push(&house, "team/app", &["main"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(!house.is_dead(), "{}", house.log());
    std::fs::remove_file(filler).unwrap();
    let ended = house.ended(&run);
    assert_eq!(ended["run"]["result"], "succeeded", "{ended}");
    if !pushed.is_success() {
        repository.push(&house, "team/app", &["main"]);
    }
    assert_eq!(house.built(&late)["run"]["result"], "succeeded");
    house.is_whole();
    house.kill();
    house.start();
    house.is_whole();
}
