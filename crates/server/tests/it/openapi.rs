//! The API's document, as it is published.

use crate::house::House;

#[test]
fn the_published_document_is_the_one_that_is_served() {
    let house = House::new();
    let served = house.get("/api/v1/openapi.json").is(200);
    let served = serde_json::to_string_pretty(&served).unwrap() + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    if std::env::var_os("THROUGHLINE_WRITE_DOCS").is_some() {
        std::fs::write(path, &served).unwrap();
    }
    let published = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        published == served,
        "docs/openapi.json is not what the server says; write it anew with THROUGHLINE_WRITE_DOCS=1"
    );
}
