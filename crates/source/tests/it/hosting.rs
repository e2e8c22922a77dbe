//! Git over HTTP with the real client, through the smallest server that can carry it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use source::hosting::{GitRequest, Host, Limits};
use source::{RefUpdate, SourceError};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::fixture::{Fixture, Work, line};

struct Server {
    address: SocketAddr,
    pushes: mpsc::UnboundedReceiver<Vec<RefUpdate>>,
    requests: Arc<std::sync::Mutex<Vec<String>>>,
}

async fn serve(fixture: &Fixture, limits: Limits) -> Server {
    let host = Arc::new(Host::new(fixture.repositories.clone(), limits));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, pushes) = mpsc::unbounded_channel();
    let requests = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = requests.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, host.clone(), sender.clone(), seen.clone()));
        }
    });
    Server {
        address,
        pushes,
        requests,
    }
}

/// One request a connection.
async fn talk(
    mut stream: TcpStream,
    host: Arc<Host>,
    pushes: mpsc::UnboundedSender<Vec<RefUpdate>>,
    seen: Arc<std::sync::Mutex<Vec<String>>>,
) {
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    let mut first = String::new();
    read.read_line(&mut first).await.unwrap();
    let mut headers = HashMap::new();
    loop {
        let mut text = String::new();
        if read.read_line(&mut text).await.unwrap_or(0) == 0 || text == "\r\n" {
            break;
        }
        let (name, value) = text.trim_end().split_once(": ").unwrap();
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let header = |name: &str| headers.get(name).map(String::as_str);
    seen.lock()
        .unwrap()
        .push(format!("{method} {path} {}", header("git-protocol").unwrap_or("-")));
    if header("expect").is_some() {
        write.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
    }
    let mut body = Vec::new();
    if header("transfer-encoding") == Some("chunked") {
        loop {
            let mut size = String::new();
            read.read_line(&mut size).await.unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            let mut piece = vec![0; size + 2];
            read.read_exact(&mut piece).await.unwrap();
            if size == 0 {
                break;
            }
            body.extend_from_slice(&piece[..size]);
        }
    } else if let Some(length) = header("content-length") {
        body.resize(length.parse().unwrap(), 0);
        read.read_exact(&mut body).await.unwrap();
    }
    let request = GitRequest::parse(method, path.trim_start_matches("/git/"), query).map(|request| {
        request.with_headers(
            header("content-type"),
            header("content-encoding"),
            header("git-protocol"),
        )
    });
    let answer = match request {
        Some(request) => host.serve(request, "ada", std::io::Cursor::new(body)).await,
        None => {
            let _ = write
                .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                .await;
            return;
        }
    };
    let Ok(answer) = answer else {
        let _ = write
            .write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .await;
        return;
    };
    if let Some(pushed) = answer.pushed {
        tokio::spawn(async move {
            if let Ok(Ok(pushed)) = pushed.await {
                pushes.send(pushed.updates.clone()).unwrap();
            }
        });
    }
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", answer.status);
    for (name, value) in answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    write.write_all(head.as_bytes()).await.unwrap();
    let mut body = answer.body;
    while let Some(Ok(piece)) = body.next().await {
        if write.write_all(&piece).await.is_err() {
            return;
        }
    }
}

impl Server {
    /// What the next push changed. Git tries the way with an empty push before a large one.
    async fn next(&mut self) -> Vec<RefUpdate> {
        loop {
            let updates = self.pushes.recv().await.unwrap();
            if !updates.is_empty() {
                return updates;
            }
        }
    }
}

async fn person(work: &Work, arguments: Vec<String>) -> (String, bool) {
    let work = Work(work.0.clone());
    tokio::task::spawn_blocking(move || {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        work.try_git(&arguments)
    })
    .await
    .unwrap()
}

fn words(text: &str, server: &Server) -> Vec<String> {
    let url = format!("http://{}/git/shop/cart.git", server.address);
    text.split(' ').map(|word| word.replace("URL", &url)).collect()
}

fn shown(updates: &[RefUpdate]) -> Vec<String> {
    let sign = |update: &RefUpdate| match (&update.old, &update.new) {
        (None, _) => '+',
        (_, None) => '-',
        _ => '~',
    };
    updates
        .iter()
        .map(|update| format!("{}{}", sign(update), update.name))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_pushes_clones_and_is_told_what_changed() {
    let fixture = Fixture::new().await;
    let mut server = serve(&fixture, Limits::default()).await;
    let work = &fixture.work;
    work.write("file", "one");
    let first = work.commit("one");
    let (said, ok) = person(work, words("push URL main main:refs/heads/release/2.x", &server)).await;
    assert!(ok, "{said}");
    let updates = server.next().await;
    assert_eq!(shown(&updates), ["+refs/heads/main", "+refs/heads/release/2.x"]);
    assert_eq!(updates[0].new.as_ref().unwrap().commit, Some(first.clone()));

    // A fast-forward, a tag, a deletion, all at once.
    work.write("file", "two");
    work.commit("two");
    work.git(&["tag", "v1.0.0"]);
    let (said, ok) = person(work, words("push URL main v1.0.0 :release/2.x", &server)).await;
    assert!(ok, "{said}");
    let updates = server.next().await;
    assert_eq!(
        shown(&updates),
        ["~refs/heads/main", "-refs/heads/release/2.x", "+refs/tags/v1.0.0"]
    );

    // A force push; what was there before stays readable.
    let lost = work.head();
    work.git(&["reset", "--quiet", "--hard", first.as_str()]);
    work.commit("other");
    let (said, ok) = person(work, words("push --force URL main", &server)).await;
    assert!(ok, "{said}");
    assert_eq!(shown(&server.next().await), ["~refs/heads/main"]);
    assert!(fixture.repository.has(&lost).unwrap());

    let (said, ok) = person(work, words("clone --quiet URL cloned", &server)).await;
    assert!(ok, "{said}");
    assert_eq!(std::fs::read_to_string(work.0.join("cloned/file")).unwrap(), "one");
    assert!(
        server
            .requests
            .lock()
            .unwrap()
            .iter()
            .any(|r| r.ends_with("git-upload-pack version=2"))
    );
    let (said, ok) = person(
        work,
        words(
            "clone --quiet --depth=1 --filter=blob:none --no-checkout URL part",
            &server,
        ),
    )
    .await;
    assert!(ok, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_push_comes_in_pieces_and_arrives_whole() {
    let fixture = Fixture::new().await;
    let mut server = serve(&fixture, Limits::default()).await;
    // More than git sends at once, and not to be compressed away.
    let mut noise = vec![0; 3_000_000];
    let mut state = 1_u32;
    for byte in &mut noise {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (state >> 24) as u8;
    }
    std::fs::write(fixture.work.0.join("noise"), &noise).unwrap();
    let commit = fixture.work.commit("large");
    let (said, ok) = person(&fixture.work, words("push URL main", &server)).await;
    assert!(ok, "{said}");
    assert_eq!(shown(&server.next().await), ["+refs/heads/main"]);
    assert_eq!(
        fixture.repository.file(&commit, "noise", 10_000_000).unwrap().unwrap(),
        noise
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_branch_pushed_is_what_a_clone_shows_whatever_its_name() {
    let fixture = Fixture::new().await;
    let mut server = serve(&fixture, Limits::default()).await;
    fixture.work.commit("one");
    let (said, ok) = person(&fixture.work, words("push URL main:trunk", &server)).await;
    assert!(ok, "{said}");
    server.next().await;
    assert_eq!(
        fixture.repositories.get(&crate::fixture::name()).unwrap().head(),
        Some(line("trunk"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_above_the_limit_changes_nothing() {
    let fixture = Fixture::new().await;
    let server = serve(
        &fixture,
        Limits {
            push_bytes: 10_000,
            ..Limits::default()
        },
    )
    .await;
    let noise: String = (0..20_000_u64)
        .map(|n| format!("{:x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
        .collect();
    fixture.work.write("noise", &noise);
    fixture.work.commit("large");
    let (_, ok) = person(&fixture.work, words("push URL main", &server)).await;
    assert!(!ok);
    assert!(fixture.repository.refs().unwrap().0.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn refs_that_are_hidden_or_badly_named_are_not_written() {
    let fixture = Fixture::new().await;
    let mut server = serve(&fixture, Limits::default()).await;
    fixture.work.commit("one");
    for target in [
        "refs/throughline/x",
        "refs/heads/../x",
        "refs/heads/a..b",
        "refs/heads/x.lock",
        "HEAD~1",
    ] {
        let (said, ok) = person(&fixture.work, words(&format!("push URL main:{target}"), &server)).await;
        assert!(!ok, "{target}: {said}");
    }
    // Git itself writes this one; here it is a ref, but no line that could be delivered from.
    let (said, ok) = person(&fixture.work, words("push URL main:refs/heads/-upload-pack=x", &server)).await;
    assert!(ok, "{said}");
    let updates = server.next().await;
    assert_eq!(updates[0].name.as_str(), "refs/heads/-upload-pack=x");
    assert_eq!(updates[0].name.branch(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_in_the_repository_never_run() {
    let fixture = Fixture::new().await;
    let mut server = serve(&fixture, Limits::default()).await;
    let hooks = fixture.repository.path().join("hooks");
    let trap = fixture.folder.path().join("trap");
    std::fs::create_dir_all(&hooks).unwrap();
    for hook in [
        "pre-receive",
        "update",
        "post-receive",
        "post-update",
        "reference-transaction",
        "proc-receive",
    ] {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(hooks.join(hook), format!("#!/bin/sh\ntouch {}\n", trap.display())).unwrap();
        std::fs::set_permissions(hooks.join(hook), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let config = fixture.repository.path().join("config");
    let settings = std::fs::read_to_string(&config)
        .unwrap()
        .replace("hooksPath = /dev/null", "hooksPath = hooks");
    std::fs::write(config, settings).unwrap();
    fixture.work.commit("one");
    let (said, ok) = person(&fixture.work, words("push URL main", &server)).await;
    assert!(ok, "{said}");
    server.next().await;
    assert!(!trap.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_at_once_are_each_told_their_own_changes() {
    let fixture = Fixture::new().await;
    let mut server = serve(&fixture, Limits::default()).await;
    fixture.work.commit("one");
    let pushes = (0..4).map(|n| person(&fixture.work, words(&format!("push URL main:branch-{n}"), &server)));
    for (said, ok) in futures_util::future::join_all(pushes).await {
        assert!(ok, "{said}");
    }
    let mut all = Vec::new();
    for _ in 0..4 {
        let updates = server.next().await;
        assert_eq!(updates.len(), 1);
        all.extend(shown(&updates));
    }
    all.sort();
    assert_eq!(
        all,
        (0..4).map(|n| format!("+refs/heads/branch-{n}")).collect::<Vec<_>>()
    );
}

/// A push as bytes: one command that makes `branch`, and the pack of one commit.
fn push_bytes(work: &Work, branch: &str) -> Vec<u8> {
    let commit = work.head();
    let command = format!("{} {commit} refs/heads/{branch}\0report-status", "0".repeat(40));
    let mut bytes = format!("{:04x}{command}0000", command.len() + 4).into_bytes();
    let pack = work.0.join("../pack");
    work.feed(
        &["pack-objects", "--revs", "--quiet", pack.to_str().unwrap()],
        format!("{commit}\n").as_bytes(),
    );
    let mut files = std::fs::read_dir(work.0.join("..")).unwrap().map(|e| e.unwrap().path());
    let file = files.find(|p| p.extension().is_some_and(|e| e == "pack")).unwrap();
    bytes.extend(std::fs::read(&file).unwrap());
    bytes
}

fn push_request() -> GitRequest {
    GitRequest::parse("POST", "shop/cart.git/git-receive-pack", "")
        .unwrap()
        .with_headers(Some("application/x-git-receive-pack-request"), None, None)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_after_sending_does_not_hide_its_push() {
    let fixture = Fixture::new().await;
    fixture.work.commit("one");
    let bytes = push_bytes(&fixture.work, "main");
    let host = Host::new(fixture.repositories.clone(), Limits::default());
    let answer = host
        .serve(push_request(), "ada", std::io::Cursor::new(bytes))
        .await
        .unwrap();
    drop(answer.body);
    let pushed = answer.pushed.unwrap().await.unwrap().unwrap();
    assert_eq!(shown(&pushed.updates), ["+refs/heads/main"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_push_ends_only_when_its_changes_were_recorded() {
    let fixture = Fixture::new().await;
    fixture.work.commit("one");
    let bytes = push_bytes(&fixture.work, "main");
    let host = Host::new(fixture.repositories.clone(), Limits::default());
    let answer = host
        .serve(push_request(), "ada", std::io::Cursor::new(bytes))
        .await
        .unwrap();
    let pushed = answer.pushed.unwrap().await.unwrap().unwrap();
    let mut end = tokio::spawn(answer.body.collect());
    assert!(
        tokio::time::timeout(Duration::from_millis(100), &mut end)
            .await
            .is_err()
    );
    drop(pushed);
    let text = end.await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&text).contains("ok refs/heads/main"));
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_requests_are_understood() {
    use std::io::Write as _;
    let fixture = Fixture::new().await;
    fixture.work.commit("one");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&push_bytes(&fixture.work, "main")).unwrap();
    let request = push_request().with_headers(Some("application/x-git-receive-pack-request"), Some("gzip"), None);
    let host = Host::new(fixture.repositories.clone(), Limits::default());
    let body = std::io::Cursor::new(gzip.finish().unwrap());
    let answer = host.serve(request, "ada", body).await.unwrap();
    drop(answer.pushed);
    assert!(String::from_utf8_lossy(&answer.body.collect().await.unwrap()).contains("ok refs/heads/main"));
}

struct Silent;

impl AsyncRead for Silent {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Pending
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_is_let_go_and_blocks_nobody_for_good() {
    let fixture = Fixture::new().await;
    fixture.work.commit("one");
    let limits = Limits {
        silence: Duration::from_millis(200),
        ..Limits::default()
    };
    let host = Host::new(fixture.repositories.clone(), limits);
    let error = host.serve(push_request(), "ada", Silent).await.unwrap_err();
    assert!(matches!(error, SourceError::Stalled(_)), "{error}");
    let bytes = push_bytes(&fixture.work, "main");
    let answer = host
        .serve(push_request(), "ada", std::io::Cursor::new(bytes))
        .await
        .unwrap();
    assert_eq!(answer.pushed.unwrap().await.unwrap().unwrap().updates.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_answered_and_changes_nothing() {
    let fixture = Fixture::new().await;
    let host = Host::new(fixture.repositories.clone(), Limits::default());
    for garbage in [&b""[..], b"garbage", b"ffff", b"0000", b"\0\0\0\0\0\0\0\0"] {
        let answer = host
            .serve(push_request(), "$(touch x)", std::io::Cursor::new(garbage.to_vec()))
            .await;
        if let Ok(answer) = answer {
            assert!(answer.pushed.unwrap().await.unwrap().unwrap().updates.is_empty());
        }
    }
    assert!(fixture.repository.refs().unwrap().0.is_empty());
    let missing = GitRequest::parse("GET", "shop/none.git/info/refs", "service=git-upload-pack").unwrap();
    assert!(matches!(
        host.serve(missing, "ada", tokio::io::empty()).await,
        Err(SourceError::NoRepository(_))
    ));
}
