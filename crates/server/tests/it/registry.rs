//! Packages pulled by the clients that exist.

use serde_json::Value;

use crate::house::House;
use crate::repository::{Repository, command};

/// Whether skopeo is there; says so when not.
pub fn skopeo() -> bool {
    let there = std::env::var("PATH")
        .unwrap()
        .split(':')
        .any(|folder| std::path::Path::new(folder).join("skopeo").exists());
    if !there {
        testkit::skip(testkit::Need::Skopeo, "skopeo is not installed");
    }
    there
}

#[test]
fn skopeo_inspects_and_copies_a_package_by_digest_and_by_version() {
    if !skopeo() {
        return;
    }
    let house = House::new();
    let repository = Repository::of_service("one");
    let commit = repository.commit("feat: one");
    repository.push(&house, "team/app", &["main"]);
    let place = house.comes_to("team/app", "staging", &commit);
    let digest = place["package"].as_str().unwrap();
    let version = place["version"].as_str().unwrap();
    let host = house.url().trim_start_matches("http://");
    let policy = house.folder().join("policy.json");
    std::fs::write(&policy, r#"{ "default": [{ "type": "insecureAcceptAnything" }] }"#).unwrap();
    let run = |arguments: &[&str]| {
        let first = ["--policy", policy.to_str().unwrap()];
        command(house.folder(), "skopeo", &[&first, arguments].concat())
    };
    let by_digest = format!("docker://{host}/team/app@{digest}");
    let by_version = format!("docker://{host}/team/app:{version}");
    let credentials = format!("anybody:{}", house.token);
    for name in [&by_digest, &by_version] {
        let seen = run(&["inspect", "--tls-verify=false", "--creds", &credentials, name]);
        assert!(seen.is_success(), "{name}: {}", seen.complaint());
        let seen: Value = serde_json::from_slice(&seen.stdout).unwrap();
        assert_eq!(seen["Digest"], digest);
        assert!(seen["RepoTags"].to_string().contains(version), "{seen}");
    }
    let copied = house.folder().join("copied");
    let to = format!("dir:{}", copied.display());
    let copy = run(&[
        "copy",
        "--quiet",
        "--src-tls-verify=false",
        "--src-creds",
        &credentials,
        &by_digest,
        &to,
    ]);
    assert!(copy.is_success(), "{}", copy.complaint());
    let manifest = std::fs::read(copied.join("manifest.json")).unwrap();
    assert_eq!(
        facts::Digest::of(&manifest).to_string(),
        digest,
        "the copy is the package, byte for byte"
    );

    let wrong = run(&[
        "inspect",
        "--tls-verify=false",
        "--creds",
        "anybody:tl_wrong",
        &by_version,
    ]);
    assert!(
        !wrong.is_success() && wrong.complaint().contains("authentication required"),
        "{}",
        wrong.complaint()
    );
    let without = run(&["inspect", "--tls-verify=false", "--no-creds", &by_version]);
    assert!(!without.is_success());
    let absent = format!("docker://{host}/team/app:9.9.9");
    let absent = run(&["inspect", "--tls-verify=false", "--creds", &credentials, &absent]);
    assert!(
        !absent.is_success() && absent.complaint().contains("manifest unknown"),
        "{}",
        absent.complaint()
    );
    let away = format!("docker://{host}/team/app:mine");
    let from = format!("dir:{}", copied.display());
    let push = run(&[
        "copy",
        "--quiet",
        "--dest-tls-verify=false",
        "--dest-creds",
        &credentials,
        &from,
        &away,
    ]);
    assert!(!push.is_success(), "packages come from builds alone");
}

#[test]
fn the_registry_speaks_as_registries_do() {
    let house = House::new();
    let repository = Repository::of_service("one");
    let commit = repository.commit("feat: one");
    repository.push(&house, "team/app", &["main"]);
    let place = house.comes_to("team/app", "staging", &commit);
    let digest = place["package"].as_str().unwrap();
    let version = house.get("/v2/");
    assert_eq!(
        (version.status, version.header("docker-distribution-api-version")),
        (200, "registry/2.0")
    );
    assert_eq!(house.get("/v2").status, 200);
    let manifest = house.get(&format!("/v2/team/app/manifests/{digest}"));
    assert_eq!(
        (manifest.status, manifest.header("docker-content-digest")),
        (200, digest)
    );
    let layer = manifest.json()["layers"][0].clone();
    let blob = house.get(&format!("/v2/team/app/blobs/{}", layer["digest"].as_str().unwrap()));
    assert_eq!(
        facts::Digest::of(&blob.body).to_string(),
        layer["digest"].as_str().unwrap()
    );
    let head = house.ask_as(
        &house.token,
        "HEAD",
        &format!("/v2/team/app/manifests/{digest}"),
        b"",
        &[],
    );
    assert_eq!((head.status, head.body.len()), (200, 0));
    let tags = house.get("/v2/team/app/tags/list").is(200);
    assert_eq!(tags["tags"][0], place["version"]);
    // A blob of the house that is no part of this component's packages is not given out.
    let policy = facts::Digest::of(crate::house::ENVIRONMENTS);
    assert_eq!(house.get(&format!("/v2/team/app/blobs/{policy}")).status, 404);
    let other = house.get("/v2/team/other/tags/list");
    assert_eq!(other.status, 404);
    assert!(other.json()["errors"][0]["code"].is_string(), "{}", other.text());
    let wrong = house.ask_as("tl_wrong", "GET", "/v2/", b"", &[]);
    assert_eq!(wrong.status, 401);
    assert!(wrong.header("www-authenticate").starts_with("Basic"));
    assert_eq!(
        house
            .ask_as(&house.token, "PUT", "/v2/team/app/manifests/x", b"{}", &[])
            .status,
        405
    );
    assert_eq!(
        house
            .ask_as(
                &house.token,
                "DELETE",
                &format!("/v2/team/app/manifests/{digest}"),
                b"",
                &[]
            )
            .status,
        405
    );
}
