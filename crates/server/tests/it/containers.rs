//! Steps in containers, pushed: their images, their services, and what becomes of both when processes die.

use executor::conformance::image::{IMAGE, image, remembered};
use executor::{LocalExecutor, LocalOptions};
use serde_json::{Value, json};

use process::Signal;

use crate::house::{ENVIRONMENTS, House, files_below, processes_with};
use crate::repository::{Repository, steps};
use crate::web::Browser;

/// A house whose machine can run containers; nothing, and a word why, where it cannot.
fn house() -> Option<House> {
    let mut house = House::prepared(ENVIRONMENTS, json!({}));
    let folder = testkit::folder();
    let executor = LocalExecutor::new(LocalOptions::new(house.data(), "/bin/false")).unwrap();
    // What one test found out about the engine, the others on this machine need not.
    let shared = remembered();
    let lock = std::fs::File::create(shared.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let _ = std::fs::copy(&shared, house.data().join("containers.json"));
    let found = house.runtime.block_on(image(&executor, folder.path()));
    let _ = std::fs::copy(house.data().join("containers.json"), &shared);
    drop(lock);
    match found {
        Ok(_) => {
            house.start();
            Some(house)
        }
        Err(why) => {
            testkit::skip(testkit::Need::Containers, &why);
            None
        }
    }
}

fn outputs(house: &House, run: &Value, step: &str) -> Value {
    house.step(run["run"]["id"].as_str().unwrap(), step)["outputs"].clone()
}

#[test]
fn a_pushed_step_runs_in_its_image_and_the_run_says_in_which() {
    let Some(house) = house() else { return };
    let repository = Repository::new();
    let definition = steps(&format!(
        "  inside:\n    image: {{ name: {IMAGE}, pull: never }}\n    run: |\n      ! [ -e /etc/debian_version ]\n      \
         grep somebody /etc/passwd\n      cat message > made\n      echo \"it is $THROUGHLINE_STEP of $THROUGHLINE_COMPONENT\"\n\
         \x20 after: {{ run: 'cat made', needs: [inside] }}\n"
    ));
    repository.write("message", b"from the commit\n");
    let commit = repository.push_definition(&house, "team/app", &definition);
    let build = house.built(&commit);
    assert_eq!(build["run"]["result"], "succeeded", "{build}");
    let id = build["run"]["id"].as_str().unwrap();
    let said = house.log_of(id, "inside");
    assert!(
        said.contains("somebody") && said.contains("it is inside of team/app"),
        "{said}"
    );
    assert!(
        house.log_of(id, "after").contains("from the commit"),
        "what it made is the workspace's"
    );
    let container = &outputs(&house, &build, "inside")["container"];
    assert_eq!(container["image"], json!(IMAGE), "{container}");
    let digest = container["digest"].as_str().unwrap();
    assert!(digest.starts_with("sha256:"), "{container}");
    assert!(!container["engine"].as_str().unwrap().is_empty());
    let page = Browser::logged_in(&house, &house.token).page(&format!("/runs/{id}"));
    assert!(page.contains("succeeded") && page.contains("inside"), "{page}");
}

#[test]
fn an_image_that_is_not_there_fails_its_step_and_the_run_says_what_to_do() {
    let Some(house) = house() else { return };
    let repository = Repository::new();
    let definition =
        steps("  inside: { image: { name: localhost/throughline-test/none, pull: never }, run: 'true' }\n");
    let commit = repository.push_definition(&house, "team/app", &definition);
    let build = house.built(&commit);
    assert_eq!(build["run"]["result"], "failed", "{build}");
    let id = build["run"]["id"].as_str().unwrap();
    let message = house.step(id, "inside")["message"].to_string();
    assert!(
        message.contains("localhost/throughline-test/none") && message.contains("hint: "),
        "{message}"
    );
    let page = Browser::logged_in(&house, &house.token).page(&format!("/runs/{id}"));
    assert!(page.contains("localhost/throughline-test/none"), "{page}");
}

/// A service in a container, which serves a file, and a step in one that asks it.
fn with_web(script: &str) -> String {
    let image = format!("{{ name: {IMAGE}, pull: never }}");
    let script = script.replace('\n', "\n      ");
    steps(&format!(
        "  test:\n    image: {image}\n    services:\n      web:\n        image: {image}\n        port: 8080\n        \
         run: mkdir -p /tmp/w; echo hello > /tmp/w/page; echo serving; exec httpd -f -p $PORT -h /tmp/w\n    run: |\n      {script}\n"
    ))
}

/// Kills every process of a run: its shim, and what the shim keeps. Containers are none of them.
fn kill_run(house: &House, run: &str) {
    let folder = house.data().join("runs").join(run);
    let folder = folder.to_str().unwrap().to_owned();
    let is_ours = |process: &process::Identity| {
        let line = std::fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("--folder")
    };
    let shims: Vec<_> = processes_with(&folder).into_iter().filter(is_ours).collect();
    assert!(!shims.is_empty());
    for shim in &shims {
        let _ = shim.signal(Signal::KILL);
    }
    house.until("the end of the shim", || {
        shims.iter().all(|shim| !shim.is_alive()).then_some(())
    });
}

#[test]
fn a_pushed_step_and_its_service_outlive_a_kill_of_server_and_shim() {
    let Some(mut house) = house() else { return };
    let repository = Repository::new();
    // The container sees its workspace alone, so what it waits for is put there.
    let definition = with_web(
        "echo x >> count\necho up\nwhile ! [ -e gate ]; do sleep 0.02; done\nwget -q -O - http://$WEB_HOST:$WEB_PORT/page\nwc -l < count",
    );
    let commit = repository.push_definition(&house, "team/app", &definition);
    let run = house.is_at(&commit, "test");
    house.until("the step", || house.log_of(&run, "test").contains("up").then_some(()));
    house.kill();
    kill_run(&house, &run);
    house.start();
    // It goes on whether a shim listens already or not: what it says is kept until one does.
    let workspace = files_below(&house.data().join("runs").join(&run))
        .into_iter()
        .find(|file| file.ends_with("count"))
        .unwrap();
    std::fs::write(workspace.with_file_name("gate"), "").unwrap();
    let build = house.built(&commit);
    let said = house.log_of(&run, "test");
    assert_eq!(build["run"]["result"], "succeeded", "{build} {said}");
    assert!(
        ["up", "hello", "1"].map(|word| said
            .lines()
            .filter(|line| line.ends_with(&format!(" o {word}")))
            .count())
            == [1; 3],
        "it ran once, and each line came once: {said}"
    );
    let step = house.step(&run, "test");
    assert_eq!(step["attempts"].as_array().unwrap().len(), 1, "{step}");
    let served = &step["outputs"]["services"][0];
    assert_eq!(
        (&served["name"], &served["container"]["image"]),
        (&json!("web"), &json!(IMAGE)),
        "{step}"
    );
    assert!(served["ready_ms"].is_number(), "{served}");
}

#[test]
fn a_pushed_step_finds_its_service_in_a_container() {
    let Some(house) = house() else { return };
    let repository = Repository::new();
    let definition = with_web("wget -q -O - http://$WEB_HOST:$WEB_PORT/page");
    let commit = repository.push_definition(&house, "team/app", &definition);
    let build = house.built(&commit);
    let id = build["run"]["id"].as_str().unwrap();
    assert_eq!(
        build["run"]["result"],
        "succeeded",
        "{build} {}",
        house.log_of(id, "test")
    );
    assert!(house.log_of(id, "test").contains("hello"));
}
