//! Search over everything, and the facts looked through one by one.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::house::{House, PATIENCE};
use crate::repository::{Repository, steps};

/// What search finds once its view has come as far as the ledger is now.
fn found(house: &House, token: &str, question: &str) -> Value {
    let head = || {
        house.get("/api/v1/ledger/facts?limit=1").is(200)["as_of"]
            .as_u64()
            .unwrap()
    };
    let exported = house.get("/api/v1/ledger/export").text().lines().count() as u64;
    let begun = std::time::Instant::now();
    while head() < exported {
        assert!(begun.elapsed() < PATIENCE, "the followed views stay behind");
    }
    house
        .ask_as(token, "GET", &format!("/api/v1/search?q={question}"), b"", &[])
        .is(200)
}

/// The titles of the hits of a kind.
fn titles(found: &Value, kind: &str) -> Vec<String> {
    let groups = found["groups"].as_array().unwrap().iter();
    groups
        .filter(|group| group["kind"] == kind)
        .flat_map(|group| group["hits"].as_array().unwrap())
        .map(|hit| hit["title"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_was_pushed_is_found_by_its_words_its_commit_its_branch_and_its_run() {
    let house = House::new();
    let repository = Repository::new();
    repository.define(&steps("  build: { run: 'true' }\n"));
    let first = repository.commit("Carts keep their currency");
    repository.push(&house, "shop/cart", &["HEAD:main"]);
    let second = repository.commit("Largest carts come first");
    repository.push(&house, "shop/cart", &["HEAD:main"]);
    let run = house.built(&second)["run"]["id"].as_str().unwrap().to_owned();

    let token = house.token.clone();
    let all = found(&house, &token, "cart");
    assert_eq!(all["schema"], "search/1");
    assert_eq!(titles(&all, "component"), ["shop/cart"]);
    assert_eq!(
        titles(&all, "change"),
        ["Largest carts come first", "Carts keep their currency"],
        "the newest first"
    );
    // Each word must fit, whatever their order, by its beginning.
    assert_eq!(
        titles(&found(&house, &token, "curr%20CARTS"), "change"),
        ["Carts keep their currency"]
    );
    assert_eq!(found(&house, &token, "cart%20wisent")["groups"], json!([]));
    assert_eq!(found(&house, &token, "")["groups"], json!([]));
    let by_commit = found(&house, &token, &first[..7]);
    assert_eq!(titles(&by_commit, "change"), ["Carts keep their currency"]);
    let hit = &by_commit["groups"][0]["hits"][0];
    assert_eq!(hit["id"], first.as_str());
    assert_eq!(hit["component"], "shop/cart");
    assert_eq!(hit["path"], format!("/components/shop/cart/changes/{first}"));
    assert_eq!(titles(&found(&house, &token, &run), "run"), ["build"]);
    assert_eq!(titles(&found(&house, &token, "prod"), "environment"), ["production"]);
}

#[test]
fn nobody_finds_what_they_may_not_see() {
    let house = House::new();
    let repository = Repository::new();
    repository.define(&steps("  build: { run: 'true' }\n"));
    repository.commit("A cart");
    repository.push(&house, "shop/cart", &["HEAD:main"]);
    house
        .ask_as("", "GET", "/api/v1/search?q=cart", b"", &[])
        .expect_problem(401, "log-in");
    let viewer = house.token_of("viewer");
    assert_eq!(titles(&found(&house, &viewer, "cart"), "component"), ["shop/cart"]);
    house
        .ask_as(&viewer, "GET", "/api/v1/ledger/facts", b"", &[])
        .expect_problem(403, "denied");
}

/// A token whose rights end at some components or environments; the server restarts for it.
pub fn scoped(house: &mut House, grant: access::Grant) -> String {
    house.interrupt();
    let (clock, entropy) = (Arc::new(facts::SystemClock), Arc::new(facts::SystemEntropy));
    let access = access::Access::open(house.data(), None, clock, entropy).unwrap();
    let made = access.create_token(&access::NewToken {
        name: "scoped".to_owned(),
        person: None,
        rights: access::Rights {
            grants: vec![grant],
            ..Default::default()
        },
        lifetime: None,
    });
    drop(access);
    house.start();
    made.unwrap().secret.to_string()
}

#[test]
fn rights_that_end_at_a_team_find_nothing_of_another() {
    let mut house = House::new();
    let repository = Repository::new();
    repository.define(&steps("  build: { run: 'true' }\n"));
    let commit = repository.commit("A wisent in the cart");
    for component in ["shop/cart", "money/rates"] {
        repository.push(&house, component, &["HEAD:main"]);
        house.built(&commit);
    }
    let grant = access::Grant {
        role: access::Role::Viewer,
        components: access::ComponentScope::Team("shop".to_owned()),
        environments: access::EnvironmentScope::All,
    };
    let token = scoped(&mut house, grant);
    for question in ["wisent", "rates", &commit[..8], "main"] {
        let seen = found(&house, &token, question);
        let hits = seen["groups"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|group| group["hits"].as_array().unwrap());
        let components: Vec<&Value> = hits.map(|hit| &hit["component"]).collect();
        assert!(
            components.iter().all(|component| *component == "shop/cart"),
            "{question}: {seen}"
        );
        assert_eq!(components.is_empty(), question == "rates", "{question}: {seen}");
    }
    let all = house.token.clone();
    let both = found(&house, &all, "wisent");
    assert_eq!(titles(&both, "change").len(), 2, "{both}");
}

#[test]
fn a_package_shows_what_is_in_it_where_it_stands_and_how_it_differs_from_another() {
    let house = House::new();
    let repository = Repository::of_service("1");
    let first = repository.commit("The first");
    repository.push(&house, "shop/cart", &["HEAD:main"]);
    house.comes_to("shop/cart", "production", &first);
    repository.write("app/notes.txt", b"new\n");
    let second = repository.commit("The second");
    repository.push(&house, "shop/cart", &["HEAD:main"]);
    house.comes_to("shop/cart", "production", &second);
    let digest = |commit: &str| {
        let change = house
            .get(&format!("/api/v1/components/shop/cart/changes/{commit}"))
            .is(200);
        change["change"]["package"].as_str().unwrap().to_owned()
    };
    let (one, two) = (digest(&first), digest(&second));
    let package = house.get(&format!("/api/v1/packages/{two}")).is(200);
    assert_eq!(
        (&package["schema"], &package["commit"]),
        (&json!("package/1"), &json!(second))
    );
    let paths: Vec<&str> = package["contents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["path"].as_str().unwrap())
        .collect();
    assert!(
        paths.contains(&"app/notes.txt") && paths.contains(&"app/serve"),
        "{paths:?}"
    );
    let stays: Vec<(&str, &str)> = package["stays"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stay| (stay["environment"].as_str().unwrap(), stay["state"].as_str().unwrap()))
        .collect();
    assert_eq!(stays, [("production", "here"), ("staging", "here")]);
    let earlier = house.get(&format!("/api/v1/packages/{one}")).is(200);
    assert_eq!(earlier["stays"][0]["state"], "gone");
    let difference = house.get(&format!("/api/v1/packages/{one}/difference/{two}")).is(200);
    let added: Vec<&Value> = difference["files"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|file| file["before"].is_null())
        .collect();
    assert_eq!(added[0]["after"]["path"], "app/notes.txt");
    house
        .get(&format!("/api/v1/packages/sha256:{}", "0".repeat(64)))
        .expect_problem(404, "not-found");
}

#[test]
fn facts_are_looked_through_and_each_shows_its_place_in_the_chain() {
    let house = House::new();
    let repository = Repository::new();
    repository.define(&steps("  build: { run: 'true' }\n"));
    let commit = repository.commit("a change");
    repository.push(&house, "team/app", &["HEAD:main"]);
    house.built(&commit);
    let token = house.token.clone();
    found(&house, &token, "");

    let all = house.get("/api/v1/ledger/facts?limit=5").is(200);
    let positions: Vec<u64> = all["facts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fact| fact["position"].as_u64().unwrap())
        .collect();
    assert!(positions.windows(2).all(|pair| pair[0] == pair[1] + 1), "{positions:?}");
    let next = house
        .get(&format!(
            "/api/v1/ledger/facts?limit=5&after={}",
            all["next"].as_str().unwrap()
        ))
        .is(200);
    assert_eq!(
        next["facts"][0]["position"].as_u64().unwrap() + 1,
        *positions.last().unwrap()
    );

    let arrived = house
        .get("/api/v1/ledger/facts?kind=change.arrived&stream=repository")
        .is(200);
    assert_eq!(arrived["facts"].as_array().unwrap().len(), 1);
    let line = &arrived["facts"][0];
    let fact = house.get(&format!("/api/v1/ledger/facts/{}", line["position"])).is(200);
    assert_eq!(fact["whole"], true);
    assert_eq!(fact["hash"], line["hash"]);
    assert_eq!(fact["fact"]["previous"], fact["previous"]);
    assert_eq!(fact["fact"]["body"]["commit"], commit.as_str());
    let nobody = house.get("/api/v1/ledger/facts?until=2000-01-01").is(200);
    assert_eq!(nobody["facts"], json!([]));
    house
        .get("/api/v1/ledger/facts/999999")
        .expect_problem(404, "not-found");
    house
        .get("/api/v1/ledger/facts?since=soon")
        .expect_problem(400, "bad-input");
}
