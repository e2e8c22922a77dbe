//! The pages of repositories that list components, of their commits and of the components themselves.

use crate::components::{settled, shop};
use crate::house::House;

/// A page, which holds all of these texts.
#[track_caller]
fn page(house: &House, path: &str, texts: &[&str]) -> String {
    let page = house.get(path).text();
    for text in texts {
        assert!(page.contains(text), "{path} without {text}: {page}");
    }
    page
}

#[test]
fn a_repository_that_only_lists_components_has_a_page_of_them_and_is_none_itself() {
    let house = House::new();
    let repository = shop();
    repository.write("CODEOWNERS", b"* @shop\n/services/ @backend\n");
    let first = repository.commit("feat: a shop");
    repository.push(&house, "team/shop", &["main"]);
    settled(&house, &[(&first, &["web", "api", "tools"])]);
    let shown = page(
        &house,
        "/components/team/shop",
        &[
            "Its components",
            "/components/team/shop.web",
            "services/api/",
            "assets",
            "Latest commits",
            "owned by @shop",
        ],
    );
    assert!(!shown.contains("How it is built"), "{shown}");
    // The first page has its components, and no empty row for itself.
    let overview = page(&house, "/", &["href=\"/components/team/shop.web\""]);
    assert!(!overview.contains("href=\"/components/team/shop\""), "{overview}");
    // Each says where it lies and who owns it there, and is pushed with its repository.
    let api = page(
        &house,
        "/components/team/shop.api",
        &[
            "lies in <code>services/api</code>",
            "owned by @backend",
            "CODEOWNERS",
            "/git/team/shop.git",
            "packs 1 entry",
        ],
    );
    assert!(!api.contains("not yet"), "what is planned has no state: {api}");
}

#[test]
fn a_commit_that_concerns_no_component_has_a_page_that_says_why() {
    let house = House::new();
    let repository = shop();
    let first = repository.commit("feat: a shop");
    repository.write("README.md", b"a shop");
    let docs = repository.commit("docs: what it is");
    repository.write("tools/name", b"better");
    let tools = repository.commit("feat: better tools");
    repository.push(&house, "team/shop", &["main"]);
    // Only what is new to the server is built: the tip is sorted with all that it brings.
    house.until("the builds", || {
        (house.runs("kind=build&state=finished").len() >= 3).then_some(())
    });
    page(
        &house,
        &format!("/components/team/shop/changes/{}", &tools[..12]),
        &["What it concerns", "team/shop.tools", "tools/name"],
    );
    repository.write("README.md", b"a good shop");
    let more = repository.commit("docs: how it is");
    repository.push(&house, "team/shop", &["main"]);
    let shown = page(
        &house,
        &format!("/components/team/shop/changes/{more}"),
        &[
            "It concerns no component",
            "README.md",
            "services/api/",
            "docs: how it is",
        ],
    );
    assert!(!shown.contains("What it concerns"), "{shown}");
    let told = house
        .get(&format!("/api/v1/components/team/shop/changes/{}", &more[..10]))
        .expect_problem(404, "not-found");
    assert!(
        told.contains("concerns no component of team/shop") && told.contains("/components/team/shop/changes/"),
        "{told}"
    );
    let told = house
        .get(&format!("/api/v1/components/team/shop/changes/{tools}"))
        .expect_problem(404, "not-found");
    assert!(told.contains("--component team/shop."), "{told}");
    page(&house, "/components/team/shop", &["docs: how it is", "no component"]);
    let _ = (first, docs);
}

#[test]
fn a_component_that_is_listed_no_more_says_so_and_keeps_its_history() {
    let house = House::new();
    let repository = shop();
    let first = repository.commit("feat: a shop");
    repository.push(&house, "team/shop", &["main"]);
    settled(&house, &[(&first, &["web", "api", "tools"])]);
    repository.define("throughline: 1\ncomponents: { web: { also: [assets] }, api: { path: services/api } }\n");
    repository.commit("feat: no tools");
    repository.push(&house, "team/shop", &["main"]);
    page(
        &house,
        "/components/team/shop.tools",
        &["does not list it any more", &first[..10], "It is not built any more"],
    );
    page(&house, "/components/team/shop", &["not listed any more"]);
}
