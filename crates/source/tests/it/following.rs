//! Following remotes: what is there is here, and secrets stay secret.

use std::time::Duration;

use base64::Engine as _;
use source::remote::{Address, Allowed, Credential};
use source::{RefUpdate, SourceError};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use crate::fixture::{Fixture, line};

const ALL: Allowed = Allowed {
    files: true,
    plain_http: true,
};
const TIME: Duration = Duration::from_secs(30);

fn shown(updates: &[RefUpdate]) -> Vec<(String, bool, bool)> {
    updates
        .iter()
        .map(|u| (u.name.to_string(), u.old.is_some(), u.new.is_some()))
        .collect()
}

#[tokio::test]
async fn branches_and_tags_come_move_and_go_as_at_the_remote() {
    let fixture = Fixture::new().await;
    let work = &fixture.work;
    let first = work.commit("one");
    work.git(&["tag", "v1.0.0"]);
    work.git(&["branch", "side"]);
    let name = facts::ComponentName::new("shop/mirror").unwrap();
    let mirror = fixture.repositories.create(&name, &line("main")).await.unwrap();
    let address = Address::parse(work.0.to_str().unwrap(), ALL).unwrap();
    let fetch = async || mirror.mirror(&address, &Credential::None, TIME).await.unwrap();
    let new = |name: &str| (name.to_owned(), false, true);
    assert_eq!(
        shown(&fetch().await),
        [new("refs/heads/main"), new("refs/heads/side"), new("refs/tags/v1.0.0")]
    );
    assert!(fetch().await.is_empty(), "nothing new, nothing told");
    let head = mirror.remote_head(&address, &Credential::None, TIME).await.unwrap();
    assert_eq!(head, Some(line("main")));
    work.git(&["branch", "-D", "side"]);
    work.git(&["commit", "--quiet", "--amend", "--allow-empty", "-m", "rewritten"]);
    assert_eq!(
        shown(&fetch().await),
        [
            ("refs/heads/main".to_owned(), true, true),
            ("refs/heads/side".to_owned(), true, false)
        ]
    );
    assert!(mirror.has(&first).unwrap(), "what was rewritten there stays here");
}

#[tokio::test]
async fn a_remote_that_is_not_there_is_a_clear_error_and_changes_nothing() {
    let fixture = Fixture::new().await;
    fixture.work.commit("one");
    fixture.push();
    let before = fixture.repository.refs().unwrap();
    let address = Address::parse("/nonexistent/x.git", ALL).unwrap();
    let error = fixture
        .repository
        .mirror(&address, &Credential::None, TIME)
        .await
        .unwrap_err();
    assert!(matches!(error, SourceError::Git { command: "fetch", .. }), "{error}");
    assert_eq!(fixture.repository.refs().unwrap(), before);
}

/// A web server that asks for a password, notes what it was given, looks at the fetching processes'
/// arguments, variables and settings while they wait, and then refuses.
async fn nosy(secret: &'static str) -> (u16, tokio::task::JoinHandle<(Vec<String>, Vec<String>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut given, mut leaks) = (Vec::new(), Vec::new());
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (read, mut write) = stream.split();
            let mut read = BufReader::new(read);
            let mut authorization = None;
            loop {
                let mut text = String::new();
                if read.read_line(&mut text).await.unwrap() == 0 || text == "\r\n" {
                    break;
                }
                if let Some(value) = text.trim_end().strip_prefix("Authorization: Basic ") {
                    let bytes = base64::engine::general_purpose::STANDARD.decode(value).unwrap();
                    authorization = Some(String::from_utf8(bytes).unwrap());
                }
            }
            for process in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
                for file in ["cmdline", "environ"] {
                    let Ok(bytes) = std::fs::read(process.path().join(file)) else {
                        continue;
                    };
                    if String::from_utf8_lossy(&bytes).contains(secret) {
                        leaks.push(format!("{}: {file}", process.path().display()));
                    }
                }
            }
            let done = authorization.is_some();
            given.extend(authorization);
            let status = if done {
                "403 Forbidden"
            } else {
                "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\""
            };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            write.write_all(answer.as_bytes()).await.unwrap();
            if done {
                return (given, leaks);
            }
        }
    });
    (port, task)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_reaches_its_host_and_stands_in_no_argument_variable_or_setting() {
    // In two parts, so that this test's own source and arguments do not hold it.
    let secret: &'static str = Box::leak(format!("tok{}", "en-$(touch x)'\"-5f3a").into_boxed_str());
    let fixture = Fixture::new().await;
    let (port, server) = nosy(secret).await;
    let address = Address::parse(&format!("http://127.0.0.1:{port}/team/name.git"), ALL).unwrap();
    let credential = Credential::Token {
        user: None,
        token: secret.to_owned().into(),
    };
    let error = fixture
        .repository
        .mirror(&address, &credential, TIME)
        .await
        .unwrap_err();
    let (given, leaks) = tokio::time::timeout(TIME, server)
        .await
        .expect("the token is sent")
        .unwrap();
    assert_eq!(given, [format!("x-access-token:{secret}")]);
    assert!(leaks.is_empty(), "{leaks:?}");
    assert!(!error.to_string().contains(secret), "{error}");
    assert!(!format!("{credential:?}").contains(secret));
    for entry in crate::fixture::below(fixture.repository.path()) {
        let bytes = std::fs::read(fixture.repository.path().join(entry)).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&bytes).contains(secret));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_credential_nobody_is_asked_and_the_hint_says_so() {
    let fixture = Fixture::new().await;
    let (port, server) = nosy("nothing-to-see").await;
    let address = Address::parse(&format!("http://127.0.0.1:{port}/team/name.git"), ALL).unwrap();
    let error = fixture
        .repository
        .mirror(&address, &Credential::None, TIME)
        .await
        .unwrap_err();
    server.abort();
    assert!(error.hint().unwrap().contains("credential"), "{error}");
}
