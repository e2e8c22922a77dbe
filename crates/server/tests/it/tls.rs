//! TLS of the server's own: who may be listened to, what travels over it, and how it is renewed.

use std::path::PathBuf;

use serde_json::{Value, json};
use testkit::{Authority, Certified};

use crate::house::{ENVIRONMENTS, House, ask, ask_by, client};
use crate::registry::skopeo;
use crate::repository::{Repository, command};

/// The names by which a server of this machine is reached.
const HERE: &[&str] = &["localhost", "127.0.0.1"];

/// A server with this certificate and these settings, not started yet.
fn prepared(certified: &Certified, authority: &Authority, mut settings: Value) -> (House, tempfile::TempDir) {
    let folder = testkit::folder();
    let (certificate, key) = certified.write(folder.path());
    settings["tls_certificate"] = json!(certificate);
    settings["tls_key"] = json!(key);
    let mut house = House::prepared(ENVIRONMENTS, settings);
    house.authority = Some(authority.pem().to_owned());
    (house, folder)
}

fn started(authority: &Authority) -> (House, tempfile::TempDir) {
    let (mut house, folder) = prepared(&authority.certify(HERE), authority, json!({}));
    house.start();
    (house, folder)
}

/// The authority's certificate as a file.
fn authority_file(house: &House) -> PathBuf {
    let path = house.folder().join("ca.crt");
    std::fs::write(&path, house.authority.as_deref().unwrap()).unwrap();
    path
}

#[test]
fn a_server_that_others_could_reach_is_refused_without_encryption_and_anonymous_sees_nothing_anywhere() {
    let authority = Authority::new();
    for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
        let local = address.starts_with("127") || address.starts_with("[::1]");
        for tls in [false, true] {
            for behind_proxy in [false, true] {
                let case = format!("{address}, tls {tls}, behind a proxy {behind_proxy}");
                let names = ["localhost", "127.0.0.1", "::1"];
                let settings = json!({ "address": address, "behind_proxy": behind_proxy });
                let (mut house, _folder) = if tls {
                    prepared(&authority.certify(&names), &authority, settings)
                } else {
                    (House::prepared(ENVIRONMENTS, settings), testkit::folder())
                };
                match house.try_start() {
                    Ok(()) => {
                        assert!(local || tls || behind_proxy, "{case}: is served");
                        assert_eq!(house.url().starts_with("https://"), tls, "{case}: {}", house.url());
                    }
                    Err(said) => {
                        assert!(!(local || tls || behind_proxy), "{case}: {said}");
                        assert!(said.contains("can be reached from other machines"), "{said}");
                        for way in ["hint: ", "--tls-certificate", "--behind-proxy", "127.0.0.1"] {
                            assert!(said.contains(way), "{said}");
                        }
                        assert!(!house.data().exists(), "a refused start leaves nothing behind");
                        continue;
                    }
                }
                let port = house.url().rsplit_once(':').unwrap().1;
                let host = if address.starts_with('[') { "[::1]" } else { "127.0.0.1" };
                let scheme = if tls { "https" } else { "http" };
                let url = format!("{scheme}://{host}:{port}");
                let client = client(tls.then(|| authority.pem()));
                let whoami = format!("{url}/api/v1/whoami");
                let bearer = |token: &str| format!("Bearer {token}");
                let status = |path: &str, token: Option<&str>| {
                    let authorization = token.map(bearer);
                    let headers: Vec<(&str, &str)> = authorization
                        .iter()
                        .map(|value| ("authorization", value.as_str()))
                        .collect();
                    ask_by(&client, "GET", path, &headers, b"").unwrap().status
                };
                assert_eq!(status(&whoami, Some(&house.token)), 200, "{case}");
                for token in [None, Some(""), Some("tl_wrong"), Some("undefined")] {
                    assert_eq!(status(&whoami, token), 401, "{case}: {token:?}");
                    assert_eq!(
                        status(&format!("{url}/api/v1/environments"), token),
                        401,
                        "{case}: {token:?}"
                    );
                    assert_eq!(
                        status(&format!("{url}/git/a/b.git/info/refs?service=git-upload-pack"), token),
                        401,
                        "{case}: {token:?}"
                    );
                    assert_eq!(status(&format!("{url}/v2/"), token), 401, "{case}: {token:?}");
                }
            }
        }
    }
}

#[test]
fn git_pushes_and_skopeo_pulls_over_the_servers_own_tls() {
    let authority = Authority::new();
    let (house, _folder) = started(&authority);
    let file = authority_file(&house);
    let host = house.url().strip_prefix("https://").unwrap().to_owned();
    assert!(
        host.starts_with("localhost:"),
        "the certificate says by which name: {host}"
    );
    let repository = Repository::of_service("one");
    let commit = repository.commit("one");
    let remote = format!("https://throughline:{}@{host}/git/team/app.git", house.token);
    let untrusted = repository.try_git(&["push", "--quiet", &remote, "main"]);
    assert!(
        !untrusted.is_success() && untrusted.complaint().contains("certificate"),
        "{}",
        untrusted.complaint()
    );
    let trust = format!("http.sslCAInfo={}", file.display());
    repository.git(&["-c", &trust, "push", "--quiet", &remote, "main"]);
    let place = house.comes_to("team/app", "staging", &commit);
    let clone = house.folder().join("clone");
    repository.git(&["-c", &trust, "clone", "--quiet", &remote, clone.to_str().unwrap()]);
    assert!(clone.join("throughline.yaml").exists());

    if skopeo() {
        let trusted = house.folder().join("trusted");
        std::fs::create_dir(&trusted).unwrap();
        std::fs::copy(&file, trusted.join("ca.crt")).unwrap();
        let policy = house.folder().join("policy.json");
        std::fs::write(&policy, r#"{ "default": [{ "type": "insecureAcceptAnything" }] }"#).unwrap();
        let digest = place["package"].as_str().unwrap();
        let credentials = format!("anybody:{}", house.token);
        let copy = |more: &[&str]| {
            let from = format!("docker://{host}/team/app@{digest}");
            let to = format!("dir:{}", house.folder().join("copied").display());
            let first = [
                "--policy",
                policy.to_str().unwrap(),
                "copy",
                "--quiet",
                "--src-creds",
                &credentials,
            ];
            command(house.folder(), "skopeo", &[&first, more, &[&from, &to]].concat())
        };
        let copied = copy(&["--src-cert-dir", trusted.to_str().unwrap()]);
        assert!(copied.is_success(), "{}", copied.complaint());
        let manifest = std::fs::read(house.folder().join("copied/manifest.json")).unwrap();
        assert_eq!(facts::Digest::of(&manifest).to_string(), digest);
        assert!(copy(&["--src-tls-verify=false"]).is_success());
        assert!(!copy(&[]).is_success(), "an authority that nobody knows is not trusted");
    }
    house.is_whole();
}

#[test]
fn browsers_keep_to_tls_and_their_cookies_never_travel_without() {
    let (house, _folder) = started(&Authority::new());
    let link = house.post("/api/v1/login-link", &json!({})).is(200);
    let link = link["url"].as_str().unwrap();
    assert!(link.starts_with(house.url()), "{link}");
    let entered = house.ask_as("", "GET", link.strip_prefix(house.url()).unwrap(), b"", &[]);
    let cookie = entered.header("set-cookie");
    assert!(cookie.contains("; Secure") && cookie.contains("; HttpOnly"), "{cookie}");
    for path in ["/login", "/api/v1/whoami", "/healthz", "/v2/", "/nowhere"] {
        let answer = house.ask_as("", "GET", path, b"", &[]);
        assert_eq!(answer.header("strict-transport-security"), "max-age=31536000", "{path}");
    }
    let plain = house.url().replace("https://", "http://");
    let told = ask("GET", &format!("{plain}/"), &[], b"").unwrap();
    let told = told.expect_problem(400, "not-encrypted");
    assert!(told.contains("use https://"), "{told}");

    let without = House::new();
    let page = without.ask_as("", "GET", "/login", b"", &[]);
    assert_eq!(page.header("strict-transport-security"), "");
}

#[test]
fn a_renewed_certificate_is_taken_while_open_connections_stay() {
    let (first, second) = (Authority::new(), Authority::new());
    let (house, folder) = started(&first);
    let address = format!("{}/healthz", house.url());
    let open = client(Some(first.pem()));
    let healthy = |client: &ureq::Agent| ask_by(client, "GET", &address, &[], b"").map(|answer| answer.status);
    assert_eq!(healthy(&open).unwrap(), 200);

    // A key that does not belong to the certificate, as between the two files of a renewal.
    let renewed = second.certify(HERE);
    let half = Certified {
        key: first.certify(HERE).key,
        ..renewed.clone()
    };
    half.write(folder.path());
    house.until("the word on the half of a renewal", || {
        house.log().contains("does not belong to the certificate").then_some(())
    });
    assert_eq!(healthy(&client(Some(first.pem()))).unwrap(), 200);

    renewed.write(folder.path());
    house.until("the renewed certificate", || healthy(&client(Some(second.pem()))).ok());
    assert!(
        healthy(&client(Some(first.pem()))).is_err(),
        "new connections get the new one"
    );
    assert_eq!(healthy(&open).unwrap(), 200, "an open connection goes on");
}

#[test]
fn a_certificate_behind_links_is_renewed_as_certbot_does() {
    let (first, second) = (Authority::new(), Authority::new());
    let folder = testkit::folder();
    let (archive, live) = (folder.path().join("archive"), folder.path().join("live"));
    for path in [&archive, &live] {
        std::fs::create_dir(path).unwrap();
    }
    let link = |number: u32, certified: &Certified| {
        for (name, text) in [("fullchain", &certified.certificate), ("privkey", &certified.key)] {
            let file = format!("{name}{number}.pem");
            std::fs::write(archive.join(&file), text).unwrap();
            let place = live.join(format!("{name}.pem"));
            let _ = std::fs::remove_file(&place);
            std::os::unix::fs::symlink(format!("../archive/{file}"), &place).unwrap();
        }
    };
    link(1, &first.certify(HERE));
    let settings = json!({ "tls_certificate": live.join("fullchain.pem"), "tls_key": live.join("privkey.pem") });
    let mut house = House::prepared(ENVIRONMENTS, settings);
    house.authority = Some(first.pem().to_owned());
    house.start();
    house.get("/api/v1/whoami").is(200);
    link(2, &second.certify(HERE));
    let address = format!("{}/healthz", house.url());
    house.until("the renewed certificate", || {
        ask_by(&client(Some(second.pem())), "GET", &address, &[], b"").ok()
    });
}

#[test]
fn a_connection_that_says_nothing_holds_nobody_up() {
    let (house, _folder) = started(&Authority::new());
    let address = house.url().strip_prefix("https://").unwrap().to_owned();
    let silent: Vec<std::net::TcpStream> = (0..40)
        .map(|_| std::net::TcpStream::connect(&address).unwrap())
        .collect();
    // Who asks would give up before forty of them were waited for one after another.
    house.get("/api/v1/whoami").is(200);
    drop(silent);
}

#[test]
fn files_that_are_no_certificate_are_refused_with_what_is_wrong() {
    let authority = Authority::new();
    let good = authority.certify(HERE);
    let other = authority.certify(HERE);
    let with = |certificate: &str, key: &str| Certified {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
    };
    for (certified, expected) in [
        (with("", &good.key), "holds no certificate"),
        (with(&good.key, &good.key), "holds no certificate"),
        (with(&good.certificate, ""), "holds no private key"),
        (
            with(&good.certificate, &other.key),
            "does not belong to the certificate",
        ),
    ] {
        let (mut house, _folder) = prepared(&certified, &authority, json!({}));
        let said = house.try_start().unwrap_err();
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(!house.data().exists(), "a refused start leaves nothing behind");
    }
    let settings = json!({ "tls_certificate": "/nowhere/fullchain.pem", "tls_key": "/nowhere/privkey.pem" });
    let said = House::prepared(ENVIRONMENTS, settings).try_start().unwrap_err();
    assert!(
        said.contains("cannot read /nowhere/fullchain.pem") && said.contains("hint: "),
        "{said}"
    );
}
