//! Samples of search.

use facts::Digest;

use super::{before, commit, component, package, place, run_id};
use crate::links;
use crate::model::{SearchGroup, SearchHit, SearchPage};

fn hit(id: &str, title: &str, path: String) -> SearchHit {
    SearchHit {
        id: id.to_owned(),
        title: title.to_owned(),
        component: None,
        note: None,
        at: None,
        path: Some(path),
    }
}

fn group(kind: &str, hits: Vec<SearchHit>, more: bool) -> SearchGroup {
    SearchGroup {
        kind: kind.to_owned(),
        hits,
        more,
    }
}

/// What was found for a word.
pub fn found() -> SearchPage {
    let cart = component("shop/cart");
    let of_cart = |hit: SearchHit, note: Option<&str>, ago: i64| SearchHit {
        component: Some(cart.to_string()),
        note: note.map(str::to_owned),
        at: Some(before(ago)),
        ..hit
    };
    let change = |number: &str, title: &str| {
        let commit = commit(number);
        hit(commit.as_str(), title, links::change(&cart, &commit))
    };
    let digest: Digest = package("1.8.0");
    SearchPage {
        query: "cart".to_owned(),
        as_of: 18_342,
        groups: vec![
            group(
                "component",
                vec![hit("shop/cart", "shop/cart", links::component(&cart))],
                false,
            ),
            group(
                "environment",
                vec![hit(
                    "cart-trial",
                    "cart-trial",
                    links::environment(&place("cart-trial")),
                )],
                false,
            ),
            group(
                "change",
                vec![
                    of_cart(change("1.7.3", "Log the country of a cart"), Some("main"), 3_400),
                    of_cart(
                        change("1.8.0", "Carts keep their currency when a customer switches country"),
                        Some("main"),
                        96,
                    ),
                ],
                true,
            ),
            group(
                "package",
                vec![of_cart(
                    hit(&digest.to_string(), "1.8.0", links::package(&digest)),
                    None,
                    84,
                )],
                false,
            ),
            group(
                "run",
                vec![of_cart(
                    hit(
                        &run_id("d1").to_string(),
                        "deployment to cart-trial",
                        links::run(run_id("d1")),
                    ),
                    Some("succeeded"),
                    70,
                )],
                false,
            ),
            group(
                "person",
                vec![SearchHit {
                    at: Some(before(900_000)),
                    ..hit(
                        "actor_01h455vb4pex5vsknk084sn02q",
                        "Carter Voss",
                        links::facts_of("user:actor_01h455vb4pex5vsknk084sn02q"),
                    )
                }],
                false,
            ),
        ],
    }
}

/// The page before anything was asked, or with a question that nothing answers.
pub fn found_nothing(query: &str) -> SearchPage {
    SearchPage {
        query: query.to_owned(),
        as_of: 18_342,
        groups: Vec::new(),
    }
}
