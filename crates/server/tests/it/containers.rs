//! Steps in containers, pushed: their images, their services, and what becomes of both when processes die.

use executor::conformance::image::{IMAGE, image};
use executor::{LocalExecutor, LocalOptions};
use serde_json::{Value, json};

use crate::house::House;
use crate::repository::{Repository, steps};
use crate::web::Browser;

/// A house whose machine can run containers; nothing, and a word why, where it cannot.
fn house() -> Option<House> {
    let house = House::new();
    let folder = testkit::folder();
    let options = LocalOptions::new(folder.path().join("data"), "/bin/false");
    let executor = LocalExecutor::new(options).unwrap();
    match house.runtime.block_on(image(&executor, folder.path())) {
        Ok(_) => Some(house),
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
