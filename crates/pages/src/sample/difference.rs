//! Samples of two environments compared.

use super::{change, component, package, place};
use crate::model::{ComponentDifference, DifferencePage, Differing, DifferingLine, Held, Order};

fn line(what: &str, left: Option<&str>, right: Option<&str>) -> DifferingLine {
    let value = |text: &str| match text.strip_prefix("secret:") {
        Some(name) => Differing::Secret(name.to_owned()),
        None => Differing::Value(text.to_owned()),
    };
    DifferingLine {
        what: what.to_owned(),
        left: left.map(value),
        right: right.map(value),
    }
}

/// Staging is two commits ahead of production.
pub fn difference() -> DifferencePage {
    let currency = change(
        "1.8.0",
        "Carts keep their currency when a customer switches country",
        "Ines Duarte",
    );
    let order = change("1.7.2", "Checkout answers with the order number", "Ines Duarte");
    let held = |number: &str, change| Held {
        package: package(number),
        change,
    };
    DifferencePage {
        left: place("staging"),
        right: place("production"),
        all: vec![place("staging"), place("production")],
        settings: vec![
            line("strategy", Some("rolling"), Some("canary")),
            line("instances", Some("1"), Some("4")),
        ],
        components: vec![ComponentDifference {
            component: component("shop/cart"),
            left: Some(held("1.8.0", currency.clone())),
            right: Some(held("1.7.2", order)),
            order: Order::LeftAhead,
            commits: vec![currency, change("1.7.3", "Log the country of a cart", "Ada Marten")],
            more_commits: 3,
            schema: vec![line("orders", Some("0007_currency"), Some("0006_numbers"))],
            configuration: vec![
                line("PAGE_SIZE", Some("20"), Some("50")),
                line(
                    "PAYMENT_KEY",
                    Some("secret:shop/test-key"),
                    Some("secret:shop/live-key"),
                ),
                line("TRACE", Some("true"), None),
            ],
        }],
        alike: vec![component("shop/search"), component("money/rates")],
    }
}
