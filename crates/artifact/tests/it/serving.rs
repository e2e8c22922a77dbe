//! What the registry answers.

use artifact::registry::{Answer, Body, Held, Registry, Route};
use facts::{Digest, Version};
use serde_json::Value;

use crate::fixture::Fixture;

fn ask(registry: &Registry, held: &[Held], path: &str, query: &str, range: Option<&str>) -> Answer {
    match Route::parse("GET", path, query) {
        Ok(route) => registry.answer(&route, range, held).unwrap(),
        Err(answer) => answer,
    }
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer
        .headers
        .iter()
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.as_str())
}

fn json(answer: &Answer) -> Value {
    match &answer.body {
        Body::Bytes(bytes) => serde_json::from_slice(bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn version(text: &str) -> Version {
    Version::new(text).unwrap()
}

#[test]
fn a_manifest_is_found_by_digest_and_by_tag_and_its_blobs_by_digest() {
    let fixture = Fixture::with(&[("a", "1")]);
    let package = fixture.build(&[("a", "a")]).unwrap();
    let registry = Registry::new(fixture.store.clone());
    let held = [Held {
        package: package.digest,
        versions: vec![version("1.0.0")],
    }];

    for reference in [
        "1.0.0".to_owned(),
        package.digest.to_string(),
        package.digest.to_string().replace(':', "%3A"),
    ] {
        let answer = ask(
            &registry,
            &held,
            &format!("/v2/shop/cart/manifests/{reference}"),
            "",
            None,
        );
        assert_eq!(answer.status, 200);
        assert_eq!(
            header(&answer, "Docker-Content-Digest"),
            Some(package.digest.to_string().as_str())
        );
        let Body::Bytes(bytes) = &answer.body else { panic!() };
        assert_eq!(Digest::of(bytes), package.digest);
        assert_eq!(
            header(&answer, "Content-Length"),
            Some(bytes.len().to_string().as_str())
        );
        assert_eq!(answer.without_body().body, Body::Empty);
    }
    let layer = &package.manifest.layers[0];
    let answer = ask(
        &registry,
        &held,
        &format!("/v2/shop/cart/blobs/{}", layer.digest),
        "",
        None,
    );
    assert_eq!(
        answer.body,
        Body::Blob {
            digest: layer.digest,
            offset: 0,
            length: layer.size
        }
    );
    let answer = ask(
        &registry,
        &held,
        &format!("/v2/shop/cart/blobs/{}", layer.digest),
        "",
        Some("bytes=5-9"),
    );
    assert_eq!(answer.status, 206);
    assert_eq!(
        answer.body,
        Body::Blob {
            digest: layer.digest,
            offset: 5,
            length: 5
        }
    );
    assert_eq!(
        header(&answer, "Content-Range"),
        Some(format!("bytes 5-9/{}", layer.size).as_str())
    );
    let answer = ask(
        &registry,
        &held,
        &format!("/v2/shop/cart/blobs/{}", layer.digest),
        "",
        Some("bytes=99999999-"),
    );
    assert_eq!(answer.status, 416);
}

#[test]
fn a_digest_opens_nothing_that_the_component_does_not_hold() {
    let fixture = Fixture::with(&[("a", "1"), ("b", "2")]);
    let mine = fixture.build(&[("a", "a")]).unwrap();
    let other = fixture.build(&[("b", "b")]).unwrap();
    let log = fixture.store.put_bytes(b"a log").unwrap().digest;
    let registry = Registry::new(fixture.store.clone());
    let held = [Held {
        package: mine.digest,
        versions: vec![],
    }];
    for blob in [
        other.manifest.layers[0].digest,
        other.digest,
        log,
        Digest::of("nothing"),
    ] {
        let answer = ask(&registry, &held, &format!("/v2/shop/cart/blobs/{blob}"), "", None);
        assert_eq!(answer.status, 404);
        assert_eq!(json(&answer)["errors"][0]["code"], "BLOB_UNKNOWN");
    }
    let answer = ask(
        &registry,
        &held,
        &format!("/v2/shop/cart/manifests/{}", other.digest),
        "",
        None,
    );
    assert_eq!(json(&answer)["errors"][0]["code"], "MANIFEST_UNKNOWN");
}

#[test]
fn tags_come_sorted_in_pages_that_link_to_the_next() {
    let fixture = Fixture::with(&[]);
    let registry = Registry::new(fixture.store.clone());
    let held: Vec<_> = (0..5)
        .map(|n| Held {
            package: Digest::of([n]),
            versions: vec![version(&format!("1.{}.0", 4 - n))],
        })
        .collect();
    let answer = ask(&registry, &held, "/v2/shop/cart/tags/list", "", None);
    assert_eq!(
        json(&answer)["tags"],
        serde_json::json!(["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"])
    );
    assert_eq!(header(&answer, "Link"), None);
    let answer = ask(&registry, &held, "/v2/shop/cart/tags/list", "n=2&last=1.0.0", None);
    assert_eq!(json(&answer)["tags"], serde_json::json!(["1.1.0", "1.2.0"]));
    assert_eq!(
        header(&answer, "Link"),
        Some("</v2/shop/cart/tags/list?n=2&last=1.2.0>; rel=\"next\"")
    );
    let answer = ask(&registry, &held, "/v2/shop/cart/tags/list", "n=0", None);
    assert_eq!(
        (json(&answer)["tags"].clone(), header(&answer, "Link")),
        (serde_json::json!([]), None)
    );
}

#[test]
fn nothing_refers_to_a_package_yet_and_the_list_says_so() {
    let fixture = Fixture::with(&[("a", "1")]);
    let package = fixture.build(&[("a", "a")]).unwrap();
    let registry = Registry::new(fixture.store.clone());
    let path = format!("/v2/shop/cart/referrers/{}", package.digest);
    let answer = ask(&registry, &[], &path, "artifactType=application/x", None);
    assert_eq!(
        header(&answer, "Content-Type"),
        Some("application/vnd.oci.image.index.v1+json")
    );
    assert_eq!(header(&answer, "OCI-Filters-Applied"), Some("artifactType"));
    assert_eq!(json(&answer)["manifests"], serde_json::json!([]));
}
