//! Repositories that live elsewhere and are followed.

use serde_json::{Value, json};

use crate::house::{ENVIRONMENTS, House};
use crate::repository::{Repository, steps};

#[test]
fn a_followed_repository_is_built_when_it_is_added_and_whenever_it_moves() {
    let house = House::with(ENVIRONMENTS, json!({ "poll_interval_ms": 150 }));
    let elsewhere = Repository::new();
    elsewhere.define(&steps("  a: { run: 'true' }\n"));
    let first = elsewhere.commit("first");
    let body = json!({ "component": "team/far", "url": elsewhere.path() });
    house.post("/api/v1/repositories", &body).is(201);
    assert_eq!(house.built(&first)["run"]["result"], "succeeded");
    let second = elsewhere.commit("second");
    let third = elsewhere.commit("third");
    house.built(&third);
    house.built(&second);
    // Adding it again is looking again.
    elsewhere.git(&["branch", "side"]);
    house.post("/api/v1/repositories", &body).is(201);
    let fourth = elsewhere.commit("fourth");
    house.built(&fourth);
    assert_eq!(house.runs("kind=build").len(), 4);
    let listed = house.get("/api/v1/repositories").is(200);
    assert_eq!(listed["repositories"][0]["remote"], json!(elsewhere.path()));
    house.is_whole();
}

#[test]
fn an_address_that_cannot_be_followed_is_refused_with_a_hint() {
    let house = House::new();
    for url in [
        "ftp://example.org/x.git",
        "ext::sh -c touch% /tmp/x",
        "--upload-pack=touch",
        "-x",
        "https://",
        "https://example.org",
        "nowhere",
        "file:///../x",
        "https://user:password@example.org/x.git",
    ] {
        let answer = house.post("/api/v1/repositories", &json!({ "component": "team/far", "url": url }));
        let told = answer.expect_problem(400, "bad-input");
        assert!(told.contains("hint: give an address such as"), "{url}: {told}");
        assert!(!told.contains("password@"), "{told}");
    }
    assert_eq!(
        house.get("/api/v1/repositories").is(200)["repositories"],
        json!([]),
        "nothing half added"
    );
}

#[test]
fn no_secret_but_credentials_of_repositories_is_sent_to_a_remote() {
    let house = House::new();
    house.set_secret("production/database", "a password");
    let followed = |credentials: &str| json!({ "component": "team/far", "url": "https://evil.example.org/x.git", "credentials": credentials });
    for (secret, said) in [
        ("production/database", "does not begin with `git/`"),
        ("statuses/far", "does not begin with `git/`"),
        ("gitea", "does not begin with `git/`"),
        ("git/../production/database", "git/../production/database"),
    ] {
        let answer = house.post("/api/v1/repositories", &followed(secret));
        let told = answer.expect_problem(400, "bad-input");
        assert!(told.contains(said), "{told}");
    }
    assert_eq!(
        house.get("/api/v1/repositories").is(200)["repositories"],
        json!([]),
        "nothing half added"
    );
    // Whether the secret is there is said by the first look, so that one may be set after the other.
    house.post("/api/v1/repositories", &followed("git/far")).is(201);
}

#[test]
fn paths_of_the_machine_are_followed_by_a_server_of_this_machine_alone() {
    let house = House::with(ENVIRONMENTS, json!({ "address": "0.0.0.0:0", "behind_proxy": true }));
    let elsewhere = Repository::new();
    for url in [
        elsewhere.path().display().to_string(),
        format!("file://{}", elsewhere.path().display()),
    ] {
        let answer = house.post("/api/v1/repositories", &json!({ "component": "team/far", "url": url }));
        let told = answer.expect_problem(400, "bad-input");
        assert!(told.contains("are not followed"), "{told}");
    }
}

#[test]
fn a_remote_that_does_not_answer_is_told_of_and_looked_at_again() {
    let house = House::with(ENVIRONMENTS, json!({ "poll_interval_ms": 150 }));
    let elsewhere = Repository::new();
    elsewhere.define(&steps("  a: { run: 'true' }\n"));
    let commit = elsewhere.commit("first");
    let place = house.folder().join("later");
    let body = json!({ "component": "team/far", "url": place });
    house.post("/api/v1/repositories", &body).is(201);
    let trouble = |house: &House| -> Value {
        let listed = house.get("/api/v1/repositories").is(200);
        listed["repositories"][0]["trouble"].clone()
    };
    let told = house.until("the trouble", || trouble(&house).as_str().map(str::to_owned));
    assert!(told.contains("later"), "{told}");
    let since = |house: &House| house.get("/api/v1/repositories").is(200)["repositories"][0]["trouble_since"].clone();
    let overview = house.get("/").is(200);
    let overview = overview.as_str().unwrap();
    assert!(overview.contains("1 repository cannot be followed"), "{overview}");
    assert!(
        overview.contains("is not followed: its repository failed first") && overview.contains("later"),
        "{overview}"
    );
    assert!(!overview.contains("Everything is still and healthy"), "{overview}");
    let login = house.ask_as("", "GET", "/login", b"", &[]).text();
    assert!(
        login.contains("Access token") && !login.contains("As of fact"),
        "{login}"
    );
    let first = since(&house);
    house.post("/api/v1/repositories", &body).is(201);
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert_eq!(
        since(&house),
        first,
        "it is told since when, not when it was last tried"
    );
    std::fs::rename(elsewhere.path(), &place).unwrap();
    assert_eq!(house.built(&commit)["run"]["result"], "succeeded");
    house.until("the trouble's end", || trouble(&house).is_null().then_some(()));
    std::fs::rename(&place, elsewhere.path()).unwrap();
}

#[test]
fn a_look_at_a_remote_that_the_server_died_in_is_taken_again_and_builds_once() {
    for place in [
        "source.mirror.start:1",
        "source.mirror.done:1",
        "source.mirror.start:3",
        "source.mirror.done:3",
    ] {
        let mut house = House::prepared(ENVIRONMENTS, json!({ "poll_interval_ms": 150 }));
        house.start();
        let elsewhere = Repository::new();
        elsewhere.define(&steps("  a: { run: 'true' }\n"));
        let first = elsewhere.commit("first");
        let body = json!({ "component": "team/far", "url": elsewhere.path() });
        house.post("/api/v1/repositories", &body).is(201);
        house.built(&first);
        house.interrupt();
        // What came while nobody looked is there when the look dies.
        let second = elsewhere.commit("second");
        elsewhere.git(&["tag", "-a", "-m", "a tag", "v1.0.0"]);
        house.crashes_at(place);
        // It may die before it says that it is ready.
        if house.try_start().is_ok() {
            house.dies();
        }
        house.start();
        assert_eq!(house.built(&second)["run"]["result"], "succeeded", "{place}");
        house.until("the tag", || {
            let tag = |fact: &Value| fact["kind"] == "ref.updated" && fact["body"]["name"] == "refs/tags/v1.0.0";
            house.facts().iter().any(tag).then_some(())
        });
        assert_eq!(house.runs("kind=build").len(), 2, "{place}");
        house.is_whole();
    }
}

#[test]
fn a_repository_that_was_renamed_where_it_lives_is_followed_there_and_its_history_goes_on() {
    let house = House::with(ENVIRONMENTS, json!({ "poll_interval_ms": 150 }));
    let elsewhere = Repository::new();
    elsewhere.define(&steps("  a: { run: 'true' }\n"));
    let first = elsewhere.commit("first");
    let (old, new) = (house.folder().join("old"), house.folder().join("new"));
    std::fs::rename(elsewhere.path(), &old).unwrap();
    let follow = |url: &std::path::Path| {
        let body = json!({ "component": "team/far", "url": url });
        house.post("/api/v1/repositories", &body).is(201);
    };
    follow(&old);
    house.built(&first);
    std::fs::rename(&old, &new).unwrap();
    let told = house.until("what to do", || {
        let listed = house.get("/api/v1/repositories").is(200);
        listed["repositories"][0]["trouble"].as_str().map(str::to_owned)
    });
    assert!(told.contains("throughline repo add NEW-URL --as NAME"), "{told}");
    follow(&new);
    std::fs::rename(&new, elsewhere.path()).unwrap();
    let second = elsewhere.commit("second");
    std::fs::rename(elsewhere.path(), &new).unwrap();
    house.built(&second);
    let changes = house.get("/api/v1/changes?component=team/far").is(200);
    assert_eq!(changes["changes"].as_array().unwrap().len(), 2, "{changes}");
    assert_eq!(house.runs("kind=build").len(), 2, "what was built is not built again");
    assert_eq!(
        house.get("/api/v1/repositories").is(200)["repositories"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    std::fs::rename(&new, elsewhere.path()).unwrap();
    house.is_whole();
}
